"""The checkup: every record of the package passes, planted faults are named, and one's own record is at home."""

import math
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import cloudpickle
import pytest
import torch
from torch import Tensor, nn

from nonlin import plots
from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, Interval, Kink, fixed
from nonlin.bench import cost
from nonlin.images import sources
from nonlin.lab import before_after, report, sweep
from nonlin.lab.initialisation import gain
from nonlin.lessons.choosing.cheat_sheet import cheat_sheet
from nonlin.lessons.choosing.checkup import checkup
from nonlin.lessons.choosing.exercises import squareplus_record
from nonlin.plots.tables import card, comparison

OWN = squareplus_record()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_record_of_the_package_passes(name: str) -> None:
    assert checkup(ACTIVATIONS[name]).faults == ()


def changed(record: Activation, **changes: Any) -> Activation:
    return Activation(**({field.name: getattr(record, field.name) for field in fields(record)} | changes))


RELU, ELU = ACTIVATIONS["relu"], ACTIVATIONS["elu"]


def in_place(x: Tensor) -> Tensor:
    return x.clamp_(min=0)


def sums(x: Tensor) -> Tensor:
    return x - x.sum()


def jump(x: Tensor) -> Tensor:
    return torch.where(x > 0, x + 1, 0.0)


def wrong_for_other_alphas(x: Tensor, alpha: float = 1.0) -> Tensor:
    return torch.where(x > 0, 1.0, torch.exp(x.clamp(max=0)))


@pytest.mark.parametrize(
    ("record", "test", "said"),
    [
        (changed(RELU, function=in_place), "element by element", "overwrites its input"),
        (changed(RELU, function=sums), "element by element", "numbers beside it"),
        (changed(RELU, derivative=lambda x: -(x > 0).to(x.dtype)), "derivative against", "sign is wrong"),
        (changed(RELU, kinks=fixed(())), "kinks", "no kink is declared"),
        (changed(RELU, kinks=fixed((Kink(at=0.0, slope=1.0),))), "kinks", "the record says 1"),
        (changed(OWN, kinks=fixed((Kink(at=0.0, slope=0.5),))), "kinks", "does not jump there"),
        (changed(RELU, smoothness=fixed(1)), "smoothness", "the smoothness is 0"),
        (changed(RELU, function=jump), "smoothness", "the value itself jumps"),
        (changed(OWN, smoothness=fixed(0)), "smoothness", "neither value nor slope"),
        (changed(OWN, range=fixed(Interval.parse("(1, inf)"))), "range", "lies outside"),
        (changed(OWN, range=fixed(Interval.parse("(-inf, inf)"))), "range", "said to be infinite"),
        (changed(ELU, derivative=wrong_for_other_alphas), "derivative with other", "with alpha = 1.1"),
    ],
    ids=range(12),
)
def test_a_planted_fault_is_named(record: Activation, test: str, said: str) -> None:
    found = {check.name: check.fault for check in checkup(record).checks}
    fault = next(fault for name, fault in found.items() if name.startswith(test))
    assert said in (fault or "")


def soft_absolute(x: Tensor) -> Tensor:
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)  # log cosh, without overflow


@pytest.mark.parametrize(
    ("function", "derivative", "interval", "smoothness"),
    [
        (soft_absolute, lambda x: torch.tanh(x), "[0, inf)", math.inf),
        (lambda x: torch.relu(x) ** 2, lambda x: 2 * torch.relu(x), "[0, inf)", 1),  # beyond float32 at 1e20
        (lambda x: torch.arctan(x), lambda x: 1 / (1 + x**2), f"({-math.pi / 2}, {math.pi / 2})", math.inf),
    ],
    ids=["log cosh", "squared ReLU", "arctan"],
)
def test_a_sound_record_passes(function: Callable, derivative: Callable, interval: str, smoothness: float) -> None:
    facts = {"range": fixed(Interval.parse(interval)), "smoothness": fixed(smoothness), "takes": {}}
    record = changed(OWN, title="Mine", function=function, derivative=derivative, **facts)
    assert checkup(record).faults == ()


def test_rounding_in_another_loop_is_no_neighbour() -> None:
    naive = changed(OWN, function=lambda x: torch.log(torch.cosh(x)), derivative=lambda x: torch.tanh(x), takes={})
    assert "float32 against float64: the value at -100 is inf" in checkup(naive).faults[0]


def test_a_formula_that_raises_is_reported_and_no_error() -> None:
    found = checkup(changed(OWN, function=lambda x, b=4.0: math.sqrt(x)))
    assert "raised" in found.faults[0]


@pytest.mark.parametrize(
    "use",
    [
        card,
        comparison,
        plots.curve_and_slope,
        plots.describe,
        plots.slope_tails,
        lambda record: plots.saturation(record, 1, 4),
        plots.on_a_photograph,
        cheat_sheet,
        cost.passes,
        lambda record: cost.compare(record, (8, 8), against=nn.ReLU, repeats=2),
        lambda record: cost.margin(partial(ActivationModule, record)),
        lambda record: before_after.before_after(record, sources.load("shapes10")),
        lambda record: torch.func.vmap(torch.func.grad(ActivationModule(record, b=2.0)))(torch.randn(3)),
    ],
    ids=range(13),
)
def test_a_record_of_ones_own_is_taken_everywhere(use: Callable) -> None:
    assert use(OWN) is not None


def test_without_a_counterpart_the_benchmark_asks_what_to_compare_with() -> None:
    with pytest.raises(ValueError, match=r"against=nn\.ReLU"):
        cost.compare(OWN, (8, 8))


def test_he_weights_take_the_gain_of_ones_own_record() -> None:
    assert gain(ActivationModule(OWN)) == pytest.approx(OWN.gain, rel=1e-4)


def test_a_record_made_in_a_notebook_travels_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own has another __main__: the record must be sent whole, not by its name."""

    def own(x: Tensor) -> Tensor:
        return x / 2

    own.__module__ = "__main__"
    record = changed(OWN, function=own, derivative=lambda x: torch.full_like(x, 0.5), takes={}, title="Half")
    monkeypatch.setattr(sys.modules["__main__"], "HALF", record, raising=False)
    sent = cloudpickle.dumps(partial(ActivationModule, record))
    monkeypatch.delattr(sys.modules["__main__"], "HALF")
    assert cloudpickle.loads(sent)()(torch.tensor([3.0])).item() == 1.5


def test_a_sweep_trains_a_record_of_ones_own(tmp_path: Any, few_shapes: None, checkout: Any) -> None:
    makers = {"relu": nn.ReLU, "own": partial(ActivationModule, OWN)}
    load = partial(sources.load, "shapes10")
    grid = sweep.Grid(activations=tuple(makers), networks=("mlp",), initialisations=("he",), seeds=(0, 1), epochs=1)
    assert sweep.sweep(grid.cells(load()), makers, load, tmp_path / "runs", jobs=1, progress=False) == []
    (entry,) = [entry for entry in report.summary(report.read_runs(tmp_path / "runs")) if entry.activation == "own"]
    assert entry.pairs == 2
