"""Whether the choice of an activation matters: the judge turns with its numbers."""

from collections.abc import Callable

import pytest
import torch

from nonlin.lessons import CLAIMS

NAMES = ("relu", "sigmoid", "silu", "elu", "gelu", "mish")


def accuracies(spread_of_means: float, seed: int = 0) -> dict[str, list[float]]:
    """Six activations, ten seeds with a standard deviation of about one point."""
    seeds = torch.randn(6, 10, generator=torch.Generator().manual_seed(seed)).double()
    return {name: (70 + spread_of_means * k + seeds[k]).tolist() for k, name in enumerate(NAMES)}


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ((5, -5), "a confirmed, b confirmed, c confirmed"),
        ((5, 5), "a confirmed, b confirmed, c open"),
        ((0, 0), "a open, b refuted, c open"),
    ],
)
def test_what_would_turn_a_verdict(spreads: tuple[float, ...], expected: str, trained: Callable[..., None]) -> None:
    trained(*(accuracies(spread, seed) for seed, spread in enumerate(spreads)))
    assert CLAIMS[51].judge({}).verdicts == expected


def test_gains_that_are_the_same_everywhere_refute_a_change(trained: Callable[..., None]) -> None:
    steady = [
        {name: [70 + (v - 70) / 20 for v in values] for name, values in accuracies(20, s).items()} for s in (0, 1)
    ]
    trained(*steady)
    assert CLAIMS[51].judge({}).parts[2].verdict == "refuted"


def test_who_is_named_and_what_changes_is_said(trained: Callable[..., None]) -> None:
    trained(accuracies(5), accuracies(-5))
    _, named, changes = CLAIMS[51].judge({}).parts
    assert "mish is ahead and not told apart from none" in named.cases[0].figures
    assert "changes for sigmoid, silu, elu, gelu, mish of 5" in changes.cases[0].figures
