"""The fast forms of the activations in ``exponential.py``."""

import torch
from torch import Tensor

from nonlin.activations.exponential import CELU, ELU, SELU, SELU_ALPHA, SELU_SCALE
from nonlin.activations.fast.kernel import Kernel, ordinary
from nonlin.activations.fast.saturating import exp_minus_one


def elu_forward(out: Tensor, x: Tensor, alpha: float) -> None:
    """α (e^min(x, 0) - 1) + max(x, 0), of which one is 0; for 0 <= α <= 1 the larger of x and the first term."""
    if not ordinary(alpha):
        out.copy_(ELU.function(x, alpha))
        return
    exp_minus_one(out, torch.clamp(x, max=0, out=out), inner=1, outer=alpha)
    if 0 <= alpha <= 1:
        torch.maximum(x, out, out=out)
    else:
        out.add_(x.clamp(min=0))


def elu_backward(out: Tensor, gradient: Tensor, y: Tensor, alpha: float) -> None:
    """(s (1 - m) + m) g with s = min(y, 0) + α and the mask m = [y > 0]."""
    if not ordinary(alpha):
        torch.mul(gradient, ELU.derivative_from_output(y, alpha), out=out)
        return
    torch.clamp(y, max=0, out=out)
    if alpha == 1:
        torch.addcmul(gradient, gradient, out, out=out)
        return
    out.add_(alpha)
    above = torch.gt(y, 0, out=torch.empty_like(y))
    out.addcmul_(out, above, value=-1).add_(above).mul_(gradient)


def elu_backward_from_input(out: Tensor, gradient: Tensor, x: Tensor, alpha: float) -> None:
    """α e^min(x, 0) g where x <= 0, g elsewhere."""
    torch.clamp(x, max=0, out=out).exp_()
    if alpha != 1:
        torch.where(x > 0, out, out.mul(alpha), out=out)
    out.mul_(gradient)


def selu_forward(out: Tensor, x: Tensor) -> None:
    """scale * alpha (e^min(x, 0) - 1) + scale * max(x, 0), of which one is always 0."""
    exp_minus_one(out, torch.clamp(x, max=0, out=out), inner=1, outer=SELU_SCALE * SELU_ALPHA)
    out.add_(x.clamp(min=0), alpha=SELU_SCALE)


def selu_backward(out: Tensor, gradient: Tensor, y: Tensor) -> None:
    """(min(y, 0) + scale * alpha + scale (1 - alpha) [y > 0]) g."""
    torch.gt(y, 0, out=out).mul_(SELU_SCALE * (1 - SELU_ALPHA)).add_(y.clamp(max=0))
    out.add_(SELU_SCALE * SELU_ALPHA).mul_(gradient)


def selu_backward_from_input(out: Tensor, gradient: Tensor, x: Tensor) -> None:
    """As ELU with α, times scale."""
    elu_backward_from_input(out, gradient, x, SELU_ALPHA)
    out.mul_(SELU_SCALE)


def celu_forward(out: Tensor, x: Tensor, alpha: float) -> None:
    """The larger of x and α (e^(min(x, 0) / α) - 1), which lies above the line x and touches it at 0."""
    if alpha < 0 or not ordinary(alpha):
        out.copy_(CELU.function(x, alpha))
        return
    exp_minus_one(out, torch.clamp(x, max=0, out=out), inner=1 / alpha, outer=alpha)
    torch.maximum(x, out, out=out)


def celu_backward(out: Tensor, gradient: Tensor, y: Tensor, alpha: float) -> None:
    """g + g min(y, 0) / α."""
    if not ordinary(alpha):
        torch.mul(gradient, CELU.derivative_from_output(y, alpha), out=out)
        return
    torch.addcmul(gradient, gradient, torch.clamp(y, max=0, out=out), value=1 / alpha, out=out)


def celu_backward_from_input(out: Tensor, gradient: Tensor, x: Tensor, alpha: float) -> None:
    """e^(min(x, 0) / α) g."""
    if not ordinary(alpha):
        torch.mul(gradient, CELU.derivative(x, alpha), out=out)
        return
    torch.clamp(x, max=0, out=out).div_(alpha).exp_().mul_(gradient)


KERNELS = {
    ELU: Kernel(forward=elu_forward, backward=elu_backward, backward_from_input=elu_backward_from_input),
    SELU: Kernel(forward=selu_forward, backward=selu_backward, backward_from_input=selu_backward_from_input),
    CELU: Kernel(forward=celu_forward, backward=celu_backward, backward_from_input=celu_backward_from_input),
}
