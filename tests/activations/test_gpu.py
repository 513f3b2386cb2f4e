"""The form in Triton, in Triton's interpreter, which runs the very functions with NumPy: no card is needed, and none was
there when this was written. What only a card does is not tested: its speed, its own sine, exponential and logarithm (of
which the last two serve float64 alone), and its rounding to bfloat16, where the interpreter cuts digits off.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, fast
from nonlin.activations.fast import compiled, gpu
from nonlin.activations.gated import gated
from nonlin.activations.layers import textbook_chain, textbook_values

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, where an infinity meets a 0
]
each_record = pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)

RELATIVE = {torch.float32: 3e-6, torch.float64: 1e-13, torch.bfloat16: 8e-3, torch.float16: 1e-3}
ABSOLUTE = {torch.float32: 4e-7, torch.float64: 1e-15, torch.bfloat16: 1e-6, torch.float16: 1e-6}
INFINITY = float("inf")
SPECIAL = [
    0.0,
    -0.0,
    INFINITY,
    -INFINITY,
    float("nan"),
    1e4,
    -1e4,
    3e38,
    -3e38,
    20.0,
    -20.0,
    88.0,
    -88.0,
    104.0,
    -104.0,
]
DENORMAL = [1.2e-38, -1.2e-38, 1e-40, -1e-40, 1e-45, -1e-45]  # the interpreter's bfloat16 has none


@pytest.fixture(scope="module", autouse=True)
def kernels() -> Iterator[ModuleType]:
    """The file of kernels, imported for the interpreter."""
    name = "nonlin.activations.fast.triton_kernels"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, name, raising=False)
        patch.delattr(fast, "triton_kernels", raising=False)
        yield importlib.import_module(name)
        sys.modules.pop(name)
        del fast.triton_kernels


@contextmanager
def as_on_a_card() -> Iterator[list[str]]:
    """Every tensor says that it lies on a card; what is given is the list of kernels that run."""
    ran: list[str] = []
    run = gpu._run

    def spy(kernel: str, *arguments: object, **named: object) -> Tensor | None:
        ran.append(kernel)
        return run(kernel, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "is_cuda", True)
        patch.setattr(gpu, "_run", spy)
        patch.setattr(compiled, "_active", False)
        patch.setattr(compiled, "_left_out", False)
        yield ran


def inputs(record: Activation, dtype: torch.dtype, *parameters: float) -> Tensor:
    kinks = [kink.at for kink in record.kinks(*parameters)]
    special = torch.tensor([*SPECIAL, *kinks, *([] if dtype == torch.bfloat16 else DENORMAL)], dtype=torch.float64)
    ordinary = torch.randn(60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.cat([special, 4 * ordinary, ordinary / 64]).to(dtype)


def assert_close(ours: Tensor, others: Tensor) -> None:
    torch.testing.assert_close(
        ours, others, rtol=RELATIVE[ours.dtype], atol=ABSOLUTE[ours.dtype], equal_nan=True, check_stride=True
    )


def assert_agrees(record: Activation, x: Tensor, *parameters: float) -> None:
    """Value and gradient with the textbook form."""
    gradient = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).reshape(x.shape)
    gradient = torch.empty_like(x).copy_(gradient)
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    with as_on_a_card() as ran:
        y = ActivationModule(record, *parameters)(leaf)
        (slope,) = torch.autograd.grad(y, leaf, gradient)
    assert ran == ["value", "chain"]
    y = y.detach()
    assert_close(y, textbook_values(record, x, *parameters))
    saved = y if record.keeps_output(*parameters, dtype=x.dtype) else x
    assert_close(slope, textbook_chain(record, gradient, saved, *parameters))


def test_every_activation_has_a_kernel(kernels: ModuleType) -> None:
    assert {*kernels.ACTIVATIONS} == {*ACTIVATIONS}


@each_record
def test_values_and_gradients_agree(record: Activation) -> None:
    for dtype in compiled.DTYPES:
        if (record.name, dtype) != ("gelu", torch.float64):
            assert_agrees(record, inputs(record, dtype, *record.default_values), *record.default_values)
