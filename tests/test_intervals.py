"""Intervals of means, ratios, shares and medians cover what they should as often as they say."""

import math

import pytest
import torch
from scipy import stats

from nonlin.intervals import Family, crossing, exact, mean_interval, median_interval, ratio_interval, share_interval


def test_interval_is_students() -> None:
    estimate = mean_interval(torch.tensor([1.0, 2.0, 3.0]))
    half = 4.302653 / math.sqrt(3)  # t of 97.5 % with 2 degrees of freedom; the standard deviation is 1
    assert (estimate.mean, estimate.n) == (2, 3)
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)
    assert str(estimate) == "2 [-0.484, 4.48]"


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    draws = torch.randn(2000, 5, generator=torch.Generator().manual_seed(0))
    covered = sum((e := mean_interval(row)).low < 0 < e.high for row in draws) / len(draws)
    assert 0.93 < covered < 0.97


def test_one_repeat_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two repeats, not 1"):
        mean_interval(torch.ones(1))


def test_ratios_are_paired() -> None:
    baseline = torch.tensor([1.0, 10.0, 100.0])
    estimate = ratio_interval(3 * baseline, baseline)
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((3, 3, 3))


def test_the_interval_of_a_median_covers_it_as_often_as_it_says() -> None:
    draws = torch.randn(2000, 15, generator=torch.Generator().manual_seed(0)).exp()  # the median is 1
    found = [median_interval(row.tolist()) for row in draws]
    covered = sum(interval.low <= 1 <= interval.high for interval in found) / len(found)
    exact = 1 - 2 * stats.binom.cdf(3, 15, 0.5)  # the interval goes from the 4th to the 12th value
    assert covered == pytest.approx(exact, abs=0.015)
    assert exact > 0.95
    with pytest.raises(ValueError, match="more values than 5"):
        median_interval([1.0] * 5)


def test_wilsons_interval() -> None:
    never = share_interval(0, 100)
    z2 = 1.959964**2
    assert (never.mean, never.low, never.n) == (0, pytest.approx(0, abs=1e-12), 100)
    assert never.high == pytest.approx(z2 / (100 + z2), rel=1e-5)
    assert share_interval(3, 10).low == pytest.approx(1 - share_interval(7, 10).high)
    with pytest.raises(ValueError, match="make no share"):
        share_interval(3, 2)


def test_the_intervals_of_a_family_share_its_error_equally() -> None:
    values, baseline = torch.arange(1.0, 9), torch.ones(8)
    family = Family(5)
    found = family.mean(values), family.ratio(values, baseline), family.share(3, 8), family.median([*range(20)])
    assert [each.error for each in found] == pytest.approx([0.01] * 4)
    assert family.mean(values) == mean_interval(values, confidence=0.99)
    assert exact(2.0).error == 0


def test_a_crossing_lies_on_the_line_between_neighbours() -> None:
    assert crossing([0, 1, 2], [0, 0, 4], 1) == 1.25
    assert crossing([0, 1, 2], [4, 2, 0], 1) == 1.5
    assert crossing([0, 1], [2, 3], 1) is None
