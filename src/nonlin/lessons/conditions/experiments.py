"""What an activation must satisfy (lesson 02): a bend that is no polynomial, and a slope; and the nerve cell."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nonlin.signatures import Elementwise


def step(x: Tensor) -> Tensor:
    """1 above 0, else 0: flat almost everywhere."""
    return (x > 0).to(x.dtype)


def with_slope(function: Elementwise, slope: Elementwise) -> Elementwise:
    """A function whose backward returns a slope of one's own, a surrogate gradient.

    Args:
        function: what forward computes.
        slope: what backward multiplies by, of the same inputs.
    """

    class Chosen(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient * slope(x)

    return Chosen.apply


def relu_with_slope_at_zero(slope: float) -> Elementwise:
    """ReLU, with a choice of what backward returns exactly at 0.

    Args:
        slope: that choice; torch's is 0.
    """
    return with_slope(torch.relu, lambda x: (x > 0).to(x.dtype) + slope * (x == 0).to(x.dtype))


@dataclass(frozen=True, eq=False)
class Fit:
    """The best that one hidden layer with random weights can do on a curve.

    Args:
        errors: root mean square over that of the curve, float64 (seeds,).
        ranks: how many of the units' outputs (and the constant) are linearly independent, int64 (seeds,).
        fitted: what was fitted, float64 (seeds, points).
    """

    errors: Tensor
    ranks: Tensor
    fitted: Tensor


def wave(x: Tensor) -> Tensor:
    """The curve to fit: sin 3πx, three half-waves on each side of 0."""
    return torch.sin(3 * math.pi * x)


def fit_curve(
    activation: Elementwise, width: int, *, target: Elementwise = wave, seeds: int = 10, points: int = 400
) -> Fit:
    """Fit a curve on [-1, 1] by one hidden layer whose first weights stay random; the last layer by least squares.

    Least squares finds the best last layer there is, so that no optimizer can be blamed for what is missing.

    Args:
        activation: of the hidden layer, on float64.
        width: its units. Unit k bends at a random place in [-1, 1], with a random slope of standard deviation 6.
        target: the curve.
        seeds: number of random layers.
        points: number of places, evenly spaced, at which the curve is fitted and the error is taken.
    """
    x = torch.linspace(-1, 1, points, dtype=torch.float64)
    y = target(x)
    errors, ranks, fitted = [], [], []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        slope = 6 * torch.randn(width, generator=generator, dtype=torch.float64)
        place = 2 * torch.rand(width, generator=generator, dtype=torch.float64) - 1
        hidden = activation(slope * (x[:, None] - place))  # (points, width)
        features = torch.cat([hidden, torch.ones(points, 1, dtype=torch.float64)], dim=1)
        features = features / features.norm(dim=0).clamp(min=1e-300)  # a unit that is off everywhere stays 0
        last = torch.linalg.lstsq(features, y[:, None], rcond=1e-10, driver="gelsd").solution
        fitted.append((features @ last).squeeze(1))
        errors.append((fitted[-1] - y).square().mean().sqrt() / y.square().mean().sqrt())
        ranks.append(torch.linalg.matrix_rank(features, rtol=1e-10))
    return Fit(torch.stack(errors), torch.stack(ranks), torch.stack(fitted))


def firing_rate(
    current: Tensor, *, threshold: float = 1.0, time_constant: float = 0.02, refractory: float = 0.002
) -> Tensor:
    r"""Spikes per second of a leaky integrate-and-fire neuron under a constant current.

    .. math:: r(I) = \Bigl(t_r + \tau \ln \frac{I}{I - \theta}\Bigr)^{-1} \text{ for } I > \theta, \text{ else } 0

    Args:
        current: input times the membrane's resistance, in units of the threshold.
        threshold: θ, the voltage at which it fires and is reset to 0.
        time_constant: τ of the leak, in seconds.
        refractory: t_r, the pause after each spike, in seconds.
    """
    above = current.clamp(min=threshold * (1 + 1e-12))
    rate = 1 / (refractory + time_constant * torch.log(above / (above - threshold)))
    return torch.where(current > threshold, rate, torch.zeros_like(rate))


def count_spikes(
    current: float,
    *,
    seconds: float = 1.0,
    step: float = 1e-5,
    threshold: float = 1.0,
    time_constant: float = 0.02,
    refractory: float = 0.002,
) -> int:
    """The neuron of :func:`firing_rate` step by step: τ dv/dt = I - v, a spike and a reset to 0 at the threshold.

    Args:
        current: constant input, in units of the threshold.
        seconds: how long to listen.
        step: of Euler's method, in seconds.
        threshold, time_constant, refractory: as for :func:`firing_rate`.
    """
    voltage, pause, spikes = 0.0, 0.0, 0
    for _ in range(round(seconds / step)):
        if pause > 0:
            pause -= step
            continue
        voltage += step / time_constant * (current - voltage)
        if voltage >= threshold:
            spikes, voltage, pause = spikes + 1, 0.0, refractory
    return spikes
