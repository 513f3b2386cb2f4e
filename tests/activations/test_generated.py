"""Every record on generated tensors and parameters: all shapes, layouts, dtypes and numbers, against float64."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, apply

every_record = pytest.mark.parametrize("name", ACTIVATIONS)
generated = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
)

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.permute(tuple(reversed(range(x.dim())))),
    "every second": lambda x: x[..., ::2] if x.dim() else x,
    "without the first": lambda x: x[1:] if x.dim() else x,
    "expanded": lambda x: x.unsqueeze(0).expand(3, *x.shape),
}
ROUNDINGS = 8  # how many relative roundings of its input and of its result an activation may be off

# Where terms cancel, in torch as here: roundings of 1 that are allowed besides.
CANCELLING_VALUES = {"tanhshrink": 1.0}  # x - tanh x near 0
# z - z σ(z) is computed from numbers up to the z at which σ is rounded to 1, log(1 / eps), or three times that.
CANCELLING_SLOPES = {"silu": 0.5, "swish": 0.5, "gelu_tanh": 1.5}  # times log(1 / eps)


def without_phase(record: Activation, parameters: Sequence[float], x: Tensor) -> Tensor:
    """Where the roundings of ωx move a wave so far that its value is known to fewer than half of the digits."""
    if record.name != "sine":
        return torch.zeros_like(x, dtype=torch.bool)
    eps = torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps  # of the type that is computed with
    return (parameters[0] * x.double()).abs() > eps**-0.5


# Sixteenths up to 16 are held exactly by every dtype, so that all compute with the same parameter.
@st.composite
def parameters_of(draw: st.DrawFn, record: Activation) -> dict[str, float]:
    values = {name: draw(_domain(record, name)) for name in record.parameters}
    assume(all(holds(*values.values()) for holds in record.conditions.values()))
    return values


def _domain(record: Activation, parameter: str) -> st.SearchStrategy[float]:
    domain = record.takes[parameter].domain
    least = -256 if domain.low == -math.inf else math.ceil(16 * domain.low) + (not domain.low_closed)
    return st.integers(least, 256).map(lambda n: n / 16)


# Half of them ordinary numbers, half the whole floating range: both zeros, denormals, infinities and NaN.
NUMBERS = st.one_of(st.floats(-30, 30, width=32), st.floats(width=32)), st.one_of(st.floats(-30, 30), st.floats())


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from(DTYPES))
    width, numbers = (np.float64, NUMBERS[1]) if dtype == torch.float64 else (np.float32, NUMBERS[0])
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    values = torch.from_numpy(np.asarray(draw(arrays(width, shape, elements=numbers)))).to(dtype)
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](values)


def bounds(function: Callable[[Tensor], Tensor], x: Tensor, absolute: float = 0.0) -> tuple[Tensor, Tensor]:
    """Between what a result in the dtype of ``x`` has to lie, from ``function`` in float64.

    Args:
        function: the exact function.
        x: the inputs.
        absolute: how many roundings of 1 the result may be off, besides those of itself.

    Returns:
        The least and the greatest value, in float64, of the function within so many roundings of the input, and as many
        roundings of the result further.
    """
    eps, smallest, largest = (getattr(torch.finfo(x.dtype), name) for name in ("eps", "smallest_normal", "max"))
    spread, wide = ROUNDINGS * eps, x.double()
    finite = wide.isfinite()
    near = [
        torch.where(finite, (wide * factor).clamp(-largest, largest), wide) for factor in (1 - spread, 1, 1 + spread)
    ]
    exact = torch.stack([function(x) for x in near])
    low, high = exact.amin(0), exact.amax(0)
    # A factor below the smallest normal number has few digits left, and others, up to 16 or x, may multiply it.
    least = 16 * ROUNDINGS * smallest * eps + absolute * eps
    # Or none at all: torch's sigmoid is 0 from where e^-x overflows in the dtype in which it is computed.
    least += 16 * torch.finfo(torch.promote_types(x.dtype, torch.float32)).smallest_normal
    return low - spread * low.abs().clamp(max=largest) - least, high + spread * high.abs().clamp(max=largest) + least


def assert_within(got: Tensor, low: Tensor, high: Tensor, *, at: Tensor) -> None:
    """Between the bounds, where a number too large for the dtype counts as its largest one, and NaN where they are."""
    largest = torch.finfo(got.dtype).max
    got, low, high = (values.double() for values in (got, low, high))
    finite = got.clamp(-largest, largest)
    outside = (finite < low.clamp(-largest, largest)) | (finite > high.clamp(-largest, largest))
    wrong = outside | (got.isnan() != low.isnan())
    places = zip(*(values[wrong].tolist() for values in (at, got, low, high)), strict=True)
    assert not wrong.any(), "; ".join(
        f"at {x:g} it is {y:g} and should lie from {least:g} to {most:g}" for x, y, least, most in places
    )


@every_record
@generated
@given(data=st.data())
def test_values_and_their_range_in_any_layout(name: str, data: st.DataObject) -> None:
    record = ACTIVATIONS[name]
    parameters, x = data.draw(parameters_of(record)), data.draw(tensors())
    before = x.clone()
    y = ActivationModule(record, **parameters)(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    torch.testing.assert_close(x, before, rtol=0, atol=0, equal_nan=True)
    assert y[x.isnan()].isnan().all()
    absolute = CANCELLING_VALUES.get(name, 0.0)
    low, high = bounds(lambda x: record.function(x, *parameters.values()), x, absolute)
    known = ~without_phase(record, [*parameters.values()], x)
    assert_within(y[known], low[known], high[known], at=x[known])
    interval = record.range(*parameters.values())
    low, high = (torch.tensor(end, dtype=x.dtype) for end in (interval.low, interval.high))  # rounded to the dtype
    assert (y.isnan() | ((low <= y) & (y <= high))).all(), f"{y} is not in {interval}"
    in_order = apply(record, x.contiguous(), **parameters)
    torch.testing.assert_close(y, in_order, rtol=0, atol=0, equal_nan=True)  # whatever the layout in memory


@every_record
@generated
@given(data=st.data())
def test_backward(name: str, data: st.DataObject) -> None:
    record = ACTIVATIONS[name]
    parameters, x = data.draw(parameters_of(record)), data.draw(tensors())
    upstream = data.draw(st.sampled_from([1.0, -2.0, 0.5]))  # a power of two, so that the product is exact
    x.requires_grad_()
    y = apply(record, x, **parameters)
    (gradient,) = torch.autograd.grad(y, x, torch.full_like(y, upstream))
    assert (gradient.shape, gradient.dtype) == (x.shape, x.dtype)
    # From a rounded output the slope is right to roundings of the largest number in it, not of itself.
    absolute = ROUNDINGS * max([1.0, *map(abs, parameters.values())]) if record.derivative_from_output else 0.0
    absolute += CANCELLING_SLOPES.get(name, 0.0) * -math.log(torch.finfo(x.dtype).eps)
    low, high = bounds(lambda x: record.derivative(x, *parameters.values()), x.detach(), absolute)
    if record.derivative_from_output:
        low = low.masked_fill(y.isnan(), torch.nan)  # softsign at an infinity, as in torch
    # At NaN, torch's own slopes are some NaN and some not; at an infinity, a limit is as good as the formula's NaN.
    known = ~x.isnan() & ~(x.isinf() & low.isnan()) & ~without_phase(record, [*parameters.values()], x.detach())
    assert_within((gradient / upstream)[known], low[known], high[known], at=x[known])
