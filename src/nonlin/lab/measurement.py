"""What an activation does to many values, measured batch by batch: exact statistics of inputs and outputs."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Scale = tuple[float, float]  # the values drawn as black and as white

SATURATED_BELOW = 0.1  # |slope| below which backward passes on less than a tenth of the gradient


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What is true of all values of a test set together, exact up to the rounding of float64.

    Args:
        mean, std: mean and standard deviation (divided by n).
        low, high: smallest and largest value.
        zeros: share of values that are exactly 0, between 0 and 1.
        clipped: share of values outside the scale on which they are drawn, between 0 and 1.
    """

    mean: float
    std: float
    low: float
    high: float
    zeros: float
    clipped: float


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of the images, plain or normalised, before and after the activation.

    Args:
        before, after: statistics of inputs and outputs.
        saturated: share of inputs at which the slope is smaller than 0.1 in size, between 0 and 1.
        unchanged: share of outputs that equal their input exactly, between 0 and 1.
        scale: the values drawn as black and as white, before and after.
    """

    before: Statistics
    after: Statistics
    saturated: float
    unchanged: float
    scale: Scale


class _Sums:
    """Running sums over batches, in float64."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.n, self.total, self.squares = 0, 0.0, 0.0
        self.zeros = self.clipped = 0
        self.low, self.high = math.inf, -math.inf

    def add(self, x: Tensor) -> None:
        wide = x.double().flatten()
        self.n += wide.numel()
        self.total += wide.sum().item()
        self.squares += wide.dot(wide).item()
        self.zeros += wide.numel() - int(wide.count_nonzero())
        low, high = (end.item() for end in wide.aminmax())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if low < self.scale[0] or high > self.scale[1]:
            self.clipped += int(((wide < self.scale[0]) | (wide > self.scale[1])).sum())

    def statistics(self) -> Statistics:
        mean = self.total / self.n
        return Statistics(
            mean=mean,
            std=math.sqrt(max(0.0, self.squares / self.n - mean**2)),
            low=self.low,
            high=self.high,
            zeros=self.zeros / self.n,
            clipped=self.clipped / self.n,
        )


class Measurement:
    """One form of the images on its way through an activation.

    Args:
        prepare: makes inputs, floating point, from a batch of images of the same shape.
        scale: the values drawn as black and as white.
    """

    def __init__(self, prepare: Callable[[Tensor], Tensor], scale: Scale) -> None:
        self.prepare, self.scale = prepare, scale
        self.before, self.after = _Sums(scale), _Sums(scale)
        self.saturated = self.unchanged = 0

    def send(self, function: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """Measure one batch and return its inputs and outputs, float32 of the shape of ``images``."""
        x = self.prepare(images)
        y, slope = outputs_and_slopes(function, x)
        self.before.add(x)
        self.after.add(y)
        self.saturated += int((slope.abs() < SATURATED_BELOW).sum())
        self.unchanged += int((x == y).sum())
        return x, y

    def form(self) -> Form:
        return Form(
            before=self.before.statistics(),
            after=self.after.statistics(),
            saturated=self.saturated / self.before.n,
            unchanged=self.unchanged / self.before.n,
            scale=self.scale,
        )


def outputs_and_slopes(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and slopes of a function that works element by element, each of the shape of x."""
    x = x.detach().requires_grad_()
    # A copy goes in: an activation that works in place would overwrite the "before" picture.
    y = function(x.clone())
    if not y.requires_grad:  # a step function, for instance: backward has nothing to pass on
        return y.to(x.dtype), torch.zeros_like(x)
    (slope,) = torch.autograd.grad(y.sum(), x)  # of the sum: each element of x reaches one summand only
    return y.detach(), slope
