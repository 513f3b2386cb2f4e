"""What a gate does to a signal: a product learned and built, and the way through a stack of gated layers."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlinear.experiments.models import threads
from nonlinear.experiments.probes import Propagation

Gate = Callable[[Tensor, Tensor], Tensor]


def product_points(n: int = 512, *, seed: int = 0) -> Tensor:
    """Pairs of numbers, uniform on the square from -1 to 1, float32 (n, 2): what to multiply."""
    return 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) - 1


def learn_product(network: nn.Module, *, steps: int = 500, learning_rate: float = 0.02) -> float:
    """Train a network to multiply two numbers from -1 to 1, by Adam on all :func:`product_points` at once.

    Args:
        network: from (n, 2) to (n, 1); its weights are changed.
        steps: updates.
        learning_rate: at the start; it falls to 0 along a half cosine.

    Returns:
        Root mean square error on other points of the same square.
    """
    points, others = product_points(), product_points(seed=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with threads(1):
        for _ in range(steps):
            loss = (network(points).squeeze(1) - points.prod(dim=1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            return (network(others).squeeze(1) - others.prod(dim=1)).square().mean().sqrt().item()


def relu_product(pieces: int) -> nn.Sequential:
    """The product of two numbers from -1 to 1, built from ReLUs without any training, in float64.

    Uses x y = ((x + y)^2 - (x - y)^2) / 4, each square replaced by ``pieces`` straight lines of equal width through
    points of the parabola. A chord lies up to (width / 2)^2 above its parabola, and width = 4 / pieces, so that each
    square is wrong by up to 4 / pieces^2. Both errors have one sign, so that the product is wrong by at most
    1 / pieces^2.

    Args:
        pieces: lines for each square; the network has twice as many hidden units.

    Raises:
        ValueError: without a piece.
    """
    if pieces < 1:
        raise ValueError(f"a square needs at least one piece, not {pieces}.")
    ends = torch.linspace(-2, 2, pieces + 1, dtype=torch.float64)
    slopes = (ends[1:] ** 2 - ends[:-1] ** 2) / (ends[1:] - ends[:-1])
    bends = torch.cat([slopes[:1], slopes.diff()])  # the first line's slope, then by how much it changes at each kink
    network = nn.Sequential(nn.Linear(2, 2 * pieces), nn.ReLU(), nn.Linear(2 * pieces, 1)).double()
    with torch.no_grad():
        network[0].weight[:, 0] = 1
        network[0].weight[:, 1] = torch.tensor([1.0, -1.0]).repeat_interleave(pieces)
        network[0].bias.copy_(-ends[:-1].repeat(2))
        network[2].weight.copy_(torch.cat([bends, -bends])[None] / 4)
        network[2].bias.zero_()  # both squares begin at 4, and cancel
    return network


def largest_error(network: Callable[[Tensor], Tensor], *, reach: float = 1.0, steps: int = 201) -> float:
    """Largest error of a network that is to multiply, on a grid over the square from -reach to reach."""
    line = torch.linspace(-reach, reach, steps, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        return (network(grid).squeeze(1) - grid.prod(dim=1)).abs().max().item()


def no_relu_below(units: int) -> float:
    """What no block of so many ReLUs, trained or built, gets below: the largest error of x y on the square, at best.

    On the diagonal the product is t^2 for t from -1 to 1, and the block is a chain of at most ``units + 1`` straight
    lines. The longest of them spans at least 2 / (units + 1), and the best line for a parabola over a span s misses it
    by s^2 / 8.
    """
    return (2 / (units + 1)) ** 2 / 8


def gated_propagation(
    gate: Gate,
    *,
    gain: float = 1.0,
    normalised: bool = False,
    depth: int = 20,
    width: int = 64,
    batch: int = 32,
    seeds: int = 10,
) -> Propagation:
    """Signal and gradient through a stack of gated layers h' = gate(h V, h W), before any training.

    Weights are drawn from N(0, gain^2 / width), inputs and the gradient that enters at the top from N(0, 1), all in
    float64. Without biases.

    Args:
        gate: from the value (seeds, batch, width) and the gate's input, of the same shape, to the layer's output.
        gain: of all weights.
        normalised: whether each input of a layer is divided by its root mean square, as RMSNorm does.
        depth: number of layers.
        width: of each.
        batch: number of inputs.
        seeds: number of independent stacks, computed side by side.

    Returns:
        Mean squares of each layer's output and of its gradient, which is 1 at the last layer.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    h, outputs = normal(seeds, batch, width), []
    for _ in range(depth):
        if normalised:
            h = h / h.square().mean(dim=-1, keepdim=True).sqrt()
        value, opening = (h @ (gain / math.sqrt(width) * normal(seeds, width, width)) for _ in range(2))
        h = gate(value, opening)
        h = h if h.requires_grad else h.requires_grad_()
        outputs.append(h)
    gradients = torch.autograd.grad(h, outputs, normal(*h.shape))
    with torch.no_grad():
        return Propagation(
            signal=torch.stack([h.square().mean(dim=(1, 2)) for h in outputs], dim=1),
            distinct=torch.stack([h.var(dim=1, correction=0).mean(dim=1) for h in outputs], dim=1),
            gradient=torch.stack([g.square().mean(dim=(1, 2)) for g in gradients], dim=1),
        )
