"""Every record: what it says, and its values and slopes against torch and against autograd of its own formula."""

import copy
import dataclasses
import inspect
import math
import pickle
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from compared import RECORDS, against_torch, every_record, precise
from folded import folded
from torch import Tensor

from nonlin.activations import (
    ACTIVATIONS,
    FAMILIES,
    Activation,
    ActivationModule,
    Interval,
    Kink,
    Parameter,
    apply,
    apply_,
    learned,
)
from nonlin.activations.layers import slopes, zero_slope_float32
from nonlin.activations.saturating import sigmoid, sigmoid_derivative

EXTREMES = [100.0, -100.0, 1e4, -1e4, math.inf, -math.inf]

every_dtype = folded("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])


def random_points(dtype: torch.dtype, n: int = 2000) -> Tensor:
    return 4 * torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def value_and_slope(function, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = function(x)
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


def other_parameters(record: Activation) -> dict[str, float]:
    """Values that differ from the defaults, in the same order as those."""
    return {name: 0.8 * value + 0.3 for name, value in record.parameters.items()}


# Where torch itself is less exact than a few roundings: its largest error in the slope, measured against float64.
INEXACT_IN_TORCH = {
    ("gelu_tanh", torch.float32): 2e-6,
    ("gelu_tanh", torch.float64): 1e-14,
    ("hardsigmoid", torch.float64): 5e-9,  # torch's slope is float32's 1/6 in float64, too
    ("celu", torch.float64): 5e-8,  # torch rounds 1/alpha to float32 in float64, too
}


def theirs(record: Activation, dtype: torch.dtype, parameters: dict[str, float] | None = None) -> torch.nn.Module:
    """torch's counterpart with these parameters, or with our defaults."""
    return record.torch_module(**(record.parameters | (parameters or {}))).to(dtype)


@against_torch
def test_parameters_have_the_names_and_defaults_of_torch(record: Activation) -> None:
    signature = inspect.signature(record.torch_module).parameters
    assert record.parameters == pytest.approx({name: signature[name].default for name in record.parameters})


def assert_like_torch(record: Activation, x: Tensor, parameters: dict[str, float]) -> None:
    """Values and slopes equal torch's, wherever torch has a number."""
    pairs = zip(
        value_and_slope(ActivationModule(record, **parameters), x),
        value_and_slope(theirs(record, x.dtype, parameters), x),
        strict=True,
    )
    # A slope that follows from a rounded output is right to a few roundings of 1, not of itself.
    eps = torch.finfo(x.dtype).eps
    tolerance = max(8 * eps, INEXACT_IN_TORCH.get((record.name, x.dtype), 0))
    for got, wanted in pairs:
        known = ~wanted.isnan()
        torch.testing.assert_close(got[known], wanted[known], rtol=16 * eps, atol=tolerance)


@against_torch
@every_dtype
@folded("change", [lambda record: {}, other_parameters])
def test_values_and_slopes_equal_torchs(record: Activation, dtype: torch.dtype, change: Callable) -> None:
    assert_like_torch(record, random_points(dtype), change(record))


@against_torch
@every_dtype
def test_extremes_equal_torchs(record: Activation, dtype: torch.dtype) -> None:
    assert_like_torch(record, torch.tensor(EXTREMES, dtype=dtype), {})


@every_record
def test_huge_inputs_are_no_harder_in_float32_than_in_float64(record: Activation) -> None:
    x = torch.tensor([-1e20, 1e20])
    for narrow, wide in zip(
        value_and_slope(ActivationModule(record), x), value_and_slope(ActivationModule(record), x.double()), strict=True
    ):
        torch.testing.assert_close(narrow, wide.float(), rtol=1e-6, atol=1e-6)  # a square is infinite in float32


@against_torch
@precise
@folded("change", [lambda record: {}, other_parameters])
def test_slope_at_kinks_is_the_recorded_one_and_torchs(
    record: Activation, dtype: torch.dtype, change: Callable
) -> None:
    assert_slopes_at_kinks(record, dtype, record.parameters | change(record))


def assert_slopes_at_kinks(record: Activation, dtype: torch.dtype, parameters: dict[str, float]) -> None:
    """The recorded slope is that of the formula, that of backward, which may use the output instead, and torch's."""
    kinks = [kink for kink in record.kinks(*parameters.values()) if held_exactly(kink.at, dtype)]
    x = torch.tensor([kink.at for kink in kinks], dtype=dtype)
    wanted = torch.tensor([kink.slope for kink in kinks], dtype=dtype)
    found = [record.derivative(x, *parameters.values())]
    found.append(value_and_slope(ActivationModule(record, **parameters), x)[1])
    found.append(value_and_slope(theirs(record, dtype, parameters), x)[1])
    for slope in found:
        torch.testing.assert_close(slope, wanted, rtol=4 * torch.finfo(dtype).eps, atol=0)


def held_exactly(number: float, dtype: torch.dtype) -> bool:
    """Whether a kink can be hit in this dtype: 0.7 cannot in float32."""
    return torch.tensor(number, dtype=dtype).item() == number


@against_torch
@every_dtype
def test_signed_zeros_and_denormals(record: Activation, dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).smallest_normal / 8
    x = torch.tensor([0.0, -0.0, tiny, -tiny], dtype=dtype)
    for got, wanted in zip(
        value_and_slope(ActivationModule(record), x), value_and_slope(theirs(record, dtype), x), strict=True
    ):
        # In bfloat16, torch's GELU takes a denormal number for 0.
        flushed = record.name == "gelu" and dtype == torch.bfloat16
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=tiny if flushed else tiny / 100)


def away_from_kinks(record: Activation, x: Tensor, distance: float, *parameters: float) -> Tensor:
    """0 and what of ``x`` lies away from kinks, and from 0 where the second derivative jumps there."""
    x = torch.cat([x, x.new_zeros(1)])
    bends = [0.0] if record.smoothness(*parameters) == 1 else []
    for point in [*bends, *(kink.at for kink in record.kinks(*parameters))]:
        x = x[(x - point).abs() > distance]
    return x


@every_record
@folded("change", [lambda record: {}, other_parameters])
def test_derivative_is_autograds_of_the_formula(record: Activation, change: Callable) -> None:
    parameters = tuple((record.parameters | change(record)).values())
    x = away_from_kinks(record, random_points(torch.float64), 1e-6, *parameters)
    _, slope = value_and_slope(lambda x: record.function(x, *parameters), x)
    torch.testing.assert_close(record.derivative(x, *parameters), slope, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(slopes(record, x, *parameters), slope, rtol=1e-7, atol=1e-13)


# Parameters at which kinks vanish, appear or change their nature.
SPECIAL = [
    ("leaky_relu", {"negative_slope": 1.0}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("prelu", {"init": 1.0}),
    ("prelu", {"init": -0.5}),
    ("rrelu", {"lower": 1.0, "upper": 1.0}),
    ("threshold", {"threshold": 0.0, "value": 0.0}),
    ("threshold", {"threshold": -1.0, "value": -1.0}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 3.0}),
    ("softplus", {}),
    ("softplus", {"beta": 2.0, "threshold": 3.0}),
    ("swish", {"beta": 0.0}),
    ("swish", {"beta": -1.0}),
    ("hardtanh", {"min_val": 0.0, "max_val": 6.0}),
]


@folded(("name", "parameters"), SPECIAL)
def test_special_parameters(name: str, parameters: dict[str, float]) -> None:
    record = ACTIVATIONS[name]
    values = tuple((record.parameters | parameters).values())
    assert_kinks_and_smoothness(record, values)
    y = record.function(torch.linspace(-30, 30, 60_001, dtype=torch.float64), *values)
    assert (record.range(*values).contains(y) | torch.isclose(y, y.new_tensor(record.range(*values).low))).all()
    if record.torch_module:
        assert_like_torch(record, random_points(torch.float32), parameters)
        assert_slopes_at_kinks(record, torch.float64, record.parameters | parameters)


def test_range_of_threshold_is_closed_just_where_its_lowest_value_is_taken() -> None:
    ranges = {(1.0, 0.0): "[0, ∞)", (0.0, 0.0): "[0, ∞)", (1.0, 2.0): "(1, ∞)"}
    assert {parameters: str(ACTIVATIONS["threshold"].range(*parameters)) for parameters in ranges} == ranges


@pytest.mark.parametrize("name", ["hardshrink", "softshrink"])
def test_a_shrink_by_nothing_is_the_identity(name: str) -> None:
    record = ACTIVATIONS[name]
    x = random_points(torch.float64)
    assert torch.equal(record.function(x, 0.0), x)
    assert record.kinks(0.0) == ()
    assert record.smoothness(0.0) == math.inf


def assert_kinks_and_smoothness(record: Activation, parameters: tuple[float, ...]) -> None:
    kinks = record.kinks(*parameters)
    step = 1 / 4000
    x = torch.arange(-40_000, 40_001, dtype=torch.float64) * step + 1.2345e-7  # beside round numbers
    value, slope = record.function(x, *parameters), record.derivative(x, *parameters)
    assert len(jumps(x, slope)) == len(kinks)
    for kink in kinks:
        assert (jumps(x, slope) - kink.at).abs().min() <= step
    smoothness = record.smoothness(*parameters)
    assert (smoothness < 0) == (len(jumps(x, value)) > 0)
    assert (smoothness < 1) == (len(kinks) > 0)
    bends = jumps(x[1:], slope.diff() / step) if not kinks else x[:0]
    assert (smoothness < 2) == (len(kinks) > 0 or len(bends) > 0)


def jumps(x: Tensor, y: Tensor) -> Tensor:
    """Where neighbouring values differ by far more than a smooth curve's do over so small a step."""
    return x[1:][y.diff().abs() > 5e-3]


@every_record
def test_copies_share_their_record(record: Activation) -> None:
    module = ActivationModule(record)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(torch.nn.Sequential(module)))[0]):
        assert twin.activation is record
    assert record.title in repr(module)


