"""What a network can do without an activation, and what with one (lesson 01): XOR, deep linear networks, folded paper,
the bugs of a small network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from nonlin.intervals import Estimate, share_interval
from nonlin.lab.networks import threads
from nonlin.signatures import Elementwise
from nonlin.toys.batched import as_linear, binary_cross_entropy, cross_entropy, identity, outputs, train_by


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

    def inputs(self, points: Tensor) -> Tensor:
        """Inputs of the hidden units: (n, 2) to (n, width)."""
        return points @ self.weight + self.bias

    def hidden(self, points: Tensor) -> Tensor:
        """Outputs of the hidden units: (n, 2) to (n, width)."""
        return self.activation(self.inputs(points))

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


def forms_of_10_5_3(seeds: int, *, steps: int = 80) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """The 10-5-3 network as it should be and with three bugs, trained on three classes that lie around one another.

    Args:
        seeds: number of networks of each form; the same first weights for all forms.
        steps: of Adam, on all 300 points.

    Returns:
        By form: loss at the end, accuracy in per cent on the 300 points and on 5,000 new ones, each (seeds,).
    """
    inputs = torch.randn(5300, 10, generator=torch.Generator().manual_seed(2))
    classes = torch.bucketize(inputs[:, :2].abs().sum(dim=1), torch.tensor([1.1, 1.9]))
    forms: dict[str, tuple[Elementwise, Elementwise]] = {
        "corrected": (torch.relu, identity),
        "ReLU on the output": (torch.relu, torch.relu),
        "softmax inside": (torch.relu, lambda z: torch.softmax(z, dim=-1)),
        "no activation": (identity, identity),
    }
    return {name: _train_form(*form, inputs, classes, seeds, steps) for name, form in forms.items()}


def _train_form(
    hidden: Elementwise, at_the_end: Elementwise, inputs: Tensor, classes: Tensor, seeds: int, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    parameters = as_linear(seeds, [10, 5, 3])
    seen = classes[:300].expand(seeds, 300)

    def losses() -> Tensor:
        return cross_entropy(at_the_end(outputs(parameters, inputs[:300], hidden)), seen)

    train_by(torch.optim.Adam(parameters, lr=0.08), losses, steps)
    with torch.no_grad(), threads(1):
        right = (at_the_end(outputs(parameters, inputs, hidden)).argmax(dim=2) == classes).double()
        return losses(), 100 * right[:, :300].mean(dim=1), 100 * right[:, 300:].mean(dim=1)


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
