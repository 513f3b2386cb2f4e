"""What happens to gradients inside a network, layer by layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

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
    drawn = normal((batch, width), *[(width, width)] * depth, (batch, width), seeds=seeds)
    return torch.stack([_gradient_norms(activation, weight_std(width), *each) for each in drawn])


def _gradient_norms(
    activation: Callable[[Tensor], Tensor], std: float, h: Tensor, *weights_and_entering: Tensor
) -> Tensor:
    *weights, entering = weights_and_entering
    outputs = []
    for weight in weights:
        h = activation((h @ (std * weight)).requires_grad_())  # (batch, width)
        outputs.append(h)
    return torch.stack([g.norm() for g in torch.autograd.grad(h, outputs, entering)])


@lru_cache(maxsize=1)  # what is large is not kept beside what is no longer asked for
def normal(*shapes: tuple[int, ...], seeds: int = 1) -> list[tuple[Tensor, ...]]:
    """Float64 draws from N(0, 1), one after the other, for each seed from 0.

    The last are kept, since comparisons of activations draw the same again and again: change none of them in place.
    """
    generators = (torch.Generator().manual_seed(seed) for seed in range(seeds))
    return [tuple(torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes) for g in generators]


def factor_per_layer(norms: Tensor) -> Tensor:
    """By what the gradient is multiplied per layer on its way down, as a geometric mean.

    Args:
        norms: from :func:`gradient_norms`, shape (seeds, depth).

    Returns:
        Shape (seeds,).
    """
    return (norms[:, 0] / norms[:, -1]) ** (1 / (norms.shape[1] - 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Propagation:
    """How a signal and a gradient fare in a stack of random layers; each float64 (seeds, depth), first layer first.

    Args:
        signal: mean square of the layer's pre-activations z, over inputs and units.
        distinct: the part of it in which inputs differ: the variance of z over the inputs, averaged over the units.
        gradient: mean square of the gradient of z, over inputs and units; it enters at the last layer with 1.
    """

    signal: Tensor
    distinct: Tensor
    gradient: Tensor

    @property
    def forward_factor(self) -> Tensor:
        """By what one layer multiplies the root mean square of the signal, as a geometric mean; shape (seeds,)."""
        return (self.signal[:, -1] / self.signal[:, 0]) ** (0.5 / (self.signal.shape[1] - 1))

    @property
    def backward_factor(self) -> Tensor:
        """By what one layer multiplies the norm of the gradient, on its way back; shape (seeds,)."""
        return (self.gradient[:, 0] / self.gradient[:, -1]) ** (0.5 / (self.gradient.shape[1] - 1))


def propagation(
    activation: Callable[[Tensor], Tensor],
    *,
    gain: float,
    depth: int = 30,
    width: int = 128,
    batch: int = 64,
    seeds: int = 10,
) -> Propagation:
    """Send inputs from N(0, 1) up and a gradient from N(0, 1) down a stack of linear layers and activations.

    Weights have standard deviation gain / sqrt(width), but for the first layer, which sees the inputs and no
    activation: its gain is 1. No biases. float64, so that a tiny gradient is not mistaken for none.

    Args:
        activation: works element by element, also on float64.
        gain: of all layers but the first.
        depth: number of linear layers.
        width: units in each, and numbers in each input.
        batch: number of inputs.
        seeds: number of independent networks, computed side by side.
    """
    rows, square = (seeds, batch, width), (seeds, width, width)
    [(h, *weights, entering)] = normal(rows, *[square] * depth, rows)
    pre_activations = []
    for layer, weight in enumerate(weights):
        weight = weight / math.sqrt(width)
        z = (h @ weight if layer == 0 else gain * (h @ weight)).requires_grad_()  # (seeds, batch, width)
        pre_activations.append(z)
        h = activation(z)
    gradients = torch.autograd.grad(z, pre_activations, entering)
    with torch.no_grad():
        return Propagation(
            signal=torch.stack([z.square().mean(dim=(1, 2)) for z in pre_activations], dim=1),
            distinct=torch.stack([z.var(dim=1, correction=0).mean(dim=1) for z in pre_activations], dim=1),
            gradient=torch.stack([g.square().mean(dim=(1, 2)) for g in gradients], dim=1),
        )


def recurrent_norms(
    activation: Callable[[Tensor], Tensor],
    recurrent_weight: Callable[[int, torch.Generator], Tensor],
    *,
    steps: int = 100,
    width: int = 64,
    batch: int = 16,
    input_std: float = 0.1,
    seeds: int = 10,
) -> tuple[Tensor, Tensor]:
    """What is left of state and gradient in a recurrent layer h_t = f(h_(t-1) W + x_t), by time step.

    The same W acts at every step. h_0 is 0, inputs are drawn from N(0, input_std^2), the gradient of h_T from N(0, 1).

    Args:
        activation: f.
        recurrent_weight: makes W, float64 (width, width), from the width and a generator.
        steps: T.
        width: units.
        batch: number of sequences.
        input_std: standard deviation of the inputs.
        seeds: number of independent layers, seeds 0 to ``seeds`` - 1.

    Returns:
        Root mean square of h_t, and the gradient's norm at h_t over that at h_T: float64 (seeds, steps), first step
        first.
    """
    runs = [_recurrent(activation, recurrent_weight, steps, width, batch, input_std, seed) for seed in range(seeds)]
    states, gradients = zip(*runs, strict=True)
    return torch.stack(states), torch.stack(gradients)


def _recurrent(
    activation: Callable[[Tensor], Tensor],
    recurrent_weight: Callable[[int, torch.Generator], Tensor],
    steps: int,
    width: int,
    batch: int,
    input_std: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = recurrent_weight(width, generator)
    h = torch.zeros(batch, width, dtype=torch.float64)
    states = []
    for _ in range(steps):
        x = input_std * torch.randn(batch, width, generator=generator, dtype=torch.float64)
        h = activation((h @ weight + x).requires_grad_())  # (batch, width)
        states.append(h)
    entering = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    norms = torch.stack([g.norm() for g in torch.autograd.grad(h, states, entering)])
    return torch.stack([h.detach().square().mean().sqrt() for h in states]), norms / norms[-1]
