"""How many outputs are zero, and the height of the threshold that makes them so: do unseen points gain by it?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlinear.experiments.models import threads
from nonlinear.experiments.race import two_rings


def hidden_rings(n: int, *, seed: int, nuisance: int = 8) -> tuple[Tensor, Tensor]:
    """:func:`race.two_rings` among further coordinates from N(0, 1) that say nothing: (n, 2 + nuisance), and labels."""
    points, labels = two_rings(n, seed=seed)
    noise = torch.randn(n, nuisance, generator=torch.Generator().manual_seed(seed + 1000))
    return torch.cat([points, noise], dim=1), labels


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
    first weights, the same for every activation and threshold; all are trained side by side.

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
