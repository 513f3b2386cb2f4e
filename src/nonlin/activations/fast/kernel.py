"""The fast form of an activation: the same arithmetic in few passes over memory, in blocks that stay in the cache.

On a processor an element-by-element operation is paid for by the numbers that it moves, not by what it computes: a sum
costs as much as a copy. So a fast form makes few steps, writes each one over the last (``out=``, ``mul_``), and avoids
what torch does not run in its vectorised loops: ``torch.where`` and ``masked_fill`` cost ten to fifteen copies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nonlin.activations.record import HALF

# Elements. A few float32 blocks of 256 KiB fit into the second-level cache together.
BLOCK = 65_536

ELEMENTARY = (torch.sigmoid, torch.tanh)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The fast form of one record, tested to equal its textbook form up to a few roundings of 1 or of the values in it.

    Args:
        forward: ``forward(out, x, *parameters)`` writes f(x) over ``out``. None where ``function`` is one pass already,
            and ``torch.sigmoid`` or ``torch.tanh`` where f is itself an elementary function of torch's vector library.
        backward: ``backward(out, gradient, saved, *parameters)`` writes gradient * f' over ``out``, where ``saved`` is
            y if the slope follows from the output, else x.
        backward_from_input: the same where ``saved`` is x although the slope could follow from y; None if ``backward``
            serves both.
        rounds: whether the steps round, so that 16-bit tensors go through float32 and are rounded once; False for
            comparisons alone.

    Neither reads ``out`` before writing it, nor writes to anything else.
    """

    forward: Callable[..., object] | None
    backward: Callable[..., object]
    backward_from_input: Callable[..., object] | None = None
    rounds: bool = True


LARGE = 2.0**100


def ordinary(*parameters: float) -> bool:
    """Whether masks may stand for a choice: 0 times a parameter, twice it or its inverse is 0 in float32, too.

    Infinity times 0 is NaN, so that a kernel leaves other parameters to the textbook form.
    """
    return all(1 / LARGE <= abs(parameter) <= LARGE or parameter == 0 for parameter in parameters)


def product(out: Tensor, factor: float, a: Tensor, b: Tensor) -> Tensor:
    """factor * a * b in one pass; ``out`` may be ``a`` or ``b``."""
    return torch.addcmul(_constant(0.0, a), a, b, value=factor, out=out)


def quotient(out: Tensor, factor: float, a: Tensor, b: Tensor) -> Tensor:
    """factor * a / b in one pass; ``out`` may be ``a`` or ``b``."""
    return torch.addcdiv(_constant(0.0, a), a, b, value=factor, out=out)


def affine(out: Tensor, factor: float, x: Tensor, constant: float) -> Tensor:
    """factor * x + constant in one pass; ``out`` may be ``x``."""
    return torch.add(_constant(constant, x), x, alpha=factor, out=out)


def _constant(value: float, beside: Tensor) -> Tensor:
    return _made_once(value, beside.dtype, beside.device)


@cache
def _made_once(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def run(
    kernel: Callable[..., object], inputs: Sequence[Tensor], parameters: Sequence[float], *, rounds: bool = True
) -> Tensor:
    """Run one half of a kernel over whole tensors, block by block where they lie in memory alike.

    Args:
        kernel: ``kernel(out, *inputs, *parameters)``.
        inputs: tensors of one shape and dtype.
        parameters: of the activation.
        rounds: see ``Kernel``.

    Returns:
        What the kernel has written, in the shape, dtype and layout of the last input.
    """
    out = torch.empty_like(inputs[-1])
    if rounds and out.dtype in HALF:
        _by_way_of_copies(kernel, out, inputs, parameters)
    elif out.numel() <= 2 * BLOCK:  # too few for blocks to pay
        kernel(out, *inputs, *parameters)
    else:
        for block, *parts in _blocks(out, *inputs):
            kernel(block, *parts, *parameters)
    return out


def overwrite(kernel: Callable[..., object], x: Tensor, parameters: Sequence[float]) -> None:
    """Run a kernel of one input, which the result replaces: beside it there is never more than a block."""
    _by_way_of_copies(kernel, x, (x,), parameters)


def _by_way_of_copies(
    kernel: Callable[..., object], out: Tensor, inputs: Sequence[Tensor], parameters: Sequence[float]
) -> None:
    # In 16 bits each step would round; and what overwrites its own input needs a place to work.
    for block, *parts in _blocks(out, *inputs):
        wide = [part.float() if part.dtype in HALF else part for part in parts]
        result = torch.empty_like(wide[0])
        kernel(result, *wide, *parameters)
        block.copy_(result)


def _blocks(*tensors: Tensor) -> Sequence[tuple[Tensor, ...]]:
    out = tensors[0]
    if out.device.type != "cpu" or not all(one_piece(tensor, out.stride()) for tensor in tensors):
        return [tensors]
    flat = (tensor.as_strided((tensor.numel(),), (1,)) for tensor in tensors)
    size = BLOCK * torch.get_num_threads()  # each thread has a cache of its own
    return list(zip(*(tensor.split(size) for tensor in flat), strict=True))


def one_piece(tensor: Tensor, stride: Sequence[int]) -> bool:
    """Whether a tensor fills its memory without gaps, in the order of the given strides."""
    return tensor.stride() == stride and (
        tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
    )
