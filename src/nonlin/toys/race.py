"""A race on a small problem: how many steps does an activation need, over many seeds at once?"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nonlin.lab.networks import threads
from nonlin.toys.batched import binary_cross_entropy, outputs, update, xavier

SIZES = (2, 16, 16, 16, 1)  # of the layers
TARGET_LOSS, SEEDS, MOST_STEPS = 0.2, 20, 1000


def two_rings(n: int = 256, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points on two noisy circles of radius 1 and 2 around the origin, which no straight line separates.

    Args:
        n: number of points.
        seed: of the generator.

    Returns:
        Points, float32 (n, 2), and labels 0 (inner) or 1 (outer), float32 (n,).
    """
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    label = (torch.arange(n) % 2).float()
    radius = 1 + label + 0.2 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


def adam(parameters: Sequence[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    """Adam with torch's defaults."""
    return torch.optim.Adam(parameters, lr=learning_rate)


def sgd(parameters: Sequence[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    """Gradient descent with momentum 0.9."""
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9)


@dataclass(frozen=True)
class Finish:
    """How one activation did at its best learning rate: steps by seed, and that rate."""

    steps: Tensor
    learning_rate: float


def race(
    activations: Mapping[str, Callable[[Tensor], Tensor]],
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rates: Sequence[float],
    offsets: Mapping[str, float] | None = None,
) -> dict[str, Finish]:
    """Steps that each activation needs at the learning rate that suits it best, of those given, on draw 0.

    The rate is chosen on the same seeds that are reported, which flatters every activation alike. Offsets, by name, are
    those of :func:`steps_to_learn`, 0 where none is given.
    """
    offsets = offsets or {}
    with threads(1):  # tensors this small gain nothing from a second thread, and lose much on a busy machine
        return {
            name: _best(activation, make_optimizer, learning_rates, offsets.get(name, 0.0))
            for name, activation in activations.items()
        }


def _best(
    activation: Callable[[Tensor], Tensor],
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rates: Sequence[float],
    offset: float,
) -> Finish:
    """The rate that needs the fewest steps, without training the others to the end.

    The mean over seeds of the steps so far can only grow. So the run that has the smallest is always the next to take a
    step, and the first that needs no more is the best.
    """
    runs = {
        rate: _steps_so_far(activation, make_optimizer, rate, TARGET_LOSS, SEEDS, MOST_STEPS, 0, offset)
        for rate in learning_rates
    }
    steps = {rate: next(run) for rate, run in runs.items()}
    while True:
        rate = min(runs, key=lambda rate: steps[rate].mean().item())
        following = next(runs[rate], None)
        if following is None:
            return Finish(steps[rate], rate)
        steps[rate] = following


def steps_to_learn(
    activation: Callable[[Tensor], Tensor],
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rate: float,
    *,
    target_loss: float = TARGET_LOSS,
    seeds: int = SEEDS,
    most_steps: int = MOST_STEPS,
    draw: int = 0,
    offset: float = 0.0,
) -> Tensor:
    """Steps of full-batch training on :func:`two_rings` until the cross-entropy falls below a target.

    All seeds are trained side by side as one batched network. The same seed gives the same first weights (Xavier's
    normal, biases 0) to every activation, so that activations can be compared seed by seed.

    Args:
        activation: applied after each hidden layer.
        make_optimizer: :func:`adam`, :func:`sgd` or another.
        learning_rate: for the optimizer.
        target_loss: mean binary cross-entropy in nats.
        seeds: number of networks, each with three hidden layers of 16 units.
        most_steps: when to stop; a network that has not arrived counts with this number.
        draw: which points and first weights; another number draws all of them afresh.
        offset: what the activation adds to another, as sigmoid adds ½ to sigmoid − ½. The first biases make up for it,
            so that both begin as the same function.

    Returns:
        Number of steps, float32 (seeds,).
    """
    *_, steps = _steps_so_far(activation, make_optimizer, learning_rate, target_loss, seeds, most_steps, draw, offset)
    return steps


def _steps_so_far(
    activation: Callable[[Tensor], Tensor],
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rate: float,
    target_loss: float,
    seeds: int,
    most_steps: int,
    draw: int,
    offset: float,
) -> Iterator[Tensor]:
    """Train, and yield after each step how many every network has needed so far; the last that comes is the result."""
    points, labels = two_rings(seed=draw)
    parameters = xavier(seeds, SIZES, draw=draw)
    with torch.no_grad():
        for weight, bias in zip(parameters[2::2], parameters[3::2], strict=True):
            bias -= offset * weight.sum(dim=1, keepdim=True)  # 0 so far
    optimizer = make_optimizer(parameters, learning_rate)
    arrived = torch.zeros(seeds, dtype=torch.bool)
    steps = torch.zeros(seeds)
    for _ in range(most_steps):
        losses = binary_cross_entropy(outputs(parameters, points, activation), labels)
        arrived = arrived | (losses < target_loss)  # a loss that is not a number has not arrived
        steps = steps + ~arrived
        yield steps
        if arrived.all():
            return
        update(optimizer, losses)
