"""The same functions for speed, in three forms, all tested to agree with the textbook forms.

In Python, in fewer passes over memory; compiled, in one pass, where somebody has compiled them; and in Triton, for what
lies on a graphics processor. Only the files that make layers ask for them. A record without a fast form runs in its
textbook form.
"""

import torch

from nonlin.activations.fast import exponential, gpu, hardware, leaky, rectified, saturating, smooth
from nonlin.activations.fast.compiled import KernelsError, in_use, use, using
from nonlin.activations.fast.kernel import Kernel
from nonlin.activations.record import Activation

KERNELS: dict[Activation, Kernel] = {
    record: kernel
    for family in (saturating, rectified, leaky, exponential, smooth, hardware)
    for record, kernel in family.KERNELS.items()
}


def kernel_of(activation: Activation) -> Kernel | None:
    """The fast form of a record, None if it has none. A changed copy of a record is another record and has none."""
    return KERNELS.get(activation)


def form() -> str:
    """What computes the activations, in words: for a record beside numbers."""
    words = "compiled kernels" if in_use() else "in Python"
    return f"{words}; on the graphics processor, Triton" if torch.cuda.is_available() and gpu.in_use() else words


__all__ = ["KERNELS", "KernelsError", "form", "in_use", "kernel_of", "use", "using"]
