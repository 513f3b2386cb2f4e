"""The fast forms of the activations in ``rectified.py``."""

import torch
from torch import Tensor

from nonlin.activations.fast.kernel import Kernel
from nonlin.activations.rectified import HARDSHRINK, RELU, SOFTSHRINK, THRESHOLD


def relu_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """sign(y) g: y is never negative, so that its sign is 1 or 0, the slope. A mask of bool costs more."""
    torch.sign(y, out=out).mul_(gradient)


def threshold_forward(out: Tensor, x: Tensor, threshold: float, value: float) -> None:
    """max(x, θ) m + v (1 - m) with the mask m = [x > θ]: clamped first, for an infinity times 0 would be NaN."""
    if max(abs(threshold), abs(value)) > torch.finfo(x.dtype).max:
        out.copy_(THRESHOLD.function(x, threshold, value))
        return
    mask = torch.gt(x, threshold, out=torch.empty_like(x))
    torch.clamp(x, min=threshold, out=out).mul_(mask)
    if value:
        out.add_(mask.sub_(1), alpha=-value)


def threshold_backward(out: Tensor, gradient: Tensor, x: Tensor, threshold: float, value: float) -> None:
    """[x > θ] g: torch.gt writes 1 and 0 straight into a tensor of numbers."""
    torch.gt(x, threshold, out=out).mul_(gradient)


def hardshrink_forward(out: Tensor, x: Tensor, lambd: float) -> None:
    """[|x| > λ] x."""
    if lambd > torch.finfo(x.dtype).max:
        out.copy_(HARDSHRINK.function(x, lambd))
        return
    torch.gt(torch.abs(x, out=out), lambd, out=out).mul_(x)


def shrink_backward(out: Tensor, gradient: Tensor, y: Tensor, lambd: float) -> None:
    """[y != 0] g, for both shrinkages."""
    torch.ne(y, 0, out=out).mul_(gradient)


def hardshrink_backward_from_input(out: Tensor, gradient: Tensor, x: Tensor, lambd: float) -> None:
    """[|x| > λ] g."""
    torch.gt(torch.abs(x, out=out), lambd, out=out).mul_(gradient)


def softshrink_forward(out: Tensor, x: Tensor, lambd: float) -> None:
    """x - clamp(x, -λ, λ)."""
    torch.clamp(x, -lambd, lambd, out=out)
    torch.sub(x, out, out=out)


KERNELS = {
    RELU: Kernel(forward=None, backward=relu_backward, rounds=False),
    THRESHOLD: Kernel(forward=threshold_forward, backward=threshold_backward, rounds=False),
    HARDSHRINK: Kernel(
        forward=hardshrink_forward,
        backward=shrink_backward,
        backward_from_input=hardshrink_backward_from_input,
        rounds=False,
    ),
    SOFTSHRINK: Kernel(forward=softshrink_forward, backward=shrink_backward),
}
