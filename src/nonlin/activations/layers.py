"""A record becomes a function and an ``nn.Module`` whose backward is the record's own derivative."""

import inspect
import math
import reprlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nonlin.activations.explicit import Eager, Explicit, followed, linked
from nonlin.activations.facts import FAR
from nonlin.activations.fast import compiled, gpu, kernel_of
from nonlin.activations.fast.kernel import ELEMENTARY, run
from nonlin.activations.fast.kernel import overwrite as run_in_place
from nonlin.activations.record import HALF, Activation, Interval, as_record


def require_floating(name: str, x: Tensor, instead: str = "use x.float()") -> None:
    """Refuse an integer tensor, and what is no tensor, in one sentence.

    Raises:
        TypeError: if ``x`` does not hold real floating-point numbers.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} needs a tensor, not {reprlib.repr(x)}: use torch.tensor(...).")
    if not x.is_floating_point():
        raise TypeError(f"{name} needs a floating-point tensor, not {x.dtype}: {instead}.")


def as_flag(owner: str, name: str, value: object) -> bool:
    """A switch as a bool.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{owner} takes {name} as True or False, not {reprlib.repr(value)}.")
    return value


# Both forms


def textbook_values(activation: Activation, x: Tensor, *parameters: float) -> Tensor:
    """f(x) by the textbook form, which autograd, torch.func and torch.compile can follow."""
    parameters = _in_range(x.dtype, parameters or activation.default_values)
    return _rounded_once(activation.function)(x, *parameters)


def textbook_chain(activation: Activation, gradient: Tensor, saved: Tensor, *parameters: float) -> Tensor:
    """gradient * f' by the textbook form, which autograd can differentiate once more; arguments as for `chain`."""
    parameters = parameters or activation.default_values
    from_output = activation.keeps_output(*parameters, dtype=saved.dtype)
    parameters = _in_range(saved.dtype, parameters)
    derivative = activation.derivative_from_output if from_output else activation.derivative
    # The slope comes first, since it lies in memory as the input does, which decides how the product lies.
    return linked(_rounded_once(lambda g, s: derivative(s, *parameters) * g)(gradient, saved), saved)


def _in_range(dtype: torch.dtype, parameters: tuple[float, ...]) -> tuple[float, ...]:
    """The parameters in a dtype, for torch.where takes no number that overflows there: 1e200 is infinite in float32."""
    largest = torch.finfo(torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else torch.float64).max
    return tuple(p if abs(p) <= largest else math.copysign(math.inf, p) for p in parameters)