@every_record
def test_backward_keeps_the_output_where_the_slope_follows_from_it(record: Activation) -> None:
    kept: list[Tensor] = []
    x = random_points(torch.float32, 16).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        y = apply(record, x)
    assert len(kept) == 1
    assert torch.equal(kept[0], x if record.derivative_from_output is None else y)


def test_a_forgotten_field_is_named() -> None:
    record = ACTIVATIONS["elu"]
    facts = {field.name: getattr(record, field.name) for field in dataclasses.fields(Activation)}
    for forgotten in facts.keys() - {
        "output_suffices",
        "output_suffices_in_half",
        "conditions",
        "integers",
    }:  # these have defaults that fit most
        with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{forgotten}'"):
            Activation(**{name: fact for name, fact in facts.items() if name != forgotten})


@every_record
def test_a_record_says_where_it_comes_from_and_where_it_is(record: Activation) -> None:
    assert record.paper.url.startswith("https://")
    [family] = [family for family in FAMILIES if any(value is record for value in vars(family).values())]
    assert family.__name__.rpartition(".")[2] == record.family


def test_computed_properties() -> None:
    records = ACTIVATIONS
    assert records["sigmoid"].mean_under_normal == pytest.approx(0.5)
    assert records["relu"].mean_under_normal == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-6)
    largest = {"sigmoid": 0.25, "tanh": 1, "relu": 1}
    assert {name: records[name].largest_slope for name in largest} == pytest.approx(largest)
    assert records["relu"].saturates == (True, False)
    assert records["tanh"].saturates == (True, True)
    assert all(records[name].monotonic for name in largest)
    assert not records["sine"].monotonic
    assert records["sine"].saturates == (False, False)
    assert (records["squared_relu"].largest_slope, records["sine"].largest_slope) == (math.inf, 1)
    zero = zero_slope_float32(records["sigmoid"])
    assert zero.high == pytest.approx(24 * math.log(2), abs=1e-3)
    assert zero.low == pytest.approx(-128 * math.log(2), abs=1e-3)  # below it, torch.sigmoid's e^-x is infinite
    assert str(zero_slope_float32(records["relu"])) == "(0, ∞)"
    assert str(zero_slope_float32(records["relu6"])) == "(0, 6)"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("(0, 1]", [0.5, 1.0], [0.0, 1.5]), ("[0, inf)", [0.0, 1e30], [-1.0, math.inf]), ("[1, 1]", [1.0], [0.9, 1.1])],
)
def test_interval(text: str, inside: list[float], outside: list[float]) -> None:
    interval = Interval.parse(text)
    assert interval.contains(torch.tensor(inside, dtype=torch.float64)).all()
    assert not interval.contains(torch.tensor(outside, dtype=torch.float64)).any()
    assert str(interval) == text.replace("inf", "∞")


