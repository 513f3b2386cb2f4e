"""Grids of a few bits, networks on them, straight lines, and what claims 34 to 39 make of it."""

import math
import warnings
from itertools import product

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from nonlin.activations import ACTIVATIONS
from nonlin.ledger import stored
from nonlin.lessons import CLAIMS
from nonlin.lessons.hardware import experiments, figures
from nonlin.lessons.hardware.claims import CALIBRATIONS, IMAGES, STRETCHES, deprecations, key
from nonlin.lessons.hardware.experiments import Grid, nonlinearity, root_mean_square

RANGES = [(-1.0, 2.0, 4), (0.0, 6.0, 8), (2.0, 6.0, 8), (-7.0, -3.0, 6), (-0.7, 0.9, 3)]


@pytest.mark.parametrize(("low", "high", "bits"), RANGES)
def test_a_grid_holds_zero_covers_the_range_and_rounds_to_the_nearest(low: float, high: float, bits: int) -> None:
    grid = Grid.covering(low, high, bits)
    assert grid(torch.zeros(1)).item() == 0
    assert 0 <= grid.zero_point <= 2**bits - 1
    assert grid.low <= min(low, 0) + grid.scale / 2
    assert grid.high >= max(high, 0) - grid.scale / 2
    x = torch.linspace(grid.low, grid.high, 1001)
    assert (grid(x) - x).abs().max() <= grid.scale / 2 * (1 + 1e-4)
    assert len(grid(x).unique()) == 2**bits


def test_what_lies_outside_goes_to_the_end() -> None:
    grid = Grid.covering(-1, 2, 4)
    assert grid.codes(torch.tensor([-100.0, 100.0])).tolist() == [0, 15]
    assert grid(torch.tensor([-100.0, 100.0])).tolist() == pytest.approx([grid.low, grid.high])


@pytest.mark.parametrize("ends", [(0.0, 0.0, 8), (0.0, math.inf, 8), (math.nan, 1.0, 8), (0.0, 1.0, 0)])
def test_no_grid_covers_nothing_or_infinity(ends: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="no grid of"):
        Grid.covering(*ends)


def test_a_grid_is_torchs() -> None:
    grid = Grid.covering(-1, 6, 8)
    x = 3 * torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    theirs = torch.fake_quantize_per_tensor_affine(x, grid.scale, grid.zero_point, 0, 255)
    assert ((grid(x) - theirs).abs() > grid.scale / 2).sum() <= 2  # halfway between two marks, either will do


def test_a_percentile_leaves_out_what_it_says() -> None:
    x = torch.arange(1, 1001).float()[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    assert experiments.percentile(99)(x) == (11, 990)
    assert experiments.percentile(100)(x) == experiments.min_max(x) == (1, 1000)
    assert experiments.bounds(0, 6)(x) == (0, 6)


def test_errors_by_rounding_and_by_clipping() -> None:
    grid = Grid.covering(0, 6, 4)
    even = torch.linspace(0, 6, 100_001)
    rounding, clipping = experiments.errors(even, grid)
    assert rounding == pytest.approx(grid.scale**2 / 12, rel=0.01)
    assert clipping == pytest.approx(0, abs=1e-9)
    assert experiments.errors(torch.tensor([8.0, 6.0]), grid) == pytest.approx((0, 2), abs=1e-9)


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)).eval()


def test_a_network_on_grids_rounds_its_activations_and_nothing_else(network: nn.Sequential) -> None:
    x = torch.randn(50, 3)
    seen = experiments.outputs(network, nn.ReLU, x)
    torch.testing.assert_close(seen[0], network[:2](x))
    grids = experiments.calibrate(seen, experiments.min_max, bits=3)
    by_hand = network[4](grids[1](network[3](network[2](grids[0](network[1](network[0](x)))))))
    torch.testing.assert_close(experiments.logits(network, nn.ReLU, x, grids), by_hand)
    torch.testing.assert_close(experiments.logits(network, nn.ReLU, x), network(x))  # the grids are gone again


def test_every_activation_needs_a_grid(network: nn.Sequential) -> None:
    with pytest.raises(ValueError, match="2 activations need as many grids, not 1"):
        experiments.logits(network, nn.ReLU, torch.zeros(1, 3), [Grid.covering(0, 1, 8)])


def test_changed_answers_and_accuracy() -> None:
    one, other = torch.eye(4), torch.eye(4)[[0, 1, 2, 0]]
    assert experiments.changed(one, other) == 25
    assert experiments.accuracy(other, torch.arange(4)) == 75


