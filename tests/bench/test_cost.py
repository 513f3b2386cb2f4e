"""The benchmark: fair order, paired ratios, and memory counted exactly. No test depends on how long anything takes."""

import itertools

import pytest
import torch
from torch import nn

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.bench import cost


def test_every_round_has_an_order_of_its_own() -> None:
    """So that nobody always runs first, nor after the same one, as in a rotation."""
    orders = list(cost.rounds(["a", "b", "c"], 60))
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert {tuple(order) for order in orders} == set(itertools.permutations("abc"))
    assert orders == list(cost.rounds(["a", "b", "c"], 60))


def test_spread_is_median_and_quartiles() -> None:
    assert cost.spread([1, 2, 3, 4, 100]) == cost.Spread(2, 3, 4)
    assert str(cost.Spread(0.5, 1, 2)) == "1.00 [0.50, 2.00]"


def test_ratios_are_taken_within_a_round() -> None:
    # Ours takes half as long in each round; the second round was disturbed tenfold.
    ours, theirs = [(1.0, 2.0), (10.0, 20.0), (1.0, 2.0)], [(2.0, 4.0), (20.0, 40.0), (2.0, 4.0)]
    times = {"ours": ours, "theirs": theirs, "ours, inference": theirs, "theirs, inference": ours, "copy": theirs}
    timing = cost._timing("x", times)
    assert timing.both == timing.forward == timing.copies == cost.Spread(0.5, 0.5, 0.5)
    assert timing.inference == cost.Spread(2, 2, 2)
    assert timing.in_place is None
    assert timing.their_copies == cost.Spread(1, 1, 1)


def test_compare_measures_both_passes() -> None:
    timing = cost.compare(ACTIVATIONS["relu"], (8, 8), repeats=3)
    assert timing.name == "relu"
    assert timing.milliseconds.median > 0
    assert timing.copies.median > 0
    assert timing.their_copies.median > 0
    assert timing.inference.median > 0
    assert timing.in_place.median > 0
    assert cost.compare(ACTIVATIONS["gelu"], (8, 8), repeats=2).in_place is None  # torch has none
    assert timing.compiled is None
    assert cost.geometric_mean([timing, timing]) == pytest.approx(timing.both.median)


def test_the_learned_slope_is_compared_with_the_learned_slope() -> None:
    ours, theirs = cost._ours(ACTIVATIONS["prelu"]), cost._counterpart(ACTIVATIONS["prelu"])
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()] == [(1,)]


def test_compiled_is_a_third_variant(monkeypatch) -> None:
    # aot_eager needs no C++ compiler, which this machine may lack.
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: compiled(module, backend="aot_eager"))
    timing = cost.compare(ACTIVATIONS["relu"], (8, 8), repeats=3, compiled=True)
    assert timing.compiled.median > 0
    assert "compiled, both" in cost.time_table((256, 512), [timing])


def test_each_form_is_a_variant() -> None:
    for name in ("gelu", "prelu"):
        timing = cost.compare(ACTIVATIONS[name], (8, 8), repeats=3, forms=True, dtype=torch.bfloat16)
        kernels = [cost.KERNELS] if cost.kernels_are_there() else []
        assert [*timing.forms] == [cost.WRITTEN, cost.IN_PYTHON, *kernels]
        assert all(spread.median > 0 for spread in timing.forms.values())
        assert "as written" in cost.forms_table((8, 8), [timing, timing])


def test_as_written_takes_no_fast_form(monkeypatch) -> None:
    monkeypatch.setattr("nonlin.activations.layers.kernel_of", lambda record: pytest.fail("a fast form was asked for"))
    x = torch.randn(5, requires_grad=True)
    written = cost._Written(ActivationModule(ACTIVATIONS["gelu"]))
    slope = torch.autograd.grad(written(x).sum(), x)[0]
    torch.testing.assert_close(slope, ACTIVATIONS["gelu"].derivative(x.detach()))


def test_without_a_counterpart_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="swish has no counterpart"):
        cost.compare(ACTIVATIONS["swish"], (8, 8))


@pytest.mark.parametrize(
    ("make", "bytes_per_element"),
    [
        (nn.Identity, 0),
        (lambda: ActivationModule(ACTIVATIONS["sigmoid"]), 0),  # keeps the output, as the convolution does
        (lambda: ActivationModule(ACTIVATIONS["silu"]), 4),  # keeps the input as well
        (nn.Sigmoid, 0),
        (nn.SiLU, 4),
        (lambda: nn.Sequential(nn.SiLU(), nn.SiLU()), 8),
    ],
)
def test_margin_counts_what_is_kept_besides(make, bytes_per_element: float) -> None:
    assert cost.margin(make) == bytes_per_element


def test_passes_are_the_steps_of_the_fast_form() -> None:
    counted = {name: cost.passes(ACTIVATIONS[name]) for name in ("relu", "sigmoid", "tanh", "leaky_relu", "silu")}
    wanted = {"relu": (1, 2), "sigmoid": (1, 2), "tanh": (1, 2), "leaky_relu": (2, 3), "silu": (2, 4)}
    assert counted == wanted


def test_kept_bytes_counts_each_storage_once() -> None:
    x = torch.randn(10, requires_grad=True)
    assert cost.kept_bytes(ActivationModule(ACTIVATIONS["tanh"]), x) == 40
    assert cost.kept_bytes(nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10)), x[None]) == 80


@pytest.mark.parametrize("record", [r for r in ACTIVATIONS.values() if r.torch_module], ids=lambda record: record.name)
def test_ours_never_keeps_more_than_torch(record) -> None:
    theirs = cost.margin(lambda: record.torch_module(**record.parameters))
    assert cost.margin(lambda: ActivationModule(record)) <= theirs
