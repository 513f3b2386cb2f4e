"""Units that die on film, inputs that are lost, thresholds that generalise or denoise, and the figures of lesson 04."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.images import sources
from nonlin.ledger import Verdict, judged
from nonlin.lessons import CLAIMS
from nonlin.lessons.rectified import claims
from nonlin.lessons.rectified.experiments import (
    alive_after,
    fates_by_layer,
    generalisation,
    haar,
    inverse_haar,
    shares_while_learning,
    watch,
)
from nonlin.lessons.rectified.figures import cut_off, dead_by_rate, denoised, lives, shares_on, threshold_and_accuracy


def test_the_film_starts_with_a_dead_unit_in_eight() -> None:
    film = watch(torch.relu, learning_rate=0.1, steps=0, seeds=500)
    assert film.dead.shape == (1, 500, 16)
    assert abs(film.dead_share.mean() - 1 / 8) < 0.02
    assert not watch(torch.relu, learning_rate=0.1, steps=0, seeds=50, start="he").dead.any()


def test_kinks_lie_where_units_switch() -> None:
    for batch_norm in (False, True):
        film = watch(torch.relu, learning_rate=0.1, steps=3, seeds=4, batch_norm=batch_norm)
        inside = (film.kinks > -2) & (film.kinks < 2)
        switches = film.on.any(dim=2) & (~film.on).any(dim=2)
        assert (inside == switches).double().mean() > 0.97  # a kink may lie within a point's rounding of the last one


def test_dead_units_of_the_first_layer_stay_dead_and_those_above_do_not() -> None:
    film = watch(torch.relu, learning_rate=0.3, steps=80, seeds=10)
    assert film.deaths > 10
    assert film.revivals == 0
    deep = fates_by_layer(torch.relu, learning_rate=0.2, steps=100, seeds=4)
    assert deep.revived[0] == 0 < deep.revived[2]


def test_a_leaky_unit_never_dies() -> None:
    film = watch(F.leaky_relu, learning_rate=0.3, steps=50, seeds=5)
    assert not film.dead.any()
    assert sum(fates_by_layer(F.leaky_relu, learning_rate=0.2, steps=20, seeds=2).died) == 0


def test_the_same_seed_gives_the_same_start() -> None:
    a, b = (watch(f, learning_rate=0.1, steps=1, seeds=3) for f in (torch.relu, torch.tanh))
    assert torch.equal(a.kinks[0], b.kinks[0])
    assert not torch.equal(a.kinks[1], b.kinks[1])


def test_inputs_are_lost_as_the_formula_says() -> None:
    alive = alive_after(3, 20, networks=4000)
    expected = (1 - 2**-3) ** torch.arange(1, 21)
    assert (alive.double().mean(dim=0) - expected).abs().max() < 0.03
    assert not (~alive[:, :-1] & alive[:, 1:]).any()  # what is lost stays lost


def test_the_threshold_sets_the_share_of_zeros() -> None:
    for height in (0.0, 1.0):
        run = generalisation(torch.relu, threshold=height, steps=10, seeds=2)
        expected = torch.special.ndtr(torch.tensor(height)).item()
        assert (run.zeros - expected).abs().max() < 0.05
    assert generalisation(F.leaky_relu, steps=5, seeds=2).zeros.max() == 0


def test_units_are_counted_before_and_after_learning() -> None:
    shapes = sources.load("shapes10")
    start, trained = shares_while_learning(nn.ReLU, shapes, images=512)
    assert start.shape == trained.shape == (192,)
    assert 0.4 < start.mean() < 0.6
    assert not torch.equal(start, trained)
    assert shares_while_learning(nn.Softplus, shapes, images=128)[0].min() == 1


def test_the_wavelet_is_orthonormal_and_invertible() -> None:
    image = torch.randn(16, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean, differences = haar(image, 3)
    assert [tuple(part.shape) for part in differences] == [(3, 8, 16), (3, 4, 8), (3, 2, 4)]
    torch.testing.assert_close(inverse_haar(mean, differences), image)
    energy = mean.square().sum() + sum(part.square().sum() for part in differences)
    torch.testing.assert_close(energy, image.square().sum())


def test_lives_counts_deaths() -> None:
    film = watch(torch.relu, learning_rate=0.3, steps=100, seeds=2)
    picture = lives(film, seed=1)
    dead = film.dead[:, 1]
    assert f"{int(dead[0].sum())} of them dead at the start; {int(film.died[1].sum())} died" in picture.text
    crosses = [line for line in picture.figure.axes[1].lines if line.get_marker() == "X" and len(line.get_xdata())]
    assert len(crosses) == int(dead[-1].sum())


def test_figures_say_what_they_show() -> None:
    assert "on for 25 % of the inputs" in shares_on({"a": torch.tensor([0.0, 0.5])}).text
    shares = [torch.tensor([0.5, 0.5]), torch.tensor([0.0, 0.0])]
    assert "50 [50, 50] % at rate 0.1, 0 [0, 0] % at rate 0.2" in dead_by_rate((0.1, 0.2), {"ReLU": shares}).text
    wide = [torch.tensor([0.0, 0.1]), torch.tensor([0.9, 1.0])]  # their intervals reach beyond 0 and 100 %
    assert "5 [0, 68.5] % at rate 0.1, 95 [31.5, 100] % at rate 0.2" in dead_by_rate((0.1, 0.2), {"a": wide}).text
    accuracies = {"ReLU": [torch.tensor([80.0, 80.0])]}
    assert "80 [80, 80] % at 50 %" in threshold_and_accuracy([0.5], accuracies).text
    errors = {"soft": torch.tensor([0.3, 0.1, 0.2])}
    assert "0.100, at 1 times" in denoised({"a": torch.zeros(4, 4)}, errors, torch.tensor([0.0, 1.0, 2.0])).text


def test_a_jump_is_left_open() -> None:
    picture = cut_off(ACTIVATIONS["hardshrink"], ACTIVATIONS["softshrink"])
    above, below = picture.figure.axes[0], picture.figure.axes[2]
    pieces = [line for line in above.lines if len(line.get_xdata()) > 2]
    assert [round(float(line.get_xdata()[-1]), 1) for line in pieces] == [-0.5, 0.5, 2.5]
    assert max(torch.as_tensor(line.get_ydata()).diff().abs().max() for line in pieces) < 0.1
    assert [float(line.get_ydata()[0]) for line in below.lines if line.get_marker() == "o"] == [0, 0]
    assert "Softshrink: f(−6) = −5.5" in picture.text


ARRIVES = {name: [-0.1, 0.1] * 5 for name in claims.STACKS} | {claims.NARROW: [0.0, 0.001] * 5}
ARRIVES |= {f"gain {gain:g}": [15 * gain - 21, 15 * gain - 21.1] for gain in claims.GAINS}
RATES = ("before training", *(f"rate {rate:g}" for rate in claims.RATES))
FEW, MANY = [0.001, 0.002, 0.003], [0.401, 0.402, 0.403]
PREVENTED = {f"He, {rate}": FEW for rate in RATES} | {f"torch, {rate}": MANY for rate in RATES}
PREVENTED |= {f"batch norm, rate {rate:g}": [0.0, 0.001] * 5 for rate in claims.NORMALISED_RATES}
PREVENTED |= {"He, rate 0.1": [0.201, 0.202, 0.203]}
LOST = {f"lost, {name}, {size}": [0.5] for size in claims.SIZES for name in ("relu", "tanh", "sigmoid")}
MORE_DEAD = {"dead, tanh": [0.4, 0.41, 0.42], "dead, sigmoid": [0.4, 0.41, 0.42]}


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (9, {"zeros, here": [0.5, 0.51] * 3}, "a confirmed, b open"),
        (9, {"zeros, here": [0.1, 0.11] * 3}, "a refuted, b open"),
        (9, {"zeros, here": [0.3, 0.7] * 3}, "a open, b open"),
        (10, ARRIVES, "confirmed"),
        (10, ARRIVES | {"Xavier's, 30 layers of 128": [-9.0, -9.1]}, "refuted"),
        (10, ARRIVES | {claims.NARROW: [0.5, 0.51]}, "refuted"),
        (11, {"a": [10, 0], "b": [5, 0]}, "confirmed"),
        (11, {"a": [10, 0], "b": [5, 1]}, "refuted"),
        (11, {"a": [0, 0]}, "open"),
        (12, PREVENTED, "a confirmed, b confirmed, c confirmed"),
        (12, PREVENTED | {"He, rate 0.1": [0.901, 0.902, 0.903]}, "a depends, b confirmed, c confirmed"),
        (12, PREVENTED | {"batch norm, rate 1": MANY, "He, rate 0.05": MANY}, "a depends, b refuted, c open"),
        (13, MORE_DEAD | LOST | {"lost, tanh, 30": [0.9]}, "a confirmed, b depends"),
        (13, {"dead, tanh": [-0.4, -0.41], "dead, sigmoid": [-0.4, -0.41]} | LOST, "a refuted, b refuted"),
    ],
    ids=range(14),
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_a_planted_formula_turns_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RELU", ACTIVATIONS["leaky_relu"])
    assert judged(CLAIMS[11]).verdict == Verdict.OPEN  # nothing is ever off


def test_dead_units_of_the_text() -> None:
    he, *_ = judged(CLAIMS[12]).parts
    assert [case.holds for case in he.cases] == [True] * 4 + [None, False]
    for case in he.cases:
        ours, torchs = map(float, re.match(r"(\S+) % dead, with torch's weights (\S+) %", case.figures).groups())
        assert case.holds is None or (ours < torchs) == case.holds


def test_units_that_came_back_of_the_text() -> None:
    measured = CLAIMS[11].measure()
    assert measured["off for one input"] == pytest.approx([5331, 416], rel=0.05)
    assert measured["off for all inputs, first layer, plain gradient descent"] == pytest.approx([47, 0], rel=0.1)
