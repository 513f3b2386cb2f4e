"""A record becomes a function and an ``nn.Module`` whose backward is the record's own derivative."""

from typing import Any

import torch
from torch import Tensor, nn

from nonlinear.activations.record import Activation


def require_floating(name: str, x: Tensor) -> None:
    """Refuse an integer tensor in one sentence.

    Raises:
        TypeError: if ``x`` does not hold floating-point numbers.
    """
    if not x.is_floating_point():
        raise TypeError(f"{name} needs a floating-point tensor, not {x.dtype}: use x.float().")


class _ExplicitBackward(torch.autograd.Function):
    """Forward and backward of any record: the chain rule, with the derivative that the record states."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, activation: Activation, *parameters: float) -> Tensor:
        return activation.function(x, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.activation, *ctx.parameters = inputs
        ctx.save_for_backward(x if ctx.activation.derivative_from_output is None else output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        (saved,) = ctx.saved_tensors
        derivative = ctx.activation.derivative_from_output or ctx.activation.derivative
        return gradient * derivative(saved, *ctx.parameters), None, *(None for _ in ctx.parameters)


def apply(activation: Activation, x: Tensor, **parameters: float) -> Tensor:
    """``f(x)``, differentiable through the record's derivative and not through autograd of its formula.

    Args:
        activation: the record.
        x: floating-point tensor of any shape.
        parameters: values that replace the record's defaults.

    Returns:
        Tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: for a parameter that the activation does not have, or an integer tensor.
    """
    require_floating(activation.title, x)
    return _ExplicitBackward.apply(x, activation, *_values(activation, parameters))


def _values(activation: Activation, parameters: dict[str, float]) -> tuple[float, ...]:
    if unknown := set(parameters) - set(activation.parameters):
        raise TypeError(
            f"{activation.title} has no parameter {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(activation.parameters) or 'none'}."
        )
    return tuple((activation.parameters | parameters).values())


class ActivationModule(nn.Module):
    """A record as a layer, the counterpart of ``torch.nn.Sigmoid()`` and its kin.

    Args:
        activation: the record.
        parameters: values that replace the record's defaults.

    Shape: input and output of any shape, the same.

    Example: ``nn.Sequential(nn.Linear(2, 3), ActivationModule(SIGMOID))``
    """

    def __init__(self, activation: Activation, **parameters: float) -> None:
        super().__init__()
        _values(activation, parameters)  # a wrong parameter fails here, not at the first call
        self.activation = activation
        self.parameters_given = parameters

    def forward(self, x: Tensor) -> Tensor:
        return apply(self.activation, x, **self.parameters_given)

    def _get_name(self) -> str:
        return self.activation.title

    def extra_repr(self) -> str:
        return ", ".join(
            f"{name}={value}" for name, value in (self.activation.parameters | self.parameters_given).items()
        )
