"""Comparisons: the critical value against a quadrature, coverage by simulation, blocks and variances against scipy."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from nonlin.lab.comparisons import compare, critical_value, power, seeds_needed, spread


def dunnett_by_quadrature(comparisons: int, degrees: int, confidence: float) -> float:
    """Dunnett's value from its definition: over the reference's mean z and the estimated deviation s, independently."""
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    s = np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, degrees) / degrees)

    def excess(value: float) -> float:
        one = stats.norm.cdf(z[:, None] + math.sqrt(2) * value * s) - stats.norm.cdf(
            z[:, None] - math.sqrt(2) * value * s
        )
        return (weights[:, None] / weights.sum() * one**comparisons).sum(axis=0).mean() - confidence

    return optimize.brentq(excess, 1, 9)


@pytest.mark.parametrize(
    ("comparisons", "degrees", "confidence"), [(1, 7, 0.95), (2, 4, 0.95), (3, 8, 0.99), (11, 110, 0.95), (11, 11, 0.9)]
)
def test_the_critical_value_is_dunnetts(comparisons: int, degrees: int, confidence: float) -> None:
    found = critical_value(comparisons, degrees, confidence)
    assert found == pytest.approx(dunnett_by_quadrature(comparisons, degrees, confidence), rel=3e-3)


def table(means: dict[str, float], deviations: dict[str, float], seeds: int, rng: np.random.Generator) -> dict:
    """Accuracies with an effect of the seed that is larger than the rest."""
    blocks = rng.normal(0, 2, seeds)
    return {
        name: {seed: means[name] + blocks[seed] + rng.normal(0, deviations[name]) for seed in range(seeds)}
        for name in means
    }


@pytest.mark.parametrize("odd", [False, True])
def test_the_intervals_hold_together_as_often_as_they_say(odd: bool) -> None:
    rng = np.random.default_rng(0)
    names = [f"a{number}" for number in range(6)]
    means = dict(zip(names, (70.0, 70.0, 70.5, 69.0, 71.0, 60.0), strict=True))
    deviations = dict.fromkeys(names, 0.4) | ({"a5": 4.0} if odd else {})
    held, apart, trials = 0, 0, 400
    for _ in range(trials):
        found, scatter = compare(table(means, deviations, 6, rng), "a0")
        held += all(c.together.low <= means[name] - means["a0"] <= c.together.high for name, c in found.items())
        apart += "a5" in scatter.apart
    assert held / trials == pytest.approx(0.95, abs=0.035)  # three standard errors
    assert apart / trials > 0.9 if odd else apart / trials < 0.05


def test_blocks_are_taken_out_and_degrees_of_freedom_counted() -> None:
    rng = np.random.default_rng(1)
    names = dict.fromkeys("abcd", 70.0)
    values = table(names, dict.fromkeys("abcd", 0.3), 40, rng)
    found = spread(values)
    assert found.degrees == 3 * 39
    assert found.deviation == pytest.approx(0.3, rel=0.15)  # and not 2, the spread of the seeds
    assert found.seeds == tuple(range(40))
    moved = {name: {seed: value + 10 * seed for seed, value in own.items()} for name, own in values.items()}
    assert spread(moved).deviation == pytest.approx(found.deviation)


def test_two_alone_have_students_paired_interval() -> None:
    a, b = [70.1, 70.9, 71.4, 70.2], [70.8, 71.0, 72.9, 70.7]
    found, _ = compare({"a": dict(enumerate(a)), "b": dict(enumerate(b))}, "a")
    expected = stats.ttest_rel(b, a).confidence_interval(0.95)
    for interval in (found["b"].alone, found["b"].together):
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_who_lacks_a_seed_or_scatters_otherwise_has_a_variance_of_its_own() -> None:
    rng = np.random.default_rng(2)
    values = table(dict.fromkeys("abcdef", 70.0), dict.fromkeys("abcde", 0.3) | {"f": 9.0}, 8, rng)
    del values["e"][3]
    found, scatter = compare(values, "a")
    assert [name for name, comparison in found.items() if not comparison.pooled] == ["e", "f"]
    assert scatter.apart == ("f",)
    assert (found["e"].pairs, found["b"].pairs) == (7, 8)
    pairs = [values["f"][seed] - values["a"][seed] for seed in range(8)]
    expected = stats.ttest_1samp(pairs, 0).confidence_interval(1 - 0.05 / 5)
    assert (found["f"].together.low, found["f"].together.high) == pytest.approx((expected.low, expected.high))
    half = critical_value(3, scatter.degrees, 1 - 0.05 * 3 / 5) * scatter.deviation * math.sqrt(2 / 8)
    assert found["b"].together.high - found["b"].difference == pytest.approx(half)


def test_a_reference_that_scatters_otherwise_leaves_nothing_to_pool() -> None:
    values = table(dict.fromkeys("abcd", 70.0), {"a": 9.0} | dict.fromkeys("bcd", 0.2), 10, np.random.default_rng(3))
    found, scatter = compare(values, "a")
    assert scatter.apart == ("a",)
    assert not any(comparison.pooled for comparison in found.values())


def test_one_pair_has_no_interval_and_strangers_are_left_out() -> None:
    found, _ = compare({"a": {0: 70.0, 1: 71.0}, "b": {1: 72.0}, "c": {5: 70.0}}, "a")
    assert list(found) == ["b"]
    assert (found["b"].difference, found["b"].alone, found["b"].together) == (1.0, None, None)


def test_equal_values_are_no_reason_to_fail() -> None:
    found, scatter = compare({name: {0: 70.0, 1: 71.0, 2: 69.0} for name in "abc"}, "a")
    assert scatter.deviation == 0
    assert found["b"].together.low == found["b"].together.high == 0
    assert spread({"a": {0: 1.0}}).degrees == 0


def test_power_is_the_share_of_intervals_that_exclude_zero() -> None:
    rng = np.random.default_rng(4)
    means = {"a": 70.0, "b": 70.5, "c": 70.0, "d": 70.0}
    trials = [compare(table(means, dict.fromkeys(means, 0.4), 10, rng), "a")[0]["b"] for _ in range(400)]
    share = sum(c.together.low > 0 or c.together.high < 0 for c in trials) / len(trials)
    assert share == pytest.approx(power(10, 0.4, 0.5, 3), abs=0.08)


def test_the_number_of_seeds_is_the_first_with_enough_power() -> None:
    n = seeds_needed(0.39, 0.5, 11)
    assert power(n, 0.39, 0.5, 11) >= 0.8 > power(n - 1, 0.39, 0.5, 11)
    assert seeds_needed(0.39, 0.5, 11, most=5) == 5
