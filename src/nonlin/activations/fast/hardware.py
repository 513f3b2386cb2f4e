"""The fast forms of the activations in ``hardware.py``."""

import torch
from torch import Tensor

from nonlin.activations.fast.kernel import Kernel, affine, product
from nonlin.activations.hardware import HARDSIGMOID, HARDSWISH, HARDTANH, RELU6


def relu6_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """[(y - 6) y < 0] g: one comparison for both ends."""
    torch.sub(y, 6, out=out).mul_(y)
    torch.lt(out, 0, out=out).mul_(gradient)


def hardsigmoid_forward(out: Tensor, x: Tensor) -> None:
    """clamp(x + 3, 0, 6) / 6; x / 6 + 1/2 would take a step less, but in float64 it is not 0 at -3."""
    torch.add(x, 3, out=out).clamp_(0, 6).mul_(1 / 6)


def hardsigmoid_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """[y - y^2 > 0] g / 6: inside (0, 1), y - y^2 is positive, and its sign is 1."""
    torch.addcmul(y, y, y, value=-1, out=out).sign_()
    product(out, 1 / 6, out, gradient)


def hardswish_forward(out: Tensor, x: Tensor) -> None:
    """clamp(x / 6 + 1/2, 0, 1) x."""
    affine(out, 1 / 6, x, 0.5).clamp_(0, 1).mul_(x)


def hardswish_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """(c + 1/2 - trunc(c) / 2) g with c = clamp(x / 3, -1, 1): trunc is -1 and 1 at the ends, and 0 between them."""
    torch.mul(x, 1 / 3, out=out).clamp_(-1, 1)
    end = out.trunc()
    out.add_(affine(end, -0.5, end, 0.5)).mul_(gradient)


def hardtanh_backward(out: Tensor, gradient: Tensor, y: Tensor, min_val: float, max_val: float) -> None:
    """[y > min_val] [y < max_val] g, with one comparison, [|y| < max_val], where the bounds lie symmetrically."""
    if min_val == -max_val:
        torch.lt(torch.abs(y, out=out), max_val, out=out)
    else:
        torch.gt(y, min_val, out=out).mul_(torch.lt(y, max_val, out=torch.empty_like(y)))
    out.mul_(gradient)


KERNELS = {
    RELU6: Kernel(forward=None, backward=relu6_backward, rounds=False),
    HARDSIGMOID: Kernel(forward=hardsigmoid_forward, backward=hardsigmoid_backward),
    HARDSWISH: Kernel(forward=hardswish_forward, backward=hardswish_backward),
    HARDTANH: Kernel(forward=None, backward=hardtanh_backward, rounds=False),
}
