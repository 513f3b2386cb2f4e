"""Expectations of functions of a normally distributed number, by numerical integration from -12 to 12 deviations.

Two rules. The trapezoidal one has a point at 0, where the curves have their kinks, and is exact there. The midpoint one
has none there: it is for slopes, which at a kink are a convention.
"""

import math

import torch
from torch import Tensor

from nonlin.signatures import Elementwise

LIMIT = 12.0  # beyond it even exp(z)^2 adds nothing to an expectation
MIDDLES = 2**17


def normal_mean(function: Elementwise, std: Tensor | float = 1.0, *, points: int = 9_601) -> Tensor:
    """Expectation of ``function(std * z)`` for z from N(0, 1), float64, by the trapezoidal rule.

    Args:
        function: works element by element, on float64; a kink at 0 does no harm, a jump does: see :func:`middles`.
        std: standard deviation, a number or a tensor of any shape, which the result has.
        points: of the rule, an odd number.
    """
    z = torch.linspace(-LIMIT, LIMIT, points, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    std = torch.as_tensor(std, dtype=torch.float64)
    return torch.trapezoid(function(std[..., None] * z) * density, z, dim=-1)


def middles() -> Tensor:
    """The middles of equal parts of the line, float64 (2**17,): the points of the midpoint rule."""
    return (torch.arange(MIDDLES).double() + 0.5) * (2 * LIMIT / MIDDLES) - LIMIT


def mean_at_middles(values: Tensor) -> float:
    """Expectation of what was computed at :func:`middles`, for z from N(0, 1)."""
    weights = (-middles().square() / 2).exp()
    return (values.detach() * weights).sum().item() * (2 * LIMIT / MIDDLES) / math.sqrt(2 * math.pi)
