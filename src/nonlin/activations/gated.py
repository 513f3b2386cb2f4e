"""Gated linear units and the feed-forward blocks that are built with them (lesson 11).

A gate multiplies one linear map of the input by an activation of another. The blocks take a callable that makes the
activation, and know none by its name; ``GATES`` offers those of Shazeer's paper.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from nonlin.activations.explicit import Explicit
from nonlin.activations.fast import compiled, gpu
from nonlin.activations.layers import ActivationModule, require_floating
from nonlin.activations.record import Activation, wide
from nonlin.activations.rectified import RELU
from nonlin.activations.saturating import SIGMOID
from nonlin.activations.smooth import GELU, SILU
from nonlin.signatures import MakeActivation

GATES: Mapping[str, MakeActivation] = MappingProxyType(
    {
        "GLU": partial(ActivationModule, SIGMOID),
        "Bilinear": nn.Identity,  # a gate without a bend; the product of two linear maps is not linear even so
        "ReGLU": partial(ActivationModule, RELU),
        "GEGLU": partial(ActivationModule, GELU),
        "SwiGLU": partial(ActivationModule, SILU),
    }
)


def _value(x: Tensor, gate: Activation, dim: int) -> Tensor:
    a, b = wide(x).chunk(2, dim)
    return (a * gate.function(b)).to(x.dtype)


def _pullback(gradient: Tensor, x: Tensor, gate: Activation, dim: int) -> tuple[Tensor]:
    (a, b), g = wide(x).chunk(2, dim), wide(gradient)
    return (torch.cat([g * gate.function(b), g * a * gate.derivative(b)], dim).to(x.dtype),)


def _pushforward(tangent: Tensor, x: Tensor, gate: Activation, dim: int) -> Tensor:
    (a, b), (along_a, along_b) = wide(x).chunk(2, dim), wide(tangent).chunk(2, dim)
    return (along_a * gate.function(b) + along_b * a * gate.derivative(b)).to(x.dtype)


def _fast_value(x: Tensor, gate: Activation, dim: int) -> Tensor:
    if compiled.gates(gate, x):
        return compiled.gated(gate, x, dim)
    if x.is_cuda and (y := gpu.gated(gate, x, dim)) is not None:
        return y
    return _value(x, gate, dim)


def _fast_pullback(gradient: Tensor, x: Tensor, gate: Activation, dim: int) -> tuple[Tensor]:
    if compiled.gates(gate, x, gradient):
        return (compiled.gated_chain(gate, gradient, x, dim),)
    if x.is_cuda and (for_x := gpu.gated_chain(gate, gradient, x, dim)) is not None:
        return (for_x,)
    return _pullback(gradient, x, gate, dim)


# The product rule; only the input is kept.
RULE = Explicit(
    value=_value,
    kept=lambda y, x, gate, dim: (x,),
    pullback=_pullback,
    pushforward=_pushforward,
    fast_value=_fast_value,
    fast_pullback=_fast_pullback,
)


@torch.fx.wrap
def _gated(x: Tensor, gate: Activation, dim: int) -> Tensor:
    require_floating("GLU", x)
    if x.dim() == 0:
        raise RuntimeError("GLU halves a dimension, and a single number has none.")
    if x.size(dim) % 2:
        raise RuntimeError(f"GLU halves dimension {dim}, whose size must be even, not {x.size(dim)}.")
    return RULE(x, constants=(gate, dim))


def gated(gate: Activation, x: Tensor, dim: int = -1) -> Tensor:
    """a * gate(b), where a is the first half of x along ``dim`` and b the second: ReGLU, GEGLU, SwiGLU by their gates.

    Args:
        gate: the record of an activation, with its defaults.
        x, dim: as for :func:`glu`, which also raises the same.

    Source: Shazeer (2020), GLU variants improve transformer, https://arxiv.org/abs/2002.05202.
    """
    return _gated(x, gate, dim)


def glu(x: Tensor, dim: int = -1) -> Tensor:
    r""":math:`a \cdot \sigma(b)`, where a is the first half of x along ``dim`` and b the second.

    Args:
        x: floating-point tensor of any shape whose size along ``dim`` is even.
        dim: the dimension that is halved.

    Returns:
        Tensor of the dtype of ``x`` and its shape, halved along ``dim``.

    Raises:
        TypeError: for an integer tensor.
        IndexError: if ``x`` has no such dimension.
        RuntimeError: for a size that is not even, and for a single number.

    Source: Dauphin, Fan, Auli and Grangier (2017), Language modeling with gated convolutional networks,
    https://arxiv.org/abs/1612.08083.
    """
    return _gated(x, SIGMOID, dim)


class GLU(nn.Module):
    """:func:`glu` as a layer, the counterpart of ``torch.nn.GLU``.

    Args:
        dim: the dimension that is halved.

    Shape: input with an even size along ``dim``, output with half of it.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return glu(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class FeedForward(nn.Module):
    """The plain block of a transformer, with two matrices: out(activation(inner(x))).

    Args:
        width: features of the input and of the output.
        hidden: features in between, usually 4 * width.
        activation: makes the activation module, ``nn.ReLU`` for instance.
        bias: whether the linear layers add a bias; not in Shazeer's paper.

    Shape: input and output (..., width).

    Source: Vaswani et al. (2017), Attention is all you need, https://arxiv.org/abs/1706.03762.
    """

    def __init__(self, width: int, hidden: int, activation: MakeActivation, *, bias: bool = False) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden, bias=bias)
        self.activation = activation()
        self.out = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.activation(self.inner(x)))


