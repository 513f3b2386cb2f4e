"""What a network can do without an activation, and what with one (lesson 01): XOR, deep linear networks, one hidden
layer, folded paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from nonlin.intervals import Estimate, share_interval
from nonlin.lab.networks import threads
from nonlin.signatures import Elementwise
from nonlin.toys.batched import as_linear, binary_cross_entropy, outputs, train_by


def step(x: Tensor) -> Tensor:
    """1 above 0, else 0: flat almost everywhere."""
    return (x > 0).to(x.dtype)


def relu_with_slope_at_zero(slope: float) -> Elementwise:
    """ReLU, with a choice of what backward returns exactly at 0.

    Args:
        slope: that choice; torch's is 0.
    """

    class Chosen(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return torch.relu(x)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient * ((x > 0).to(x.dtype) + slope * (x == 0).to(x.dtype))

    return Chosen.apply


def xor() -> tuple[Tensor, Tensor]:
    """The four points (±1, ±1), float32 (4, 2), and whether their signs differ, 0 or 1, float32 (4,)."""
    points = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    return points, (points[:, 0] != points[:, 1]).float()


@dataclass(frozen=True, eq=False)
class OneHidden:
    """A network with one hidden layer and one logit; weights (in, out), biases (1, out)."""

    activation: Elementwise
    weight: Tensor
    bias: Tensor
    last_weight: Tensor
    last_bias: Tensor

    def hidden(self, points: Tensor) -> Tensor:
        """Outputs of the hidden units: (n, 2) to (n, width)."""
        return self.activation(points @ self.weight + self.bias)

    def logits(self, points: Tensor) -> Tensor:
        """Shape (n,)."""
        return (self.hidden(points) @ self.last_weight + self.last_bias).squeeze(1)

    @property
    def flattening(self) -> float:
        """Smallest over largest singular value of the first weights: 0 if the plane is squeezed into a line."""
        values = torch.linalg.svdvals(self.weight)
        return (values[-1] / values[0]).item()


@dataclass(frozen=True, eq=False)
class XorNetworks:
    """Networks that were trained side by side.

    Args:
        activation: of the hidden layers.
        losses: mean cross-entropy at the end, float32 (seeds,); ln 2 = 0.693 is "50 : 50" for every point.
        correct: how many of the four points lie on the right side, int64 (seeds,).
        parameters: weights (seeds, in, out) and biases (seeds, 1, out) in turn.
    """

    activation: Elementwise
    losses: Tensor
    correct: Tensor
    parameters: tuple[Tensor, ...]

    def learned(self, *, below: float = 0.1) -> Estimate:
        """Share of the networks whose loss fell below a bound, with its interval."""
        return share_interval(int((self.losses < below).sum()), len(self.losses))

    def clearest(self) -> OneHidden:
        """Of those with the most points right, the network whose first layer flattens the plane least."""
        networks = [OneHidden(self.activation, *(p[seed] for p in self.parameters)) for seed in range(len(self.losses))]
        most = int(self.correct.max())
        return max((n for n, k in zip(networks, self.correct, strict=True) if k == most), key=lambda n: n.flattening)


def train_xor(
    activation: Elementwise,
    *,
    width: int,
    hidden_layers: int = 1,
    seeds: int = 100,
    steps: int = 1000,
    learning_rate: float = 0.05,
) -> XorNetworks:
    """Full-batch training with Adam on :func:`xor`, all seeds side by side, from the weights that ``nn.Linear`` draws.

    The same arguments give the same networks, so they are kept and trained only once in a process.

    Args:
        activation: applied after each hidden layer.
        width: units in each.
        hidden_layers: number of hidden layers.
        seeds: number of networks. They share one generator: the first k of them do not depend on how many follow.
        steps: of the optimizer.
        learning_rate: its rate.
    """
    return _train_xor(activation, width, hidden_layers, seeds, steps, learning_rate)


@cache  # of positional arguments, so that a default that is spelt out does not make another entry
def _train_xor(
    activation: Elementwise, width: int, hidden_layers: int, seeds: int, steps: int, learning_rate: float
) -> XorNetworks:
    points, labels = xor()
    parameters = as_linear(seeds, [2, *[width] * hidden_layers, 1])

    def losses() -> Tensor:
        return binary_cross_entropy(outputs(parameters, points, activation), labels)

    train_by(torch.optim.Adam(parameters, lr=learning_rate), losses, steps)
    with torch.no_grad(), threads(1):
        logits = outputs(parameters, points, activation)
        correct = ((logits.squeeze(-1) > 0) == (labels > 0.5)).sum(dim=1)
        at_the_end = losses()
    return XorNetworks(activation, at_the_end, correct, tuple(p.detach() for p in parameters))


@dataclass(frozen=True, eq=False)
class Completed:
    """Matrices completed from a part of their entries; float32 (seeds, n, n) but for the errors, (seeds,).

    Args:
        target: the matrix, of rank 1 and root mean square 1.
        seen: 1 where the entry was seen, 0 elsewhere.
        found: the product of the trained layers.
    """

    target: Tensor
    seen: Tensor
    found: Tensor

    @property
    def seen_errors(self) -> Tensor:
        """Mean squared error on the entries seen, over their mean square."""
        return self._errors(self.seen)

    @property
    def hidden_errors(self) -> Tensor:
        """Errors on the entries that were not seen; 1 is what an answer of 0 everywhere gets."""
        return self._errors(1 - self.seen)

    def _errors(self, where: Tensor) -> Tensor:
        squares = ((self.found - self.target).square() * where).sum(dim=(1, 2))
        return squares / (self.target.square() * where).sum(dim=(1, 2))


@cache
def complete(
    layers: int,
    *,
    size: int = 16,
    share: float = 0.5,
    scale: float = 1e-3,
    seeds: int = 10,
    steps: int = 1500,
    learning_rate: float = 0.01,
) -> Completed:
    """Fit a stack of linear layers without activations to some entries of a rank-1 matrix, from small random weights.

    The product of the layers is one matrix whatever their number, so every depth can represent the same matrices.
    The same arguments give the same result, so it is kept and computed only once in a process.

    Args:
        layers: how many square matrices are multiplied.
        size: rows and columns.
        share: of the entries that are seen.
        scale: size of the product at the start; each layer gets its ``layers``-th root.
        seeds: number of problems, solved side by side.
        steps: of Adam.
        learning_rate: its rate.
    """
    generator = torch.Generator().manual_seed(0)
    column, row = (torch.randn(seeds, *shape, generator=generator) for shape in ((size, 1), (1, size)))
    target = column @ row
    target = target / target.square().mean(dim=(1, 2), keepdim=True).sqrt()
    seen = (torch.rand(seeds, size, size, generator=generator) < share).float()
    std = scale ** (1 / layers) / math.sqrt(size)
    stack = [(std * torch.randn(seeds, size, size, generator=generator)).requires_grad_() for _ in range(layers)]
    with threads(1):
        optimizer = torch.optim.Adam(stack, lr=learning_rate)
        for _ in range(steps):
            loss = ((_product(stack) - target).square() * seen).sum() / (size * size)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Completed(target, seen, _product(stack).detach())


def _product(stack: list[Tensor]) -> Tensor:
    product, *others = stack
    for weight in others:
        product = product @ weight
    return product


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


# ReLU networks as folded paper: folds of the plane, and the straight pieces of a network with one input


Layer = tuple[Tensor, Tensor]  # weight (in, out) and bias (out,)


def fold(points: Tensor, crease: float, angle: float, *, offset: float = 0.0) -> Tensor:
    """Fold a sheet along a straight crease; all that is not linear in it are two ReLUs.

    Args:
        points: on the flat sheet, (n, 2).
        crease: direction of its normal, in radians; the side to which the normal points stays where it is.
        angle: by which the other side is lifted, in radians: 0 leaves it flat, π/2 stands it upright, π lays it over.
        offset: distance of the crease from the origin, along the normal.

    Returns:
        Places in space, (n, 3), the third coordinate upwards.
    """
    normal = points.new_tensor([math.cos(crease), math.sin(crease)])
    distance = points @ normal - offset
    stays, moves = torch.relu(distance), torch.relu(-distance)
    across = stays - math.cos(angle) * moves  # angle 0: stays - moves = distance, the sheet as it was
    flat = points + (across - distance)[:, None] * normal
    return torch.cat([flat, math.sin(angle) * moves[:, None]], dim=1)


def fold_flat(points: Tensor, crease: float) -> Tensor:
    """Lay one side of the sheet over the other, along a crease through the origin: (n, 2) to (n, 2)."""
    return fold(points, crease, math.pi)[:, :2]


def snowflake_creases(folds: int) -> list[float]:
    """Normals of the creases of a paper snowflake: in half, in half again, and from then on each wedge in two."""
    # Fold 1 leaves the right half, fold 2 the upper right quarter; later ones halve the wedge above the x axis.
    return [0.0, math.pi / 2, *(2 * math.pi / 2**k - math.pi / 2 for k in range(3, folds + 1))][:folds]


def snowflake_distance(points: Tensor, folds: int) -> Tensor:
    """How far out a point lies, along the middle of the wedge, once the sheet has been folded; linear if it was not.

    Args:
        points: (n, 2).
        folds: 0 for none. One straight cut through k >= 2 folds is a polygon with 2^k sides.

    Returns:
        Shape (n,).
    """
    for crease in snowflake_creases(folds):
        points = fold_flat(points, crease)
    middle = math.pi / 2**folds if folds > 1 else 0.0
    return points @ points.new_tensor([math.cos(middle), math.sin(middle)])


def tents(layers: int) -> list[Layer]:
    """A ReLU network that folds [0, 1] in half ``layers`` times: two units a layer, 2^layers straight pieces.

    One layer is the tent map 2 relu(x) - 4 relu(x - 1/2), which rises from 0 to 1 and falls back to 0.
    """
    double = torch.float64
    bend = torch.tensor([0.0, -0.5], dtype=double)
    height = torch.tensor([[2.0], [-4.0]], dtype=double)
    spread = torch.ones(1, 2, dtype=double)
    hidden = [(spread if layer == 0 else height @ spread, bend) for layer in range(layers)]
    return [*hidden, (height, torch.zeros(1, dtype=double))]


def random_network(width: int, layers: int, generator: torch.Generator) -> list[Layer]:
    """A network with one input, ``layers`` hidden layers and one output, with He's weights and biases from N(0, 1)."""
    sizes = [1, *[width] * layers, 1]
    return [
        (
            math.sqrt(2 / fan_in) * torch.randn(fan_in, fan_out, generator=generator, dtype=torch.float64),
            torch.randn(fan_out, generator=generator, dtype=torch.float64),
        )
        for fan_in, fan_out in pairwise(sizes)
    ]


