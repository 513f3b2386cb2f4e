"""The fast forms of the activations in ``smooth.py``."""

import math

import torch
from torch import Tensor

from nonlin.activations.fast.kernel import Kernel, affine, ordinary, product
from nonlin.activations.smooth import (
    EXPONENTIAL_TAIL,
    GAUSSIAN_TAIL,
    GELU,
    GELU_TANH,
    GELU_TANH_SCALE,
    MISH,
    SILU,
    SOFTPLUS,
    SWISH,
    softplus,
    softplus_derivative,
)

ONE_MINUS_TANH_IS_LOST = 20.0  # above it, tanh(softplus(x)) differs from 1 by less than 1e-17


def softplus_forward(out: Tensor, x: Tensor, beta: float, threshold: float) -> None:
    """max(x, log1p(e^min(βx, threshold)) / β): the logarithm is the larger one just up to the threshold.

    For a negative β, min. Beyond 40 the logarithm is its exponent in float64, too, and need not be taken.
    """
    if _jump_is_lost(x, threshold) and ordinary(beta):
        torch.mul(x, beta, out=out).clamp_(max=min(threshold, 40.0)).exp_().log1p_()
        upper = torch.maximum if beta > 0 else torch.minimum
        upper(x, out.mul_(1 / beta), out=out)
    else:
        out.copy_(softplus(x, beta, threshold))


def softplus_backward(out: Tensor, gradient: Tensor, x: Tensor, beta: float, threshold: float) -> None:
    """σ(βx) g: above the threshold, σ is rounded to 1."""
    if _jump_is_lost(x, threshold):
        torch.mul(x, beta, out=out).sigmoid_().mul_(gradient)
    else:
        torch.mul(softplus_derivative(x, beta, threshold), gradient, out=out)


def _jump_is_lost(x: Tensor, threshold: float) -> bool:
    """Whether the jump at the threshold is smaller than the roundings of x, as by default in float32."""
    return -threshold < math.log(torch.finfo(x.dtype).eps / 8)


def swish_forward(out: Tensor, x: Tensor, beta: float) -> None:
    """x σ(βx)."""
    torch.mul(x, beta, out=out).sigmoid_().mul_(x)


def swish_backward(out: Tensor, gradient: Tensor, x: Tensor, beta: float) -> None:
    """(s + s (z - z s)) g with z = βx and s = σ(z)."""
    _times_swish_slope(out, gradient, (x * beta).clamp_(-EXPONENTIAL_TAIL, EXPONENTIAL_TAIL))


def _times_swish_slope(out: Tensor, gradient: Tensor, z: Tensor) -> None:
    torch.sigmoid(z, out=out)
    out.addcmul_(out, torch.addcmul(z, z, out, value=-1)).mul_(gradient)


def silu_forward(out: Tensor, x: Tensor) -> None:
    """x σ(x)."""
    torch.sigmoid(x, out=out).mul_(x)


def silu_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """(s + s (x - x s)) g with s = σ(x)."""
    _times_swish_slope(out, gradient, x)


def gelu_forward(out: Tensor, x: Tensor) -> None:
    """erfc(-x / √2) x / 2."""
    torch.mul(x, -1 / math.sqrt(2), out=out).erfc_()
    product(out, 0.5, out, x)


def gelu_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """(erfc(-x / √2) + √(2/π) x e^(-x^2 / 2)) g / 2."""
    product(out, -0.5, x, x).exp_().mul_(x)
    torch.add(torch.mul(x, -1 / math.sqrt(2)).erfc_(), out, alpha=math.sqrt(2 / math.pi), out=out)
    product(out, 0.5, out, gradient)


def gelu_tanh_forward(out: Tensor, x: Tensor) -> None:
    """x σ(2u) with 2u = (a x^2 + b) x."""
    torch.mul(x, x, out=out)
    affine(out, 0.044715 * GELU_TANH_SCALE, out, GELU_TANH_SCALE).mul_(x).sigmoid_().mul_(x)


def gelu_tanh_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """(s + s (w - w s)) g with s = σ(2u) and w = x times the slope of 2u, which is (3 a x^2 + b) x."""
    x = x.clamp(-GAUSSIAN_TAIL, GAUSSIAN_TAIL)
    w = x.square()
    affine(out, 0.044715 * GELU_TANH_SCALE, w, GELU_TANH_SCALE).mul_(x).sigmoid_()
    affine(w, 3 * 0.044715 * GELU_TANH_SCALE, w, GELU_TANH_SCALE).mul_(x)
    w.addcmul_(w, out, value=-1)
    out.addcmul_(out, w).mul_(gradient)


def mish_forward(out: Tensor, x: Tensor) -> None:
    """x n / (n + 2) with n = e^x (e^x + 2), which is tanh(log(1 + e^x)) x without a logarithm; above 20 it is x."""
    e = x.clamp(max=ONE_MINUS_TANH_IS_LOST).exp_()
    n = torch.add(e, 2, out=out).mul_(e)
    torch.div(n, torch.add(n, 2, out=e), out=out).mul_(x)


def mish_backward(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """(n (n + 2) + 4 x e^x (1 + e^x)) / (n + 2)^2 g: 1 - tanh^2 is 4 (1 + e^x)^2 / (n + 2)^2."""
    x = x.clamp(-EXPONENTIAL_TAIL, ONE_MINUS_TANH_IS_LOST)
    e = x.exp()
    x.mul_(e)
    x.addcmul_(x, e)
    n = e.mul_(torch.add(e, 2, out=out))
    torch.add(n, 2, out=out)
    n.mul_(out).add_(x, alpha=4)
    torch.div(n, out.square_(), out=out).mul_(gradient)


KERNELS = {
    SOFTPLUS: Kernel(forward=softplus_forward, backward=softplus_backward),
    SWISH: Kernel(forward=swish_forward, backward=swish_backward),
    SILU: Kernel(forward=silu_forward, backward=silu_backward),
    GELU: Kernel(forward=gelu_forward, backward=gelu_backward),
    GELU_TANH: Kernel(forward=gelu_tanh_forward, backward=gelu_tanh_backward),
    MISH: Kernel(forward=mish_forward, backward=mish_backward),
}
