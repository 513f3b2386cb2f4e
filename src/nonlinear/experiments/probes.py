"""What happens to gradients inside a network, layer by layer."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def gradient_norms(
    activation: Callable[[Tensor], Tensor],
    *,
    depth: int,
    width: int = 64,
    batch: int = 256,
    weight_std: Callable[[int], float] = lambda fan_in: math.sqrt(1 / fan_in),
    seeds: int = 20,
) -> Tensor:
    """Norm of the gradient at each layer's output, in a stack of random linear layers before any training.

    A random gradient enters at the top and runs down. float64, so that a tiny gradient is not mistaken for none.

    Args:
        activation: applied after each layer.
        depth: number of layers.
        width: units in each layer.
        batch: number of random inputs, drawn from N(0, 1).
        weight_std: standard deviation of the weights for a given fan-in; by default Xavier's 1 / sqrt(fan_in).
        seeds: number of independent networks, seeds 0 to ``seeds`` - 1.

    Returns:
        float64 of shape (seeds, depth), first layer first.
    """
    return torch.stack(
        [_gradient_norms(activation, depth, width, batch, weight_std(width), seed) for seed in range(seeds)]
    )


def _gradient_norms(
    activation: Callable[[Tensor], Tensor], depth: int, width: int, batch: int, std: float, seed: int
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    outputs = []
    for _ in range(depth):
        weight = std * torch.randn(width, width, generator=generator, dtype=torch.float64)
        h = activation((h @ weight).requires_grad_())  # (batch, width)
        outputs.append(h)
    entering = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    return torch.stack([g.norm() for g in torch.autograd.grad(h, outputs, entering)])


def factor_per_layer(norms: Tensor) -> Tensor:
    """By what the gradient is multiplied per layer on its way down, as a geometric mean.

    Args:
        norms: from :func:`gradient_norms`, shape (seeds, depth).

    Returns:
        Shape (seeds,).
    """
    return (norms[:, 0] / norms[:, -1]) ** (1 / (norms.shape[1] - 1))
