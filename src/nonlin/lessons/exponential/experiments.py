r"""ELU and SELU put to the test (lesson 07): many small networks at once, and moments from layer to layer.

The same seed gives the same first weights (up to the gain), and the same mini-batches, to every activation, so that
activations can be compared seed by seed.

A layer multiplies its inputs, of mean :math:`\mu` and variance :math:`\nu`, with n random weights of mean 0 and
variance :math:`g^2 / n`. In a wide layer the sums are normal with mean 0 and variance :math:`g^2 (\mu^2 + \nu)`, over
units and inputs together, so that the next pair follows from this one: a map of the half-plane into itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.images import sources
from nonlin.images.dataset import Split
from nonlin.lab.networks import threads
from nonlin.normal import normal_mean
from nonlin.signatures import Elementwise
from nonlin.toys.batched import Parameters, outputs, update, with_gain

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Inputs, float32 (n, features), mean 0 and standard deviation 1 over the training set; labels, int64 (n,)."""

    inputs: Tensor
    labels: Tensor


def small_images(*, train: int = 8_000, test: int = 2_000, side: int = 8) -> tuple[Examples, Examples]:
    """shapes10, averaged to ``side`` x ``side`` colour pixels: the first images for training, and test images.

    Args:
        train, test: how many.
        side: 1, 2, 4, 8, 16 or 32.
    """
    shapes = sources.load("shapes10")
    train_pixels, test_pixels = (
        _pixels(split, number, side) for split, number in ((shapes.train, train), (shapes.test, test))
    )
    mean, std = train_pixels.mean(), train_pixels.std()
    return tuple(
        Examples(inputs=(pixels - mean) / std, labels=split.labels[: len(pixels)])
        for pixels, split in ((train_pixels, shapes.train), (test_pixels, shapes.test))
    )


def _pixels(split: Split, number: int, side: int) -> Tensor:
    images = split.images[:number].float() / 255
    return F.avg_pool2d(images, images.shape[-1] // side).flatten(1)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of outputs and targets (seeds, n, features): one mean for each seed."""
    return (outputs - targets).square().mean(dim=(1, 2))


def train_side_by_side(
    activation: Elementwise | Sequence[Elementwise],
    gain: float,
    sizes: Sequence[int],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    *,
    seeds: Sequence[int],
    learning_rate: float,
    steps: int,
    batch_size: int = 128,
) -> Parameters:
    """Train one network a seed with Adam, whose rate falls in a straight line to 0.

    Args:
        activation: behind every linear layer but the last; one for all of them, or one for each.
        gain: of the weights, for every layer but the first, which sees no activation: standard deviation
            gain / sqrt(fan-in), normal; biases 0.
        sizes: of the layers, from inputs to outputs.
        inputs: (n, features).
        targets: (n,) or (n, outputs).
        loss: one number for each seed.
        seeds: one network each.
        learning_rate: at the start.
        steps: updates.
        batch_size: examples in each.

    Returns:
        Weight and bias of each layer: (seeds, inputs, outputs) and (seeds, 1, outputs).
    """
    parameters = with_gain(seeds, sizes, gain)
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    generators = [torch.Generator().manual_seed(10_000 + seed) for seed in seeds]
    with threads(1):  # layers this small gain nothing from a second thread
        for _ in range(steps):
            chosen = torch.stack([torch.randint(len(inputs), (batch_size,), generator=g) for g in generators])
            update(optimizer, loss(outputs(parameters, inputs[chosen], activation), targets[chosen]))
            schedule.step()
    return [parameter.detach() for parameter in parameters]


def accuracy(activation: Callable[[Tensor], Tensor], parameters: Parameters, inputs: Tensor, labels: Tensor) -> Tensor:
    """In %, one number for each seed, float64."""
    with torch.no_grad():
        found = outputs(parameters, inputs, activation).argmax(dim=-1)
    return 100 * (found == labels).double().mean(dim=1)


# Mean and variance, layer by layer: computed for wide layers, measured in real ones


def next_moments(
    activation: Callable[[Tensor], Tensor], mean: Tensor | float, variance: Tensor | float, *, gain: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the outputs of a wide random layer, from those of the layer before.

    Args:
        activation: works element by element, on float64.
        mean, variance: of the inputs, over units and examples; numbers or tensors of one shape.
        gain: standard deviation of the weights, times the root of their number.
    """
    mean, variance = torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(variance, dtype=torch.float64)
    std = gain * (mean.square() + variance).sqrt()
    first = normal_mean(activation, std)
    return first, normal_mean(lambda z: activation(z).square(), std) - first.square()


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """What a stack of random layers puts out; ``mean`` and ``variance`` are float64 (seeds, depth + 1), inputs first.

    Args:
        mean, variance: over units and examples.
        unit_means, unit_variances: of each unit of the last layer over the examples, float64 (seeds, width).
    """

    mean: Tensor
    variance: Tensor
    unit_means: Tensor
    unit_variances: Tensor


def moments_by_layer(
    activation: Callable[[Tensor], Tensor],
    *,
    gain: float = 1.0,
    depth: int = 50,
    width: int = 256,
    batch: int = 256,
    mean: float = 0.0,
    std: float = 1.0,
    seeds: int = 5,
) -> Moments:
    """Send examples from N(mean, std^2) through layers with normal weights and no biases, before any training.

    Args:
        activation: of a float32 tensor; may end in a dropout. torch's global generator is seeded for each network.
        gain: standard deviation of the weights, times the root of their number; 1 is LeCun's.
        depth, width: of the stack.
        batch: number of examples.
        mean, std: of the inputs.
        seeds: number of networks, seeds 0 to ``seeds`` - 1.
    """
    runs = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        x = mean + std * torch.randn(batch, width)
        found = [_moments(x)]
        for _ in range(depth):
            x = activation(x @ (gain / math.sqrt(width) * torch.randn(width, width)))
            found.append(_moments(x))
        by_unit = x.double()
        runs.append((*map(torch.tensor, zip(*found, strict=True)), by_unit.mean(0), by_unit.var(0, correction=0)))
    means, variances, unit_means, unit_variances = (torch.stack(column) for column in zip(*runs, strict=True))
    return Moments(
        mean=means.double(), variance=variances.double(), unit_means=unit_means, unit_variances=unit_variances
    )


def _moments(x: Tensor) -> tuple[float, float]:
    return x.mean().item(), x.var(correction=0).item()
