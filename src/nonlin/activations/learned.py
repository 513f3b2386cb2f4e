"""Activations that are more than a formula: a slope or a bend that is learned, a slope that is drawn (lessons 05, 08).

A record states such an activation at fixed parameters; the modules here have what training changes.
"""

import math
import reprlib

import torch
from torch import Tensor, nn

from nonlin.activations.explicit import Explicit, followed, linked
from nonlin.activations.fast import compiled
from nonlin.activations.layers import apply, apply_, as_flag, refuse_leaves, require_floating
from nonlin.activations.leaky import RRELU
from nonlin.activations.record import REAL, as_number, wide
from nonlin.activations.saturating import sigmoid_derivative
from nonlin.activations.smooth import swish, swish_derivative

FROM_A_TENSOR = "what is learned is the module's own Parameter, which starts there: give a plain number"


def _along_channels(weight: Tensor, x: Tensor) -> Tensor:
    """Slopes of shape (1,) or (channels,) in a shape that broadcasts against x, and no further than x."""
    return weight.reshape(()) if weight.numel() == 1 else weight.reshape(-1, *[1] * (x.dim() - 2))


def _leaky(x: Tensor, weight: Tensor) -> Tensor:
    """x above zero, a x elsewhere."""
    return torch.where(x > 0, x, _along_channels(weight, x) * x)


def _sums_serve(weight: Tensor) -> bool:
    """Whether a choice may be a sum in which one term is 0, as infinity times 0 is not; only a CPU can be asked."""
    return weight.device.type == "cpu" and math.isfinite((weight if weight.numel() == 1 else weight.sum()).item())


def _fast_leaky(x: Tensor, weight: Tensor) -> Tensor:
    """max(x, 0) + a min(x, 0): ``torch.where`` costs more than all of these together."""
    if compiled.serve(x, weight):
        return compiled.learned("prelu", x, weight)
    if not _sums_serve(weight):
        return _leaky(x, weight)
    return torch.addcmul(x.clamp(min=0), _along_channels(weight, x), x.clamp(max=0))


