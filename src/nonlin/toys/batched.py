"""Many small networks of one shape, one for each seed, computed and trained side by side as one batched network.

Their parameters are one list: of each layer in turn a weight, (seeds, fan_in, fan_out), and a bias,
(seeds, 1, fan_out). They share nothing, so that the gradient of the sum of their losses holds the gradient of each.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.lab.networks import threads
from nonlin.signatures import Elementwise

Parameters = list[Tensor]
Affine = Callable[[Tensor, Tensor, Tensor], Tensor]  # of inputs, weights and biases

# First weights


def xavier(seeds: int, sizes: Sequence[int], *, draw: int = 0) -> Parameters:
    """Xavier's normal rule, biases 0: the standard deviation is sqrt(2 / (fan_in + fan_out)).

    All are drawn from one generator: the same at every call with the same arguments.

    Args:
        seeds: number of networks.
        sizes: units of each layer, from the inputs to the outputs.
        draw: seed of the generator.
    """
    generator = torch.Generator().manual_seed(draw)
    parameters = []
    for fan_in, fan_out in pairwise(sizes):
        std = math.sqrt(2 / (fan_in + fan_out))
        parameters.append((std * torch.randn(seeds, fan_in, fan_out, generator=generator)).requires_grad_())
        parameters.append(torch.zeros(seeds, 1, fan_out, requires_grad=True))
    return parameters


def with_gain(seeds: Sequence[int], sizes: Sequence[int], gain: float) -> Parameters:
    """Normal with standard deviation gain / sqrt(fan_in), biases 0; the first layer, which sees no activation, has 1.

    The same seed gives the same draws whatever the gain, and whichever other networks there are.

    Args:
        seeds: one for each network.
        sizes: units of each layer, from the inputs to the outputs.
        gain: of all layers but the first.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    parameters = []
    for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        std = (gain if number else 1.0) / math.sqrt(fan_in)
        weight = torch.stack([torch.randn(fan_in, fan_out, generator=g) for g in generators])
        parameters += [(std * weight).requires_grad_(), torch.zeros(len(seeds), 1, fan_out, requires_grad=True)]
    return parameters


def as_linear(seeds: int, sizes: Sequence[int]) -> Parameters:
    """Weights and biases as ``nn.Linear`` draws them, uniform within 1 / sqrt(fan_in) of 0.

    Args:
        seeds: number of networks, seeds 0 to ``seeds`` - 1; one does not depend on how many others there are.
        sizes: units of each layer, from the inputs to the outputs.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    parameters = []
    for fan_in, fan_out in pairwise(sizes):
        drawn = torch.stack([2 * torch.rand(fan_in + 1, fan_out, generator=g) - 1 for g in generators])
        drawn /= math.sqrt(fan_in)
        parameters += [drawn[:, :-1].clone().requires_grad_(), drawn[:, -1:].clone().requires_grad_()]
    return parameters


# What they compute


@dataclass(frozen=True, eq=False)
class Pass:
    """All that networks compute on their way from inputs to outputs.

    Args:
        inputs: of the units of each hidden layer, each (seeds, n, units).
        hidden: what the activation makes of them.
        outputs: (seeds, n, outputs).
    """

    inputs: list[Tensor]
    hidden: list[Tensor]
    outputs: Tensor


def affine(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer with its bias."""
    return h @ weight + bias


def fused(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer with its bias, in one call: faster, and the last digit may differ from that of :func:`affine`."""
    return torch.baddbmm(bias, h, weight)


def identity(x: Tensor) -> Tensor:
    """No activation; the inverse of itself."""
    return x


def passed(
    parameters: Sequence[Tensor], x: Tensor, activation: Elementwise | Sequence[Elementwise], *, layer: Affine = affine
) -> Pass:
    """Send inputs through the networks.

    Args:
        parameters: of all of them.
        x: (n, features) for all, or (seeds, n, features).
        activation: after each hidden layer; one for all of them, or one for each.
        layer: computes a linear layer.
    """
    *below, weight, bias = parameters
    activations = [activation] * (len(below) // 2) if callable(activation) else activation
    h = x.expand(len(weight), *x.shape[-2:])
    inputs, hidden = [], []
    for w, b, f in zip(below[::2], below[1::2], activations, strict=True):
        inputs.append(layer(h, w, b))
        h = f(inputs[-1])
        hidden.append(h)
    return Pass(inputs, hidden, layer(h, weight, bias))


def outputs(
    parameters: Sequence[Tensor], x: Tensor, activation: Elementwise | Sequence[Elementwise], *, layer: Affine = affine
) -> Tensor:
    """What the networks put out, (seeds, n, outputs); arguments as for :func:`passed`."""
    return passed(parameters, x, activation, layer=layer).outputs


# Losses, one number for each network


def cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """``F.cross_entropy`` for each seed by itself; with weights, the weighted mean, as torch defines it.

    Args:
        logits: (seeds, n, classes).
        labels: (seeds, n).
        weight: one number a class.

    Returns:
        Shape (seeds,).
    """
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    if weight is None:
        return each.mean(dim=1)
    w = weight[labels]
    return (each * w).sum(dim=1) / w.sum(dim=1)


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """In nats, for one output: of logits (seeds, n, 1) and labels 0 or 1, (n,) or (seeds, n); shape (seeds,)."""
    logits = logits.squeeze(-1)
    return F.binary_cross_entropy_with_logits(logits, labels.expand_as(logits), reduction="none").mean(dim=1)


# Training


def update(optimizer: torch.optim.Optimizer, losses: Tensor) -> None:
    """One step of an optimizer, for all networks at once."""
    optimizer.zero_grad()
    losses.sum().backward()
    optimizer.step()


def train_by(optimizer: torch.optim.Optimizer, losses: Callable[[], Tensor], steps: int) -> Tensor:
    """Full-batch training on one thread: tensors this small gain nothing from a second, and lose on a busy machine.

    Returns:
        The losses before each step, (steps, seeds).
    """
    seen = []
    with threads(1):
        for _ in range(steps):
            each = losses()
            update(optimizer, each)
            seen.append(each.detach())
    return torch.stack(seen)