def test_a_line_is_linear_and_a_square_is_not() -> None:
    assert nonlinearity(lambda x: 3 * x - 1, 2.0) == pytest.approx(0, abs=1e-9)
    assert nonlinearity(torch.square, 1.0) == pytest.approx(1, abs=1e-6)
    relu = 1 - (1 / 4) / (1 / 2 - 1 / (2 * math.pi))  # slope ½; variance of ReLU(N(0, 1)) in the denominator
    assert nonlinearity(torch.relu, 1.0) == pytest.approx(relu, abs=1e-6)
    assert nonlinearity(torch.relu, 5.0) == pytest.approx(relu, abs=1e-6)  # whatever the width
    assert root_mean_square(lambda x: x, torch.zeros_like, 2.0) == pytest.approx(2, rel=1e-3)


def test_deprecations_are_heard_and_what_is_gone_is_noticed() -> None:
    def old() -> None:
        for _ in range(2):
            warnings.warn("use the new one", FutureWarning, stacklevel=1)

    assert deprecations(old) == ("use the new one",)
    assert deprecations(lambda: None) == ()
    assert deprecations(lambda: warnings.warn("mind the gap", UserWarning, stacklevel=1)) == ()
    assert deprecations(lambda: torch.no_such_function()) == ("it is gone",)


def rounded(changed: float, lead: float, price: float) -> dict[str, list[float]]:
    """A measurement of claim 36: what rounding changes more in ReLU6, and by how much it is ahead after and before."""
    noise = [0.0, 0.1, -0.1, 0.05] * 2
    images = {**dict.fromkeys(IMAGES, CALIBRATIONS), **{f"one image times {s:g}": ["min and max"] for s in STRETCHES}}
    measured = {"ReLU, accuracy, float32": noise, "ReLU6, accuracy, float32": [price + n for n in noise[::-1]]}
    for name in images:
        for calibration, (what, more) in product(images[name], {"changed": changed, "accuracy": lead}.items()):
            for who, by in {"ReLU": 0.0, "ReLU6": more}.items():
                order = noise if who == "ReLU" else noise[::-1]
                measured[key(who, what, name, calibration, 8)] = [by + n for n in order]
    return measured


def times(factor: float) -> dict[str, list[float]]:
    return {name: [factor * value for value in values] for name, values in stored.read(CLAIMS[37]).items()}


def unexplained(hardswish: float) -> dict[str, list[float]]:
    return {name: [hardswish if name.startswith("hard") else 0.2] for name in CLAIMS[38].measure()}


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (36, rounded(-2, 2, 0), "a confirmed, b confirmed, c confirmed"),
        (36, rounded(2, -2, -2), "a refuted, b refuted, c refuted"),
        (37, times(1), "confirmed"),
        (37, times(4), "refuted"),
        (38, unexplained(0.1), "confirmed"),
        (38, unexplained(0.3), "refuted"),
        (39, {"torch.jit.script": [0], "torch.ao.quantization": [0], "bytes per weight, scripted": [1]}, "confirmed"),
    ],
    ids=range(7),
)
def test_numbers_turn_the_verdicts(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_the_axes_stay_where_they_are_while_sliders_move() -> None:
    values = torch.linspace(0, 16, 10_000)
    stops = [figures.clipping(values, bits=bits, clip=clip).figure.axes for bits, clip in ((2, 1.0), (8, 20.0))]
    for coarse, fine in zip(*stops, strict=True):
        assert coarse.get_xlim() == fine.get_xlim()
        assert coarse.get_ylim() == fine.get_ylim()
    plt.close("all")


def test_figures_say_what_they_show() -> None:
    values = torch.linspace(0, 4, 10_000).reshape(100, 100)
    picture = figures.rulers({"float": (values, None), "two bits": (values, Grid.covering(0, 4, 2))})
    assert "float: 10,000 different values, no grid" in picture.text
    assert "two bits: 4 different values, a mark every 1.33" in picture.text
    said = figures.clipping(values.flatten(), bits=3, clip=2).text
    assert "marks are 0.286 apart" in said
    assert "50.00 % of the outputs are clipped" in said
    said = figures.values_and_answers([1, 2, 3], {"4 bits": ([3, 1, 2], [9, 8, 7])}).text
    assert "error is least at a clip value of 2, the answers' at 3, where 7 % change" in said
    said = figures.paired({"8 bits": {"clean": ([3, 4], [1, 2])}}, ("ReLU", "ReLU6")).text
    assert said == "8 bits, clean: ReLU less ReLU6 2 [2, 2] over 2 seeds."
    # Not the whole curve: its other half is as far off, but for a rounding.
    said = figures.differences((ACTIVATIONS["hardtanh"], ACTIVATIONS["tanh"]), low=-6, high=0).text
    assert "farthest −0.238 at x = −1.00" in said
    plt.close("all")
