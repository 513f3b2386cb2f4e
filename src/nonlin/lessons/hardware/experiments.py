"""Activations for small hardware put to the test (lesson 09): rounding to a few bits, clipping, and straight lines."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nonlin.images.dataset import Dataset, Split
from nonlin.lab import training
from nonlin.lab.networks import small_cnn
from nonlin.normal import normal_mean
from nonlin.signatures import Elementwise, MakeActivation

Calibrator = Callable[[Tensor], tuple[float, float]]


@dataclass(frozen=True)
class Grid:
    """2^bits evenly spaced numbers, scale * (code - zero_point) for the codes 0 to 2^bits - 1.

    Args:
        scale: distance between neighbours, above 0.
        zero_point: the code of 0, which is always on the grid: padding and the outputs of ReLU need it exactly.
        bits: of a code, at least 1.

    Source: Jacob and others (2017), Quantization and training of neural networks for efficient
    integer-arithmetic-only inference, https://arxiv.org/abs/1712.05877.
    """

    scale: float
    zero_point: int
    bits: int

    @classmethod
    def covering(cls, low: float, high: float, bits: int) -> "Grid":
        """The grid from ``low`` to ``high``, stretched to hold 0 and shifted by less than a step so that 0 is on it.

        Raises:
            ValueError: if the ends are not finite, nothing lies between them and 0, or there is no bit.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if not (math.isfinite(low) and math.isfinite(high) and low < high) or bits < 1:
            raise ValueError(f"no grid of {bits} bits covers the numbers from {low} to {high}.")
        scale = (high - low) / (2**bits - 1)
        return cls(scale, round(-low / scale), bits)

    @property
    def low(self) -> float:
        return -self.scale * self.zero_point

    @property
    def high(self) -> float:
        return self.scale * (2**self.bits - 1 - self.zero_point)

    def codes(self, x: Tensor) -> Tensor:
        """The code of the nearest number of the grid; what lies outside gets the code of the nearer end.

        Args:
            x: floating point, any shape.

        Returns:
            int32, same shape.
        """
        return ((x / self.scale).round() + self.zero_point).clamp(0, 2**self.bits - 1).int()

    def values(self, codes: Tensor) -> Tensor:
        """What codes stand for: float32, same shape."""
        return self.scale * (codes - self.zero_point).float()

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers of the grid that ``x`` is rounded or clipped to."""
        return self.values(self.codes(x))


def min_max(x: Tensor) -> tuple[float, float]:
    """The smallest and the largest value: nothing is clipped."""
    low, high = x.aminmax()
    return low.item(), high.item()


def percentile(share: float) -> Calibrator:
    """A calibrator that leaves out the largest and, on the other side of 0, the smallest values.

    Args:
        share: of the values to keep at either end, in %, for instance 99.9.
    """

    def ends(x: Tensor) -> tuple[float, float]:
        flat, rank = x.flatten(), max(1, math.ceil(share / 100 * x.numel()))
        return flat.kthvalue(x.numel() + 1 - rank).values.item(), flat.kthvalue(rank).values.item()

    return ends


def bounds(low: float, high: float) -> Calibrator:
    """A calibrator that looks at nothing: the ends are known beforehand, as those of ReLU6 are."""
    return lambda _: (low, high)


def errors(x: Tensor, grid: Grid) -> tuple[float, float]:
    """Mean squared error by rounding (values inside the grid) and by clipping (values beyond its ends).

    Both are means over all values, so that their sum is the mean squared error.
    """
    squares = (grid(x) - x).double().square()
    inside = (x >= grid.low) & (x <= grid.high)
    return (squares * inside).mean().item(), (squares * ~inside).mean().item()


# Networks whose activations pass through grids


def places(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    """The activations of a network, in order."""
    return [module for module in model.modules() if isinstance(module, kind)]


@torch.no_grad()
def outputs(model: nn.Module, kind: type[nn.Module], x: Tensor) -> list[Tensor]:
    """What every activation of a network puts out for inputs ``x``, first layer first."""
    seen: list[Tensor] = []
    hooks = [place.register_forward_hook(lambda _m, _i, y: seen.append(y.detach())) for place in places(model, kind)]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def calibrate(seen: Sequence[Tensor], calibrator: Calibrator, bits: int) -> list[Grid]:
    """One grid for each layer (per tensor), from outputs that were seen."""
    return [Grid.covering(*calibrator(y), bits) for y in seen]


@torch.no_grad()
def logits(model: nn.Module, kind: type[nn.Module], x: Tensor, grids: Sequence[Grid] | None = None) -> Tensor:
    """What a network answers when the output of each activation is rounded to its grid; without grids, as it is.

    Everything else stays in float32: weights, sums, logits. So what changes is due to the activations alone.

    Raises:
        ValueError: if there are not as many grids as activations.
    """
    found = places(model, kind)
    if grids is not None and len(grids) != len(found):
        raise ValueError(f"{len(found)} activations need as many grids, not {len(grids)}.")
    hooks = [
        place.register_forward_hook(lambda _m, _i, y, grid=grid: grid(y))
        for place, grid in zip(found, grids or [], strict=False)
    ]
    try:
        return model(x)
    finally:
        for hook in hooks:
            hook.remove()


def changed(answers: Tensor, reference: Tensor) -> float:
    """Share of images, in %, to which another class is given than by the reference; both (n, classes), logits."""
    return 100 * (answers.argmax(dim=1) != reference.argmax(dim=1)).double().mean().item()


def accuracy(answers: Tensor, labels: Tensor) -> float:
    """Share of right answers, in %.

    Args:
        answers: logits, (n, classes).
        labels: the right classes, (n,).
    """
    return 100 * (answers.argmax(dim=1) == labels).double().mean().item()


def prepared(images: Tensor, dataset: Dataset) -> Tensor:
    """Images, uint8 (n, 3, 32, 32), as a network was trained on them: float32, normalised."""
    return (images.float() / 255 - dataset.mean[:, None, None]) / dataset.std[:, None, None]


def part(dataset: Dataset, train: int, test: int) -> Dataset:
    """The first images of a data set."""
    return Dataset(
        name=dataset.name,
        title=dataset.title,
        classes=dataset.classes,
        train=Split(images=dataset.train.images[:train], labels=dataset.train.labels[:train]),
        test=Split(images=dataset.test.images[:test], labels=dataset.test.labels[:test]),
    )


def trained(
    activation: MakeActivation,
    dataset: Dataset,
    *,
    seed: int,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = training.Recipe.learning_rate,
) -> nn.Sequential:
    """A small convolutional network of 6,400 weights, trained, in evaluation mode.

    The same seed gives the same first weights and the same order of images to every activation.
    """
    made: list[nn.Sequential] = []

    def network(make: MakeActivation, *, classes: int) -> nn.Sequential:
        made.append(small_cnn(make, classes=classes, stem=8, widths=(16, 32), depth=0))
        return made[-1]

    pace = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    recipe = training.Recipe(seed=seed, shift=0, mirror=False, **pace)
    training.train(activation, dataset, recipe, network=network, initialisation="he", threads=1, progress=False)
    return made[-1].eval()


# How far a function is from a straight line, for the inputs that it gets


def nonlinearity(function: Elementwise, std: float) -> float:
    """Share of the variance of f(x), for x from N(0, std^2), that the best straight line leaves unexplained.

    0 for a straight line, 1 for a function that no straight line says anything about, such as x^2.

    Args:
        function: element by element, on float64.
        std: of the inputs, above 0.
    """
    mean = normal_mean(function, std)
    variance = normal_mean(lambda x: (function(x) - mean).square(), std)
    with_x = normal_mean(lambda x: function(x) * x / std, std)
    return (1 - with_x.square() / variance).item()


def root_mean_square(function: Elementwise, other: Elementwise, std: float) -> float:
    """Root mean square of f(x) - g(x) for x from N(0, std^2)."""
    return normal_mean(lambda x: (function(x) - other(x)).square(), std).sqrt().item()
