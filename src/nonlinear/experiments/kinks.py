r"""One hidden layer on the line: units whose kinks can be watched as they move, die and, sometimes, come back.

The network is :math:`f(x) = c + \sum_i a_i \, \phi(w_i x + b_i)`. Unit i has its kink where its input is 0, at
:math:`x = -b_i / w_i`. It is dead when the slope of :math:`\phi` is exactly 0 at every training point: then no gradient
reaches :math:`a_i`, :math:`w_i` or :math:`b_i`, and nothing below them moves that could bring it back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import torch
from torch import Tensor

from nonlinear.experiments.models import threads

Optimizer = Callable[[list[Tensor], float], torch.optim.Optimizer]


def gradient_descent(parameters: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    """Plain gradient descent: what has no gradient does not move."""
    return torch.optim.SGD(parameters, lr=learning_rate)


def wave(n: int = 64) -> tuple[Tensor, Tensor]:
    """A smooth curve to be learned: n points x from -2 to 2 and y = sin(2 x) + x / 2; both (n,), float64."""
    x = torch.linspace(-2, 2, n, dtype=torch.float64)
    return x, torch.sin(2 * x) + x / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """What was seen before the first step and after each.

    Args:
        x, y: the points to learn, (n,).
        kinks: place of each unit's kink, (steps + 1, seeds, units); infinite or NaN for a unit without one.
        on: whether a unit's slope is not 0 at a point, bool, (steps + 1, seeds, n, units).
        loss: mean squared error, (steps + 1, seeds).
        fits: the curve at each point, (steps + 1, seeds, n).
    """

    x: Tensor
    y: Tensor
    kinks: Tensor
    on: Tensor
    loss: Tensor
    fits: Tensor

    @cached_property
    def dead(self) -> Tensor:
        """Whether a unit's slope is exactly 0 at every point: bool, (steps + 1, seeds, units)."""
        return ~self.on.any(dim=2)

    @property
    def died(self) -> Tensor:
        """Units that are dead at the end and were not at the start: bool, (seeds, units)."""
        return self.dead[-1] & ~self.dead[0]

    @property
    def dead_share(self) -> Tensor:
        """Share of units that are dead at the end, (seeds,), float64, between 0 and 1."""
        return self.dead[-1].double().mean(dim=-1)

    @property
    def lost_share(self) -> Tensor:
        """The same, but all units of a network that has diverged count as lost, too."""
        return self.dead_share.where(self.loss[-1].isfinite(), torch.ones_like(self.dead_share))

    @property
    def deaths(self) -> int:
        """How often a unit was dead after one step and not before it, over all steps, seeds and units."""
        return int((~self.dead[:-1] & self.dead[1:]).sum())

    @property
    def revivals(self) -> int:
        """How often a unit that was dead after one step was not after the next, over all steps, seeds and units."""
        return int((self.dead[:-1] & ~self.dead[1:]).sum())


