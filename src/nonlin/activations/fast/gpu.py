"""The form for a graphics processor: ``triton_kernels.py``, where a tensor lies on one and Triton is installed.

Each function does nothing and returns None where the form in Python has to run: for tensors with gaps in memory, for
GELU in float64 (Triton has no erfc), and where the kernels are left out, as those of ``compiled.py``. What is learned
stays in Python altogether: torch's sums make up most of it, and to ask the card for a slope is to wait for the card.
Triton compiles a kernel when it first runs; where it cannot, one sentence says so, and the form in Python takes over.

Tested on a card where there is one, else in Triton's interpreter. Measured on one: docs/results.md.
"""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

from nonlin.activations.fast import compiled
from nonlin.activations.fast.kernel import one_piece
from nonlin.activations.record import Activation
from nonlin.errors import reason

BLOCK = 1024  # numbers that one program of a kernel computes
TOO_MANY = 2**31 - BLOCK  # numbers, which the kernels count in 32 bits

_failed = False


@lru_cache
def _installed() -> bool:
    return find_spec("triton") is not None


def in_use() -> bool:
    """Whether these kernels serve what lies on a graphics processor."""
    return _installed() and not _failed and not compiled.left_out()


def serves(activation: Activation, *tensors: Tensor) -> bool:
    """Whether there is a kernel of this very record for such tensors, the first without gaps in memory.

    Nobody may follow the steps: see ``explicit.followed``.
    """
    x = tensors[0]
    return (
        in_use()
        and compiled.is_ours(activation)
        and x.dtype in compiled.DTYPES
        and not (activation.name == "gelu" and x.dtype == torch.float64)
        and 0 < x.numel() < TOO_MANY
        and one_piece(x, x.stride())
        and all(
            t.dtype == x.dtype and t.device == x.device and t.layout == torch.strided and not t.is_neg()
            for t in tensors
        )
    )


def apply(activation: Activation, x: Tensor, parameters: Sequence[float]) -> Tensor | None:
    """f(x), without its backward."""
    if not serves(activation, x):
        return None
    return _run("value", activation, parameters, x, out=torch.empty_like(x))


def overwrite(activation: Activation, x: Tensor, parameters: Sequence[float]) -> Tensor | None:
    """f(x) written over x."""
    if not serves(activation, x):
        return None
    done = _run("value", activation, parameters, x, out=x)
    if done is not None:
        torch.autograd.graph.increment_version(x)  # so that autograd notices
    return done


def chain(activation: Activation, gradient: Tensor, saved: Tensor, parameters: Sequence[float]) -> Tensor | None:
    """gradient * f'."""
    if not serves(activation, saved, gradient):
        return None
    which = 2 if activation.keeps_output(*parameters, dtype=saved.dtype) else 1
    out = torch.empty_like(saved)
    return _run("chain", activation, parameters, _laid_out_as(saved, gradient), saved, out=out, WHICH=which)


def gated(gate: Activation, x: Tensor, dim: int) -> Tensor | None:
    """a * gate(b) of the halves of x along ``dim``."""
    if not (serves(gate, x) and x.is_contiguous()):
        return None
    out = torch.empty_like(x.chunk(2, dim)[0], memory_format=torch.contiguous_format)
    return _run("gated", gate, gate.default_values, x, out=out, half=x.size(dim) // 2 * x.stride(dim))


def gated_chain(gate: Activation, gradient: Tensor, x: Tensor, dim: int) -> Tensor | None:
    """The gradient of x."""
    if not (serves(gate, x, gradient) and x.is_contiguous()):
        return None
    half = x.size(dim) // 2 * x.stride(dim)
    return _run("gated_chain", gate, gate.default_values, gradient.contiguous(), x, out=torch.empty_like(x), half=half)


def _laid_out_as(x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient, or a copy of one that lies otherwise in memory, as that of a sum, which is one number."""
    alike = gradient.shape == x.shape and gradient.stride() == x.stride()
    return gradient if alike else torch.empty_like(x).copy_(gradient)


def _run(
    kernel: str, activation: Activation, parameters: Sequence[float], *inputs: Tensor, out: Tensor, **constants: int
) -> Tensor | None:
    global _failed
    try:
        from nonlin.activations.fast import triton_kernels  # here, since importing Triton takes time

        n = min(t.numel() for t in (*inputs, out))  # half as many as the input of a gate
        a, b, *_ = *map(float, compiled.compared(activation, parameters, out)), 0.0, 0.0
        with torch.cuda.device_of(out):
            getattr(triton_kernels, kernel)[(-(-n // BLOCK),)](
                *inputs,
                out,
                n,
                a=a,
                b=b,
                F=triton_kernels.ACTIVATIONS[activation.name],
                BLOCK=BLOCK,
                enable_fp_fusion=False,  # as in the interpreter, in which the kernels are tested
                **constants,
            )
    except Exception as error:
        _failed = True
        words = reason(error)[:200]
        warnings.warn(f"Triton's kernels do not run here ({words}), so that {compiled.PLAIN}.", stacklevel=2)
        return None
    return out
