"""What a compiled function needs besides: torch.compile imports it, and nobody else does."""

from typing import Any

import torch
from torch import Tensor

from nonlin.activations.explicit import followed


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
