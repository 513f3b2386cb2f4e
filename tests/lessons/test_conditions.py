"""Experiments, figures and claims of lesson 02: what an activation must satisfy."""

import pytest
import torch

from nonlin.lessons import CLAIMS
from nonlin.lessons.conditions.experiments import (
    count_spikes,
    firing_rate,
    fit_curve,
    relu_with_slope_at_zero,
    step,
    with_slope,
)
from nonlin.lessons.conditions.figures import fits, neuron
from nonlin.toys.batched import identity


@pytest.mark.parametrize(("power", "rank"), [(2, 3), (3, 4)])
def test_a_polynomial_spans_no_more_than_its_degree(power: int, rank: int) -> None:
    narrow, wide = (fit_curve(lambda x: x**power, width, seeds=2) for width in (8, 64))
    assert wide.ranks.tolist() == [rank, rank]
    assert torch.allclose(narrow.errors, wide.errors, rtol=1e-6)
    assert wide.errors.min() > 0.5


def test_width_helps_where_the_activation_is_no_polynomial() -> None:
    for f, bound in ((torch.relu, 0.05), (torch.tanh, 1e-6)):
        assert fit_curve(f, 128, seeds=2).errors.max() < bound


def test_fitting_a_line_needs_no_bend() -> None:
    assert fit_curve(identity, 4, target=lambda x: 2 * x + 1, seeds=2).errors.max() < 1e-9


def test_a_chosen_slope_is_returned_at_zero_only() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    relu_with_slope_at_zero(0.25)(x).sum().backward()
    assert x.grad.tolist() == [0, 0.25, 1]
    assert torch.equal(step(x), torch.tensor([0.0, 0.0, 1.0]))


def test_a_chosen_slope_is_what_backward_multiplies_by() -> None:
    x = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    y = with_slope(step, lambda z: z.square())(x)
    y.backward(torch.tensor([1.0, 10.0, 2.0]))
    assert y.tolist() == [0, 1, 1]
    assert x.grad.tolist() == [4, 2.5, 18]


def test_the_simulated_neuron_follows_the_formula() -> None:
    for current in (1.1, 2.0, 5.0):
        assert count_spikes(current, step=2e-5) == pytest.approx(firing_rate(torch.tensor(current)).item(), abs=2)
    assert count_spikes(0.9, step=1e-4) == firing_rate(torch.tensor(0.9)) == 0
    assert firing_rate(torch.tensor(1e9, dtype=torch.float64)).item() == pytest.approx(500, rel=1e-3)


def test_figures_state_what_they_show() -> None:
    assert "Current 2: 63 spikes" in neuron().text
    assert "one: 0.97 with 8 units" in fits({"one": {8: fit_curve(torch.square, 8, seeds=2)}}, {"one": 8}).text


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (14, {"a": [20.0] * 20}, "refuted"),
        (14, {"a": [500.0] * 20}, "confirmed"),
        (14, {"a": [20.0] * 10 + [500.0] * 10}, "open"),
        (63, {"x²": [0.97, 0.97], "open": [0.2, 0.2]}, "refuted"),
        (63, {"ReLU": [0.01, 0.02]}, "confirmed"),
    ],
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str) -> None:
    assert CLAIMS[number].judge(measured).verdicts == expected
