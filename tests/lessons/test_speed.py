"""Claims about speed and memory: the judges turn with their numbers."""

import pytest

from nonlin.lessons import CLAIMS
from nonlin.lessons.speed import claims

STEADY = [0.99, 1.0, 1.01] * 10


def times(factor: float) -> list[float]:
    return [factor * value for value in STEADY]


def test_every_function_is_timed_in_every_round_and_the_base_not_reported() -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) or sum(range(1000)) for name in "abc"}
    ratios = claims._ratios(functions, "a", 20)
    assert {name: len(values) for name, values in ratios.items()} == {"b": 20, "c": 20}
    in_rounds = [calls[start : start + 3] for start in range(0, len(calls), 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in in_rounds)
    assert len({tuple(order) for order in in_rounds}) > 3  # drawn anew


PAIRS = ("ReLU6 over ReLU", "LeakyReLU over ReLU6", "PReLU over LeakyReLU")


def four(*ratios: float) -> dict[str, list[float]]:
    return {f"here: {name}": [ratio] * 30 for name, ratio in zip(PAIRS, ratios, strict=True)}


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (5, {"here: sigmoid": times(1.4), "here: tanh": times(1.1)}, "a confirmed, b refuted"),
        (5, {"here: sigmoid": [0.5, 2.0] * 15, "here: tanh": times(1.4)}, "a open, b confirmed"),
        (5, {"x: sigmoid": times(1.4), "y: sigmoid": times(1.1), "x: tanh": times(2)}, "a open, b confirmed"),
        (8, {"here: a": times(1.5), "here: b": times(2.0)}, "a confirmed, b confirmed"),  # the cheapest by far
        (8, {"here: a": times(1.0), "here: b": times(2.0)}, "a confirmed, b refuted"),  # level with one
        (8, {"here: a": times(0.7), "here: b": times(2.0)}, "a refuted, b refuted"),
        (49, four(1.03, 1.09, 1.0), "confirmed"),
        (49, four(1.0, 1.09, 1.0), "refuted"),
        (49, four(1.03, 1.03, 1.0), "refuted"),  # the right order, by less than half of what was published
        (49, four(1.03, 1.09, 5.0), "refuted"),
    ],
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_in_place_is_measured_where_torch_has_it() -> None:
    measured = claims._in_place()
    assert measured["saved: ReLU"] == [0]
    assert measured["saved: ELU"] == [4]
    assert all(measured[f"refused: {what}"] == [1] for what in claims.PROGRAMS)
    kind = {**measured, **{f"refused: {what}": [0.0] for what in claims.PROGRAMS}, "residual": [-1.0, 4.0] * 2}
    kind |= {key: [4.0] for key in measured if key.startswith("saved: ")}
    assert CLAIMS[50].judge(measured).verdicts == "a refuted, b refuted"
    assert CLAIMS[50].judge(kind).verdicts == "a confirmed, b confirmed"
