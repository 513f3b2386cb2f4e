"""Experiments and figures of lesson 01: XOR, deep linear networks, folded paper, straight pieces."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nonlin.intervals import mean_interval
from nonlin.lessons import CLAIMS
from nonlin.lessons.nonlinearity.experiments import (
    complete,
    corners,
    fold,
    fold_flat,
    forms_of_10_5_3,
    pieces,
    random_network,
    snowflake_creases,
    snowflake_distance,
    tents,
    train_xor,
    xor,
)
from nonlin.lessons.nonlinearity.figures import (
    bent_grids,
    completed,
    folded_sheet,
    snowflake,
    straight_pieces,
)
from nonlin.toys.batched import identity
from nonlin.toys.race import two_rings


def test_xor_is_not_learned_without_and_is_learned_with() -> None:
    without = train_xor(identity, width=8, hidden_layers=2, seeds=10, steps=300)
    assert without.losses.min() > math.log(2) - 1e-6
    assert without.correct.max() <= 3
    having = train_xor(torch.tanh, width=8, seeds=10, steps=300)
    assert having.learned().mean == 1
    assert (having.correct == 4).all()


def test_seeds_do_not_depend_on_how_many_follow() -> None:
    few, many = (train_xor(torch.tanh, width=3, seeds=n, steps=5).losses for n in (2, 4))
    assert torch.allclose(few, many[:2])


def test_networks_are_trained_once_even_if_a_default_is_spelt_out() -> None:
    brief = train_xor(torch.tanh, width=3, seeds=2, steps=5)
    assert train_xor(torch.tanh, steps=5, seeds=2, width=3, hidden_layers=1) is brief


def test_the_clearest_network_is_one_of_the_best() -> None:
    trained = train_xor(torch.tanh, width=2, seeds=20, steps=300)
    network = trained.clearest()
    points, labels = xor()
    assert int(((network.logits(points) > 0) == (labels > 0.5)).sum()) == trained.correct.max()
    assert 0 < network.flattening <= 1


def test_only_depth_completes_the_matrix() -> None:
    one, three = (complete(layers, seeds=3, steps=600) for layers in (1, 3))
    assert torch.equal(one.target, three.target)
    assert torch.equal(one.seen, three.seen)
    assert one.seen_errors.max() < 0.05
    assert one.hidden_errors.min() > 0.9  # an entry that is not seen gets no gradient
    assert three.hidden_errors.max() < 0.2
    assert (torch.linalg.matrix_rank(three.target, rtol=1e-4) == 1).all()


@pytest.mark.parametrize("degrees", [0, 40, 90, 180])
def test_a_fold_keeps_lengths_on_either_side_and_is_leaky_relu_from_above(degrees: float) -> None:
    angle = math.radians(degrees)
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    folded = fold(points, 0.0, angle)
    right, left = points[:, 0] > 0, points[:, 0] < 0
    for side in (right, left):
        assert torch.allclose(
            torch.cdist(folded[side], folded[side]), torch.cdist(points[side], points[side]), atol=1e-3
        )
    assert torch.allclose(folded[:, 0], F.leaky_relu(points[:, 0], math.cos(angle)), atol=1e-6)
    assert torch.equal(folded[right, 2], torch.zeros(int(right.sum())))


def test_a_crease_may_lie_anywhere() -> None:
    points = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert torch.allclose(fold(points, 0.0, math.pi, offset=2.0)[:, :2], torch.tensor([[3.0, 5.0], [3.0, 5.0]]))
    assert torch.allclose(fold_flat(points, math.pi), torch.tensor([[-1.0, 5.0], [-3.0, 5.0]]))


@pytest.mark.parametrize("folds", [2, 3, 4, 5])
def test_a_snowflake_is_a_regular_polygon(folds: int) -> None:
    sides = 2**folds
    assert len(snowflake_creases(folds)) == folds
    angle = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    # On the unit circle, the distance along the middle of the nearest of 2^k wedges.
    wedge = 2 * math.pi / sides
    expected = torch.cos(torch.remainder(angle, wedge) - wedge / 2)
    assert torch.allclose(snowflake_distance(circle, folds), expected, atol=1e-6)


def test_tents_double_with_every_layer() -> None:
    for layers in range(1, 9):
        x, y = corners(tents(layers), 0, 1)
        assert pieces(tents(layers), 0, 1) == 2**layers
        assert torch.allclose(y, torch.arange(2**layers + 1).double() % 2, atol=1e-9)
        assert torch.allclose(x, torch.linspace(0, 1, 2**layers + 1, dtype=torch.float64), atol=1e-9)


def test_corners_describe_the_whole_network() -> None:
    for seed in range(10):
        network = random_network(8, 3, torch.Generator().manual_seed(seed))
        x, y = corners(network, -3, 3)
        places = torch.linspace(-3, 3, 2001, dtype=torch.float64)
        h = places[:, None]
        for weight, bias in network[:-1]:
            h = torch.relu(h @ weight + bias)
        direct = (h @ network[-1][0] + network[-1][1]).squeeze(1)
        np.testing.assert_allclose(np.interp(places, x, y), direct, atol=1e-9)


def test_one_layer_has_at_most_one_piece_more_than_units() -> None:
    counts = [pieces(random_network(12, 1, torch.Generator().manual_seed(seed)), -1e3, 1e3) for seed in range(20)]
    assert max(counts) == 13


def test_figures_state_what_they_show() -> None:
    sheet = folded_sheet(0, 180).text.splitlines()
    assert "crosswise" in sheet[0]
    assert "gap of 1.41" in sheet[1]
    shares = [line.split("; ")[1] for line in snowflake(*two_rings(100), folds=(0, 1, 4)).text.splitlines()]
    assert float(shares[0].split()[0]) < 75 < float(shares[2].split()[0])
    network = train_xor(torch.tanh, width=2, seeds=20, steps=300).clearest()
    assert "tanh: the points" in bent_grids({"tanh": network}).text
    counts = {"built": {1: mean_interval(torch.tensor([2.0, 2.0]))}}
    assert "built: 2 at 1 layers." in straight_pieces({2: tents(2)}, counts).text
    assert "straight pieces: 4" in straight_pieces({2: tents(2)}, counts).text
    assert "Of 256 entries" in completed({"one": complete(1, seeds=1, steps=5)}).text


LEARN, FAIL = [0.01] * 100, [0.69] * 100
WIDTHS = {f"{name}, {width} units": LEARN for name in ("tanh", "ReLU") for width in (2, 3, 4, 6, 8, 16)}
XOR = {"without, 16": FAIL} | WIDTHS
ONE, SAME = [1.0, 1.01, 0.99], [0.99, 1.01, 1.0]
FOLDS = {"built by folding, 4 layers": [16.0], "built by folding, 8 layers": [256.0]}


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (60, XOR, "a confirmed, b confirmed"),
        (60, XOR | {"without, 16": LEARN}, "a refuted, b confirmed"),
        (60, XOR | {"tanh, 2 units": FAIL}, "a confirmed, b refuted"),
        (60, XOR | {"tanh, 2 units": LEARN[:93] + FAIL[:7]}, "a confirmed, b open"),
        (61, {"difference": [1e-7], "one layer": ONE, "three layers": SAME}, "a confirmed, b confirmed"),
        (61, {"difference": [1e-7, 1], "one layer": ONE, "three layers": [0.1, 0.2, 0.1]}, "a refuted, b refuted"),
        (
            62,
            FOLDS | {"random weights, 8 layers": [9, 10], "random weights, 4 layers": [2, 2.1]},
            "a confirmed, b open",
        ),
        (
            62,
            FOLDS | {"random weights, 8 layers": [9, 10] * 9, "random weights, 4 layers": [4, 5] * 9},
            "a confirmed, b refuted",
        ),
    ],
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_nine_in_ten_networks_learn_xor_from_a_width_on() -> None:
    shares = {2: 50, 3: 80, 4: 100, 6: 100, 8: 100, 16: 100}
    narrow = {f"tanh, {width} units": LEARN[:n] + FAIL[n:] for width, n in shares.items()}
    at = CLAIMS[60].judge(XOR | narrow).parts[1].dependence.at
    assert 2.4 < at.low < 3.5 == at.mean < at.high < 4


def test_the_forms_of_a_network_differ_in_their_bug_alone() -> None:
    """A constant at the end leaves the loss at ln 3; a second softmax can't bring it below ln(e + 2) - 1."""
    start = forms_of_10_5_3(3, steps=1)
    assert all(part.shape == (3,) for form in start.values() for part in form)
    trained = forms_of_10_5_3(3, steps=80)
    loss, seen, unseen = trained["corrected"]
    assert (loss < start["corrected"][0]).all()
    assert ((unseen >= 0) & (unseen <= 100)).all()
    assert seen.mean() > unseen.mean() > trained["no activation"][2].mean() + 20
    assert (trained["softmax inside"][0] > math.log(math.e + 2) - 1).all()
    assert not torch.equal(trained["ReLU on the output"][0], loss)
