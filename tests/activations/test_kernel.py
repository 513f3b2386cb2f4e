"""The fast form of every record: equal to its textbook form in any layout, writing only to its output."""

import dataclasses
import itertools

import pytest
import torch
from compared import precise
from folded import folded
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.fast import kernel_of
from nonlin.activations.fast.kernel import BLOCK, ELEMENTARY, run
from nonlin.activations.layers import chain, overwrite, slopes, textbook_chain, values
from nonlin.activations.record import HALF

FAST = [record for record in ACTIVATIONS.values() if kernel_of(record)]
fast = pytest.mark.parametrize("record", FAST, ids=[record.name for record in FAST])

# Parameters on both sides of every branch in a kernel.
VARIANTS: dict[str, list[tuple[float, ...]]] = {
    "threshold": [(1.0, 0.0), (-0.5, 2.0), (0.3, 0.1)],
    "hardshrink": [(0.5,), (0.0,), (1.7,)],
    "softshrink": [(0.5,), (0.0,), (1.7,)],
    "leaky_relu": [(0.01,), (0.0,), (1.0,), (1.7,), (-0.4,)],
    "prelu": [(0.25,), (0.0,), (1.7,), (-0.4,)],
    "rrelu": [(1 / 8, 1 / 3), (1.2, 1.8), (-0.9, 0.1)],
    "elu": [(1.0,), (0.4,), (2.5,), (0.0,), (-0.7,)],
    "celu": [(1.0,), (0.4,), (2.5,)],
    "softplus": [(1.0, 20.0), (2.5, 20.0), (0.7, 3.0), (1.0, 40.0)],
    "swish": [(1.0,), (0.0,), (2.5,), (-1.5,)],
    "hardtanh": [(-1.0, 1.0), (0.0, 6.0), (-2.0, 0.5)],
}
CANCELLING = ("silu", "swish", "gelu_tanh")  # z - z σ(z) loses digits until σ is rounded to 1, as in torch

each_variant = folded(
    ("record", "parameters"),
    [(record, values) for record in FAST for values in VARIANTS.get(record.name, [record.default_values])],
)


