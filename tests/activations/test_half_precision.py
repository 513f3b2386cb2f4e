"""16 bits: values and gradients of every layer are as near to the exact ones as those of its counterpart in torch."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from folded import folded
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.activations.gated import GLU
from nonlin.activations.learned import PReLU, RReLU, Swish
from nonlin.activations.record import HALF
from nonlin.activations.softmax import LogSoftmax, Softmax, Softmax2d, Softmin

LEAST = 1e-3  # of the largest exact number: smaller ones are not looked at one by one


class SwishFormula(nn.Module):
    """Swish as a formula, which torch.nn does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class Formula(nn.Module):
    """A chain of torch's functions, for which torch.nn has no layer."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = formula


Make = Callable[[], nn.Module]

PAIRS: dict[str, tuple[Make, Make]] = {
    record.name: (partial(ActivationModule, record), partial(record.torch_module, **record.parameters))
    for record in ACTIVATIONS.values()
    if record.torch_module
} | {
    "prelu": (partial(ActivationModule, ACTIVATIONS["prelu"]), partial(nn.LeakyReLU, 0.25)),
    "swish": (partial(ActivationModule, ACTIVATIONS["swish"]), nn.SiLU),
    "squared_relu": (partial(ActivationModule, ACTIVATIONS["squared_relu"]), lambda: Formula(lambda x: F.relu(x) ** 2)),
    "sine": (partial(ActivationModule, ACTIVATIONS["sine"], 3.0), lambda: Formula(lambda x: torch.sin(3.0 * x))),
    "PReLU": (PReLU, nn.PReLU),
    "PReLU, each channel": (partial(PReLU, 8), partial(nn.PReLU, 8)),
    "RReLU": (lambda: RReLU().eval(), lambda: nn.RReLU().eval()),
    "Swish": (Swish, SwishFormula),
    "GLU": (partial(GLU, 1), partial(nn.GLU, 1)),
    "Softmax": (partial(Softmax, 1), partial(nn.Softmax, 1)),
    "LogSoftmax": (partial(LogSoftmax, 1), partial(nn.LogSoftmax, 1)),
    "Softmin": (partial(Softmin, 1), partial(nn.Softmin, 1)),
    "Softmax2d": (Softmax2d, nn.Softmax2d),
}


def value_and_gradients(make: Make, x: Tensor, gradient: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """The output, and the gradients for the input and the parameters, computed in ``dtype``."""
    module, x = make().to(dtype), x.to(dtype, copy=True).requires_grad_()
    y = module(x)
    gradients = torch.autograd.grad(y, [x, *module.parameters()], gradient[:, : y.size(1)].to(dtype))
    return [result.detach().double() for result in (y, *gradients)]


def errors(found: Tensor, exact: Tensor) -> tuple[float, float]:
    """Relative error of the whole, and the largest one of a single number."""
    off, large = found - exact, exact.abs() > LEAST * exact.abs().max()
    return (off.norm() / exact.norm()).item(), (off / exact)[large].abs().max().item()


@folded("dtype", HALF)
@pytest.mark.parametrize("name", PAIRS)
def test_it_is_as_near_as_torch(name: str, dtype: torch.dtype) -> None:
    ours, theirs = PAIRS[name]
    generator, eps = torch.Generator().manual_seed(0), torch.finfo(dtype).eps
    x, gradient = ((3 * torch.randn(64, 8, 6, 6, generator=generator)).to(dtype) for _ in range(2))
    exact = value_and_gradients(theirs, x, gradient, torch.float64)
    found, torchs = (value_and_gradients(make, x, gradient, dtype) for make in (ours, theirs))
    for got, their, right in zip(found, torchs, exact, strict=True):
        (whole, worst), (their_whole, their_worst) = errors(got, right), errors(their, right)
        assert whole <= 1.05 * their_whole + eps / 1000
        assert worst <= 1.05 * their_worst + eps / 4
