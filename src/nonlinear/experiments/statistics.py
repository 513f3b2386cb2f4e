"""Means with the uncertainty that a handful of seeds leaves."""

import math
from dataclasses import dataclass

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