def numbers(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return (4 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def saved_for(record: Activation, x: Tensor, *parameters: float) -> Tensor:
    return values(record, x, *parameters) if record.keeps_output(*parameters, dtype=x.dtype) else x


def test_every_record_with_a_counterpart_has_a_fast_form() -> None:
    assert [record.name for record in ACTIVATIONS.values() if record.torch_module and not kernel_of(record)] == []


@each_variant
@precise
def test_it_equals_the_textbook_form(record: Activation, parameters: tuple[float, ...], dtype: torch.dtype) -> None:
    x = torch.cat([numbers(2000, dtype=dtype), torch.linspace(-30, 30, 1201, dtype=dtype)])  # kinks among them
    tolerance = {"rtol": 16 * torch.finfo(dtype).eps, "atol": 8 * torch.finfo(dtype).eps}
    torch.testing.assert_close(values(record, x, *parameters), record.function(x, *parameters), **tolerance)
    gradient = numbers(*x.shape, dtype=dtype, seed=1)
    saved = saved_for(record, x, *parameters)
    wanted = textbook_chain(record, gradient, saved, *parameters)
    error = (chain(record, gradient, saved, *parameters) - wanted) / gradient
    slope = wanted / gradient
    if record.name in CANCELLING:
        tolerance["atol"] *= 8
    torch.testing.assert_close(slope + error, slope, **tolerance)


@pytest.mark.parametrize("name", ["sigmoid", "log_sigmoid", "softplus", "silu", "gelu", "gelu_tanh", "mish", "swish"])
def test_the_left_tail_keeps_its_digits(name: str) -> None:
    record = ACTIVATIONS[name]
    x = torch.linspace(-8, -4, 401)
    wanted, slope = record.function(x.double()), record.derivative(x.double())
    torch.testing.assert_close(values(record, x).double(), wanted, rtol=1e-4, atol=0)
    torch.testing.assert_close(slopes(record, x).double(), slope, rtol=1e-4, atol=0)


def test_the_right_tail_of_log_sigmoid_keeps_its_digits() -> None:
    record, x = ACTIVATIONS["log_sigmoid"], torch.linspace(10, 60, 501)
    torch.testing.assert_close(slopes(record, x).double(), record.derivative(x.double()), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_a_small_negative_input_keeps_its_digits(name: str) -> None:
    record, x = ACTIVATIONS[name], -torch.logspace(-30, -2, 200)
    torch.testing.assert_close(values(record, x).double(), record.function(x.double()), rtol=1e-6, atol=0)


def layouts() -> dict[str, Tensor]:
    large = numbers(2, 8, 96, 128)  # three blocks
    return {
        "blocks": numbers(3 * BLOCK + 5),
        "channels last": large.to(memory_format=torch.channels_last),
        "transposed": large.transpose(1, 3),
        "strided": numbers(6 * BLOCK)[::2],
        "empty": numbers(0, 3),
        "number": numbers(),
    }


@fast
@folded("layout", layouts())
def test_blocks_and_layouts_change_nothing(record: Activation, layout: str) -> None:
    x = layouts()[layout]
    gradient = numbers(*x.shape, seed=1)  # contiguous, whatever x is
    saved = saved_for(record, x)
    small = list(x.reshape(-1).split(1000)) or [x.reshape(-1)]
    wanted = torch.cat([values(record, piece) for piece in small]).reshape(x.shape)
    # Not to the bit: torch's vectorised loops and those for single numbers differ by a rounding.
    torch.testing.assert_close(values(record, x), wanted, rtol=1e-6, atol=1e-6)
    alike = gradient.contiguous(memory_format=torch.preserve_format)
    for given in (alike, torch.ones(()).expand(x.shape), torch.empty_like(x).copy_(gradient)):
        torch.testing.assert_close(
            chain(record, given, saved), textbook_chain(record, given, saved), rtol=1e-5, atol=1e-5, equal_nan=True
        )


@each_variant
def test_it_writes_to_nothing_but_its_output(record: Activation, parameters: tuple[float, ...]) -> None:
    x, gradient = numbers(200), numbers(200, seed=1)
    saved = saved_for(record, x, *parameters).clone()
    copies = [tensor.clone() for tensor in (x, gradient, saved)]
    values(record, x, *parameters)
    chain(record, gradient, saved, *parameters)
    assert all(torch.equal(*pair) for pair in zip((x, gradient, saved), copies, strict=True))


@each_variant
def test_it_does_not_read_its_output(record: Activation, parameters: tuple[float, ...]) -> None:
    x, gradient = numbers(200), numbers(200, seed=1)
    saved = saved_for(record, x, *parameters)
    halves = [(kernel_of(record).backward, (gradient, saved))]
    if kernel_of(record).forward not in (None, *ELEMENTARY):
        halves.append((kernel_of(record).forward, (x,)))
    for kernel, inputs in halves:
        results = [torch.full_like(x, start) for start in (0.0, float("nan"))]
        for out in results:
            kernel(out, *inputs, *parameters)
        assert torch.equal(*results)


@fast
@folded("dtype", HALF)
def test_sixteen_bits_are_rounded_once(record: Activation, dtype: torch.dtype) -> None:
    x, gradient = numbers(3 * BLOCK + 1, dtype=dtype), numbers(3 * BLOCK + 1, dtype=dtype, seed=1)
    wanted = values(record, x.float()).to(dtype)
    torch.testing.assert_close(values(record, x), wanted, rtol=torch.finfo(dtype).eps, atol=0)
    saved = saved_for(record, x)
    kernel, inputs = kernel_of(record), (gradient.float(), saved.float())
    from_output = record.keeps_output(dtype=dtype)
    backward = kernel.backward if from_output else kernel.backward_from_input or kernel.backward
    wanted = run(backward, inputs, record.default_values).to(dtype)
    torch.testing.assert_close(chain(record, gradient, saved), wanted, rtol=0, atol=0)


@fast
def test_overwriting_gives_the_same(record: Activation) -> None:
    for x, dtype in itertools.product((numbers(100), numbers(3 * BLOCK + 1), numbers(50, 60).t()), HALF[:1]):
        for given in (x, x.to(dtype)):
            place = given.clone()
            overwrite(record, place)
            torch.testing.assert_close(place, values(record, given), rtol=1e-6, atol=1e-6)


def test_a_changed_record_has_no_fast_form() -> None:
    assert kernel_of(dataclasses.replace(ACTIVATIONS["tanh"], title="Other")) is None
