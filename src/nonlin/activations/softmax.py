"""Softmax and its relatives (lesson 10): functions of a vector, whose slope is a matrix.

What follows holds along ``dim``; all other dimensions only count vectors. Two conventions are torch's: an entry of
minus infinity is a class that is ruled out and gets the probability 0; where all entries are minus infinity, or one is
plus infinity, no distribution is the right one, and the whole vector becomes NaN. 16-bit numbers are summed in 32 bits,
as a sum over a vocabulary of 100,000 words would overflow.
"""

import torch
from torch import Tensor, nn

from nonlin.activations.explicit import Explicit
from nonlin.activations.layers import require_floating
from nonlin.activations.record import POSITIVE, as_number, wide


def require_dim(name: str, dim: object) -> None:
    """Refuse a missing dimension, for which torch guesses one: 1 for matrices, but 0 for vectors and 3-d tensors.

    Raises:
        TypeError: if ``dim`` is not an integer.
    """
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise TypeError(f"{name} needs dim, the dimension along which the vectors lie, as an integer, not {dim}.")


def as_temperature(temperature: object) -> float:
    """A temperature as a number.

    Raises:
        TypeError: for what is no number, and a tensor that learns, which from here would never get its gradient.
        ValueError: if it is not positive and finite.
    """
    to_learn_it = "to learn one, divide by it: softmax(x / temperature, dim)"
    return as_number("Softmax", "temperature", temperature, POSITIVE, to_learn_it)