@folded("text", ["", "0, 1", "(1, 0)", "(a, b)", "(0 1)", "[1, 1)"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="is not an interval"):
        Interval.parse(text)


def steep_sigmoid(x: Tensor, beta: float = 2.0) -> Tensor:
    return sigmoid(beta * x)


def steep_sigmoid_derivative(x: Tensor, beta: float = 2.0) -> Tensor:
    return beta * sigmoid_derivative(beta * x)


def own_record(**changes) -> Activation:
    fields = {
        "function": steep_sigmoid,
        "derivative": steep_sigmoid_derivative,
        "derivative_from_output": None,
        "torch_module": None,
        "name": "steep_sigmoid",
        "takes": {"beta": Parameter(symbol="β", default=2.0, domain=Interval.parse("(0, inf)"), meaning="steepness")},
    }
    return dataclasses.replace(ACTIVATIONS["sigmoid"], **(fields | changes))


def test_a_learners_own_record_with_a_parameter() -> None:
    record = own_record(title="Steep sigmoid")
    assert (record.name, record.parameters) == ("steep_sigmoid", {"beta": 2.0})
    x = random_points(torch.float64, 50)
    for beta in (2.0, 0.7):
        _, slope = value_and_slope(ActivationModule(record, beta=beta), x)
        _, wanted = value_and_slope(lambda x, beta=beta: torch.sigmoid(beta * x), x)
        torch.testing.assert_close(slope, wanted)
    assert repr(ActivationModule(record, beta=0.5)) == "Steep sigmoid(beta=0.5)"
    assert record.name not in ACTIVATIONS
    assert copy.deepcopy(ActivationModule(record)).activation is record


@folded("field", ["function", "derivative"])
def test_a_built_in_function_is_refused_with_what_to_do(field: str) -> None:
    with pytest.raises(TypeError, match=r"tanh is built in .* write a function with def"):
        own_record(**{field: torch.tanh})


def test_range_and_kinks_follow_the_parameters() -> None:
    record = own_record(range=lambda beta: Interval.parse(f"(0, {beta})"), kinks=lambda beta: (Kink(at=beta, slope=1),))
    assert str(record.range(3.0)) == "(0, 3)"
    assert str(record.default_range) == "(0, 2)"
    assert record.default_kinks == (Kink(at=2.0, slope=1),)
    with pytest.raises(TypeError):
        own_record(range=lambda: Interval.parse("(0, 1)"))


@folded(
    ("field", "given", "said"),
    [
        ("range", "(0, 1)", "range must give what is of type Interval, not '(0, 1)'"),
        ("kinks", 0.0, "kinks must give what is a tuple, each of type Kink, not 0.0"),
        ("kinks", (0.0,), "kinks must give what is a tuple, each of type Kink, not (0.0,)"),
        ("smoothness", "smooth", "smoothness must give what is a number, not 'smooth'"),
        ("output_suffices", 1, "output_suffices must give what is True or False, not 1"),
    ],
)
def test_what_a_records_functions_give_is_of_the_kind_that_it_says(field: str, given: object, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"steep_sigmoid: {said}.")):
        own_record(**{field: lambda beta: given})


