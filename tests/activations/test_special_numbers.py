"""Every record at 0, tiny, huge and infinite parameters and inputs: values and slopes, in both forms, against mpmath.

The oracle is the formula with a choice where it has cases, in 60 digits and with the infinities of IEEE arithmetic. So
a branch that is not taken may not be seen. Conventions: a parameter is first rounded to the numbers that are computed
with, float32 for 16 bits; where the formula itself comes to infinity times 0 or infinity minus infinity, NaN and the
limit are both right; and with an infinite parameter NaN is right where torch has it, too: there an e^x that has become
0 meets the infinity. Of a wave nothing is asked where the roundings of ωx alone cost more than half of the digits.
"""

import math
from collections.abc import Callable, Iterator
from itertools import product

import mpmath
import pytest
import torch
from folded import folded
from mpmath import erfc, exp, expm1, log1p, mpf, sqrt, tanh
from test_generated import CANCELLING_SLOPES, CANCELLING_VALUES, ROUNDINGS, assert_within, bounds, without_phase
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule
from nonlin.activations.exponential import SELU_ALPHA, SELU_SCALE
from nonlin.activations.record import HALF

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
HUGE = {torch.float64: 1e300, torch.float32: 2.0**96, torch.bfloat16: 2.0**96, torch.float16: 2.0**14}
INF = math.inf

Number = mpf | float


def sigma(x: Number) -> Number:
    return 1 / (1 + exp(-x))


def bell(x: Number) -> Number:
    return sigma(x) * sigma(-x)


def log_one_plus_exp(x: Number) -> Number:
    return max(x, 0) + log1p(exp(-abs(x)))


def normal_cdf(x: Number) -> Number:
    return erfc(-x / sqrt(2)) / 2 if abs(x) < 1e9 else mpf(x > 0)  # so far out mpmath has no erfc


def gelu_slope(x: Number) -> Number:
    return normal_cdf(x) + x * exp(-x * x / 2) / sqrt(2 * mpmath.pi)


def inner(x: Number) -> Number:
    return 2 * sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3)


def gelu_tanh_slope(x: Number) -> Number:
    factor = 2 * sqrt(2 / mpmath.pi) * (1 + 3 * mpf("0.044715") * x**2)
    return sigma(inner(x)) + x * bell(inner(x)) * factor


def mish_slope(x: Number) -> Number:
    s = log_one_plus_exp(x)
    return tanh(s) + x * mpmath.sech(s) ** 2 * sigma(x)


def leaky(x: Number, a: Number) -> Number:
    return x if x > 0 else a * x


def leaky_slope(x: Number, a: Number) -> Number:
    return mpf(1) if x > 0 else a


# From the input and the parameters to the value, and to the slope.
ORACLES: dict[str, tuple[Callable[..., Number], Callable[..., Number]]] = {
    "sigmoid": (sigma, bell),
    "tanh": (tanh, lambda x: mpmath.sech(x) ** 2),
    "log_sigmoid": (lambda x: -log_one_plus_exp(-x), lambda x: sigma(-x)),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "tanhshrink": (lambda x: x - tanh(x), lambda x: tanh(x) ** 2),
    "relu": (lambda x: max(x, 0), lambda x: x > 0),
    "squared_relu": (lambda x: max(x, 0) ** 2, lambda x: 2 * max(x, 0)),
    "threshold": (lambda x, t, v: x if x > t else v, lambda x, t, v: x > t),
    "hardshrink": (lambda x, t: x if abs(x) > t else 0, lambda x, t: abs(x) > t),
    "softshrink": (lambda x, t: x - mpmath.sign(x) * t if abs(x) > t else 0, lambda x, t: abs(x) > t),
    "leaky_relu": (leaky, leaky_slope),
    "prelu": (leaky, leaky_slope),
    "rrelu": (lambda x, low, high: leaky(x, (low + high) / 2), lambda x, low, high: leaky_slope(x, (low + high) / 2)),
    "elu": (lambda x, a: x if x > 0 else a * expm1(x), lambda x, a: mpf(1) if x > 0 else a * exp(x)),
    "selu": (
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * expm1(x)),
        lambda x: SELU_SCALE * (mpf(1) if x > 0 else SELU_ALPHA * exp(x)),
    ),
    "celu": (lambda x, a: x if x > 0 else a * expm1(x / a), lambda x, a: mpf(1) if x > 0 else exp(x / a)),
    "softplus": (
        lambda x, b, t: x if b * x > t else log_one_plus_exp(b * x) / b,
        lambda x, b, t: mpf(1) if b * x > t else sigma(b * x),
    ),
    "swish": (lambda x, b: x * sigma(b * x), lambda x, b: sigma(b * x) + b * x * bell(b * x)),
    "silu": (lambda x: x * sigma(x), lambda x: sigma(x) + x * bell(x)),
    "gelu": (lambda x: x * normal_cdf(x), gelu_slope),
    "gelu_tanh": (lambda x: x * sigma(inner(x)), gelu_tanh_slope),
    "mish": (lambda x: x * tanh(log_one_plus_exp(x)), mish_slope),
    "relu6": (lambda x: min(max(x, 0), 6), lambda x: 0 < x < 6),
    "hardsigmoid": (lambda x: min(max(x + 3, 0), 6) / mpf(6), lambda x: mpf(abs(x) < 3) / 6),
    "hardswish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: x / 3 + mpf(1) / 2 if abs(x) < 3 else x > 0,
    ),
    "hardtanh": (lambda x, low, high: min(max(x, low), high), lambda x, low, high: low < x < high),
    "sine": (lambda x, w: mpmath.sin(w * x), lambda x, w: w * mpmath.cos(w * x)),
}