def watch(
    activation: Callable[[Tensor], Tensor],
    *,
    learning_rate: float,
    steps: int = 200,
    seeds: int = 20,
    units: int = 16,
    start: str = "torch",
    batch_norm: bool = False,
    optimizer: Optimizer = gradient_descent,
    points: tuple[Tensor, Tensor] | None = None,
) -> Film:
    """Train networks with one hidden layer on :func:`wave`, all seeds side by side, and keep every step.

    The same seed gives the same start to every activation, optimizer and learning rate.

    Args:
        activation: phi, element by element, also on float64, in which all is computed: with chaotic training at high
            rates, roundings of float32 would decide which unit dies.
        learning_rate: for the optimizer.
        steps: of full-batch training on the mean squared error.
        seeds: number of networks.
        units: in the hidden layer.
        start: ``"torch"``: as `nn.Linear` draws them, w and b from U(-1, 1), a and c from U(-r, r) with
            r = 1 / sqrt(units); or ``"he"``: w from N(0, 2), a from N(0, 2 / units), b and c 0, so that all kinks are
            at 0.
        batch_norm: whether w x + b is brought to mean 0 and variance 1 over the points, then scaled and shifted by
            two learned numbers a unit, as `nn.BatchNorm1d` does in training.
        optimizer: makes an optimizer of parameters and learning rate; :func:`gradient_descent` or another.
        points: x and y, both (n,); by default those of :func:`wave`.

    Raises:
        KeyError: for another start.

    Returns:
        The film. A network that diverges goes on with NaN, and its units then count as not dead.
    """
    x, y = points or wave()
    network = _Network(seeds, units, start, batch_norm)
    stepper = optimizer(network.parameters, learning_rate)
    frames: list[tuple[Tensor, ...]] = []
    with threads(1):  # tensors this small gain nothing from a second thread
        for step in range(steps + 1):
            z = network.inputs_of_units(x)  # (seeds, n, units)
            h = activation(z)
            slopes = torch.autograd.grad(h.sum(), z, retain_graph=True)[0]
            fit = h @ network.a + network.c  # (seeds, n, 1)
            loss = (fit.squeeze(-1) - y).square().mean(dim=1)
            frames.append((network.kinks(x), slopes != 0, loss.detach(), fit.detach().squeeze(-1)))
            if step < steps:
                stepper.zero_grad()
                loss.sum().backward()  # networks share no parameter: each gets the gradient of its own loss
                stepper.step()
    kinks, on, losses, fits = (torch.stack(part) for part in zip(*frames, strict=True))
    return Film(x=x, y=y, kinks=kinks, on=on, loss=losses, fits=fits)


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What became of the units of a deep network, by hidden layer, first layer first.

    Args:
        died: how often a unit was dead after a step and not before it, over all steps, seeds and units.
        revived: how often the reverse happened.
    """

    died: tuple[int, ...]
    revived: tuple[int, ...]


def fates_by_layer(
    activation: Callable[[Tensor], Tensor],
    *,
    learning_rate: float,
    depth: int = 3,
    steps: int = 200,
    seeds: int = 10,
    units: int = 8,
) -> Fates:
    """Plain gradient descent on :func:`wave` with several hidden layers, weights and biases as `nn.Linear` draws them.

    Args:
        activation: as for :func:`watch`.
        learning_rate: of plain gradient descent.
        depth: hidden layers.
        steps, seeds, units: training steps, networks, units in each hidden layer.
    """
    x, y = wave()
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for fan_in, fan_out in pairwise([1, *[units] * depth, 1]):
        parameters.append(_uniform(fan_in**-0.5, (seeds, fan_in, fan_out), generator).requires_grad_())
        parameters.append(_uniform(fan_in**-0.5, (seeds, 1, fan_out), generator).requires_grad_())
    optimizer = gradient_descent(parameters, learning_rate)
    seen = []
    with threads(1):
        for _ in range(steps):
            inputs, outputs, h = [], [], x[:, None].expand(seeds, -1, -1)
            for w, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
                inputs.append(h @ w + b)
                h = activation(inputs[-1])
                outputs.append(h)
            # Of each layer alone, whatever the layers above do with it.
            slopes = [
                torch.autograd.grad(h.sum(), z, retain_graph=True)[0] for h, z in zip(outputs, inputs, strict=True)
            ]
            seen.append(torch.stack([(slope == 0).all(dim=1) for slope in slopes]))
            loss = ((h @ parameters[-2] + parameters[-1]).squeeze(-1) - y).square().mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    dead = torch.stack(seen)  # (steps, depth, seeds, units)
    before, after = dead[:-1], dead[1:]
    return Fates(
        died=tuple((~before & after).sum(dim=(0, 2, 3)).tolist()),
        revived=tuple((before & ~after).sum(dim=(0, 2, 3)).tolist()),
    )


def _uniform(radius: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return radius * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)


def _start_torch(seeds: int, units: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    inner, outer = (seeds, 1, units), units**-0.5
    return (
        _uniform(1.0, inner, generator),
        _uniform(1.0, inner, generator),
        _uniform(outer, (seeds, units, 1), generator),
        _uniform(outer, (seeds, 1, 1), generator),
    )


def _start_he(seeds: int, units: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    w, a = math.sqrt(2) * draw(seeds, 1, units), math.sqrt(2 / units) * draw(seeds, units, 1)
    return w, torch.zeros_like(w), a, torch.zeros(seeds, 1, 1, dtype=torch.float64)


STARTS = {"torch": _start_torch, "he": _start_he}


class _Network:
    def __init__(self, seeds: int, units: int, start: str, batch_norm: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        self.w, self.b, self.a, self.c = STARTS[start](seeds, units, generator)
        self.parameters = [self.w, self.b, self.a, self.c]
        if batch_norm:
            self.gain, self.shift = torch.ones_like(self.w), torch.zeros_like(self.w)
            self.parameters += [self.gain, self.shift]
        self.batch_norm = batch_norm
        for parameter in self.parameters:
            parameter.requires_grad_()

    def inputs_of_units(self, x: Tensor) -> Tensor:
        """(seeds, n, units), from points (n,)."""
        z = x[:, None] * self.w + self.b
        if not self.batch_norm:
            return z
        mean, variance = z.mean(dim=1, keepdim=True), z.var(dim=1, correction=0, keepdim=True)
        return self.gain * (z - mean) / (variance + 1e-5).sqrt() + self.shift

    @torch.no_grad()
    def kinks(self, x: Tensor) -> Tensor:
        """Where w x + b, or what batch norm makes of it, is 0: (seeds, units)."""
        if not self.batch_norm:
            return (-self.b / self.w).squeeze(1)
        ends = self.inputs_of_units(x)[:, [0, -1]]  # a straight line in x: two points give it
        low, high = ends[:, 0], ends[:, 1]
        return x[0] - low * (x[-1] - x[0]) / (high - low)
