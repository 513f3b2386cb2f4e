"""Means, shares and medians with the uncertainty that a handful of repeats leaves."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import scipy  # its statistics, slow to import, are loaded where they are used
import torch
from scipy import special
from torch import Tensor

SURE = 0.95  # that all intervals of a family hold together


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval.

    Args:
        mean: the value; for a median, that.
        low, high: ends of the interval.
        n: repeats.
        error: probability that the interval misses, 0 for what is exact.
    """

    mean: float
    low: float
    high: float
    n: int
    error: float = 1 - SURE

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def mean_interval(values: Tensor, *, confidence: float = SURE) -> Estimate:
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
    half = special.stdtrit(n - 1, (1 + confidence) / 2) * values.double().std().item() / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, 1 - confidence)


def ratio_interval(values: Tensor, baseline: Tensor, *, confidence: float = SURE) -> Estimate:
    """Geometric mean of the paired ratios ``values / baseline`` with its interval, computed on the logarithms.

    Args:
        values, baseline: positive, one number per seed in the same order, shape (n,).
        confidence: as for :func:`mean_interval`.
    """
    logs = mean_interval((values.double() / baseline.double()).log(), confidence=confidence)
    return Estimate(math.exp(logs.mean), math.exp(logs.low), math.exp(logs.high), logs.n, logs.error)


def share_interval(successes: int, n: int, *, confidence: float = SURE) -> Estimate:
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
    interval = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n, 1 - confidence)


def median_interval(values: Sequence[float], *, confidence: float = SURE) -> Estimate:
    """The median with its distribution-free interval: between the k-th smallest and the k-th largest value.

    Args:
        values: independent repeats; for 95 % at least six, as fewer have no such interval.
        confidence: as for :func:`mean_interval`.

    Raises:
        ValueError: for too few values.
    """
    n, ordered = len(values), sorted(values)
    k = (
        int(scipy.stats.binom.ppf((1 - confidence) / 2, n, 0.5)) - 1
    )  # from 0, so that a side is missed in half of the error
    if k < 0:
        raise ValueError(f"the interval of a median at {100 * confidence:g} % needs more values than {n}.")
    return Estimate((ordered[(n - 1) // 2] + ordered[n // 2]) / 2, ordered[k], ordered[-1 - k], n, 1 - confidence)


def exact(value: float) -> Estimate:
    """A number without chance, as an interval of width 0."""
    return Estimate(value, value, value, 1, 0.0)


@dataclass(frozen=True)
class Family:
    """Intervals that hold together with 95 %: each takes an equal share of the error (Bonferroni).

    Args:
        size: how many comparisons there are, at least 1.
    """

    size: int

    @property
    def confidence(self) -> float:
        """Of each interval alone."""
        return 1 - (1 - SURE) / self.size

    def mean(self, values: Sequence[float] | Tensor) -> Estimate:
        """`mean_interval` of at least two numbers, one a repeat."""
        return mean_interval(torch.as_tensor(values, dtype=torch.float64), confidence=self.confidence)

    def ratio(self, values: Sequence[float] | Tensor, baseline: Sequence[float] | Tensor) -> Estimate:
        """`ratio_interval` of positive numbers, paired by repeat."""
        sides = (torch.as_tensor(each, dtype=torch.float64) for each in (values, baseline))
        return ratio_interval(*sides, confidence=self.confidence)

    def share(self, successes: int, n: int) -> Estimate:
        """`share_interval` of ``successes`` in ``n``."""
        return share_interval(successes, n, confidence=self.confidence)

    def median(self, values: Sequence[float]) -> Estimate:
        """`median_interval` of independent repeats."""
        return median_interval(values, confidence=self.confidence)


def crossing(positions: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """Where a measured curve first crosses a level, on the straight line between neighbours; None if it never does.

    Args:
        positions: ascending.
        values: one for each position.
        level: that is crossed, from either side.
    """
    for (left, a), (right, b) in pairwise(zip(positions, values, strict=True)):
        if (a - level) * (b - level) <= 0 and a != b:
            return left + (level - a) / (b - a) * (right - left)
    return None


def bracketed(positions: Sequence[float], values: Sequence[float], level: float) -> Estimate | None:
    """Where a curve that was computed at some positions crosses a level: as :func:`crossing`, between its neighbours.

    Returns:
        The point, with the two positions that it lies between in place of an interval: both the point itself, if the
        curve was computed there.
    """
    at = crossing(positions, values, level)
    if at is None:
        return None
    near = min(positions, key=lambda position: abs(position - at))
    if math.isclose(near, at):
        return exact(near)
    return Estimate(at, max(p for p in positions if p < at), min(p for p in positions if p > at), 1, 0.0)


def mean_crossing(positions: Sequence[float], curves: Iterable[Sequence[float]], level: float) -> Estimate | None:
    """Where curves cross a level on average, one curve a repeat; None if one of them never does.

    Args:
        positions, level: as for :func:`crossing`.
        curves: at least two, each with one value for each position.
    """
    points = [crossing(positions, curve, level) for curve in curves]
    return None if None in points else mean_interval(torch.tensor(points, dtype=torch.float64))


def crossing_of(positions: Sequence[float], values: Sequence[Estimate], level: float) -> Estimate | None:
    """Where a curve of estimates crosses a level: the point, between where the one and the other edge of its band does.

    Args:
        positions: ascending.
        values: of a family, so that the band holds as a whole.
        level: that is crossed.

    Returns:
        None if the curve or an edge never crosses.
    """
    points = [
        crossing(positions, [getattr(value, edge) for value in values], level) for edge in ("mean", "low", "high")
    ]
    if None in points:
        return None
    return Estimate(points[0], *sorted(points[1:]), values[0].n, sum(value.error for value in values))


class Bounds(Protocol):
    """Anything with two ends: an estimate, a spread."""

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
