"""What "differs" means for runs: seeds as blocks, one variance where that may be, intervals that hold together.

All activations run with the same seeds. A seed moves them together, as the days of a field trial move all plots, so it
is a block: accuracy = activation + seed + residual. What the blocks leave over, the residual variance, is estimated
from all activations at once unless a test finds them unequal; so an interval rests on dozens of degrees of freedom and
not on four. The differences from the reference share its runs, and Dunnett's intervals take that into account.

Sources: Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control; Bartlett
(1937), Properties of sufficiency and statistical tests.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import scipy
import torch

from nonlin.intervals import SURE, Estimate, mean_interval

UNEQUAL = 0.05  # a p value below which variances are not pooled
METHOD = (
    "Differences are paired by seed. Seeds are blocks, and the residual variance is pooled over the activations for "
    "which Bartlett's test finds no reason against it (p at least 0.05; the most deviating one is set apart until it "
    "finds none). Pooled differences have Dunnett's intervals, those set apart Student's t over their own pairs; with "
    "g of m differences pooled, the 5 % of error are shared out as 5 g / m and 5 / m, so that all m intervals hold "
    "together with about 95 % (the choice of whom to pool is made on the same runs). They speak of other seeds, not of "
    "other images."
)

Key = TypeVar("Key", bound=Hashable)
Blocks = Mapping[Key, Mapping[int, float]]  # by name, and by seed


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far runs scatter once the effect of their seeds is taken out.

    Args:
        deviation: the residual standard deviation of one run; NaN where nothing could be pooled.
        degrees: of freedom.
        apart: those whose variance differs from the others'; they are left out.
        p: of Bartlett's test for those that are left in; NaN for fewer than three.
        seeds: the blocks, those that all have.
    """

    deviation: float
    degrees: int
    apart: tuple
    p: float
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A difference from the reference.

    Args:
        difference: its mean over the pairs.
        pairs: seeds that both have.
        alone: its interval as if it were the only one; None with one pair.
        together: the interval that holds together with all others of its family; None with one pair.
        pooled: whether the intervals rest on the pooled variance.
    """

    difference: float
    pairs: int
    alone: Estimate | None
    together: Estimate | None
    pooled: bool


def spread(values: Blocks) -> Spread:
    """The residual standard deviation, pooled over all whose variances Bartlett's test does not tell apart.

    Args:
        values: one number for each name and seed; only seeds that all names have are used.
    """
    seeds = _common(values)
    included, apart, p = list(values), [], math.nan
    if len(seeds) < 2 or len(values) < 2:
        return Spread(deviation=math.nan, degrees=0, apart=tuple(values), p=p, seeds=seeds)
    table = {key: np.array([by_seed[seed] for seed in seeds]) for key, by_seed in values.items()}
    while len(included) > 2:
        residuals = _residuals([table[key] for key in included])
        p = _bartlett(residuals)
        if p >= UNEQUAL:
            break
        apart.append(included.pop(_most_deviating(residuals)))
    p = p if len(included) > 2 else math.nan  # the residuals of two mirror each other: nothing can be tested
    residuals = _residuals([table[key] for key in included])
    degrees = (len(included) - 1) * (len(seeds) - 1)
    deviation = math.sqrt((residuals**2).sum() / degrees)
    return Spread(deviation=deviation, degrees=degrees, apart=tuple(apart), p=p, seeds=seeds)


def _common(values: Blocks) -> tuple[int, ...]:
    sets = [set(by_seed) for by_seed in values.values()]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def _residuals(rows: Sequence[np.ndarray]) -> np.ndarray:
    """What is left of a table (names, seeds) without the means of its rows and columns."""
    table = np.stack(rows)
    return table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()


def _bartlett(residuals: np.ndarray) -> float:
    """The p value; 0 where some residuals are all 0 and others are not, which has no logarithm."""
    variances = residuals.var(axis=1, ddof=1)
    if not variances.any():
        return 1.0
    return scipy.stats.bartlett(*residuals).pvalue if variances.all() else 0.0


def _most_deviating(residuals: np.ndarray) -> int:
    """The row whose variance fits least to that of all others together, by the two-sided p value of an F test."""
    k, n = residuals.shape
    variances = residuals.var(axis=1, ddof=1)
    others = (variances.sum() - variances) / (k - 1)
    ratios = np.divide(variances, others, out=np.full(k, np.inf), where=others > 0)
    f = scipy.stats.f(n - 1, (k - 1) * (n - 1))
    return int(np.minimum(f.cdf(ratios), f.sf(ratios)).argmin())


def compare(values: Blocks, reference: Key, *, confidence: float = SURE) -> tuple[dict[Key, Comparison], Spread]:
    """The differences of all others from the reference, and the spread that their intervals rest on.

    Args:
        values: one number for each name and seed. Who lacks a seed of the reference is compared over its own pairs,
            and who shares none is left out.
        reference: one of the names.
        confidence: that all intervals hold together, for residuals that are normally distributed.
    """
    own = values[reference]
    others = [key for key, by_seed in values.items() if key != reference and own.keys() & by_seed.keys()]
    complete = [key for key in others if own.keys() <= values[key].keys()]
    found = spread({reference: own} | {key: values[key] for key in complete})
    pooled = [key for key in complete if reference not in found.apart and key not in found.apart]
    error = 1 - confidence
    comparisons = {}
    for key in others:
        seeds = found.seeds if key in pooled else sorted(own.keys() & values[key].keys())
        differences = torch.tensor([values[key][seed] - own[seed] for seed in seeds], dtype=torch.float64)
        mean, alone, together = differences.mean().item(), None, None
        if key in pooled:
            half = found.deviation * math.sqrt(2 / len(seeds))
            share = error * len(pooled) / len(others)
            one, all_ = (critical_value(m, found.degrees, c) for m, c in ((1, confidence), (len(pooled), 1 - share)))
            alone = Estimate(mean, mean - half * one, mean + half * one, len(seeds), error)
            # The error of the whole family in equal shares: no interval has one of its own.
            together = Estimate(mean, mean - half * all_, mean + half * all_, len(seeds), error / len(others))
        elif len(seeds) > 1:
            alone = mean_interval(differences, confidence=confidence)
            together = mean_interval(differences, confidence=1 - error / len(others))
        comparisons[key] = Comparison(
            difference=mean, pairs=len(seeds), alone=alone, together=together, pooled=key in pooled
        )
    return comparisons, found


@lru_cache
def critical_value(comparisons: int, degrees: int, confidence: float = SURE) -> float:
    """Dunnett's two-sided critical value: the largest of |t| over all comparisons stays below it.

    The t values of differences from one reference have the multivariate t distribution with correlations of ½, since
    half of each difference's variance is the reference's. For one comparison it is Student's t.
    """
    alone = scipy.stats.t.ppf((1 + confidence) / 2, degrees)
    if comparisons == 1:
        return float(alone)
    shape = np.full((comparisons, comparisons), 0.5) + 0.5 * np.eye(comparisons)
    bonferroni = scipy.stats.t.ppf(1 - (1 - confidence) / 2 / comparisons, degrees)

    def excess(value: float) -> float:
        ends = np.full(comparisons, value)
        # The seed fixes the points of a numerical integration; its error is below 0.001 of a probability.
        probability = scipy.stats.multivariate_t.cdf(ends, shape=shape, df=degrees, lower_limit=-ends, random_state=0)
        return probability - confidence

    return float(scipy.optimize.brentq(excess, alone, 1.01 * bonferroni, xtol=1e-4))


def power(n: int, deviation: float, difference: float, comparisons: int, confidence: float = SURE) -> float:
    """Probability that one given interval of `compare` excludes 0, with n seeds, all variances pooled.

    Args:
        n: seeds, at least 2.
        deviation: residual standard deviation of a run.
        difference: true difference from the reference, in the same units.
        comparisons: with the reference.
    """
    if deviation == 0:
        return 1.0
    degrees = comparisons * (n - 1)
    limit = critical_value(comparisons, degrees, confidence)
    shift = difference / (deviation * math.sqrt(2 / n))
    return float(scipy.stats.nct.sf(limit, degrees, shift) + scipy.stats.nct.cdf(-limit, degrees, shift))


def seeds_needed(
    deviation: float,
    difference: float,
    comparisons: int,
    *,
    at_least: float = 0.8,
    confidence: float = SURE,
    most: int = 1000,
) -> int:
    """The fewest seeds with which `power` reaches ``at_least``, from 2 to ``most``."""
    enough = (
        n for n in range(2, most) if power(n, deviation, difference, comparisons, confidence=confidence) >= at_least
    )
    return next(enough, most)
