r"""Mean and variance of what an activation puts out, layer by layer: computed for wide layers, measured in real ones.

A layer multiplies its inputs, of mean :math:`\mu` and variance :math:`\nu`, with n random weights of mean 0 and
variance :math:`g^2 / n`. In a wide layer the sums are normal with mean 0 and variance :math:`g^2 (\mu^2 + \nu)`, over
units and inputs together, so that the next pair follows from this one: a map of the half-plane into itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_LIMIT, _POINTS = 12.0, 9_601  # a trapezoidal rule with a point at 0, where the curves have their kinks


def normal_mean(function: Callable[[Tensor], Tensor], std: Tensor | float = 1.0) -> Tensor:
    """Expectation of ``function(std * z)`` for z from N(0, 1), float64.

    Args:
        function: works element by element, on float64; a kink at 0 does no harm.
        std: standard deviation, a number or a tensor of any shape, which the result has.
    """
    z = torch.linspace(-_LIMIT, _LIMIT, _POINTS, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    std = torch.as_tensor(std, dtype=torch.float64)
    return torch.trapezoid(function(std[..., None] * z) * density, z, dim=-1)


def next_moments(
    activation: Callable[[Tensor], Tensor], mean: Tensor | float, variance: Tensor | float, *, gain: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the outputs of a wide random layer, from those of the layer before.

    Args:
        activation: works element by element, on float64.
        mean, variance: of the inputs, over units and examples; numbers or tensors of one shape.
        gain: standard deviation of the weights, times the root of their number.
    """
    mean, variance = torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(variance, dtype=torch.float64)
    std = gain * (mean.square() + variance).sqrt()
    first = normal_mean(activation, std)
    return first, normal_mean(lambda z: activation(z).square(), std) - first.square()


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """What a stack of random layers puts out; ``mean`` and ``variance`` are float64 (seeds, depth + 1), inputs first.

    Args:
        mean, variance: over units and examples.
        unit_means, unit_variances: of each unit of the last layer over the examples, float64 (seeds, width).
    """

    mean: Tensor
    variance: Tensor
    unit_means: Tensor
    unit_variances: Tensor


def moments_by_layer(
    activation: Callable[[Tensor], Tensor],
    *,
    gain: float = 1.0,
    depth: int = 50,
    width: int = 256,
    batch: int = 256,
    mean: float = 0.0,
    std: float = 1.0,
    seeds: int = 5,
) -> Moments:
    """Send examples from N(mean, std^2) through layers with normal weights and no biases, before any training.

    Args:
        activation: of a float32 tensor; may end in a dropout. torch's global generator is seeded for each network.
        gain: standard deviation of the weights, times the root of their number; 1 is LeCun's.
        depth, width: of the stack.
        batch: number of examples.
        mean, std: of the inputs.
        seeds: number of networks, seeds 0 to ``seeds`` - 1.
    """
    runs = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        x = mean + std * torch.randn(batch, width)
        found = [_moments(x)]
        for _ in range(depth):
            x = activation(x @ (gain / math.sqrt(width) * torch.randn(width, width)))
            found.append(_moments(x))
        by_unit = x.double()
        runs.append((*map(torch.tensor, zip(*found, strict=True)), by_unit.mean(0), by_unit.var(0, correction=0)))
    means, variances, unit_means, unit_variances = (torch.stack(column) for column in zip(*runs, strict=True))
    return Moments(
        mean=means.double(), variance=variances.double(), unit_means=unit_means, unit_variances=unit_variances
    )


def _moments(x: Tensor) -> tuple[float, float]:
    return x.mean().item(), x.var(correction=0).item()