def test_a_record_whose_derivative_takes_other_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match="must take the same parameters"):
        own_record(derivative=sigmoid_derivative)


def test_a_parameter_that_is_not_explained_is_refused() -> None:
    with pytest.raises(TypeError, match="steep_sigmoid: takes must explain beta = 2"):
        own_record(takes={})


def test_a_default_outside_its_domain_is_refused() -> None:
    unit = {"beta": Parameter(symbol="β", default=2.0, domain=Interval.parse("(0, 1)"), meaning="steepness")}
    with pytest.raises(ValueError, match=r"Sigmoid takes beta in \(0, 1\), not 2"):
        own_record(takes=unit)
    with pytest.raises(ValueError, match="Sigmoid needs beta is odd, and was given beta = 2"):
        own_record(conditions={"beta is odd": lambda beta: beta % 2 == 1})


# From every way in with parameters to a function of them.
WAYS_IN: dict[str, Callable[..., object]] = {
    "function": lambda record, **parameters: apply(record, torch.zeros(2), **parameters),
    "in place": lambda record, **parameters: apply_(record, torch.zeros(2), **parameters),
    "module by name": lambda record, **parameters: ActivationModule(record, **parameters),
    "module by place": lambda record, **parameters: ActivationModule(record, *parameters.values()),
}
REFUSED_AS_BY_TORCH = [
    ("softshrink", {"lambd": -1.0}, r"Softshrink takes lambd in \[0, ∞\), not -1"),
    ("softshrink", {"lambd": math.inf}, r"Softshrink takes lambd in \[0, ∞\), not inf"),
    (
        "hardtanh",
        {"min_val": 1.0, "max_val": -1.0},
        "Hardtanh needs min_val < max_val, and was given",
    ),
    ("hardtanh", {"min_val": 1.0, "max_val": 1.0}, "Hardtanh needs min_val < max_val"),
    ("rrelu", {"lower": 0.5, "upper": 0.1}, "RReLU needs lower <= upper, and was given lower = 0.5, upper = 0.1"),
    ("rrelu", {"lower": 0.5, "upper": math.inf}, r"RReLU takes upper in \(-∞, ∞\), not inf"),
    ("celu", {"alpha": 0.0}, "CELU needs alpha != 0, and was given alpha = 0"),
]
NO_NUMBERS = [
    ("0.1", TypeError, "takes {} as a number, not '0.1'"),
    (None, TypeError, "takes {} as a number, not None"),
    (True, TypeError, "takes {} as a number, not True"),
    (1j, TypeError, "takes {} as a number, not 1j"),
    ([0.1], TypeError, r"takes {} as a number, not \[0.1\]"),
    (math.nan, ValueError, "takes {} as a number, not NaN"),
    (10**400, ValueError, "takes {} as a number in the range of floating point"),
    (torch.tensor([0.1, 0.2]), TypeError, r"takes {} as one number, not a tensor of shape \(2,\)"),
    (torch.empty((), device="meta"), TypeError, "takes {} as a fixed number, and this tensor has none"),
    (torch.tensor(True), TypeError, "takes {} as a number, not True"),
]
each_way = folded("call", WAYS_IN.values())