def parameters_of(record: Activation, dtype: torch.dtype) -> Iterator[tuple[float, ...]]:
    """Each special value that the record accepts, beside defaults, and the infinities beside each other."""
    tiny, huge = 2.0**-20, HUGE[dtype]
    special = [0.0, 0.5, 1.0, tiny, -tiny, -1.0, 2.5, 1e4, huge, -huge, INF, -INF]
    if len(record.parameters) > 1:
        special = [0.0, *record.default_values, -2.5, tiny, huge, INF, -INF]
    elif dtype == torch.float64:
        special += [1e-300, -1e-300]
    for values in product(special, repeat=len(record.parameters)):
        ordinary = [value for value, default in zip(values, record.default_values, strict=True) if value == default]
        if len(ordinary) < len(values) - 1 and not all(map(math.isinf, values)):
            continue
        if record.name == "softplus" and values[1] in (0, -INF):
            continue  # a βx that underflows to 0 or overflows to -inf is not above it, and in exact arithmetic it is
        try:
            yield record.accepted(dict(zip(record.parameters, values, strict=True)))
        except ValueError:
            continue


def inputs(dtype: torch.dtype) -> Tensor:
    info = torch.finfo(dtype)
    sizes = [
        0.0,
        info.smallest_normal * info.eps,
        info.smallest_normal,
        2.0**-10,
        1.0,
        4.0,
        100.0,
        info.max / 4,
        info.max,
    ]
    return torch.tensor([sign * size for size in [*sizes, INF] for sign in (1, -1)], dtype=dtype)


def exactly(function: Callable[..., Number], parameters: tuple[float, ...]) -> Callable[[Tensor], Tensor]:
    """An oracle for tensors of float64."""

    def of(x: Tensor) -> Tensor:
        with mpmath.workdps(60):
            values = [function(mpf(number), *map(mpf, parameters)) for number in x.tolist()]
            return torch.tensor([_as_float(value) for value in values], dtype=torch.float64)

    return of


def _as_float(value: Number) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(INF, mpmath.sign(value))


def rounded(parameters: tuple[float, ...], dtype: torch.dtype) -> tuple[float, ...]:
    computed_with = torch.float32 if dtype in HALF else dtype
    return tuple(torch.tensor(parameters, dtype=computed_with).tolist())


def theirs(record: Activation, parameters: tuple[float, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """torch's value and slope."""
    layer = record.torch_module(**dict(zip(record.parameters, parameters, strict=True))).to(x.dtype)
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    return y.detach(), torch.autograd.grad(y.sum(), leaf)[0]


def both_forms(module: ActivationModule, x: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    leaf = x.clone().requires_grad_()
    y = module(leaf)
    yield "fast", y.detach(), torch.autograd.grad(y.sum(), leaf)[0]
    yield "textbook", torch.func.vmap(module)(x), torch.func.vmap(torch.func.grad(module))(x)


@folded("dtype", DTYPES)
@pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_values_and_slopes_at_special_numbers(record: Activation, dtype: torch.dtype) -> None:
    x = inputs(dtype)
    value, slope = ORACLES[record.name]
    for parameters in parameters_of(record, dtype):
        module = ActivationModule(record, *parameters)
        of_output = record.keeps_output(*parameters, dtype=dtype)
        size = max([1.0, *(abs(p) for p in parameters if abs(p) < INF)])
        subnormal = size * torch.finfo(dtype).tiny  # a factor beside a parameter that has few digits left
        absolute = ROUNDINGS * size if of_output else subnormal
        absolute += CANCELLING_SLOPES.get(record.name, 0.0) * -math.log(torch.finfo(dtype).eps)
        exact = rounded(parameters, dtype)
        allowed = (
            bounds(exactly(value, exact), x, CANCELLING_VALUES.get(record.name, 0.0) + subnormal),
            bounds(exactly(slope, exact), x, absolute),
        )
        excused = [without_phase(record, parameters, x)] * 2
        if record.torch_module and INF in map(abs, parameters):
            excused = [result.isnan() for result in theirs(record, parameters, x)]
        for form, *found in both_forms(module, x):
            if of_output:
                excused[1] = excused[1] | found[0].isnan()
            for what, got, (low, high), free in zip(("value", "slope"), found, allowed, excused, strict=True):
                known = ~low.isnan() & ~high.isnan() & ~free
                try:
                    assert_within(got[known], low[known], high[known], at=x[known])
                except AssertionError as error:
                    error.add_note(f"{form} form, {what}, {parameters}")
                    raise
        assert module(torch.tensor(math.nan, dtype=dtype)).isnan()
