"""Gradient probes and the race of lesson 03."""

from functools import partial

import pytest
import torch

from nonlin.intervals import mean_interval
from nonlin.toys.race import adam, race, sgd, steps_to_learn, two_rings
from nonlin.toys.stacks import factor_per_layer, gradient_norms, propagation, recurrent_norms


def test_gradient_norms_without_an_activation_follow_the_weights() -> None:
    for gain in (1.0, 0.5):
        norms = gradient_norms(lambda x: x, depth=8, weight_std=lambda fan_in, g=gain: g * fan_in**-0.5, seeds=5)
        assert norms.shape == (5, 8)
        assert mean_interval(factor_per_layer(norms)).mean == pytest.approx(gain, rel=0.03)


def test_gradient_norms_scale_with_the_slope() -> None:
    plain = gradient_norms(lambda x: x, depth=4, seeds=3)
    assert factor_per_layer(gradient_norms(lambda x: x / 4, depth=4, seeds=3)) == pytest.approx(
        factor_per_layer(plain) / 4
    )


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_without_an_activation_signal_and_gradient_follow_the_gain(factor: float) -> None:
    found = propagation(lambda x: x, gain=factor, depth=8, seeds=5)
    assert found.signal.shape == found.distinct.shape == found.gradient.shape == (5, 8)
    assert found.signal[:, 0].mean() == pytest.approx(1, rel=0.05)  # the first layer's gain is 1
    assert found.gradient[:, -1].mean() == pytest.approx(1, rel=0.05)
    assert mean_interval(found.forward_factor).mean == pytest.approx(factor, rel=0.03)
    assert mean_interval(found.backward_factor).mean == pytest.approx(factor, rel=0.03)


def test_a_constant_is_signal_but_tells_no_inputs_apart() -> None:
    found = propagation(lambda x: 0 * x + 1, gain=1, depth=3, seeds=2)
    assert found.signal[:, 1:].min() > 0.5
    assert found.distinct[:, 1:].max() < 1e-12
    assert found.distinct[:, 0] == pytest.approx(found.signal[:, 0], rel=0.1)


def identity(width: int, _: torch.Generator) -> torch.Tensor:
    return torch.eye(width, dtype=torch.float64)


def test_through_the_identity_every_step_gets_the_whole_gradient() -> None:
    states, gradients = recurrent_norms(lambda x: x, identity, steps=5, input_std=0.1, seeds=2)
    assert torch.equal(gradients, torch.ones(2, 5, dtype=torch.float64))
    assert states.mean(dim=0) == pytest.approx([0.1 * k**0.5 for k in range(1, 6)], rel=0.1)


def test_a_recurrent_gradient_is_a_power_of_weight_and_slope() -> None:
    _, gradients = recurrent_norms(lambda x: x / 2, lambda *a: 3 * identity(*a), steps=5, seeds=2)
    assert gradients[0] == pytest.approx([1.5**k for k in range(4, -1, -1)])


def test_two_rings_are_rings_and_repeatable() -> None:
    points, labels = two_rings(1000)
    radius = points.norm(dim=1)
    assert radius[labels == 0].mean() == pytest.approx(1, abs=0.05)
    assert radius[labels == 1].mean() == pytest.approx(2, abs=0.05)
    assert torch.equal(two_rings(1000)[0], points)


def test_without_an_activation_nobody_arrives() -> None:
    assert (steps_to_learn(lambda x: x, adam, 0.03, seeds=2, most_steps=60) == 60).all()


def test_an_offset_begins_as_the_same_function() -> None:
    """Whose loss is above 0.7 before any training? With a rate of 0 nothing else decides."""

    def shifted(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x) + 1

    above = partial(steps_to_learn, make_optimizer=sgd, learning_rate=0.0, target_loss=0.7, most_steps=1)
    assert 0 < above(torch.tanh).mean() < 1
    assert torch.equal(above(shifted, offset=1.0), above(torch.tanh))
    assert not torch.equal(above(shifted), above(torch.tanh))


def test_race_reports_the_best_rate() -> None:
    finish = race({"tanh": torch.tanh}, sgd, learning_rates=(0.001, 0.3))["tanh"]
    assert finish.learning_rate == 0.3
    assert torch.equal(finish.steps, steps_to_learn(torch.tanh, sgd, 0.3))
    assert 5 < finish.steps.mean() < 60


def test_other_rates_are_given_up_without_changing_the_result() -> None:
    evaluated = 0

    def counting(x: torch.Tensor) -> torch.Tensor:
        nonlocal evaluated
        evaluated += 1
        return torch.tanh(x)

    alone = race({"tanh": torch.tanh}, adam, learning_rates=(0.1,))["tanh"]
    among = race({"tanh": counting}, adam, learning_rates=(1e-6, 0.1, 1e-5))["tanh"]
    assert among.learning_rate == 0.1
    assert torch.equal(alone.steps, among.steps)
    assert evaluated < 3 * 3 * (alone.steps.max() + 2)  # three layers, three rates, and none goes on for 1,000 steps


def test_a_network_that_diverges_has_not_arrived() -> None:
    assert (steps_to_learn(torch.square, sgd, 10, seeds=3, most_steps=30) == 30).all()


def test_a_race_can_be_repeated_and_its_seeds_differ() -> None:
    first, again = (steps_to_learn(torch.tanh, adam, 0.1) for _ in range(2))
    assert torch.equal(first, again)
    assert len(first.unique()) > 3


def test_another_draw_is_another_race_and_the_same_one_the_same() -> None:
    run = {draw: steps_to_learn(torch.tanh, sgd, 0.3, seeds=3, draw=draw) for draw in (0, 1)}
    assert not torch.equal(run[0], run[1])
    assert torch.equal(run[0], steps_to_learn(torch.tanh, sgd, 0.3, seeds=3))
