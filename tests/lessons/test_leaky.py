"""Lesson 05: killed units, learned slopes, their figures, and which numbers would turn the verdicts."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.ledger import judged
from nonlin.lessons import CLAIMS
from nonlin.lessons.leaky import claims, figures
from nonlin.lessons.leaky.experiments import Slopes, decay_alone, learn_slopes, revive
from nonlin.toys.race import adam, sgd

SMALL = {"steps": 5, "seeds": 2, "width": 4}


def test_killed_units_are_below_zero_by_the_depth() -> None:
    run = revive(torch.relu, sgd, 0.1, killed=(0, 2), depth=0.5, **SMALL)
    assert run.highest.shape == (6, 2, 2, 4)
    assert run.losses.shape == (6, 2)
    torch.testing.assert_close(run.highest[0], torch.full((2, 2, 4), -0.5), rtol=0, atol=1e-4)


@pytest.mark.parametrize("optimizer", [sgd, adam])
def test_relu_does_not_move_a_dead_layer_and_a_leak_does(optimizer: object) -> None:
    dead = revive(torch.relu, optimizer, 0.1, **SMALL)
    leaking = revive(partial(F.leaky_relu, negative_slope=0.1), optimizer, 0.1, **SMALL)
    assert torch.equal(dead.highest[0], dead.highest[-1])
    assert (dead.surfaced == 0).all()
    assert not torch.equal(leaking.highest[0], leaking.highest[-1])


def test_only_a_share_of_a_layer_is_killed() -> None:
    run = revive(torch.relu, sgd, 0.1, share=0.5, **SMALL)
    assert run.highest.shape == (6, 1, 2, 2)
    assert not torch.equal(run.losses[0], run.losses[-1])  # the other half learns


@pytest.mark.parametrize("wrong", [{"killed": ()}, {"share": 0.0}, {"depth": 0.0}])
def test_nothing_to_kill_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="revive needs"):
        revive(torch.relu, sgd, 0.1, **wrong, **SMALL)


def test_slopes_follow_the_gradient_and_the_decay() -> None:
    free = learn_slopes(**SMALL)
    decayed = learn_slopes(slope_decay=0.5, **SMALL)
    assert free.history.shape == (6, 3, 2)
    assert (free.history[0] == 0.25).all()
    assert (free.history[-1] != 0.25).all()
    assert (decayed.final < free.final).all()


def test_the_first_update_of_a_slope_is_the_sum_over_what_is_below_zero() -> None:
    """Against the formula, written another way: finite differences of the loss."""
    rate, width = 1e-3, 1e-2
    low, high = (learn_slopes(init=0.25 + side * width, **{**SMALL, "steps": 0}).losses[0] for side in (-1, 1))
    moved = learn_slopes(learning_rate=rate, **{**SMALL, "steps": 1}).final - 0.25
    together = -moved.sum(dim=0) / rate  # the first step of momentum is the gradient itself
    torch.testing.assert_close(together, (high - low) / (2 * width), rtol=0.05, atol=1e-3)


def test_decay_alone_is_the_recursion_of_momentum() -> None:
    slope, speed, expected = 0.25, 0.0, [0.25]
    for _ in range(10):
        speed = 0.9 * speed + 0.1 * slope
        slope -= 0.05 * speed
        expected.append(slope)
    torch.testing.assert_close(decay_alone(0.1, steps=10), torch.tensor(expected, dtype=torch.float64))


def test_the_picture_of_a_leak_says_where_the_maximum_parts() -> None:
    assert "are the same" in figures.leak(-0.5).text
    assert "−0.5" in figures.leak(-0.5).text
    assert "apart by up to 3" in figures.leak(2.0).text
    assert "is 0.6 x + 0.4 |x|" in figures.leak(0.2).text


def test_the_picture_of_killed_units_counts_those_that_surfaced() -> None:
    run = revive(torch.relu, sgd, 0.1, **SMALL)
    run.highest[-1, 0, 0, :2] = 1.0
    picture = figures.below_the_surface({"a": run})
    assert "of 8 killed units 25 % are on" in picture.text
    assert "25 % have surfaced" in picture.figure.axes[0].get_title()


def test_the_picture_of_slopes_names_the_ends_of_each_layer_and_the_share_of_the_v() -> None:
    found = Slopes(history=torch.tensor([[[-1.0, 3.0], [0.5, 0.5]]]), losses=torch.zeros(1, 2)).final
    text = figures.learned_slopes({"free": found}).text
    assert "free: layer 1 from −1 to 3; layer 2 from 0.5 to 0.5; mean share of the V 0.46." in text


@pytest.mark.parametrize("slope", [-3.0, -0.5, 0.25, 1.0, 2.5])
def test_the_share_of_the_v_is_that_of_the_mirrored_slope(slope: float) -> None:
    one, other = figures.share_of_the_v(torch.tensor([slope, 1 / slope], dtype=torch.float64))
    assert one == pytest.approx(other)
    assert figures.share_of_the_v(torch.tensor([0.0, 1.0, -1.0])).tolist() == [0.5, 0, 1]


def test_the_map_of_a_forgotten_eval_counts_contradictions() -> None:
    grid = torch.stack(torch.meshgrid(torch.arange(2.0), torch.arange(2.0), indexing="xy"), dim=-1)
    share, answer = torch.tensor([[0.0, 0.5], [0, 0]]), torch.tensor([[0.0, 1], [1, 0]])
    assert "25 % of the points" in figures.forgotten_eval(grid, share, answer).text


# Verdicts: numbers that would turn them

RELU = [70.0, 70.3, 70.1, 69.8]


def shifted(by: float, noise: float = 0.05) -> list[float]:
    return [value + by + noise * (-1) ** seed for seed, value in enumerate(RELU)]


@pytest.mark.parametrize(
    ("by", "noise", "expected"),
    [(2.0, 0.05, "confirmed"), (0.0, 0.05, "refuted"), (-2.0, 0.05, "refuted"), (0.5, 2.0, "open")],
)
def test_what_leaky_relu_gains_decides(by: float, noise: float, expected: str, trained: Callable[..., None]) -> None:
    trained({"relu": RELU, "leaky_relu": shifted(by, noise)})
    assert CLAIMS[16].judge({}).verdict == expected


def test_usually_is_more_than_half_of_the_networks(trained: Callable[..., None]) -> None:
    gains = (2, 2, 0)
    trained(*({"relu": RELU, "leaky_relu": shifted(by)} for by in gains))
    assert CLAIMS[16].judge({}).verdict == "confirmed"
    trained(*({"relu": RELU, "leaky_relu": shifted(by)} for by in gains[1:]))
    assert CLAIMS[16].judge({}).verdict == "refuted"


STEPS = {
    f"{name}, two rings, {optimizer}": [20.0, 25, 27]
    for name in ("LeakyReLU", "ReLU6")
    for optimizer in claims.OPTIMIZERS
}
STEPS |= {f"ReLU, two rings, {optimizer}": [10.0, 12, 14] for optimizer in claims.OPTIMIZERS}


@pytest.mark.parametrize(("by", "expected"), [(-3.0, "a confirmed, b confirmed"), (0.0, "a open, b open")])
def test_steps_and_accuracy_on_the_way_decide(by: float, expected: str, trained: Callable[..., None]) -> None:
    trained({"relu": RELU, "leaky_relu": shifted(by), "relu6": shifted(by)})
    finding = CLAIMS[17].judge(STEPS)
    assert finding.verdicts == expected
    assert [case.holds for case in finding.cases] == [True, True, by < 0] * 2


def test_equal_steps_decide_nothing(trained: Callable[..., None]) -> None:
    trained({"relu": RELU, "leaky_relu": shifted(-3), "relu6": shifted(-3)})
    finding = CLAIMS[17].judge(STEPS | {"ReLU6, two rings, SGD": STEPS["ReLU, two rings, SGD"]})
    assert [case.holds for case in finding.parts[1].cases] == [True, None, True]


RATIOS = [0.97, 0.99, 1.0, 1.01, 1.03, 1.02, 0.98, 1.0]


@pytest.mark.parametrize(
    ("ahead", "ratio", "expected"), [(3.0, 1.0, "a refuted, b confirmed"), (0.0, 3.0, "a confirmed, b refuted")]
)
def test_whoever_is_ahead_of_prelu_and_the_time_decide(
    ahead: float, ratio: float, expected: str, trained: Callable[..., None]
) -> None:
    trained({"relu": RELU, "prelu": shifted(0.1), "gelu": shifted(ahead, 0.1)})
    assert CLAIMS[18].judge({"torch": [ratio * each for each in RATIOS]}).verdicts == expected


def test_a_wrong_formula_turns_the_verdict_on_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_zero(x: Tensor, a: float) -> Tensor:
        return torch.where(x > 0, x, -a * x)

    wrong = replace(claims.ACTIVATIONS["leaky_relu"])
    object.__setattr__(wrong, "function", without_zero)
    monkeypatch.setattr(claims, "ACTIVATIONS", {"leaky_relu": wrong})
    cases = {case.condition: case.holds for case in judged(CLAIMS[15]).parts[0].cases}
    assert cases["a = 0.5"] is False
    assert cases["a = 0"] is True


def test_a_module_in_place_that_keeps_less_would_turn_the_verdict() -> None:
    measured = dict(CLAIMS[19].measure())
    assert CLAIMS[19].judge(measured).verdict == "refuted"
    assert CLAIMS[19].judge(measured | {"kept by x.mul_(slopes)": [0.0]}).verdict == "confirmed"


def test_zeros_in_gradients_are_those_of_the_text() -> None:
    measured = CLAIMS[20].measure()
    mean = {name: sum(values) / len(values) for name, values in measured.items()}
    assert mean["ReLU: behind"] == pytest.approx(0.5, abs=0.02)
    assert mean["ReLU: at the weights"] < 0.02
    turned = measured | {"LeakyReLU: behind": measured["ReLU: behind"], "ReLU: at the weights": [0.4, 0.41, 0.42]}
    assert CLAIMS[20].judge(turned).verdicts == "a refuted, b refuted, c confirmed"
