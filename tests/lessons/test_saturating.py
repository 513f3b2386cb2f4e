"""Claims about sigmoid and tanh: the judges turn with their numbers."""

from collections.abc import Sequence

from nonlin.ledger.claim import Case
from nonlin.lessons.saturating import claims as saturating


def holds(cases: Sequence[Case]) -> list[bool | None]:
    return [case.holds for case in cases]


def test_centring_counts_only_if_it_helps_in_every_draw() -> None:
    fast, slow = [10.0 + k for k in range(5)], [30.0 + k for k in range(5)]
    measured = {"mean, sigmoid": [0.5], "mean, tanh": [0.0]}
    for optimizer in saturating.OPTIMIZERS:
        for name in saturating.CONTENDERS:
            for draw in saturating.FRESH_DRAWS:
                measured[f"{optimizer}, {name}, draw {draw}"] = slow if name in ("sigmoid", "tanh + 1") else fast
    assert set(holds(saturating._judge_fresh_races(measured))) == {True}
    measured["Adam, tanh, draw 2"] = slow
    assert holds(saturating._judge_fresh_races(measured)).count(False) == 2  # both comparisons that hold tanh with Adam