def _gathered(each: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the slopes: one slope gathers from every element, one per channel from all others' dimensions."""
    others = [d for d in range(each.dim()) if d != 1 or weight.numel() == 1]
    return (each.sum(others) if others else each).reshape(weight.shape)


def _below_zero(x: Tensor) -> Tensor:
    """min(x, 0), with the slope 1 at 0, where that of clamp is 0."""
    return x.masked_fill(x > 0, 0)


def _prelu_pullback(gradient: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    for_x = torch.where(x > 0, gradient, _along_channels(weight, x) * gradient)
    return linked(for_x, x), linked(_gathered(gradient * _below_zero(x), weight), weight)


def _prelu_pushforward(along_x: Tensor, along_weight: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    from_x = torch.where(x > 0, along_x, _along_channels(weight, x) * along_x)
    return torch.addcmul(from_x, _along_channels(along_weight, x), _below_zero(x))


def _fast_prelu_pullback(gradient: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """In few passes, as forward."""
    if compiled.serve(x, weight, gradient):
        return compiled.learned_chain("prelu", gradient, x, weight)
    if not _sums_serve(weight):
        return _prelu_pullback(gradient, x, weight)
    a = _along_channels(weight, x)
    above = torch.gt(x, 0, out=torch.empty_like(x))
    slope = torch.addcmul(above, 1 - above, a)  # not above * (1 - a) + a, where 1 - a is rounded
    return slope.mul_(gradient), _gathered(x.clamp(max=0).mul_(gradient), weight)


PRELU = Explicit(
    value=_leaky,
    kept=lambda y, x, weight: (x, weight),
    pullback=_prelu_pullback,
    pushforward=_prelu_pushforward,
    fast_value=_fast_leaky,
    fast_pullback=_fast_prelu_pullback,
)


@torch.fx.wrap
def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    require_floating("PReLU", x)
    require_floating("The slope of PReLU", weight, "use module.to(torch.float32)")
    slopes, channels = weight.numel(), x.size(1) if x.dim() > 1 else 1
    if slopes not in (1, channels):
        raise RuntimeError(
            f"PReLU has {slopes} slopes, but the input of shape {tuple(x.shape)} has {channels} "
            f"channel{'s' * (channels != 1)}: dimension 1 must have size {slopes}."
        )
    return PRELU(x, weight.to(x.dtype))


class PReLU(nn.Module):
    r"""x above zero, a x elsewhere, with a learned; the counterpart of ``torch.nn.PReLU``, with the same state dict.

    :math:`\partial L / \partial a = \sum_{x_i \le 0} g_i x_i` with the gradient g of the output.

    Args:
        num_parameters: 1 for one slope, or the number of channels, the size of dimension 1, for one slope each.
        init: the slope before the first step.
        device: where the slopes lie.
        dtype: of the slopes; they are used in the dtype of the input, so that the layer works under autocast.

    Shape: input and output of any shape, the same; (n, num_parameters, ...) for more than one slope.

    Raises:
        RuntimeError: at a call, if there is more than one slope and not as many channels.

    Source: He, Zhang, Ren and Sun (2015), Delving deep into rectifiers, https://arxiv.org/abs/1502.01852.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(num_parameters, int) or isinstance(num_parameters, bool):
            raise TypeError(f"PReLU takes num_parameters as a whole number, not {num_parameters!r}.")
        self.num_parameters = num_parameters
        self.init = as_number("PReLU", "init", init, REAL, FROM_A_TENSOR)
        weight = torch.empty(num_parameters, device=device, dtype=dtype)
        require_floating("The slope of PReLU", weight, "choose another dtype")
        self.weight = nn.Parameter(weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to ``init``."""
        nn.init.constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        return _prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


def _swish_slope_of_beta(x: Tensor, beta: Tensor) -> Tensor:
    """x^2 s (1 - s)."""
    # Without infinities, and with x^2 never computed: times a slope that has fallen to 0, each would give NaN.
    finite = x.clamp(torch.finfo(x.dtype).min, torch.finfo(x.dtype).max)
    return finite * (finite * sigmoid_derivative(beta * finite))


def _swish_value(x: Tensor, beta: Tensor) -> Tensor:
    return swish(wide(x), wide(beta)).to(x.dtype)


def _swish_pullback(gradient: Tensor, x: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    g, wide_x, wide_beta = map(wide, (gradient, x, beta))
    for_x = g * swish_derivative(wide_x, wide_beta)
    return for_x.to(x.dtype), (g * _swish_slope_of_beta(wide_x, wide_beta)).sum().to(beta.dtype)


def _swish_pushforward(along_x: Tensor, along_beta: Tensor, x: Tensor, beta: Tensor) -> Tensor:
    along_x, along_beta, wide_x, wide_beta = map(wide, (along_x, along_beta, x, beta))
    from_x = along_x * swish_derivative(wide_x, wide_beta)
    return (from_x + along_beta * _swish_slope_of_beta(wide_x, wide_beta)).to(x.dtype)


def _fast_swish_value(x: Tensor, beta: Tensor) -> Tensor:
    return compiled.learned("swish", x, beta) if compiled.serve(x) and beta.is_cpu else _swish_value(x, beta)


def _fast_swish_pullback(gradient: Tensor, x: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    if compiled.serve(x, gradient) and beta.is_cpu:
        return compiled.learned_chain("swish", gradient, x, beta)
    return _swish_pullback(gradient, x, beta)


SWISH = Explicit(
    value=_swish_value,
    kept=lambda y, x, beta: (x, beta),
    pullback=_swish_pullback,
    pushforward=_swish_pushforward,
    fast_value=_fast_swish_value,
    fast_pullback=_fast_swish_pullback,
)


@torch.fx.wrap
def _swish(x: Tensor, beta: Tensor) -> Tensor:
    require_floating("Swish", x)
    require_floating("The β of Swish", beta, "use module.to(torch.float32)")
    return SWISH(x, beta)


class Swish(nn.Module):
    r"""x σ(βx) with one β, learned.

    :math:`\partial L / \partial \beta = \sum_i g_i\, x_i^2\, s_i (1 - s_i)` with :math:`s_i = \sigma(\beta x_i)` and
    the gradient g of the output.

    Args:
        init: β before the first step; with 1, Swish starts as SiLU.
        device: where β lies.
        dtype: of β; that of the output is the input's in any case, so that the layer works under autocast.

    Shape: input and output of any shape, the same.

    Source: Ramachandran, Zoph and Le (2017), Searching for activation functions, https://arxiv.org/abs/1710.05941.
    """

    def __init__(
        self, init: float = 1.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.init = as_number("Swish", "init", init, REAL, FROM_A_TENSOR)
        beta = torch.empty((), device=device, dtype=dtype)
        require_floating("The β of Swish", beta, "choose another dtype")
        self.beta = nn.Parameter(beta)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set β to ``init``."""
        nn.init.constant_(self.beta, self.init)

    def forward(self, x: Tensor) -> Tensor:
        return _swish(x, self.beta)

    def extra_repr(self) -> str:
        return f"init={self.init}"


# Backward multiplies by the very slope that forward has used. The output is there for the derivative of that only.
DRAWN = Explicit(
    value=torch.mul,
    kept=lambda y, x, slope: (y, slope),
    pullback=lambda gradient, y, slope: (linked(gradient * slope, y), None),
    pushforward=lambda along_x, along_slope, y, slope: along_x * slope,
)


@torch.fx.wrap
def _rrelu(x: Tensor, lower: float, upper: float, training: bool, inplace: bool, source: dict) -> Tensor:
    require_floating("RReLU", x)
    if not training:
        return (apply_ if inplace else apply)(RRELU, x, lower=lower, upper=upper)
    share = torch.rand(x.shape, dtype=x.dtype, device=x.device, **source)
    slope = torch.where(x > 0, 1.0, lower + (upper - lower) * share)
    if not inplace:
        return DRAWN(x, slope)
    if not torch.compiler.is_compiling():  # which can follow neither of the two questions
        if not (followed(x) or (torch.is_grad_enabled() and x.requires_grad)):
            return x.mul_(slope)
        refuse_leaves(x)
    return x.copy_(DRAWN(x.clone(), slope))


class RReLU(nn.Module):
    """x above zero, a x elsewhere; in training, a is drawn anew from U(lower, upper) for each of those inputs.

    In evaluation a is the mean, (lower + upper) / 2. The counterpart of ``torch.nn.RReLU``.

    In training, ``torch.func.vmap`` and what builds on it need ``randomness="different"`` or ``"same"``.

    Args:
        lower: the smallest slope.
        upper: the largest slope.
        inplace: whether the output overwrites the input.
        generator: what the slopes are drawn from, on the device of the input; None for torch's global one. Copies and
            pickles of the module continue from its state, independently.

    Shape: input and output of any shape, the same.

    Raises:
        TypeError: for bounds that are no fixed numbers.
        ValueError: for bounds that are not finite or out of order; torch complains at the first call.

    Source: Xu, Wang, Chen and Li (2015), Empirical evaluation of rectified activations in convolutional network,
    https://arxiv.org/abs/1505.00853.
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        inplace: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.lower, self.upper = RRELU.accepted({"lower": lower, "upper": upper})
        self.inplace = as_flag("RReLU", "inplace", inplace)
        if not isinstance(generator, torch.Generator | None):
            raise TypeError(f"RReLU takes generator as a torch.Generator or None, not {reprlib.repr(generator)}.")
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(x, torch.fx.Proxy) and x.tracer.root is not self:
            # The layer itself, so that the graph follows train() and eval(), as with torch's.
            return x.tracer.create_proxy("call_module", x.tracer.path_of_module(self), (x,), {})
        source = {"generator": self.generator} if self.generator else {}
        return _rrelu(x, self.lower, self.upper, self.training, self.inplace, source)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
