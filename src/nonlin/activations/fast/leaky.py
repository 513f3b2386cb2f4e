"""The fast forms of the activations in ``leaky.py``."""

import torch
from torch import Tensor

from nonlin.activations.fast.kernel import LARGE, Kernel
from nonlin.activations.leaky import LEAKY_RELU, PRELU, RRELU


def leaky_relu_forward(out: Tensor, x: Tensor, negative_slope: float) -> None:
    """The larger of x and a x; the smaller where a > 1. For a = 0, max(x, 0) + 0 min(x, 0): 0 never meets +infinity."""
    if abs(negative_slope) < 1 / LARGE:  # or rounded to 0
        torch.clamp(x, max=0, out=out).mul_(negative_slope).add_(x.clamp(min=0))
    else:
        torch.mul(x, negative_slope, out=out)
        larger = torch.maximum if negative_slope <= 1 else torch.minimum
        larger(x, out, out=out)


def leaky_relu_backward(out: Tensor, gradient: Tensor, saved: Tensor, negative_slope: float) -> None:
    """max(sign, a) g: the sign is 1, 0 or -1, and becomes 1 or a. For any other a, a choice: (1 - a) + a is not 1."""
    if 0 <= negative_slope <= 1:
        torch.sign(saved, out=out).clamp_(min=negative_slope).mul_(gradient)
    else:
        torch.where(saved > 0, gradient, torch.mul(gradient, negative_slope, out=out), out=out)


def rrelu_forward(out: Tensor, x: Tensor, lower: float, upper: float) -> None:
    """As LeakyReLU with the mean slope."""
    leaky_relu_forward(out, x, (lower + upper) / 2)


def rrelu_backward(out: Tensor, gradient: Tensor, saved: Tensor, lower: float, upper: float) -> None:
    """As LeakyReLU with the mean slope."""
    leaky_relu_backward(out, gradient, saved, (lower + upper) / 2)


KERNELS = {
    LEAKY_RELU: Kernel(forward=leaky_relu_forward, backward=leaky_relu_backward),
    PRELU: Kernel(forward=leaky_relu_forward, backward=leaky_relu_backward),
    RRELU: Kernel(forward=rrelu_forward, backward=rrelu_backward),
}