class GatedFeedForward(nn.Module):
    """The gated block, with three matrices: out(activation(gate(x)) * value(x)).

    Args:
        width: features of the input and of the output.
        hidden: features in between; :func:`gated_width` gives that of the same number of weights as a plain block.
        activation: makes the activation module of the gate: ``GATES["SwiGLU"]``, ``nn.ReLU``, ...
        bias: whether the linear layers add a bias; not in Shazeer's paper.

    Shape: input and output (..., width).

    Example: ``GatedFeedForward(512, gated_width(2048), GATES["SwiGLU"])``

    Source: Shazeer (2020), GLU variants improve transformer, https://arxiv.org/abs/2002.05202.
    """

    def __init__(self, width: int, hidden: int, activation: MakeActivation, *, bias: bool = False) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=bias)
        self.activation = activation()
        self.value = nn.Linear(width, hidden, bias=bias)
        self.out = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.activation(self.gate(x)) * self.value(x))


def gated_width(hidden: int, multiple_of: int = 1) -> int:
    """The hidden width at which a gated block has as many weights as a plain one: the multiple nearest to 2/3 hidden.

    A plain block has 2 * width * hidden weights, a gated one 3 * width * gated_width(hidden). By rounding the numbers
    differ by at most width for ``multiple_of=1``, which is 1 in 2 * hidden, and by at most 3/2 * multiple_of * width in
    general. Biases, where there are any, are not counted.

    Args:
        hidden: hidden width of the plain block.
        multiple_of: what the result is to be a multiple of, since hardware likes multiples of 64 or more.

    Returns:
        A positive multiple of ``multiple_of``.

    Raises:
        ValueError: for arguments that are not positive, and if the nearest multiple is 0.

    Example: ``gated_width(3072)`` is 2048, the pair of Shazeer's paper.
    """
    if hidden < 1 or multiple_of < 1:
        raise ValueError(f"Widths must be positive, not hidden={hidden} and multiple_of={multiple_of}.")
    # 2 hidden / (3 multiple_of), rounded to the nearest integer without a detour through floating point.
    multiples = (4 * hidden + 3 * multiple_of) // (6 * multiple_of)
    if multiples == 0:
        raise ValueError(f"The multiple of {multiple_of} nearest to 2/3 of hidden={hidden} is 0.")
    return multiples * multiple_of
