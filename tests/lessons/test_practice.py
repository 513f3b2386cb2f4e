"""Claims about practice: the judges turn with their numbers. The map of the first step, and fresh draws of a race."""

import math
from collections.abc import Sequence

import pytest
import torch
from scipy import stats

from nonlin.intervals import median_interval
from nonlin.ledger.claim import Case, Verdict, verdict
from nonlin.lessons.gradient_flow.claims import _judge_recurrent
from nonlin.lessons.gradient_flow.experiments import Start, pairs
from nonlin.lessons.gradient_flow.figures import first_step_map
from nonlin.lessons.saturating import claims as saturating
from nonlin.lessons.speed import claims
from nonlin.lessons.training.claims import _judge_accuracies
from nonlin.toys.race import sgd, steps_to_learn

STEADY = [0.99, 1.0, 1.01] * 10


def times(factor: float) -> list[float]:
    return [factor * value for value in STEADY]


def holds(cases: Sequence[Case]) -> list[bool | None]:
    return [case.holds for case in cases]


def test_the_interval_of_a_median_covers_it_as_often_as_it_says() -> None:
    draws = torch.randn(2000, 15, generator=torch.Generator().manual_seed(0)).exp()  # the median is 1
    found = [median_interval(row.tolist()) for row in draws]
    covered = sum(interval.low <= 1 <= interval.high for interval in found) / len(found)
    exact = 1 - 2 * stats.binom.cdf(3, 15, 0.5)  # the interval goes from the 4th to the 12th value
    assert covered == pytest.approx(exact, abs=0.015)
    assert exact > 0.95
    with pytest.raises(ValueError, match="six"):
        median_interval([1.0] * 5)


def test_every_function_is_timed_in_every_round_and_the_base_not_reported() -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) or sum(range(1000)) for name in "abc"}
    ratios = claims._ratios(functions, "a", 20)
    assert {name: len(values) for name, values in ratios.items()} == {"b": 20, "c": 20}
    in_rounds = [calls[start : start + 3] for start in range(0, len(calls), 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in in_rounds)
    assert len({tuple(order) for order in in_rounds}) > 3  # drawn anew


def test_notably_slower_is_a_quarter_or_more() -> None:
    noisy = [0.5, 2.0] * 15
    measured = {"here: sigmoid": times(1.4), "here: tanh": times(1.1), "there: tanh": noisy}
    assert holds(claims._judge_exponential_times(measured)) == [True, False, None]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"a": 1.5, "b": 2.0}, [True, True]),  # the cheapest by far
        ({"a": 1.0, "b": 2.0}, [True, False]),  # level with one
        ({"a": 0.7, "b": 2.0}, [False, False]),
    ],
)
def test_the_cheapest_in_the_weak_and_in_the_strict_sense(others: dict[str, float], expected: list[bool]) -> None:
    measured = {f"here: {name}": times(factor) for name, factor in others.items()}
    assert holds(claims._judge_all_times(measured)) == expected


@pytest.mark.parametrize(
    ("ratios", "expected"), [((1.03, 1.09, 1.0), True), ((1.0, 1.09, 1.0), False), ((1.03, 1.09, 5.0), False)]
)
def test_an_order_of_four_stands_or_falls_as_a_whole(ratios: tuple[float, ...], expected: bool) -> None:
    names = ("ReLU6 over ReLU", "LeakyReLU over ReLU6", "PReLU over LeakyReLU")
    measured = {f"here: {name}": [ratio] * 30 for name, ratio in zip(names, ratios, strict=True)}
    assert holds(claims._judge_four_times(measured)) == [expected]


def test_recurrent_layers_are_judged_by_what_arrives_and_what_explodes() -> None:
    measured = {
        "tanh, state: w": [0.0, 0.1],
        "tanh, gradient: w": [-0.5, -0.6],
        "relu, state: w": [4.0, 4.1],
        "relu, gradient: w": [0.0, 0.1],
    }
    assert holds(_judge_recurrent(measured)) == [True, True]
    measured |= {"tanh, gradient: w": [-9.0, -9.1], "relu, state: w": [0.0, 0.1]}
    assert holds(_judge_recurrent(measured)) == [False, False]


def test_in_place_is_measured_where_torch_has_it() -> None:
    measured = claims._in_place()
    assert measured["saved: ReLU"] == [0]
    assert measured["saved: ELU"] == [4]
    assert all(measured[f"refused: {what}"] == [1] for what in claims.PROGRAMS)
    kind = {**measured, **{f"refused: {what}": [0.0] for what in claims.PROGRAMS}, "residual": [-1.0, 4.0] * 2}
    kind |= {key: [4.0] for key in measured if key.startswith("saved: ")}
    assert verdict(claims._judge_in_place(kind)) == Verdict.CONFIRMED
    assert verdict(claims._judge_in_place(measured)) == Verdict.DEPENDS