def _rounded_once(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``function`` of 16-bit tensors by way of float32, rounded at the end and not after every step."""

    def narrow(*arguments: Tensor | float) -> Tensor:
        dtype = arguments[0].dtype
        if dtype not in HALF:
            return function(*arguments)
        return function(*(a.float() if isinstance(a, Tensor) else a for a in arguments)).to(dtype)

    return narrow


def values(activation: Activation, x: Tensor, *parameters: float) -> Tensor:
    """f(x) by the fast form where there is one. Without derivatives: for those see ``ActivationModule``."""
    parameters, kernel = parameters or activation.default_values, kernel_of(activation)
    if compiled.serves(activation, x):
        return compiled.apply(activation, x, parameters)
    if x.is_cuda and (y := gpu.apply(activation, x, parameters)) is not None:
        return y
    if kernel is None:
        return textbook_values(activation, x, *parameters)
    if kernel.forward is None:  # the function is one pass already, which rounds nothing
        return activation.function(x, *parameters)
    if kernel.forward in ELEMENTARY:
        return kernel.forward(x)
    return run(kernel.forward, (x,), parameters, rounds=kernel.rounds)


def overwrite(activation: Activation, x: Tensor, *parameters: float) -> None:
    """f(x) written over x."""
    parameters, kernel = parameters or activation.default_values, kernel_of(activation)
    if compiled.serves(activation, x):
        compiled.overwrite(activation, x, parameters)
    elif x.is_cuda and gpu.overwrite(activation, x, parameters) is not None:
        pass
    elif kernel is None or kernel.forward is None:
        x.copy_(values(activation, x, *parameters))
    elif kernel.forward in ELEMENTARY:
        kernel.forward(x, out=x)
    else:
        run_in_place(kernel.forward, x, parameters)


def chain(activation: Activation, gradient: Tensor, saved: Tensor, *parameters: float) -> Tensor:
    """gradient * f' by the fast form where there is one: the chain rule, as backward runs it.

    Args:
        activation: the record.
        gradient: of the output.
        saved: the output if ``keeps_output``, else the input.
        parameters: by default the record's.
    """
    parameters, kernel = parameters or activation.default_values, kernel_of(activation)
    if compiled.serves(activation, saved, gradient):
        return compiled.chain(activation, gradient, saved, parameters)
    if saved.is_cuda and (for_x := gpu.chain(activation, gradient, saved, parameters)) is not None:
        return for_x
    if kernel is None:
        return textbook_chain(activation, gradient, saved, *parameters)
    from_output = activation.keeps_output(*parameters, dtype=saved.dtype)
    backward = kernel.backward if from_output else kernel.backward_from_input or kernel.backward
    return run(backward, (gradient, saved), parameters, rounds=kernel.rounds)


def slopes(activation: Activation, x: Tensor, *parameters: float) -> Tensor:
    """The slopes at ``x`` as backward computes them: from the output where they follow from the output."""
    saved = values(activation, x, *parameters) if activation.keeps_output(*parameters, dtype=x.dtype) else x
    return chain(activation, torch.ones_like(x), saved, *parameters)


@cache
def zero_slope_float32(activation: Activation) -> Interval:
    """The open interval outside which, in both tails, backward in float32 returns a slope of exactly zero.

    An end is infinite where the slope stays above zero up to ``FAR``. ``sigmoid`` gives (-88.7, 16.6): the
    slope ``y (1 - y)`` is lost as soon as ``y`` rounds to 1, but near 0 ``y`` itself keeps shrinking, until e^-x
    overflows. The compiled kernels differ there, and are left out.
    """
    with compiled.using(False):
        low, high = (_first_zero_slope(activation, direction) for direction in (-1.0, 1.0))
    return Interval(low=low, high=high, low_closed=False, high_closed=False)


def _first_zero_slope(activation: Activation, direction: float) -> float:
    def is_zero(x: np.float32) -> bool:
        return slopes(activation, torch.tensor(x, dtype=torch.float32)).item() == 0

    alive, far = np.float32(_steepest(activation)), np.float32(direction * FAR)
    if not is_zero(far):
        return direction * math.inf
    while (middle := (alive + far) / 2) not in (alive, far):
        alive, far = (alive, middle) if is_zero(middle) else (middle, far)
    return float(far) + 0.0  # + 0.0 turns -0.0 into 0.0


def _steepest(activation: Activation) -> float:
    """A point at which the slope, in float32, is the largest of those on a grid over [-20, 20]."""
    x = torch.linspace(-20, 20, 40_001)
    return x[slopes(activation, x).abs().argmax()].item()


# What autograd makes of a record


def _kept(y: Tensor, x: Tensor, activation: Activation, *parameters: float) -> tuple[Tensor]:
    return (y if activation.keeps_output(*parameters, dtype=x.dtype) else x,)


def _compiled(x: Tensor, activation: Activation, *parameters: float) -> Tensor | None:
    return compiled.apply(activation, x, parameters) if compiled.serves(activation, x) else None


def _textbook_chain(gradient: Tensor, saved: Tensor, activation: Activation, *parameters: float) -> Tensor:
    return textbook_chain(activation, gradient, saved, *parameters)


# The slope of an activation is one number for each element, so that both chain rules are the same product.
RECORD = Explicit(
    value=lambda x, activation, *parameters: textbook_values(activation, x, *parameters),
    kept=_kept,
    pullback=lambda *arguments: (_textbook_chain(*arguments),),
    pushforward=_textbook_chain,
    fast_value=lambda x, activation, *parameters: values(activation, x, *parameters),
    fast_pullback=lambda gradient, saved, activation, *parameters: (chain(activation, gradient, saved, *parameters),),
    compiled=_compiled,
)


class _EagerInPlace(Eager):
    """An activation whose output is written over its input; for records whose backward needs the output only."""

    @staticmethod
    def forward(ctx: Any, explicit: Explicit, constants: tuple, x: Tensor) -> Tensor:
        activation, *parameters = constants
        overwrite(activation, x, *parameters)
        ctx.mark_dirty(x)
        ctx.set_materialize_grads(False)
        ctx.explicit, ctx.constants = explicit, constants
        ctx.save_for_backward(x)
        return x


def apply(activation: Activation, x: Tensor, **parameters: float) -> Tensor:
    """``f(x)``, differentiable through the record's derivative and not through autograd of its formula.

    Args:
        activation: the record.
        x: floating-point tensor of any shape; integers where torch takes them.
        parameters: values that replace the record's defaults.

    Returns:
        Tensor of the shape and dtype of ``x``; of the default dtype for integers that are promoted.

    Raises:
        TypeError: for a parameter that the activation does not have, one that is no fixed number, or an integer tensor
            that torch refuses as well.
        ValueError: for a parameter outside its domain.
    """
    return _apply(as_record(activation), x, _values(activation, parameters))


def apply_(activation: Activation, x: Tensor, **parameters: float) -> Tensor:
    """``f(x)`` written over ``x``, like ``torch.relu_`` and its kin.

    Backward then works with the output, where the slope follows from it; else a copy of ``x`` is kept, as in torch.

    Args:
        activation: the record.
        x: floating-point tensor of any shape.
        parameters: values that replace the record's defaults.

    Returns:
        ``x`` itself.

    Raises:
        TypeError, ValueError: as ``apply``, and for integers that would become floating-point numbers.
        RuntimeError: for a leaf that requires a gradient, or a view of one, before anything is overwritten.
    """
    return _apply_(as_record(activation), x, _values(activation, parameters))


@torch.fx.wrap  # one step of a graph of torch.fx, since a graph knows no conditions on x
def _apply(activation: Activation, x: Tensor, parameters: tuple[float, ...]) -> Tensor:
    if not (isinstance(x, Tensor) and x.is_floating_point()):
        return _of_integers(activation, x, parameters)
    return RECORD(x, constants=(activation, *parameters))


@torch.fx.wrap
def _apply_(activation: Activation, x: Tensor, parameters: tuple[float, ...]) -> Tensor:
    if not (isinstance(x, Tensor) and x.is_floating_point()):
        if not isinstance(x, Tensor):
            require_floating(activation.title, x)
        if activation.integers == "promoted":
            raise TypeError(f"{activation.title} of {x.dtype} has no place in it: use x.float() first.")
        return x.copy_(_of_integers(activation, x, parameters))
    if torch.compiler.is_compiling() or followed(x):
        return x.copy_(_apply(activation, x.clone(), parameters))
    if not (torch.is_grad_enabled() and x.requires_grad):
        overwrite(activation, x, *parameters)
        return x
    refuse_leaves(x)
    if not activation.keeps_output(*parameters, dtype=x.dtype):
        return x.copy_(_apply(activation, x.clone(), parameters))
    return _EagerInPlace.apply(RECORD, (activation, *parameters), x)


def _of_integers(activation: Activation, x: Tensor, parameters: tuple[float, ...]) -> Tensor:
    if not isinstance(x, Tensor):
        require_floating(activation.title, x)
    if activation.integers == "promoted" and not x.is_complex():
        return values(activation, x.to(torch.get_default_dtype()), *parameters)
    if activation.integers == "refused" or x.is_complex() or x.dtype == torch.bool:
        require_floating(activation.title, x)
    return activation.function(x, *parameters).to(x.dtype)


def refuse_leaves(x: Tensor) -> None:
    """Refuse to write over a leaf that requires a gradient.

    Raises:
        RuntimeError: in torch's words.
    """
    # Afterwards autograd would say the same, but the values would be lost.
    base = x._base if x._is_view() else x
    if base.is_leaf and base.requires_grad:
        kind = "a view of a leaf Variable" if x._is_view() else "a leaf Variable"
        raise RuntimeError(f"{kind} that requires grad is being used in an in-place operation.")


def _values(activation: Activation, parameters: dict[str, float]) -> tuple[float, ...]:
    return activation.accepted(parameters) if parameters else activation.default_values


class ActivationModule(nn.Module):
    """A record as a layer, the counterpart of ``torch.nn.Sigmoid()`` and its kin.

    Args:
        activation: the record.
        arguments: values that replace the record's defaults, in torch's order or by name, and ``inplace``, whether to
            write the output over the input, where torch's counterpart has it.

    Shape: input and output of any shape, the same.

    It goes wherever torch's layers go, by ``docs/abilities.md``, but for two places: ``torch.jit``; and, inside a
    function that is compiled with ``fullgraph=True``, forward mode and transforms in one another.

    Raises:
        TypeError: for an argument that the activation does not have, or one that is no fixed number: a tensor that
            learns would get no gradient here.
        ValueError: for a parameter outside its domain.

    Example: ``nn.Sequential(nn.Linear(2, 3), ActivationModule(LEAKY_RELU, 0.1, inplace=True))``
    """

    def __init__(self, activation: Activation, *arguments: float, **named: float) -> None:
        super().__init__()
        given = _bind(as_record(activation), arguments, named)
        self.inplace = as_flag(activation.title, "inplace", given.pop("inplace", False))
        self.activation = activation
        self._values = _values(activation, given)

    def forward(self, x: Tensor) -> Tensor:
        return (_apply_ if self.inplace else _apply)(self.activation, x, self._values)

    def _get_name(self) -> str:
        return self.activation.title

    def extra_repr(self) -> str:
        shown = [f"{name}={value}" for name, value in zip(self.activation.parameters, self._values, strict=True)]
        return ", ".join([*shown, *(["inplace=True"] if self.inplace else [])])


def _bind(activation: Activation, arguments: tuple[float, ...], named: dict[str, float]) -> dict[str, float]:
    """The arguments by name, in the order of torch's module: the parameters, then ``inplace``."""
    names = [*activation.parameters, *(["inplace"] if activation.takes_inplace else [])]
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    try:
        return (
            inspect.Signature([inspect.Parameter(name, keyword) for name in names])
            .bind_partial(*arguments, **named)
            .arguments
        )
    except TypeError as error:
        raise TypeError(f"{activation.title} takes {', '.join(names) or 'no arguments'}: {error}.") from None