def corners(network: Sequence[Layer], low: float, high: float) -> tuple[Tensor, Tensor]:
    """Where a ReLU network with one input and one output bends, exactly up to rounding; between them it is straight.

    Corners are found layer by layer: between two known ones every pre-activation is a straight line, so that a unit
    switches on or off where that line crosses 0.

    Args:
        network: float64 weights (in, out) and biases (out,), a ReLU between each two layers.
        low, high: the interval.

    Returns:
        Places and values, float64 (k + 2,), both ends of the interval included.
    """
    x = torch.tensor([low, high], dtype=torch.float64)
    h = x[:, None]
    for weight, bias in network[:-1]:
        z = h @ weight + bias  # (corners, units)
        x, z = _with_crossings(x, z)
        h = torch.relu(z)
    weight, bias = network[-1]
    y = (h @ weight + bias).squeeze(1)
    slope = y.diff() / x.diff()
    bends = (slope.diff().abs() > 1e-9 * slope.abs().max()).nonzero().squeeze(1) + 1
    keep = torch.cat([torch.tensor([0]), bends, torch.tensor([len(x) - 1])])
    return x[keep], y[keep]


def pieces(network: Sequence[Layer], low: float, high: float) -> int:
    """The number of straight pieces on an interval."""
    return len(corners(network, low, high)[0]) - 1


def _with_crossings(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Add the places between neighbours at which a column of z changes its sign."""
    left, right = z[:-1], z[1:]
    segment, unit = ((left * right) < 0).nonzero(as_tuple=True)
    share = left[segment, unit] / (left[segment, unit] - right[segment, unit])
    new_x = x[segment] + share * (x[segment + 1] - x[segment])
    new_z = left[segment] + share[:, None] * (right[segment] - left[segment])
    new_z[torch.arange(len(unit)), unit] = 0.0
    order = torch.cat([x, new_x]).argsort(stable=True)
    x, z = torch.cat([x, new_x])[order], torch.cat([z, new_z])[order]
    apart = torch.cat([torch.tensor([True]), x.diff() > 1e-13 * (x[-1] - x[0])])
    return x[apart], z[apart]