def _shifted(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum, which changes no softmax: the largest exponential is now 1, so that nothing overflows."""
    # An empty vector has no maximum; its sum, 0, has the right shape, and nothing is subtracted from.
    maximum = x.amax(dim, keepdim=True) if x.numel() else x.sum(dim, keepdim=True)
    return x - maximum


def _divided(x: Tensor, temperature: float) -> Tensor:
    """x / T, for a T that would be rounded to 0 over the smallest ordinary number: 0 / 0 is NaN."""
    return x / max(temperature, torch.finfo(x.dtype).tiny)


def _softmax_value(x: Tensor, dim: int, temperature: float) -> Tensor:
    # Divided after the shift: a large x over a small temperature would overflow.
    e = torch.exp(_divided(_shifted(wide(x), dim), temperature))
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)


def _softmax_chain(gradient: Tensor, output: Tensor, dim: int, temperature: float) -> Tensor:
    """gradient times the Jacobian diag(y) - y y^T, without ever writing the matrix down, from the output alone."""
    y, g = wide(output), wide(gradient)
    return _divided(y * (g - (g * y).sum(dim, keepdim=True)), temperature).to(output.dtype)


SOFTMAX = Explicit(
    value=_softmax_value,
    kept=lambda y, x, dim, temperature: (y,),
    pullback=lambda *arguments: (_softmax_chain(*arguments),),
    pushforward=_softmax_chain,  # the Jacobian is symmetric
)


@torch.fx.wrap
def _softmax(x: Tensor, dim: int, temperature: float) -> Tensor:
    require_floating("Softmax", x)
    return SOFTMAX(x, constants=(dim, temperature))


def _log_softmax_value(x: Tensor, dim: int) -> Tensor:
    """In one step: the logarithm of a softmax that is rounded to 0 would be minus infinity."""
    shifted = _shifted(wide(x), dim)
    return (shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))).to(x.dtype)


def _log_softmax_pullback(gradient: Tensor, output: Tensor, dim: int) -> tuple[Tensor]:
    """g times the Jacobian I - 1 p^T with p = e^y."""
    g = wide(gradient)
    return ((g - torch.exp(wide(output)) * g.sum(dim, keepdim=True)).to(output.dtype),)


def _log_softmax_pushforward(tangent: Tensor, output: Tensor, dim: int) -> Tensor:
    """The Jacobian times the tangent."""
    t = wide(tangent)
    return (t - (torch.exp(wide(output)) * t).sum(dim, keepdim=True)).to(output.dtype)


LOG_SOFTMAX = Explicit(
    value=_log_softmax_value,
    kept=lambda y, x, dim: (y,),
    pullback=_log_softmax_pullback,
    pushforward=_log_softmax_pushforward,
)


@torch.fx.wrap
def _log_softmax(x: Tensor, dim: int) -> Tensor:
    require_floating("LogSoftmax", x)
    return LOG_SOFTMAX(x, constants=(dim,))


def softmax(x: Tensor, dim: int, temperature: float = 1.0) -> Tensor:
    r""":math:`y_i = e^{x_i / T} / \sum_j e^{x_j / T}`, with an explicit backward.

    Args:
        x: floating-point tensor of any shape, logits.
        dim: the dimension along which the outputs sum to 1.
        temperature: T, positive: near 0 all weight goes to the maximum, and growing values approach equal weights. The
            second derivative grows as 1/T^2, and its rounding with it: in float32 it is lost at a T below 1e-18.

    Returns:
        Tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: for an integer tensor, without ``dim``, or for a temperature that is no fixed number.
        IndexError: if ``x`` has no such dimension.
        ValueError: for a temperature that is not positive and finite.

    Example: ``softmax(torch.tensor([0.0, math.log(3.0)]), dim=0)`` is ``[0.25, 0.75]``.

    Source: Bridle (1989), Training stochastic model recognition algorithms as networks can lead to maximum mutual
    information estimation of parameters, https://mlanthology.org/neurips/1989/bridle1989neurips-training; the
    temperature as in Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network,
    https://arxiv.org/abs/1503.02531.
    """
    require_dim("Softmax", dim)
    return _softmax(x, dim, as_temperature(temperature))


def log_softmax(x: Tensor, dim: int) -> Tensor:
    r""":math:`y_i = x_i - \log \sum_j e^{x_j}`, with an explicit backward; finite where softmax is rounded to 0.

    Args:
        x: floating-point tensor of any shape, logits.
        dim: the dimension along which the exponentials of the outputs sum to 1.

    Returns:
        Tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: for an integer tensor, or without ``dim``.
        IndexError: if ``x`` has no such dimension.
    """
    require_dim("LogSoftmax", dim)
    return _log_softmax(x, dim)


def softmin(x: Tensor, dim: int) -> Tensor:
    r""":math:`y_i = e^{-x_i} / \sum_j e^{-x_j}`: softmax of -x, so that the smallest entry gets the largest weight.

    Args:
        x: floating-point tensor of any shape, costs.
        dim: the dimension along which the outputs sum to 1.

    Returns:
        Tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: for an integer tensor, or without ``dim``.
        IndexError: if ``x`` has no such dimension.
    """
    require_dim("Softmin", dim)
    return _softmin(x, dim)


@torch.fx.wrap
def _softmin(x: Tensor, dim: int) -> Tensor:
    require_floating("Softmin", x)
    return _softmax(-x, dim, 1.0)


@torch.fx.wrap
def _softmax2d(x: Tensor) -> Tensor:
    if x.dim() not in (3, 4):
        raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {x.dim()}D instead")
    return _softmax(x, -3, 1.0)


def softmax2d(x: Tensor) -> Tensor:
    """Softmax over the channels of images, one distribution for each pixel.

    Args:
        x: floating-point tensor of shape (n, channels, height, width) or (channels, height, width), logits.

    Returns:
        Tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: for an integer tensor.
        ValueError: for any other number of dimensions.
    """
    return _softmax2d(x)


def jacobian(y: Tensor) -> Tensor:
    r"""The matrix of slopes of softmax from its output: :math:`\partial y_i / \partial x_j = y_i (\delta_{ij} - y_j)`.

    For teaching: it has n^2 entries, and backward needs none of them. At a temperature T it is to be divided by T.

    Args:
        y: output of softmax along the last dimension, shape (..., n).

    Returns:
        Tensor of shape (..., n, n), symmetric, every row summing to 0.

    Raises:
        ValueError: for a number instead of a vector.
    """
    if y.dim() == 0:
        raise ValueError("The Jacobian of softmax needs a vector or a batch of them, not a single number.")
    return torch.diag_embed(y) - y.unsqueeze(-1) * y.unsqueeze(-2)


class Softmax(nn.Module):
    """:func:`softmax` as a layer, the counterpart of ``torch.nn.Softmax``.

    Args:
        dim: the dimension along which the outputs sum to 1; required, where torch would guess.
        temperature: divides the inputs, positive.

    Shape: input and output of any shape, the same.

    Raises:
        TypeError: without ``dim``, or for a temperature that is no fixed number.
        ValueError: for a temperature that is not positive and finite.

    Example: ``nn.Sequential(nn.Linear(2, 3), Softmax(dim=1))``
    """

    def __init__(self, dim: int | None = None, temperature: float = 1.0) -> None:
        super().__init__()
        require_dim("Softmax", dim)
        self.dim = dim
        self.temperature = as_temperature(temperature)

    def forward(self, x: Tensor) -> Tensor:
        return softmax(x, self.dim, self.temperature)

    def extra_repr(self) -> str:
        return f"dim={self.dim}" + (f", temperature={self.temperature}" if self.temperature != 1 else "")


class LogSoftmax(nn.Module):
    """:func:`log_softmax` as a layer, the counterpart of ``torch.nn.LogSoftmax``.

    Args:
        dim: the dimension along which the exponentials of the outputs sum to 1; required, where torch would guess.

    Shape: input and output of any shape, the same.

    Raises:
        TypeError: without ``dim``.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        require_dim("LogSoftmax", dim)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(nn.Module):
    """:func:`softmin` as a layer, the counterpart of ``torch.nn.Softmin``.

    Args:
        dim: the dimension along which the outputs sum to 1; required, where torch would guess.

    Shape: input and output of any shape, the same.

    Raises:
        TypeError: without ``dim``.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        require_dim("Softmin", dim)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return softmin(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(nn.Module):
    """:func:`softmax2d` as a layer, the counterpart of ``torch.nn.Softmax2d``.

    Shape: input and output (n, channels, height, width) or (channels, height, width), the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        return softmax2d(x)
