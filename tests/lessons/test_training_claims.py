"""Whether the choice of an activation matters: the judge turns with its numbers."""

from collections.abc import Sequence

import torch

from nonlin.ledger.claim import Case
from nonlin.lessons.training.claims import _judge_accuracies


def holds(cases: Sequence[Case]) -> list[bool | None]:
    return [case.holds for case in cases]


def accuracies(spread_of_means: float) -> dict[str, list[float]]:
    """Six activations, ten seeds with a standard deviation of about one point."""
    seeds = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    names = ("relu", "sigmoid", "silu", "elu", "gelu", "mish")
    return {f"g: {n}": (70 + spread_of_means * k + seeds[k]).tolist() for k, n in enumerate(names)}


def test_the_choice_matters_if_activations_differ_more_than_seeds() -> None:
    far, near = _judge_accuracies(accuracies(5)), _judge_accuracies(accuracies(0))
    assert holds(far) == [True, True, True]
    assert holds(near) == [False, None, False]
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