@each_way
@folded(("name", "parameters", "sentence"), REFUSED_AS_BY_TORCH)
def test_parameters_outside_their_domain_are_refused_as_by_torch(
    call: Callable, name: str, parameters: dict[str, float], sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        call(ACTIVATIONS[name], **parameters)
    with pytest.raises((RuntimeError, AssertionError)):
        ACTIVATIONS[name].torch_module(**parameters)(torch.zeros(2))


WITH_PARAMETERS = {record.name: record for record in RECORDS if record.parameters} | {"own": None}


@each_way
@folded("name", WITH_PARAMETERS)
def test_what_is_no_number_is_refused_in_one_sentence(call: Callable, name: str) -> None:
    record = WITH_PARAMETERS[name] or own_record()
    for parameter in record.parameters:
        for value, error, sentence in NO_NUMBERS:
            with pytest.raises(error, match=f"^{re.escape(record.title)} {sentence.format(parameter)}.*\\.$"):
                call(record, **(record.parameters | {parameter: value}))


@each_way
@folded("name", WITH_PARAMETERS)
def test_a_parameter_that_learns_is_refused_with_the_layer_that_learns_it(call: Callable, name: str) -> None:
    record = WITH_PARAMETERS[name] or own_record()
    for parameter, explained in record.takes.items():
        for value in (torch.nn.Parameter(torch.tensor(0.3)), torch.ones(1, requires_grad=True)):
            with pytest.raises(
                TypeError, match=f"takes {parameter} as a fixed number, which gets no gradient: "
            ) as caught:
                call(record, **(record.parameters | {parameter: value}))
        instead = f"nonlin.activations.learned.{explained.learned_by} learns it."
        assert str(caught.value).endswith(instead) == bool(explained.learned_by)
        assert explained.learned_by is None or hasattr(learned, explained.learned_by)


@folded("inplace", [0.1, None, "yes", torch.nn.Parameter(torch.ones(1))])
def test_inplace_is_true_or_false(inplace: object) -> None:
    with pytest.raises(TypeError, match=r"^ReLU takes inplace as True or False, not (?s:.*)\.$"):
        ActivationModule(ACTIVATIONS["relu"], inplace)


def test_numbers_of_other_types_are_numbers() -> None:
    for value in (0.25, torch.tensor(0.25), torch.tensor([0.25]), np.float32(0.25), Fraction(1, 4)):
        module = ActivationModule(ACTIVATIONS["leaky_relu"], value)
        assert repr(module) == "LeakyReLU(negative_slope=0.25)"
        assert module(torch.tensor(-1.0)) == -0.25
    assert repr(ActivationModule(ACTIVATIONS["leaky_relu"], 2)) == "LeakyReLU(negative_slope=2)"


# Parameters that torch takes, where its formula has a meaning.
UNUSUAL = [
    ("celu", {"alpha": -1.0}),
    ("celu", {"alpha": -2.0}),
    ("elu", {"alpha": -2.0}),
    ("elu", {"alpha": 1e8}),
    ("elu", {"alpha": math.inf}),
    ("softplus", {"beta": -1.0}),
    ("softplus", {"beta": -2.0, "threshold": 3.0}),
    ("softplus", {"threshold": math.inf}),
    ("softplus", {"threshold": -2.0}),
    ("softplus", {"threshold": -1e4}),
    ("leaky_relu", {"negative_slope": 1e8}),
    ("leaky_relu", {"negative_slope": -3.0}),
    ("leaky_relu", {"negative_slope": math.inf}),
    ("prelu", {"init": 1e8}),
    ("threshold", {"threshold": 0.0, "value": -math.inf}),
    ("threshold", {"threshold": math.inf, "value": 2.0}),
    ("threshold", {"threshold": -math.inf, "value": 2.0}),
    ("hardshrink", {"lambd": -1.0}),
    ("hardshrink", {"lambd": math.inf}),
    ("hardtanh", {"min_val": -math.inf, "max_val": 0.5}),
    ("hardtanh", {"min_val": -math.inf, "max_val": math.inf}),
]


@folded("dtype", [torch.float64, torch.float32])
@folded(("name", "parameters"), UNUSUAL)
def test_unusual_parameters_mean_what_they_mean_to_torch(
    name: str, parameters: dict[str, float], dtype: torch.dtype
) -> None:
    record = ACTIVATIONS[name]
    x = torch.cat([random_points(dtype, 200), torch.tensor([1e-5, -1e-5, 100.0, -100.0], dtype=dtype)])
    layer = ActivationModule(record, **parameters)
    in_place = partial(apply_, record, **parameters)
    forms = [value_and_slope(f, x) for f in (layer, torch.func.vmap(layer), lambda x: in_place(1 * x))]
    wanted = value_and_slope(theirs(record, dtype, parameters), x)
    size = max([1.0, *(abs(p) for p in parameters.values() if math.isfinite(p))])
    eps = torch.finfo(dtype).eps
    for form in forms:
        for got, right in zip(form, wanted, strict=True):
            known = right.isfinite()  # with an infinite threshold torch's softplus overflows where ours does not
            torch.testing.assert_close(got[known], right[known], rtol=64 * eps, atol=8 * eps * size)


FACTS_ELSEWHERE = [
    ("celu", (-1.5,)),
    ("elu", (-2.0,)),
    ("leaky_relu", (-0.5,)),
    ("hardshrink", (-1.0,)),
    ("softplus", (-1.0, 20.0)),
    ("softplus", (-2.0, 3.0)),
    ("softplus", (1.5, -1.0)),
    ("softplus", (-1.5, -1.0)),
]


@folded(("name", "parameters"), FACTS_ELSEWHERE)
def test_what_a_record_says_is_true_of_unusual_parameters(name: str, parameters: tuple[float, ...]) -> None:
    record = ACTIVATIONS[name]
    if name != "celu":  # which grows too fast for a fixed step
        assert_kinks_and_smoothness(record, parameters)
    y = record.function(torch.linspace(-30, 30, 60_001, dtype=torch.float64), *parameters)
    stated = record.range(*parameters)
    assert stated.contains(y).all()
    for end, reached in ((stated.low, y.min().item()), (stated.high, y.max().item())):
        assert abs(reached) > 25 if math.isinf(end) else reached == pytest.approx(end, abs=1e-3)


def test_gains() -> None:
    relu, tanh, squared_relu, sine = (ACTIVATIONS[name] for name in ("relu", "tanh", "squared_relu", "sine"))
    assert relu.gain == pytest.approx(math.sqrt(2), rel=1e-6)
    assert relu.gradient_gain == pytest.approx(math.sqrt(2), rel=1e-3)
    assert tanh.gain == pytest.approx(1.5925, abs=1e-3)  # torch.nn.init recommends 5/3, a round number near it
    # E[max(0, z)^4] = 3/2, E[4 max(0, z)^2] = 2; E[sin^2 z] = (1 - e^-2) / 2, E[cos^2 z] = (1 + e^-2) / 2
    assert squared_relu.gain == pytest.approx(math.sqrt(2 / 3), rel=1e-6)
    assert squared_relu.gradient_gain == pytest.approx(math.sqrt(1 / 2), rel=1e-6)
    assert sine.gain == pytest.approx(math.sqrt(2 / (1 - math.exp(-2))), rel=1e-6)
    assert sine.gradient_gain == pytest.approx(math.sqrt(2 / (1 + math.exp(-2))), rel=1e-6)


def test_wrong_parameters_and_integers_are_refused_in_one_sentence() -> None:
    with pytest.raises(TypeError, match="takes beta: got an unexpected keyword argument 'gamma'"):
        ActivationModule(own_record(), gamma=1.0)
    with pytest.raises(TypeError, match="has no parameter gamma; it takes beta"):
        apply(own_record(), torch.zeros(1), gamma=1.0)
    with pytest.raises(TypeError, match=r"needs a floating-point tensor, not torch.int64: use x.float\(\)"):
        apply(ACTIVATIONS["elu"], torch.arange(3))
