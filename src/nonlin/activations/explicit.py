"""Functions whose derivative is written down beside them, for everything that torch does with its own functions.

Three classes of ``autograd.Function`` serve them all. The first is as cheap as torch's own functions and all that
ordinary training needs. Whoever transforms, traces or compiles gets one of the others, whose steps torch can follow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

PLAIN = (Tensor, nn.Parameter)


@dataclass(frozen=True, kw_only=True, eq=False)
class Explicit:
    """A function of one or more tensors, and of constants, with its derivative.

    Args:
        value: ``value(*tensors, *constants)``.
        kept: ``kept(value, *tensors, *constants)``, a tuple of those tensors from which the derivative follows.
        pullback: ``pullback(gradient, *kept, *constants)``, the gradient of each tensor: the chain rule of backward.
        pushforward: ``pushforward(*tangents, *kept, *constants)``, the tangent of the value: the chain rule of
            forward-mode differentiation.
        fast_value, fast_pullback: the same numbers in fewer passes, by steps that torch need not follow.
        compiled: ``compiled(*tensors, *constants)``, the value with its backward by compiled kernels; None where they
            do not serve.
    """

    value: Callable[..., Tensor]
    kept: Callable[..., tuple[Tensor, ...]]
    pullback: Callable[..., tuple[Tensor | None, ...]]
    pushforward: Callable[..., Tensor]
    fast_value: Callable[..., Tensor] | None = None
    fast_pullback: Callable[..., tuple[Tensor | None, ...]] | None = None
    compiled: Callable[..., Tensor | None] = lambda *_: None

    def __post_init__(self) -> None:
        for slow in ("value", "pullback"):
            object.__setattr__(self, f"fast_{slow}", getattr(self, f"fast_{slow}") or getattr(self, slow))

    def __call__(self, *tensors: Tensor, constants: tuple = ()) -> Tensor:
        """The value, differentiable in every way that torch knows."""
        if torch.compiler.is_dynamo_compiling():
            from nonlin.activations import compiled  # here, since it takes a compiler that is slow to import

            if compiled.out_of_reach():
                return compiled.uncompiled(self, *tensors, constants=constants)
            return compiled.once(_Compiled.apply(self, constants, *tensors))
        if torch.compiler.is_compiling():
            return _Compiled.apply(self, constants, *tensors)
        if followed(tensors[0]):
            return _Transformed.apply(self, constants, *tensors)
        if (y := self.compiled(*tensors, *constants)) is not None:
            return y
        return Eager.apply(self, constants, *tensors)


# torch has no public name for these questions.
_transforms = torch._C._are_functorch_transforms_active
_modes = torch._C._len_torch_dispatch_stack
_is_batched = torch._C._functorch.is_legacy_batchedtensor  # by torch.autograd.grad(is_grads_batched=True)


def followed(x: Tensor) -> bool:
    """Whether somebody follows the steps, so that none may write over another or use a constant that is a tensor.

    That is torch.func, forward-mode differentiation, and whoever traces with fake or other special tensors.
    """
    # The public way to the level, forward_ad.unpack_dual, takes half a microsecond.
    return _transforms() or forward_ad._current_level >= 0 or _modes() > 0 or type(x) not in PLAIN


def linked(gradient: Tensor, kept: Tensor) -> Tensor:
    """The gradient, whose own derivative is 0, as in torch, and not missing, where the slope is constant in pieces."""
    if torch.is_grad_enabled() and kept.requires_grad:
        return torch.where(torch.zeros_like(kept, dtype=torch.bool), kept, gradient)
    return gradient


class Eager(torch.autograd.Function):
    """Forward and backward by the fast forms; by the others where backward is itself differentiated or transformed.

    This style, with ``ctx`` in forward, costs no more than torch's own functions; the one that transforms need costs
    10 microseconds a call.
    """

    @staticmethod
    def forward(ctx: Any, explicit: Explicit, constants: tuple, *tensors: Tensor) -> Tensor:
        y = explicit.fast_value(*tensors, *constants)
        ctx.explicit, ctx.constants = explicit, constants
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*explicit.kept(y, *tensors, *constants))
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple:
        if gradient is None:
            return (None,) * len(ctx.needs_input_grad)
        explicit = ctx.explicit
        plain = not (torch.is_grad_enabled() or followed(gradient) or _is_batched(gradient))
        pullback = explicit.fast_pullback if plain else explicit.pullback
        return None, None, *pullback(gradient, *ctx.saved_tensors, *ctx.constants)


class _Compiled(torch.autograd.Function):
    """The style that torch.compile follows. It refuses a function with a ``jvp``."""

    @staticmethod
    def forward(explicit: Explicit, constants: tuple, *tensors: Tensor) -> Tensor:
        return explicit.value(*tensors, *constants)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.explicit, ctx.constants, *tensors = inputs
        ctx.save_for_backward(*ctx.explicit.kept(output, *tensors, *ctx.constants))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        return None, None, *ctx.explicit.pullback(gradient, *ctx.saved_tensors, *ctx.constants)


class _Transformed(_Compiled):
    """The style that torch.func and forward-mode differentiation follow."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _Compiled.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*ctx.explicit.kept(output, *inputs[2:], *ctx.constants))

    @staticmethod
    def jvp(ctx: Any, _explicit: None, _constants: None, *tangents: Tensor) -> Tensor:
        return ctx.explicit.pushforward(*tangents, *ctx.saved_tensors, *ctx.constants)
