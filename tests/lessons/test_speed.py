"""Claims about speed and memory: the judges turn with their numbers."""

from collections.abc import Sequence

import pytest

from nonlin.ledger.claim import Case, Verdict, verdict
from nonlin.lessons.speed import claims

STEADY = [0.99, 1.0, 1.01] * 10


def times(factor: float) -> list[float]:
    return [factor * value for value in STEADY]


def holds(cases: Sequence[Case]) -> list[bool | None]:
    return [case.holds for case in cases]


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


def test_in_place_is_measured_where_torch_has_it() -> None:
    measured = claims._in_place()
    assert measured["saved: ReLU"] == [0]
    assert measured["saved: ELU"] == [4]
    assert all(measured[f"refused: {what}"] == [1] for what in claims.PROGRAMS)
    kind = {**measured, **{f"refused: {what}": [0.0] for what in claims.PROGRAMS}, "residual": [-1.0, 4.0] * 2}
    kind |= {key: [4.0] for key in measured if key.startswith("saved: ")}
    assert verdict(claims._judge_in_place(kind)) == Verdict.CONFIRMED
    assert verdict(claims._judge_in_place(measured)) == Verdict.DEPENDS
