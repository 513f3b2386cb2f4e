"""Slopes below zero on a small problem: do they bring killed units back, and where do they go if they are learned?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nonlin.lab.networks import threads
from nonlin.toys.batched import binary_cross_entropy, outputs, passed, update, xavier
from nonlin.toys.race import two_rings

MOMENTUM = 0.9  # of the training of slopes


@dataclass(frozen=True, kw_only=True, eq=False)
class Revival:
    """What became of killed units.

    Args:
        highest: the largest input of each killed unit over all points, (steps + 1, layers, seeds, units); above 0 the
            unit is on for at least one point. The first step is the state before any update.
        losses: (steps + 1, seeds).
    """

    highest: Tensor
    losses: Tensor

    @property
    def surfaced(self) -> Tensor:
        """Share of the killed units that are on for at least one point at the end, by seed: shape (seeds,)."""
        return (self.highest[-1] > 0).float().mean(dim=(0, 2))


def revive(
    activation: Callable[[Tensor], Tensor],
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rate: float,
    *,
    killed: Sequence[int] = (1,),
    share: float = 1.0,
    depth: float = 0.25,
    steps: int = 300,
    seeds: int = 10,
    width: int = 16,
    hidden_layers: int = 3,
) -> Revival:
    """Kill units of a network by their biases, then train it on :func:`race.two_rings` and watch them.

    A unit is killed by lowering its bias until its largest input over all points is ``-depth``. The first weights are
    Xavier's normal; all seeds are trained side by side as one batched network.

    Args:
        activation: applied after each hidden layer.
        make_optimizer: `race.adam`, `race.sgd` or another.
        learning_rate: for the optimizer.
        killed: hidden layers, counted from 0, in which units are killed.
        share: of the units of such a layer, between 0 and 1.
        depth: how far below zero, above 0.
        steps: updates on all points.
        seeds: number of networks.
        width: units in each hidden layer.
        hidden_layers: number of hidden layers.

    Raises:
        ValueError: if nothing would be killed.
    """
    units = round(share * width)
    if not killed or units < 1 or depth <= 0:
        raise ValueError("revive needs a layer to kill in, a share of at least one unit, and a depth above 0.")
    points, labels = two_rings()
    with threads(1):  # tensors this small gain nothing from a second thread
        parameters = xavier(seeds, [2, *[width] * hidden_layers, 1])
        _kill(activation, parameters, points, killed, units, depth)
        optimizer = make_optimizer(parameters, learning_rate)
        highest, losses = [], []
        for step in range(steps + 1):
            found = passed(parameters, points, activation)
            each = binary_cross_entropy(found.outputs, labels)
            highest.append(torch.stack([found.inputs[layer][..., :units].detach().amax(dim=1) for layer in killed]))
            losses.append(each.detach())
            if step < steps:
                update(optimizer, each)
    return Revival(highest=torch.stack(highest), losses=torch.stack(losses))


@dataclass(frozen=True, kw_only=True, eq=False)
class Slopes:
    """Slopes during a training.

    Args:
        history: (steps + 1, layers, seeds); the first step is the state before any update.
        losses: cross-entropy without the decay, (steps + 1, seeds).
    """

    history: Tensor
    losses: Tensor

    @property
    def final(self) -> Tensor:
        """Shape (layers, seeds)."""
        return self.history[-1]


def learn_slopes(
    *,
    slope_decay: float = 0.0,
    weight_decay: float = 0.0,
    init: float = 0.25,
    learning_rate: float = 0.05,
    steps: int = 600,
    seeds: int = 10,
    width: int = 16,
    hidden_layers: int = 3,
) -> Slopes:
    """Train a network with one learned slope per hidden layer on :func:`race.two_rings`.

    Gradient descent with momentum 0.9. Decay is added to the gradient, as ``torch.optim.SGD`` does it. All seeds are
    trained side by side as one batched network; the same seed gives the same first weights (Xavier's normal) whatever
    the decay.

    Args:
        slope_decay: of the slopes.
        weight_decay: of weights and biases.
        init: the slopes before the first update.
        learning_rate: of all parameters.
        steps: updates on all points.
        seeds: number of networks.
        width: units in each hidden layer.
        hidden_layers: number of hidden layers.
    """
    points, labels = two_rings()
    with threads(1):  # tensors this small gain nothing from a second thread
        weights = xavier(seeds, [2, *[width] * hidden_layers, 1])
        slopes = [torch.full((seeds, 1, 1), init, requires_grad=True) for _ in range(hidden_layers)]
        groups = [{"params": weights, "weight_decay": weight_decay}, {"params": slopes, "weight_decay": slope_decay}]
        optimizer = torch.optim.SGD(groups, lr=learning_rate, momentum=MOMENTUM)
        functions = [partial(_prelu, slope=slope) for slope in slopes]
        history, losses = [], []
        for step in range(steps + 1):
            each = binary_cross_entropy(outputs(weights, points, functions), labels)
            history.append(torch.stack([a.detach().flatten().clone() for a in slopes]))
            losses.append(each.detach())
            if step < steps:
                update(optimizer, each)
    return Slopes(history=torch.stack(history), losses=torch.stack(losses))


def decay_alone(slope_decay: float, *, init: float = 0.25, learning_rate: float = 0.05, steps: int = 600) -> Tensor:
    """What decay does to a slope that gets no gradient, with the same optimizer: shape (steps + 1,)."""
    slope = torch.full((), init, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([slope], lr=learning_rate, momentum=MOMENTUM, weight_decay=slope_decay)
    slope.grad = torch.zeros_like(slope)
    found = [slope.item()]
    for _ in range(steps):
        optimizer.step()
        found.append(slope.item())
    return torch.tensor(found, dtype=torch.float64)


@torch.no_grad()
def _kill(
    activation: Callable[[Tensor], Tensor],
    parameters: list[Tensor],
    points: Tensor,
    killed: Sequence[int],
    units: int,
    depth: float,
) -> None:
    for layer in sorted(killed):  # from below, since a killed layer changes what the next one sees
        inputs = passed(parameters, points, activation).inputs
        bias = parameters[2 * layer + 1]
        bias[..., :units] -= inputs[layer][..., :units].amax(dim=1, keepdim=True) + depth


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.addcmul(x.clamp(min=0), slope, x.clamp(max=0))
