"""Whether the choice of an activation matters: the judge turns with its numbers."""

from collections.abc import Callable

import pytest
import torch

from nonlin.lessons import CLAIMS
from nonlin.lessons.training import claims

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


def test_spreads_leave_sigmoid_and_tanh_out_and_are_compared_at_one_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(apart: float) -> dict[str, dict[int, float]]:
        off = {"relu": 0, "elu": apart, "gelu": -apart, "tanh": -30}
        return {name: {seed: 70 + (1 + seed / 10) * by for seed in range(2)} for name, by in off.items()}

    networks = {
        "depth 1, batch norm": runs(1.0),
        "depth 1, no batch norm": runs(4.0),
        "depth 3, no batch norm": runs(0.1),
    }
    monkeypatch.setattr(claims, "_by_network", lambda: networks)
    [case] = CLAIMS[67].parts[2].judge({})
    assert case.holds
    assert case.rests_on[0].mean == pytest.approx(0.25)
