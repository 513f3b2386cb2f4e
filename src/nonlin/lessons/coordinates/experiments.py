"""Functions of coordinates (lesson 15): pictures from points, and equations with second derivatives."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.images.sources import sample_photograph

SIDE = 64  # pixels


class Sine(nn.Module):
    """sin(ωx)."""

    def __init__(self, frequency: float = 30.0) -> None:
        super().__init__()
        self.frequency = frequency

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.frequency * x)


@dataclass(frozen=True, eq=False)
class Image:
    """A grey picture as a table of points.

    Args:
        at: coordinates of the pixels, from -1 on in steps of 1/32, shape (4096, 2).
        grey: the pixels, 0 black and 1 white, shape (4096, 1).
        seen: bool, shape (4096,): every second pixel, like the dark fields of a chessboard. The others are a test.
    """

    at: Tensor
    grey: Tensor
    seen: Tensor


def photograph() -> Image:
    """A part of matplotlib's photograph, 64 by 64 pixels."""
    whole = sample_photograph()[:, 60:252, 160:352].float().mean(dim=0) / 255
    grey = F.interpolate(whole[None, None], size=(SIDE, SIDE), mode="area")
    places = torch.arange(SIDE)
    chessboard = (places[:, None] + places) % 2 == 0
    axis = 2 * places / SIDE - 1
    return Image(torch.cartesian_prod(axis, axis), grey.reshape(-1, 1), chessboard.flatten())


def decibels(difference: Tensor) -> float:
    """Peak signal-to-noise ratio, -10 lg(mean square), of values between 0 and 1: 20 dB is an error of 10 %."""
    return -10 * math.log10(difference.square().mean().item())


def layers(inputs: int, activation: Callable[[], nn.Module], *, width: int = 64, outputs: int = 1) -> nn.Sequential:
    """Two hidden layers with torch's own initial weights."""
    return nn.Sequential(
        nn.Linear(inputs, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, outputs)
    )


def draw_for_sines(network: nn.Module, frequency: float) -> nn.Module:
    """Give a network of sines the weights of Sitzmann and others (2020), in place, and return it."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for number, layer in enumerate(linear):
        bound = math.sqrt(6 / layer.in_features) / frequency if number else 1 / layer.in_features
        nn.init.uniform_(layer.weight, -bound, bound)
    return network


def fourier(at: Tensor, frequencies: Tensor) -> Tensor:
    """Cosines and sines of coordinates (n, d) for wave vectors (d, m) in waves per unit of length: (n, 2m)."""
    angles = 2 * math.pi * at @ frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def fit(network: nn.Module, inputs: Tensor, image: Image, *, steps: int = 300, learning_rate: float = 0.003) -> Tensor:
    """Train on the seen pixels by Adam, all of them in each step, and return all pixels as the network has them."""
    mean, spread = image.grey.mean(), image.grey.std()
    target = (image.grey - mean) / spread
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(inputs[image.seen]) - target[image.seen]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        return network(inputs) * spread + mean


def quality(painted: Tensor, image: Image) -> tuple[float, float]:
    """Decibels on the pixels that were seen, and on the others."""
    off = painted - image.grey
    return decibels(off[image.seen]), decibels(off[~image.seen])


@dataclass(frozen=True, eq=False)
class Solution:
    """An equation -u'' = π² sin(πx) with u(0) = u(1) = 0, solved by a network; exactly it is sin(πx).

    Args:
        x: points in [0, 1], shape (n,).
        u: the network there.
        residual: mean square of u'' + π² sin(πx) at the end.
        pull: norm of the gradient that this mean square sent to the weights at the first step.
    """

    x: Tensor
    u: Tensor
    residual: float
    pull: float

    @property
    def error(self) -> float:
        """The largest distance from sin(πx)."""
        return (self.u - torch.sin(math.pi * self.x)).abs().max().item()


def second_derivative(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """u and u'' at x, (n, 1), both with a graph for the weights. Where u'' depends on none, it is a plain 0."""
    u = network(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x, create_graph=True, materialize_grads=True)
    return u, curvature


def solve(
    activation: Callable[[], nn.Module], *, seed: int = 0, steps: int = 600, learning_rate: float = 0.003
) -> Solution:
    """Train a network of 2 layers of 32 units on the equation's residual at 65 points, and on its two ends."""
    torch.manual_seed(seed)
    network = layers(1, activation, width=32)
    first = network[1]
    if isinstance(first, Sine):
        draw_for_sines(network, first.frequency)
    x = torch.linspace(0, 1, 65)[:, None].requires_grad_()
    ends = torch.tensor([[0.0], [1.0]])
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    pulls = []
    for _ in range(steps):
        optimizer.zero_grad()
        residual = (second_derivative(network, x)[1] + math.pi**2 * torch.sin(math.pi * x)).square().mean()
        if residual.requires_grad:
            residual.backward()
        pulls = pulls or [_norm(network)]
        (100 * network(ends).square().mean()).backward()
        optimizer.step()
    with torch.no_grad():
        return Solution(x.detach()[:, 0], network(x)[:, 0], residual.item(), pulls[0])


def _norm(network: nn.Module) -> float:
    given = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    return torch.cat(given).norm().item() if given else 0.0


def slow_and_fast(activation: Callable[[], nn.Module], *, seed: int, at: Sequence[int], fast: int = 6) -> Tensor:
    """How much of a slow wave and of a fast one a network has learned, after each number of steps.

    The target on [-1, 1] is sin(πx) + sin(fast · πx), 256 points; two layers of 64 units, Adam at 0.003.

    Returns:
        Amplitudes, shape (len(at), 2): 0 for a wave that is missing, 1 for one that is complete.
    """
    torch.manual_seed(seed)
    network = layers(1, activation)
    x = (torch.arange(256) / 128 - 1)[:, None]
    waves = torch.cat([torch.sin(math.pi * x), torch.sin(fast * math.pi * x)], dim=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    found = []
    for step in range(max(at) + 1):
        optimizer.zero_grad()
        u = network(x)
        if step in at:
            found.append(2 * (u.detach() * waves).mean(dim=0))
        (u - waves.sum(dim=1, keepdim=True)).square().mean().backward()
        optimizer.step()
    return torch.stack(found)
