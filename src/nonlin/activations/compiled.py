"""What a compiled function needs besides: torch.compile imports it, and nobody else does."""

from typing import Any

import torch
from torch import Tensor

from nonlin.activations.explicit import Explicit, followed


class Once(torch.autograd.Function):
    """The identity, whose backward refuses to be differentiated itself."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not followed(gradient):
            raise RuntimeError("A compiled function has no second derivative here: take it from the uncompiled one.")
        return gradient

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent.view_as(tangent)


@torch.compiler.allow_in_graph
def once(y: Tensor) -> Tensor:
    """The same, whose backward ``torch.compile`` records without its own derivative and would drop silently."""
    return Once.apply(y)


@torch.compiler.assume_constant_result
def out_of_reach() -> bool:
    """Whether torch.compile, which asks while it traces, would go wrong: transforms in one another, or forward mode.

    It takes a derivative of a derivative for 0, and in forward mode that of the formula.
    """
    levels = torch._C._functorch.get_interpreter_stack() or ()
    return len(levels) > 1 or any(level.key() == torch._C._functorch.TransformType.Jvp for level in levels)


@torch.compiler.disable(reason="transforms in one another, and forward mode: leave out fullgraph=True")
def uncompiled(explicit: Explicit, *tensors: Tensor, constants: tuple) -> Tensor:
    return explicit(*tensors, constants=constants)
