"""How many outputs are zero, and the height of the threshold that makes them so: do unseen points gain by it?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlinear.experiments.dataset import Dataset
from nonlinear.experiments.initialisation import initialise
from nonlinear.experiments.internals import held_out, is_activation
from nonlinear.experiments.models import MakeActivation, mlp, threads
from nonlinear.experiments.race import two_rings
from nonlinear.experiments.training import own_randomness


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
