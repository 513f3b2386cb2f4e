"""Was an answer written by hand? Told from the operators that run in torch, not from the names they are called by.

``torch.special.expit``, ``F.sigmoid``, ``nn.Sigmoid()``, ``x.sigmoid_()``, ``torch.ops.aten.sigmoid``: one operator.
"""

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ACTIVATIONS = frozenset(
    re.findall(
        r"\w+",
        """relu leaky_relu prelu rrelu threshold hardtanh elu celu gelu silu mish softplus sigmoid tanh hardsigmoid
        hardswish hardshrink softshrink log_sigmoid softmax log_softmax glu""",
    )
)
ARITHMETIC = frozenset(
    re.findall(
        r"\w+",
        """add sub rsub mul div neg reciprocal addcmul addcdiv lerp sum mean prod cumsum cumprod trace mm mv dot bmm
        addmm addmv addbmm baddbmm convolution mkldnn_convolution trilinear avg_pool1d avg_pool2d
        avg_pool3d adaptive_avg_pool2d addr nansum
        t transpose permute view unsafe_view reshape_alias expand alias unsqueeze squeeze select slice stack cat clone
        copy to_copy detach lift_fresh unbind split split_with_sizes flip roll repeat unfold as_strided diagonal diag
        diag_embed tril triu constant_pad_nd rot90 block_diag take index index_select index_put
        index_add index_copy gather scatter scatter_add select_scatter slice_scatter local_scalar_dense
        empty empty_like empty_strided new_empty new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones
        full full_like new_full scalar_tensor fill zero eye arange linspace uniform normal""",
    )
)
SAME = {"clamp_min": "clamp", "clamp_max": "clamp"}

MASK, WHOLE = "mask", "whole numbers"  # made of floating-point ones
COMPARISONS = frozenset((MASK, "eq", "ne", "lt", "le", "gt", "ge"))
AUTOGRAD, NUMPY, PACKAGE = "autograd", "NumPy", "nonlin"
NUMBERS = "Python's numbers, as of item or tolist"
ENTRANCES = (
    dict.fromkeys(("grad", "backward", "_make_dual"), AUTOGRAD)
    | dict.fromkeys(("numpy", "__array__", "__dlpack__"), NUMPY)
    | dict.fromkeys(("item", "tolist", "__float__", "__int__", "__bool__", "apply_", "map_", "map2_"), NUMBERS)
)
GIVEN = ("nonlin.lessons", "nonlin.exercises")


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """What a right answer may not use: this package, and what the exercise's text rules out.

    An operator is named as in ``torch.ops.aten``; ``relu_``, ``threshold_backward`` and ``clamp_min`` count as relu,
    threshold and clamp.

    Args:
        without: operators that may not be used; also ``MASK``, ``NUMPY``, ``NUMBERS``, and ``AUTOGRAD``, to which all
            operators that end in ``_backward`` belong.
        only: if given, the operators that may be used beside arithmetic, with Python's numbers as well; nothing else
            may.
    """

    without: Collection[str] = ()
    only: tuple[str, ...] | None = None

    def refusal(self, used: "Used") -> str | None:
        """What was used and what to do, in one sentence; None if the answer is the learner's own."""
        for operator, called in used.operators.items():
            if self._refuses(operator):
                if operator in COMPARISONS:
                    return f"that uses {called}, a comparison or a mask; here you are to do without."
                whence = "" if self.only is None else ", from what the exercise names"
                return f"that uses {called}; here you are to write it yourself{whence}."
        return None

    def _refuses(self, operator: str) -> bool:
        if operator == PACKAGE:
            return True
        if self.only is not None:
            return operator not in ARITHMETIC and operator not in (NUMBERS, *self.only)
        if operator.endswith("_backward") and AUTOGRAD in self.without:
            return True
        return any(operator == name or operator.startswith(f"{name}_") for name in self.without)


@dataclass
class Used:
    """What was used while functions ran: for each operator, how it was called."""

    operators: dict[str, str] = field(default_factory=dict)

    def watch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose operators are noted."""

        def watched(*arguments: Any) -> Any:
            calls, before = _Calls(self.operators), sys.getprofile()
            sys.setprofile(self._note_package)
            try:
                with calls, _Operators(self.operators, calls):
                    return function(*arguments)
            finally:
                sys.setprofile(before)

        return watched

    def _note_package(self, frame: FrameType, event: str, _: Any) -> None:
        """Called by Python for every function that begins."""
        module = frame.f_globals.get("__name__", "")
        # The check itself runs as well, and what a lesson hands to the answer.
        if event == "call" and module.startswith("nonlin.") and not module.startswith(GIVEN):
            self.operators.setdefault(PACKAGE, f"nonlin's own {frame.f_code.co_name}")


class _Calls(TorchFunctionMode):
    """Notes which function of torch is being called, and those that leave torch or ask for a derivative."""

    def __init__(self, operators: dict[str, str]) -> None:
        super().__init__()
        self.operators, self.current = operators, ""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        self.current = name.strip("_")
        if entered := ENTRANCES.get(name):
            self.operators.setdefault(entered, entered)
        return function(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    """Notes which operators run, whatever they were called by."""

    def __init__(self, operators: dict[str, str], calls: _Calls) -> None:
        super().__init__()
        self.operators, self.calls = operators, calls

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch would import its compiler, which takes seconds, at the first answer

    def __torch_dispatch__(self, operator: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        name, _, form = operator.name().partition("::")[2].partition(".")
        name = f"{name}_mode" if form.endswith("mode") else name.strip("_")
        name = SAME.get(name, name)
        if name == "pow" and isinstance(args[1], int | float) and float(args[1]).is_integer():
            name = "mul"  # a square is arithmetic, as x * x is; a root is not
        called = f"torch's own {self.calls.current or name}"
        self.operators.setdefault(name, called if name in called else f"{called}, which runs {name}")
        if isinstance(result, Tensor) and not _real(result) and any(map(_real, args)):
            self.operators.setdefault(MASK if result.dtype == torch.bool else WHOLE, called)
        return result


def _real(thing: object) -> bool:
    return isinstance(thing, Tensor) and thing.is_floating_point()
