"""How far a function is from a straight line, for the inputs that it gets."""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def normal_inputs(std: float, n: int = 20_001) -> Tensor:
    """Evenly spaced quantiles of N(0, std^2): float64 (n,), an average over which is an expectation."""
    shares = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return std * torch.special.ndtri(shares)


def nonlinearity(function: Function, std: float) -> float:
    """Share of the variance of f(x), for x from N(0, std^2), that the best straight line leaves unexplained.

    0 for a straight line, 1 for a function that no straight line says anything about, such as x^2.

    Args:
        function: element by element, on float64.
        std: of the inputs, above 0.
    """
    x = normal_inputs(std)
    y = function(x)
    x, y = x - x.mean(), y - y.mean()
    return (1 - (x @ y) ** 2 / ((x @ x) * (y @ y))).item()


def root_mean_square(function: Function, other: Function, std: float) -> float:
    """Root mean square of f(x) - g(x) for x from N(0, std^2)."""
    x = normal_inputs(std)
    return (function(x) - other(x)).square().mean().sqrt().item()
