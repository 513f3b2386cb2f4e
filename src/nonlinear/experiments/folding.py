"""ReLU networks as folded paper: folds of the plane, and the straight pieces of a network with one input."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

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
