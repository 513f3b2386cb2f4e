"""Means, shares and medians with the uncertainty that a handful of repeats leaves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scipy import stats
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval, over ``n`` repeats."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def mean_interval(values: Tensor, *, confidence: float = 0.95) -> Estimate:
    """Mean and its Student's t interval.

    Args:
        values: one number per repeat, shape (n,), n at least 2.
        confidence: probability that the interval covers the mean, for normally distributed values.

    Raises:
        ValueError: for fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs at least two repeats, not {n}.")
    mean = values.double().mean().item()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * values.double().std().item() / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def ratio_interval(values: Tensor, baseline: Tensor, *, confidence: float = 0.95) -> Estimate:
    """Geometric mean of the paired ratios ``values / baseline`` with its interval, computed on the logarithms.

    Args:
        values, baseline: positive, one number per seed in the same order, shape (n,).
        confidence: as for :func:`mean_interval`.
    """
    logs = mean_interval((values.double() / baseline.double()).log(), confidence=confidence)
    return Estimate(math.exp(logs.mean), math.exp(logs.low), math.exp(logs.high), logs.n)


def share_interval(successes: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """A share with Wilson's score interval, which is sound at 0 and at 1 as well.

    Args:
        successes: how often it happened, 0 to ``n``.
        n: how often it was tried, at least 1.
        confidence: probability that the interval covers the true share, approximately.

    Raises:
        ValueError: if there are more successes than trials, or no trial.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} trials make no share.")
    interval = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


@dataclass(frozen=True)
class Median:
    """A median with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def median_interval(values: Sequence[float]) -> Median:
    """The median with its distribution-free interval: between the k-th smallest and the k-th largest value.

    Args:
        values: independent repeats, at least six, as fewer have no such interval at 95 %.

    Raises:
        ValueError: for fewer than six values.
    """
    n, ordered = len(values), sorted(values)
    if n < 6:
        raise ValueError(f"the interval of a median needs at least six values, not {n}.")
    k = int(stats.binom.ppf(0.025, n, 0.5)) - 1  # as an index from 0, so that each side is missed in at most 2.5 %
    return Median((ordered[(n - 1) // 2] + ordered[n // 2]) / 2, ordered[k], ordered[-1 - k])


class Bounds(Protocol):
    """Anything with two ends: an estimate, a median, a spread."""

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def above(interval: Bounds, bound: float, *, refuted_below: float | None = None) -> bool | None:
    """Whether what an interval covers is above a bound: yes if the whole interval is, no if the whole is below.

    Args:
        interval: with its ends.
        bound: what to be above of.
        refuted_below: for a no, the whole interval has to be below this; by default below the bound itself.

    Returns:
        None if the interval does not decide it.
    """
    limit = bound if refuted_below is None else refuted_below
    return True if interval.low > bound else False if interval.high < limit else None


def below(interval: Bounds, bound: float, *, refuted_above: float | None = None) -> bool | None:
    """Whether what an interval covers is below a bound; the mirror image of :func:`above`."""
    limit = bound if refuted_above is None else refuted_above
    return True if interval.high < bound else False if interval.low > limit else None


def within(interval: Bounds, low: float, high: float) -> bool | None:
    """Whether what an interval covers lies between two bounds: no if the whole interval lies to one side of both."""
    inside = interval.low > low and interval.high < high
    return True if inside else False if interval.low > high or interval.high < low else None
