"""Was an answer written by hand? Told from the operators that run in torch, not from the names they are called by.

``torch.special.expit``, ``F.sigmoid``, ``nn.Sigmoid()``, ``x.sigmoid_()``, ``torch.ops.aten.sigmoid``: one operator.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

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
        """add sub rsub mul div neg addcmul sum mm mv dot bmm addmm baddbmm t transpose permute view unsafe_view expand
        alias unsqueeze squeeze select slice stack cat clone copy to_copy detach lift_fresh empty_like zeros_like
        ones_like full_like new_zeros new_full zeros ones full scalar_tensor""",
    )
)
MASK = "a result that is no floating-point tensor"
AUTOGRAD = {"grad", "backward", "_make_dual"}
NUMPY = {"numpy", "__array__", "__dlpack__"}


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """What a right answer may not use: NumPy, autograd, ``nonlin.activations``, and some operators of torch.

    An operator is named as in ``torch.ops.aten``; ``relu_`` and ``threshold_backward`` count as relu and threshold.

    Args:
        allows: activations that may be used; no other may.
        without: further operators that would be the answer itself, or ``MASK``.
        only: if given, the operators that may be used beside arithmetic; nothing else may.
    """

    allows: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None

    def refusal(self, used: "Used") -> str | None:
        """What was used and what to do, in one sentence; None if the answer is the learner's own."""
        for operator, called in used.operators.items():
            if operator in (AUTOGRAD_USED, NUMPY_USED, PACKAGE_USED) or self._refuses(operator):
                return f"that uses {called}; here you are to write it yourself{self._with()}."
        return None

    def _with(self) -> str:
        return "" if self.only is None else f", with {' and '.join(self.only)} and arithmetic alone"

    def _refuses(self, operator: str) -> bool:
        if self.only is not None:
            return operator not in ARITHMETIC and operator not in self.only
        if operator.endswith("_backward"):
            return True
        names = ACTIVATIONS.union(self.without).difference(self.allows)
        return any(operator == name or operator.startswith(f"{name}_") for name in names)


AUTOGRAD_USED, NUMPY_USED, PACKAGE_USED = "autograd", "NumPy", "nonlin"


@dataclass
class Used:
    """What was used while functions ran: for each operator, how it was called."""

    operators: dict[str, str] = field(default_factory=dict)

    def watch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose operators are noted."""

        def watched(*arguments: Any) -> Any:
            calls = _Calls(self.operators)
            with calls, _Operators(self.operators, calls):
                return function(*arguments)

        return watched


class _Calls(TorchFunctionMode):
    """Notes which function of torch is being called, and those that leave torch or ask for a derivative."""

    def __init__(self, operators: dict[str, str]) -> None:
        super().__init__()
        self.operators, self.current = operators, ""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        self.current = name.strip("_")
        if name in AUTOGRAD:
            self.operators.setdefault(AUTOGRAD_USED, "autograd")
        if name in NUMPY:
            self.operators.setdefault(NUMPY_USED, "NumPy")
        return function(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    """Notes which operators run, whatever they were called by."""

    def __init__(self, operators: dict[str, str], calls: _Calls) -> None:
        super().__init__()
        self.operators, self.calls = operators, calls

    def __torch_dispatch__(self, operator: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        name, _, form = operator.name().partition("::")[2].partition(".")
        name = f"{name}_mode" if form.endswith("mode") else name.strip("_")
        called = f"torch's own {self.calls.current or name}"
        self.operators.setdefault(name, called if name in called else f"{called}, which runs {name}")
        if isinstance(result, Tensor) and not result.is_floating_point():
            self.operators.setdefault(MASK, called)
        if own := next(_package_functions(), None):
            self.operators.setdefault(PACKAGE_USED, f"nonlin's own {own}")
        return result


def _package_functions() -> Iterator[str]:
    """The functions of nonlin.activations that are running."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if frame.f_globals.get("__name__", "").startswith("nonlin.activations"):
            yield frame.f_code.co_name
