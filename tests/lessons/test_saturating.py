"""Claims about sigmoid and tanh: the verdicts turn with their numbers, and the numbers are those of the text."""

import pytest

from nonlin.ledger import judged
from nonlin.lessons import CLAIMS
from nonlin.lessons.saturating import claims as saturating


def vanishing(sigmoid: float, tanh: dict[float, float]) -> dict[str, list[float]]:
    """Factors per layer by gain, each with a little scatter."""
    by_gain = {"sigmoid": dict.fromkeys(saturating.GAINS, sigmoid), "tanh": tanh}
    return {
        f"{name}, {gain:g}": [factor - 0.01, factor, factor + 0.01]
        for name, factors in by_gain.items()
        for gain, factor in factors.items()
    }


STEADY = dict.fromkeys(saturating.GAINS, 1.0)


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (1, {"sigmoid": [0.25], "tanh": [1.0]}, "a confirmed, b confirmed"),
        (1, {"sigmoid": [0.2501], "tanh": [1.0]}, "a refuted, b confirmed"),
        (2, vanishing(0.2, STEADY), "a confirmed, b refuted"),
        (2, vanishing(1.0, STEADY | {0.577: 0.5}), "a refuted, b confirmed"),
        (2, vanishing(0.2, STEADY | {0.577: 0.8}), "a confirmed, b open"),
        (4, {"float32": [1.0, 1.0], "float64": [1.0, 1.0]}, "confirmed"),
        (4, {"float32": [1.0, 1.0], "float64": [0.9, 1.0]}, "refuted"),
    ],
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_centring_counts_only_if_it_helps_in_every_draw() -> None:
    fast, slow = [10.0 + k for k in range(5)], [30.0 + k for k in range(5)]
    measured = {"mean, sigmoid": [0.5], "mean, tanh": [0.0]}
    for optimizer in saturating.OPTIMIZERS:
        for name in saturating.CONTENDERS:
            for draw in saturating.FRESH_DRAWS:
                measured[f"{optimizer}, {name}, draw {draw}"] = slow if name in ("sigmoid", "tanh + 1") else fast
    finding = CLAIMS[3].judge(measured)
    assert finding.verdicts == "a confirmed, b confirmed, c confirmed, d confirmed"
    finding = CLAIMS[3].judge(measured | {"Adam, tanh, draw 2": slow})
    assert [case.holds for case in finding.parts[2].cases] == [False, True]
    assert finding.verdicts == "a confirmed, b confirmed, c open, d open"  # here and there, and nobody knows on what
    finding = CLAIMS[3].judge(measured | {"mean, tanh": [0.1], "mean, sigmoid": [0.0]})
    assert finding.verdicts.startswith("a refuted, b refuted")


def test_centring_is_as_large_as_the_text_says() -> None:
    centred = [interval for case in judged(CLAIMS[3]).parts[3].cases for interval in case.rests_on]
    assert min(interval.low for interval in centred) > 1.5
    assert max(interval.high for interval in centred) < 6
    assert min(interval.n for interval in centred) == 20