def accuracies(spread_of_means: float) -> dict[str, list[float]]:
    """Six activations, ten seeds with a standard deviation of about one point."""
    seeds = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    names = ("relu", "sigmoid", "silu", "elu", "gelu", "mish")
    return {f"g: {n}": (70 + spread_of_means * k + seeds[k]).tolist() for k, n in enumerate(names)}


def test_the_choice_matters_if_activations_differ_more_than_seeds() -> None:
    far, near = _judge_accuracies(accuracies(5)), _judge_accuracies(accuracies(0))
    assert holds(far) == [True, True, True]
    assert holds(near) == [False, None, False] or holds(near) == [False, False, False]
    assert "mish is ahead and not told apart from none" in far[2].figures


def test_another_setting_may_turn_the_order() -> None:
    one = accuracies(5)
    other = {key.replace("g:", "h:"): values for key, values in one.items()}
    same = _judge_accuracies(one | other)[-1]
    assert same.holds is None
    turned = {key.replace("g:", "h:"): values for key, values in accuracies(-5).items()}
    changed = _judge_accuracies(one | turned)[-1]
    assert changed.holds is True
    assert "changes for sigmoid, silu, elu, gelu, mish of 5" in changed.figures


def test_centring_counts_only_if_it_helps_in_every_draw() -> None:
    fast, slow = [10.0 + k for k in range(5)], [30.0 + k for k in range(5)]
    measured = {"mean, sigmoid": [0.5], "mean, tanh": [0.0]}
    for optimizer in saturating.OPTIMIZERS:
        for name in saturating.CONTENDERS:
            for draw in saturating.FRESH_DRAWS:
                measured[f"{optimizer}, {name}, draw {draw}"] = slow if name in ("sigmoid", "tanh + 1") else fast
    assert all(holds(saturating._judge_fresh_races(measured)))
    measured["Adam, tanh, draw 2"] = slow
    assert holds(saturating._judge_fresh_races(measured)).count(False) == 2  # both comparisons that hold tanh with Adam


def test_another_draw_is_another_race_and_the_same_one_the_same() -> None:
    run = {draw: steps_to_learn(torch.tanh, sgd, 0.3, seeds=3, draw=draw) for draw in (0, 1)}
    assert not torch.equal(run[0], run[1])
    assert torch.equal(run[0], steps_to_learn(torch.tanh, sgd, 0.3, seeds=3))


STARTS = [
    Start(activation=name, initialisation=scheme, depth=5, seed=seed, signal=1.0, distinct=0.5 + seed, gradient=factor)
    for name, scheme, factors in (("relu", "he", (0.5, 2.0)), ("relu", "torch", (0.4, 0.4)), ("tanh", "he", (1.2, 1.2)))
    for seed, factor in enumerate(factors)
]


def test_pairs_are_geometric_means_over_seeds_and_all_layers() -> None:
    found = pairs([*STARTS, Start(**{**vars(STARTS[0]), "depth": 9, "gradient": 7.0})], depth=5)
    assert list(found) == [("relu", "he"), ("relu", "torch"), ("tanh", "he")]
    assert found["relu", "he"].gradient_per_layer == pytest.approx(1)
    assert found["relu", "torch"].gradient == pytest.approx(0.4**4)
    assert found["relu", "he"].distinct == 1.0


def test_where_nothing_arrives_the_factor_is_zero() -> None:
    nothing = [Start(**{**vars(STARTS[0]), "gradient": 0.0})]
    [pair] = pairs(nothing, depth=5).values()
    assert pair.gradient == pair.gradient_per_layer == 0
    assert "0.00 ↓" in first_step_map({("relu", "he"): pair}).text


def test_the_map_has_a_number_in_each_cell_and_frames_what_it_is_told() -> None:
    picture = first_step_map(pairs(STARTS, depth=5), framed=[("relu", "he")])
    [axes] = picture.figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.40 ↓", "1.00", "1.20 ↑"]
    assert len(axes.patches) == 1
    assert axes.patches[0].get_xy() == pytest.approx((-0.46, -0.44))
    assert picture.text.splitlines() == ["relu: he 1.00, torch 0.40 ↓.", "tanh: he 1.20 ↑.", "Framed: relu with he."]
    assert math.isnan(axes.images[0].get_array().filled(math.nan)[1, 1])  # no tanh with torch
