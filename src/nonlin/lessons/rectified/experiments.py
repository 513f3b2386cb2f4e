r"""ReLU put to the test (lesson 04): how units die and come back, how many are on, what a threshold is good for.

The watched network has one hidden layer on the line, :math:`f(x) = c + \sum_i a_i \, \phi(w_i x + b_i)`. Unit i has its
kink where its input is 0, at :math:`x = -b_i / w_i`. It is dead when the slope of :math:`\phi` is exactly 0 at every
training point: then no gradient reaches :math:`a_i`, :math:`w_i` or :math:`b_i`, and nothing below them moves that
could bring it back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlin.images.dataset import Dataset
from nonlin.lab.initialisation import initialise
from nonlin.lab.internals import held_out, is_activation
from nonlin.lab.networks import mlp, threads
from nonlin.lab.training import own_randomness
from nonlin.signatures import MakeActivation
from nonlin.toys.batched import passed, update
from nonlin.toys.race import two_rings

Optimizer = Callable[[list[Tensor], float], torch.optim.Optimizer]


def gradient_descent(parameters: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    """Plain gradient descent: what has no gradient does not move."""
    return torch.optim.SGD(parameters, lr=learning_rate)


def wavy_points(n: int = 64) -> tuple[Tensor, Tensor]:
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
        """Share of units that are dead at the end or belong to a network that has diverged, (seeds,), float64."""
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
    """Train networks with one hidden layer on :func:`wavy_points`, all seeds side by side, and keep every step.

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
        points: x and y, both (n,); by default those of :func:`wavy_points`.

    Raises:
        KeyError: for another start.

    Returns:
        The film. A network that diverges goes on with NaN, and its units then count as not dead.
    """
    x, y = points or wavy_points()
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
                update(stepper, loss)
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
    """Plain gradient descent on :func:`wavy_points` with several hidden layers, started as `nn.Linear` starts.

    Args:
        activation: as for :func:`watch`.
        learning_rate: of plain gradient descent.
        depth: hidden layers.
        steps, seeds, units: training steps, networks, units in each hidden layer.
    """
    x, y = wavy_points()
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for fan_in, fan_out in pairwise([1, *[units] * depth, 1]):
        parameters.append(_uniform(fan_in**-0.5, (seeds, fan_in, fan_out), generator).requires_grad_())
        parameters.append(_uniform(fan_in**-0.5, (seeds, 1, fan_out), generator).requires_grad_())
    optimizer = gradient_descent(parameters, learning_rate)
    seen = []
    with threads(1):
        for _ in range(steps):
            found = passed(parameters, x[:, None], activation)
            # Of each layer alone, whatever the layers above do with it.
            slopes = [
                torch.autograd.grad(h.sum(), z, retain_graph=True)[0]
                for h, z in zip(found.hidden, found.inputs, strict=True)
            ]
            seen.append(torch.stack([(slope == 0).all(dim=1) for slope in slopes]))
            update(optimizer, (found.outputs.squeeze(-1) - y).square().mean(dim=1))
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


# Born dead


def alive_after(width: int, depth: int, *, networks: int = 2000, seed: int = 0) -> Tensor:
    r"""Whether any unit is still on, layer by layer, for one random input to each of many random ReLU networks.

    He's weights, no biases. For an input that is not 0, each of N units is off with probability 1/2, independently of
    the others, since its weights are drawn symmetrically about 0. All are off with probability :math:`2^{-N}`, and from
    then on everything is 0: outputs and gradients. So the share :math:`(1 - 2^{-N})^L` is left after L layers.

    Source: Lu, Shin, Su and Karniadakis (2019), Dying ReLU and initialization, https://arxiv.org/abs/1903.06733.

    Args:
        width: N, units in each layer, and numbers in each input.
        depth: L.
        networks: how many, each with its own weights and its own input from N(0, 1).
        seed: of the generator.

    Returns:
        bool, (networks, depth), first layer first.
    """
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(networks, 1, width, generator=generator, dtype=torch.float64)
    alive = []
    for _ in range(depth):
        weight = math.sqrt(2 / width) * torch.randn(networks, width, width, generator=generator, dtype=torch.float64)
        h = (h @ weight).relu()
        alive.append((h > 0).any(dim=2).squeeze(1))
    return torch.stack(alive, dim=1)


# Sparsity


def hidden_rings(n: int, *, seed: int, nuisance: int = 8) -> tuple[Tensor, Tensor]:
    """:func:`race.two_rings` among further coordinates from N(0, 1) that say nothing: (n, 2 + nuisance), and labels."""
    points, labels = two_rings(n, seed=seed)
    noise = torch.randn(n, nuisance, generator=torch.Generator().manual_seed(seed + 1000))
    return torch.cat([points, noise], dim=1), labels


def shares_while_learning(
    activation: MakeActivation, dataset: Dataset, *, seed: int = 0, images: int = 2048
) -> tuple[Tensor, Tensor]:
    """For which share of held-out images each unit's output is not 0, at the start and after a short training.

    Three hidden layers of 64 units, He's rule, stochastic gradient descent (batches of 128, rate 0.02, momentum 0.9),
    six times over the images.

    Args:
        activation: makes one activation module.
        dataset: its first training images are learned; 256 test images are looked at.
        seed: of the first weights.
        images: how many to learn.

    Returns:
        Two tensors of shape (192,), float64, between 0 and 1.
    """
    mean, std = (moment[:, None, None] for moment in (dataset.mean, dataset.std))
    x, y = (dataset.train.images[:images] / 255 - mean) / std, dataset.train.labels[:images]
    probe = held_out(dataset)
    with own_randomness(seed), threads(1):
        network = mlp(activation, classes=len(dataset.classes), depth=3, width=64)
        initialise(network, "he", activation)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
        start = _shares_on(network, probe)
        for batch in torch.arange(images).split(128) * 6:
            optimizer.zero_grad()
            F.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
        return start, _shares_on(network, probe)


@torch.no_grad()
def _shares_on(network: nn.Sequential, h: Tensor) -> Tensor:
    shares = []
    for layer in network:
        h = layer(h)
        if is_activation(layer):
            shares.append((h != 0).double().mean(dim=0))
    return torch.cat(shares)


@dataclass(frozen=True, kw_only=True)
class Generalisation:
    """What one activation came to: a number for each seed, (seeds,), accuracies in %, zeros as a share.

    Args:
        train: accuracy on the points that it was trained on.
        test: accuracy on 1,000 others.
        zeros: share of the hidden outputs that are exactly 0, on the others.
    """

    train: Tensor
    test: Tensor
    zeros: Tensor


@cache
def generalisation(
    activation: Callable[[Tensor], Tensor],
    *,
    threshold: float = 0.0,
    points: int = 200,
    width: int = 32,
    steps: int = 100,
    learning_rate: float = 0.03,
    seeds: int = 10,
) -> Generalisation:
    """Train on few points, which a network can learn by heart, and test on others; the threshold decides the sparsity.

    A linear layer, normalisation over the batch to mean 0 and variance 1, ``activation(z - threshold)``, a linear
    layer. Nothing is learned between normalisation and threshold, so that training cannot undo it: of ReLU's outputs
    about the share Phi(threshold) stays zero. Adam, all points at every step. Each seed has its own points and its own
    first weights, the same for every activation and threshold; all are trained side by side. The same arguments give
    the same result, so it is kept and computed only once in a process.

    Args:
        activation: element by element.
        threshold: in standard deviations.
        points: training points for each seed.
        width: hidden units.
        steps, learning_rate: of Adam.
        seeds: number of networks.
    """
    (x, y), (unseen, truth) = (
        tuple(torch.stack(part) for part in zip(*(hidden_rings(n, seed=first + s) for s in range(seeds)), strict=True))
        for n, first in ((points, 0), (1000, 500))
    )
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(seeds, x.shape[-1], width, generator=generator).requires_grad_()  # its size is normalised away
    a = torch.randn(seeds, width, 1, generator=generator).mul_(width**-0.5).requires_grad_()
    c = torch.zeros(seeds, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([w, a, c], lr=learning_rate)

    def hidden(given: Tensor) -> Tensor:
        z = given @ w  # (seeds, points, width)
        z = (z - z.mean(dim=1, keepdim=True)) / z.var(dim=1, correction=0, keepdim=True).sqrt()
        return activation(z - threshold)

    def logits(given: Tensor) -> Tensor:
        return (hidden(given) @ a + c).squeeze(-1)

    with threads(1):
        for _ in range(steps):
            optimizer.zero_grad()
            (F.binary_cross_entropy_with_logits(logits(x), y) * seeds).backward()
            optimizer.step()
        with torch.no_grad():
            right = [
                ((logits(given) > 0) == labels).double().mean(dim=1) for given, labels in ((x, y), (unseen, truth))
            ]
            zeros = (hidden(unseen) == 0).double().mean(dim=(1, 2))
    return Generalisation(train=100 * right[0], test=100 * right[1], zeros=zeros)


# Shrinkage


_HALF = 0.5 * torch.tensor(
    [[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]], dtype=torch.float64
).unsqueeze(1)  # (4, 1, 2, 2): orthonormal, the mean first


def haar(image: Tensor, levels: int) -> tuple[Tensor, list[Tensor]]:
    """The Haar wavelet transform: each level makes four pictures of half the size, one mean and three differences.

    It is orthonormal: it keeps the sum of squares, and white noise stays white noise of the same size.

    Args:
        image: float64 (h, w), both divisible by 2 ** levels.
        levels: how often the mean is taken apart again.

    Returns:
        The last mean, (h / 2 ** levels, w / 2 ** levels), and the differences, finest first, each (3, h', w').
    """
    differences = []
    for _ in range(levels):
        parts = F.conv2d(image[None, None], _HALF, stride=2)[0]  # (4, h / 2, w / 2)
        image = parts[0]
        differences.append(parts[1:])
    return image, differences


def inverse_haar(mean: Tensor, differences: list[Tensor]) -> Tensor:
    """The picture that `haar` took apart."""
    for parts in reversed(differences):
        mean = F.conv_transpose2d(torch.cat([mean[None], parts])[None], _HALF, stride=2)[0, 0]
    return mean
