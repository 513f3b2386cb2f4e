"""Lesson 15's experiments: what a network paints, which waves it learns, and equations with known solutions."""

import math

import pytest
import torch
from torch import Tensor, nn

from nonlin.lessons.coordinates import claims
from nonlin.lessons.coordinates.experiments import (
    Image,
    Sine,
    decibels,
    draw_for_sines,
    fit,
    fourier,
    layers,
    photograph,
    quality,
    second_derivative,
    slow_and_fast,
    solve,
)  # fmt: skip
from nonlin.lessons.coordinates.figures import paintings, seen_and_unseen, solutions, waves_learned


def test_the_picture_is_a_table_of_places_half_of_it_seen() -> None:
    image = photograph()
    assert image.at.shape == (4096, 2)
    assert image.grey.shape == (4096, 1)
    assert image.at[0].tolist() == [-1, -1]
    assert image.at[-1].tolist() == [1 - 1 / 32] * 2
    chessboard = image.seen.reshape(64, 64)
    assert chessboard[0, 0]
    assert not (chessboard[1:] & chessboard[:-1]).any()
    assert not (chessboard[:, 1:] & chessboard[:, :-1]).any()
    assert image.seen.sum() == 2048


def test_decibels_of_known_errors() -> None:
    assert decibels(torch.full((3,), 0.1, dtype=torch.float64)) == pytest.approx(20)
    assert decibels(torch.tensor([0.0, 0.02], dtype=torch.float64)) == pytest.approx(-10 * math.log10(2e-4))


def test_quality_tells_seen_from_unseen_pixels() -> None:
    image = photograph()
    painted = image.grey + torch.where(image.seen, 0.01, 0.1)[:, None]
    assert quality(painted, image) == pytest.approx((40, 20), abs=1e-3)


def test_fourier_features_are_waves_of_the_frequency_asked_for() -> None:
    x = torch.arange(8, dtype=torch.float64)[:, None] / 8
    cosine, sine = fourier(x, torch.tensor([[1.0]], dtype=torch.float64)).T
    assert cosine[[0, 2, 4, 6]].tolist() == pytest.approx([1, 0, -1, 0], abs=1e-12)
    assert sine[[0, 2, 4, 6]].tolist() == pytest.approx([0, 1, 0, -1], abs=1e-12)


def test_sines_get_narrow_weights_in_all_layers_but_the_first() -> None:
    torch.manual_seed(0)
    network = draw_for_sines(layers(2, lambda: Sine(30.0)), 30.0)
    widest = [layer.weight.abs().max().item() for layer in network if isinstance(layer, nn.Linear)]
    assert widest == pytest.approx([1 / 2, *[math.sqrt(6 / 64) / 30] * 2], rel=0.05)


def test_only_seen_pixels_are_learned() -> None:
    image = photograph()
    hidden = Image(image.at, torch.where(image.seen[:, None], image.grey, -9.0), image.seen)
    torch.manual_seed(0)
    network = layers(2, nn.Tanh, width=8)
    before = [p.clone() for p in network.parameters()]
    shift = (hidden.grey.mean(), hidden.grey.std())
    fit(network, image.at, hidden, steps=1)
    torch.manual_seed(0)
    other = layers(2, nn.Tanh, width=8)
    loss = (other(image.at[image.seen]) - (image.grey[image.seen] - shift[0]) / shift[1]).square().mean()
    loss.backward()
    for old, new, p in zip(before, network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(new - old, -0.003 * p.grad.sign(), atol=1e-5)  # Adam's first step


def test_amplitudes_are_those_of_the_two_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return 0.25 * torch.sin(math.pi * x) - 0.5 * torch.sin(6 * math.pi * x) + self.shift

    monkeypatch.setattr("nonlin.lessons.coordinates.experiments.layers", lambda *_: Known())
    assert slow_and_fast(nn.ReLU, seed=0, at=[0])[0].tolist() == pytest.approx([0.25, -0.5], abs=1e-6)


def test_second_derivatives_are_exact_and_0_for_straight_pieces() -> None:
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)[:, None].requires_grad_()
    u, curvature = second_derivative(torch.nn.Tanh(), x)
    assert torch.allclose(curvature, -2 * u * (1 - u**2))
    assert second_derivative(nn.ReLU(), x)[1].tolist() == [[0.0]] * 7


def test_an_equation_pulls_at_smooth_networks_only() -> None:
    relu, tanh = (solve(f, steps=3) for f in (nn.ReLU, nn.Tanh))
    assert relu.pull == 0 < tanh.pull
    exact = (math.pi**2 * torch.sin(math.pi * relu.x)).square().mean().item()
    assert relu.residual == pytest.approx(exact, rel=1e-5)
    assert solve(nn.Tanh, steps=300).error < 0.1


def test_figures_say_what_they_draw() -> None:
    image = photograph()
    assert "40.0 dB" in paintings(image, {"a": image.grey + 0.01}).text
    assert (
        "0.25, 0.50 after 9"
        in waves_learned([0, 9], {"f": torch.tensor([[[0, 0], [0.25, 1]], [[0, 0], [0.5, 1]]])}).text
    )
    assert "seen: 3.0 dB at 1, 4.0 dB at 2" in seen_and_unseen([1, 2], {"f": [(3, 1), (4, 2)]}).text
    assert "at most" in solutions({"tanh": solve(nn.Tanh, steps=1)}).text


ONE = [20.0, 20.1, 19.9, 20.05, 19.95]


def test_a_sine_is_held_against_the_best_rate_of_relu() -> None:
    measured = {f"ReLU, rate {rate:g}": [v - k for v in ONE] for k, rate in enumerate(claims.RATES)}
    measured |= {f"sine, ω = 30, rate {rate:g}": [v + 3 for v in ONE] for rate in claims.RATES}
    cases = claims.SINE_ON_COORDINATES.parts[0].judge(measured)
    assert [case.holds for case in cases] == [True] * 3
    assert cases[0].rests_on[0].mean == pytest.approx(3)


def test_features_depend_on_where_their_lead_ends() -> None:
    leads = dict(zip(claims.SPREADS, (3, 5, 6, 6, 3, -8), strict=True))
    measured = {"bare coordinates": ONE} | {f"σ = {s:g}": [v + lead for v in ONE] for s, lead in leads.items()}
    [part] = claims.FOURIER_FEATURES.judge(measured).parts
    assert part.verdict == "depends"
    assert 4 < part.dependence.at.mean < 8
    assert part.dependence.holds == "below"


@pytest.mark.parametrize(("pull", "error", "verdicts"), [(0.0, 0.01, "a confirmed, b confirmed"), (1e-9, 0.2, "a refuted, b refuted")])  # fmt: skip  # noqa: E501
def test_equations_are_judged_by_pull_and_by_error(pull: float, error: float, verdicts: str) -> None:
    names = {**claims.STRAIGHT, **claims.SMOOTH}
    measured = {f"{name}: pull": [0.0, pull] for name in names}
    measured |= {f"{name}: error": [error, error * 1.01, error * 0.99] for name in names}
    assert claims.SECOND_DERIVATIVES.judge(measured).verdicts == verdicts
