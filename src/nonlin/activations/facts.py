"""What is computed from a record: means under a normal input, gains, largest slope, flat ends."""

import inspect
import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from nonlin.normal import normal_mean

FINE = 240_001  # points of the integrals

# Beyond this distance from 0 a slope that is not already at its limit cannot be told from it in float64.
FAR = 1e4
TAIL = FAR * torch.linspace(1, 2, 9, dtype=torch.float64)  # several places, since one may be any part of a wave
VERY_FAR = 1e9  # where even the slope of softsign, which falls like 1 / x^2, is below 1e-15


class Facts:
    """The facts of a record, each computed from its function and derivative when it is first asked for."""

    function: Callable[..., Tensor]
    derivative: Callable[..., Tensor]
    torch_module: Callable[..., nn.Module] | None

    @cached_property
    def mean_under_normal(self) -> float:
        """Mean of ``f(x)`` for ``x`` drawn from N(0, 1)."""
        return normal_mean(self.function, points=FINE).item()

    @cached_property
    def gain(self) -> float:
        """By what to multiply the outputs so that inputs from N(0, 1) keep their mean square: 1 / sqrt(E[f(x)^2])."""
        return 1 / math.sqrt(normal_mean(lambda x: self.function(x) ** 2, points=FINE).item())

    @cached_property
    def gradient_gain(self) -> float:
        """By what to multiply gradients so that they keep their mean square on the way back: 1 / sqrt(E[f'(x)^2])."""
        return 1 / math.sqrt(normal_mean(lambda x: self.derivative(x) ** 2, points=FINE).item())

    @cached_property
    def largest_slope(self) -> float:
        """The largest absolute slope, found on a grid over [-20, 20] with a step of 0.0001, and far outside.

        Infinite where it still grows there, as that of a parabola.
        """
        grid = torch.linspace(-20, 20, 400_001, dtype=torch.float64)
        x = torch.cat([grid, grid.new_tensor([-FAR, FAR, -VERY_FAR, VERY_FAR])])
        size = self.derivative(x).abs()
        return math.inf if size[-2:].max() > 2 * size[:-2].max() else size.max().item()

    @property
    def saturates(self) -> tuple[bool, bool]:
        """Whether the slope goes to zero towards minus infinity, and towards plus infinity."""
        left, right = (self.derivative(direction * TAIL).abs().max().item() for direction in (-1, 1))
        return left < 1 / FAR, right < 1 / FAR

    @property
    def monotonic(self) -> bool:
        """Whether the slope is nowhere negative on [-20, 20]."""
        return self.derivative(torch.linspace(-20, 20, 400_001, dtype=torch.float64)).min().item() >= 0

    @cached_property
    def takes_inplace(self) -> bool:
        """Whether the counterpart in ``torch.nn`` has the argument ``inplace``."""
        return self.torch_module is not None and "inplace" in inspect.signature(self.torch_module).parameters
