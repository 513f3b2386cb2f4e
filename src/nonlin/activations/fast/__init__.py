"""The same functions for speed, in two forms, both tested to agree with the textbook forms.

In Python, in fewer passes over memory; and compiled, in one pass, where somebody has compiled them. Only the files that
make layers ask for them. A record without a fast form runs in its textbook form.
"""

from nonlin.activations.fast import exponential, hardware, leaky, rectified, saturating, smooth
from nonlin.activations.fast.compiled import KernelsError, form, in_use, use, using
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


__all__ = ["KERNELS", "KernelsError", "form", "in_use", "kernel_of", "use", "using"]
