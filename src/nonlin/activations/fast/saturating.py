"""The fast forms of the activations in ``saturating.py``."""

import torch
from torch import Tensor

from nonlin.activations.fast.kernel import Kernel, quotient
from nonlin.activations.saturating import LOG_SIGMOID, SIGMOID, SOFTSIGN, TANH, TANHSHRINK


def sigmoid_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """g y - (g y) y."""
    torch.mul(gradient, y, out=out).addcmul_(out, y, value=-1)


def tanh_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """g - (g y) y."""
    torch.mul(gradient, y, out=out)
    torch.addcmul(gradient, out, y, value=-1, out=out)


def exp_minus_one(out: Tensor, x: Tensor, inner: float, outer: float) -> None:
    """outer (e^(inner x) - 1) for inner x <= 0, as 2 outer t / (1 - t) with t = tanh(inner x / 2).

    It keeps the digits of a small x, as torch.expm1 does, and costs two thirds of it. ``out`` may be ``x``.
    """
    torch.mul(x, inner / 2, out=out).tanh_()
    quotient(out, -2 * outer, out, out.sub(1))


def log_sigmoid_forward(out: Tensor, x: Tensor) -> None:
    """min(x, 0) - log1p(e^-|x|)."""
    torch.abs(x, out=out).neg_().exp_().log1p_()
    torch.sub(x.clamp(max=0), out, out=out)


def log_sigmoid_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """-(e^y - 1) g."""
    exp_minus_one(out, y, inner=1, outer=-1)
    out.mul_(gradient)


def softsign_forward(out: Tensor, x: Tensor) -> None:
    """x / (|x| + 1)."""
    torch.abs(x, out=out).add_(1)
    torch.div(x, out, out=out)


def softsign_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """(|y| - 1)^2 g."""
    torch.abs(y, out=out).sub_(1).square_().mul_(gradient)


def tanhshrink_forward(out: Tensor, x: Tensor) -> None:
    """x - tanh x, as torch has it: near 0 it errs by up to half a rounding of x, and what is left there is x^3 / 3."""
    torch.tanh(x, out=out)
    torch.sub(x, out, out=out)


def tanhshrink_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """tanh^2 x g."""
    torch.tanh(x, out=out).square_().mul_(gradient)


KERNELS = {
    SIGMOID: Kernel(forward=torch.sigmoid, backward=sigmoid_backward),
    TANH: Kernel(forward=torch.tanh, backward=tanh_backward),
    LOG_SIGMOID: Kernel(forward=log_sigmoid_forward, backward=log_sigmoid_backward),
    SOFTSIGN: Kernel(forward=softsign_forward, backward=softsign_backward),
    TANHSHRINK: Kernel(forward=tanhshrink_forward, backward=tanhshrink_backward),
}
