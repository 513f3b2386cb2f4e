"""The checkup: every record of the package passes, planted faults are named, and one's own record is at home."""

import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import cloudpickle
import pytest
import torch
from torch import Tensor, nn

from nonlin import plots
from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, Interval, Kink, Parameter, fixed
from nonlin.bench import cost
from nonlin.images import sources
from nonlin.lab import before_after, report, sweep
from nonlin.lab.initialisation import gain
from nonlin.lessons.choosing.cheat_sheet import cheat_sheet
from nonlin.lessons.choosing.checkup import checkup
from nonlin.lessons.choosing.exercises import squareplus_record
from nonlin.plots.tables import card, comparison

OWN = squareplus_record()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_record_of_the_package_passes(name: str) -> None:
    assert checkup(ACTIVATIONS[name]).faults == ()


def changed(record: Activation, **changes: Any) -> Activation:
    return Activation(**({field.name: getattr(record, field.name) for field in fields(record)} | changes))


RELU, ELU = ACTIVATIONS["relu"], ACTIVATIONS["elu"]


def fact(function: Callable, derivative: Callable, interval: str, smoothness: Any = math.inf, **more: Any) -> Any:
    """A record of these functions, whose numbers and kinks are given as a learner would write them."""
    kinks = more.pop("kinks", {})
    if not callable(kinks):
        kinks = fixed(tuple(Kink(at=at, slope=slope) for at, slope in kinks.items()))
    numbers = list(inspect.signature(function).parameters.values())[1:]
    takes = {number.name: Parameter(number.name, number.default, Interval.parse("(0, inf)"), "") for number in numbers}
    facts = {
        "range": fixed(Interval.parse(interval)),
        "smoothness": smoothness if callable(smoothness) else fixed(smoothness),
        "kinks": kinks,
    }
    functions = {"function": function, "derivative": derivative, "takes": takes, "derivative_from_output": None}
    return changed(OWN, title="Mine", **functions | facts | more)


def softplus(x: Tensor) -> Tensor:
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


def swap_at(place: float, value: float, function: Callable) -> Callable:
    """The function, but for one point."""
    return lambda x: torch.where(x == place, value, function(x))


def gauss(x: Tensor) -> Tensor:
    return torch.exp(-(x**2) / 2)


def telu_slope(x: Tensor) -> Tensor:
    e = torch.exp(x.clamp(max=20))
    return torch.tanh(e) + x * e / torch.cosh(e.clamp(max=80)) ** 2


def sinc_slope(x: Tensor) -> Tensor:
    series = -x / 3 + x**3 / 30 - x**5 / 840
    safe = torch.where(x.abs() < 0.1, 1.0, x)
    return torch.where(x.abs() < 0.1, series, (torch.cos(safe) - torch.sin(safe) / safe) / safe)


def soft_absolute(x: Tensor) -> Tensor:
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)  # log cosh, without overflow


def step(x: Tensor) -> Tensor:
    return torch.ones_like(x)


def flat(x: Tensor) -> Tensor:
    return torch.zeros_like(x)


def snake(frequency: float) -> Activation:
    def function(x: Tensor, a: float = frequency) -> Tensor:
        return x + torch.sin(a * x) ** 2 / a

    return fact(function, lambda x, a=frequency: 1 + torch.sin(2 * a * x), "(-inf, inf)")


def steep_tanh_slope(x: Tensor) -> Tensor:
    e = torch.exp(-2000 * x.abs())
    return 4000 * e / (1 + e) ** 2


SOUND = {
    "one constant": fact(lambda x: torch.ones_like(x), lambda x: torch.zeros_like(x), "[1, 1]"),
    **{f"snake of {frequency}": snake(frequency) for frequency in (0.3, 0.5, 2.0, 7.0)},
    "slow sine": fact(lambda x, w=0.7: torch.sin(w * x), lambda x, w=0.7: w * torch.cos(w * x), "[-1, 1]"),
    "x tanh, written as 1 + tanh": fact(
        lambda x: (1 + torch.tanh(x)) * x / 2,
        lambda x: (1 + torch.tanh(x) + (y := x.clamp(-300, 300)) / torch.cosh(y.clamp(-80, 80)) ** 2) / 2,
        "[-0.13923227, inf)",
    ),
    "tanh 1000x": fact(lambda x: torch.tanh(1000 * x), steep_tanh_slope, "(-1, 1)"),
    "tiny ReLU": fact(
        lambda x: 1e-12 * torch.relu(x), lambda x: 1e-12 * (x > 0).to(x.dtype), "[0, inf)", 0, kinks={0.0: 0.0}
    ),
    "tiny clamp": fact(
        lambda x: 1e-9 * x.clamp(0, 1),
        lambda x: 1e-9 * ((x > 0) & (x < 1)).to(x.dtype),
        "[0, 1e-9]",
        0,
        kinks={0.0: 0.0, 1.0: 0.0},
    ),
    "identity": fact(lambda x: x.clone(), step, "(-inf, inf)"),
    "symlog": fact(lambda x: x.sign() * torch.log1p(x.abs()), lambda x: 1 / (1 + x.abs()), "(-inf, inf)", 1),
    "asinh": fact(lambda x: torch.asinh(x), lambda x: 1 / torch.hypot(x, torch.ones_like(x)), "(-inf, inf)"),
    "sin 30x": fact(lambda x: torch.sin(30 * x), lambda x: 30 * torch.cos(30 * x), "[-1, 1]"),
    "cos": fact(lambda x: torch.cos(x), lambda x: -torch.sin(x), "[-1, 1]"),
    "exp": fact(lambda x: torch.exp(x), lambda x: torch.exp(x), "(0, inf)", derivative_from_output=lambda y: y),
    "floor": fact(lambda x: torch.floor(x), flat, "(-inf, inf)", -1),
    "round": fact(lambda x: torch.round(x), flat, "(-inf, inf)", -1),
    "sign": fact(lambda x: torch.sign(x), flat, "[-1, 1]", -1),
    "square": fact(lambda x: x**2, lambda x: 2 * x, "[0, inf)"),
    "cube": fact(lambda x: x**3, lambda x: 3 * x**2, "(-inf, inf)"),
    "absolute": fact(lambda x: x.abs(), lambda x: x.sign(), "[0, inf)", 0, kinks={0.0: 0.0}),
    "square root of 1 + |x|, signed": fact(
        lambda x: x.sign() * x.abs() / (1 + torch.sqrt(1 + x.abs())),
        lambda x: 1 / (2 * torch.sqrt(1 + x.abs())),
        "(-inf, inf)",
        1,
    ),
    "log cosh": fact(soft_absolute, lambda x: torch.tanh(x), "[0, inf)"),
    "squared ReLU": fact(lambda x: torch.relu(x) ** 2, lambda x: 2 * torch.relu(x), "[0, inf)", 1),
    "arctan": fact(lambda x: torch.arctan(x), lambda x: 1 / (1 + x**2), f"({-math.pi / 2}, {math.pi / 2})"),
    "erf": fact(lambda x: torch.erf(x), lambda x: 2 / math.sqrt(math.pi) * torch.exp(-(x**2)), "(-1, 1)"),
    "Gauss": fact(gauss, lambda x: -x * gauss(x), "(0, 1]"),
    "bell": fact(lambda x: 1 / (1 + x**2), lambda x: -2 * x / (1 + x**2) / (1 + x**2), "(0, 1]"),
    "sinc": fact(lambda x: torch.where(x == 0, 1.0, torch.sin(x) / x), sinc_slope, "[-0.21723362821122165, 1]"),
    "softclip": fact(
        lambda x: softplus(x) - softplus(x - 1), lambda x: torch.sigmoid(x) - torch.sigmoid(x - 1), "(0, 1)"
    ),
    "snake": fact(
        lambda x, a=1.0: x + torch.sin(a * x) ** 2 / a, lambda x, a=1.0: 1 + torch.sin(2 * a * x), "(-inf, inf)"
    ),
    "squareplus": OWN,
    "TeLU": fact(lambda x: x * torch.tanh(torch.exp(x)), telu_slope, "[-0.353287, inf)"),
    "smooth step": fact(
        lambda x: (y := x.clamp(0, 1)) * y * (3 - 2 * y), lambda x: 6 * (y := x.clamp(0, 1)) * (1 - y), "[0, 1]", 1
    ),
    "triangle": fact(
        lambda x: (1 - x.abs()).clamp(min=0),
        lambda x: torch.where(x.abs() < 1, -x.sign(), 0.0),
        "[0, 1]",
        0,
        kinks={-1.0: 0.0, 0.0: 0.0, 1.0: 0.0},
    ),
    "hard swish, steeper": fact(
        lambda x: x * (x + 0.5).clamp(0, 1),
        lambda x: torch.where(x.abs() < 0.5, 2 * x + 0.5, (x > 0).to(x.dtype)),
        "[-0.0625, inf)",
        0,
        kinks={-0.5: 0.0, 0.5: 1.0},
    ),
    "clamp at 20": fact(
        lambda x: x.clamp(0, 20),
        lambda x: ((x > 0) & (x < 20)).to(x.dtype),
        "[0, 20]",
        0,
        kinks={0.0: 0.0, 20.0: 0.0},
    ),
    "kink at 0.1": fact(
        lambda x: torch.where(x > 0.1, 2 * x - 0.1, x),
        lambda x: torch.where(x > 0.1, 2.0, torch.ones_like(x)),
        "(-inf, inf)",
        0,
        kinks={0.1: 1.0},
    ),
    "steep sigmoid": fact(
        lambda x: torch.sigmoid(100 * x), lambda x: 100 * torch.sigmoid(100 * x) * torch.sigmoid(-100 * x), "(0, 1)"
    ),
    "small tanh": fact(
        lambda x: 1e-6 * torch.tanh(x), lambda x: 1e-6 / torch.cosh(x.clamp(-40, 40)) ** 2, "(-1e-6, 1e-6)"
    ),
    "tanh on a hill": fact(
        lambda x: 1e4 + torch.tanh(x), lambda x: 1 / torch.cosh(x.clamp(-40, 40)) ** 2, "(9999, 10001)"
    ),
    "|x| to the power of 1.1": fact(lambda x: x.abs() ** 1.1, lambda x: 1.1 * x.sign() * x.abs() ** 0.1, "[0, inf)", 1),
    "fraction": fact(lambda x: x - torch.floor(x), step, "[0, 1)", -1),
    "x cos x": fact(lambda x: x * torch.cos(x), lambda x: torch.cos(x) - x * torch.sin(x), "(-inf, inf)"),
    "cubed ReLU": fact(lambda x: torch.relu(x) ** 3, lambda x: 3 * torch.relu(x) ** 2, "[0, inf)", 2),
    "log1p of ReLU": fact(
        lambda x: torch.log1p(x.clamp(min=0)), lambda x: (x > 0) / (1 + x.abs()), "[0, inf)", 0, kinks={0.0: 0.0}
    ),
    "constant": fact(lambda x: torch.full_like(x, 0.5), flat, "[0.4999, 0.5001]"),
}

TANH, SILU = ACTIVATIONS["tanh"], ACTIVATIONS["silu"]


def in_place(x: Tensor) -> Tensor:
    return x.clamp_(min=0)


def in_place_at_zero(x: Tensor) -> Tensor:
    x[x == 0] = 0.5
    return torch.relu(x)


def wrong_for_other_alphas(x: Tensor, alpha: float = 1.0) -> Tensor:
    return torch.where(x > 0, 1.0, torch.exp(x.clamp(max=0)))


def sigmoid_slope(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * torch.sigmoid(-x)


def two_numbers(x: Tensor, a: float = 1.0, b: float = 1.0) -> Tensor:
    return torch.where(x > 0, a * torch.tanh(x), b * x)


def two_numbers_swapped(x: Tensor, a: float = 1.0, b: float = 1.0) -> Tensor:
    return torch.where(x > 0, b * TANH.derivative(x), a)


def leaky_of_any_sign(derivative: Callable, **more: Any) -> Activation:
    """x for x > 0, a x elsewhere, where a has any sign."""
    return fact(
        lambda x, a=0.25: torch.where(x > 0, x, a * x),
        derivative,
        "(-inf, inf)",
        0,
        takes={"a": Parameter("a", 0.25, Interval.parse("(-inf, inf)"), "")},
        range=lambda a: Interval.parse("(-inf, inf)" if a > 0 else "[0, inf)"),
        kinks=lambda a: (Kink(at=0.0, slope=a),) if a != 1 else (),
        **more,
    )


def only_in(dimensions: int, function: Callable, wrong: Callable) -> Callable:
    return lambda x: wrong(x) if x.dim() == dimensions else function(x)


def twice(x: Tensor) -> Tensor:
    return 2 * x


def two(x: Tensor) -> Tensor:
    return torch.full_like(x, 2.0)


#: of a function 2 x: one that is wrong for some shapes only, and what must be said of it
FAULTY_SHAPES = {
    "squeezed": (lambda x: twice(x).squeeze(), "function turns"),
    "one number": (only_in(0, twice, lambda x: 1.01 * twice(x)), "() float64"),
    "one number becomes a vector": (only_in(0, twice, lambda x: twice(x).reshape(1)), "turns () "),
    "transposed": (only_in(3, twice, lambda x: twice(x).transpose(0, 1)), "turns (4, 3, 2)"),
    "flipped": (only_in(3, twice, lambda x: twice(x).flip(0)), "(4, 3, 2)"),
    "mean of the channels": (only_in(4, twice, lambda x: twice(x) + x.mean(1, keepdim=True)), "(1, 3, 4, 4)"),
    "five dimensions": (only_in(5, twice, lambda x: 3 * x), "(2, 1, 3, 2, 2)"),
    "none": (lambda x: twice(x) + 0 * x.max(), "(0,) float64 raised"),
    "not contiguous": (lambda x: twice(x.view(-1)).view(x.shape), "raised RuntimeError"),
    "strides forgotten": (lambda x: twice(torch.as_strided(x, x.shape, torch.empty(x.shape).stride())), "the shape"),
}

#: a record, the test that must find its fault, and what it must say
FAULTY = {
    **{name: (fact(f, two, "(-inf, inf)"), "element", said) for name, (f, said) in FAULTY_SHAPES.items()},
    "derivative squeezed": (fact(twice, lambda x: two(x).squeeze(), "(-inf, inf)"), "element", "derivative turns"),
    "from the output, squeezed": (
        changed(TANH, derivative_from_output=lambda y: (1 - y**2).squeeze()),
        "element",
        "derivative from the output turns",
    ),
    "from the output, in place": (
        changed(TANH, derivative_from_output=lambda y: 1 - y.mul_(y)),
        "element",
        "the derivative from the output overwrites",
    ),
    "two parameters swapped": (
        fact(
            two_numbers,
            two_numbers_swapped,
            "(-inf, 1)",
            takes={name: Parameter(name, 1.0, Interval.parse("(0, inf)"), "") for name in "ab"},
            range=lambda a, b: Interval(low=-math.inf, high=a, low_closed=False, high_closed=False),
            kinks=lambda a, b: (Kink(at=0.0, slope=a),) if a != b else (),
            smoothness=lambda a, b: 0 if a != b else 1,
        ),
        "with other",
        "with a = 1.1, b = 1.3, derivative",
    ),
    "slope without the sign of a": (
        leaky_of_any_sign(lambda x, a=0.25: torch.where(x > 0, step(x), abs(a))),
        "with other",
        "a = -0.25",
    ),
    "output does not suffice": (
        leaky_of_any_sign(
            lambda x, a=0.25: torch.where(x > 0, step(x), a),
            derivative_from_output=lambda y, a=0.25: torch.where(y > 0, step(y), a),
        ),
        "with other",
        "a = -0.25, derivative from the output",
    ),
    "edge of a domain": (
        fact(
            lambda x, a=1.0: torch.tanh(a * x) / a,
            lambda x, a=1.0: TANH.derivative(a * x),
            "(-1, 1)",
            takes={"a": Parameter("a", 1.0, Interval.parse("[0, inf)"), "")},
            range=lambda a: Interval.parse(f"({-1 / a}, {1 / a})" if a else "(-inf, inf)"),
        ),
        "with other",
        "a = 0, numbers",
    ),
    "for large parameters": (
        fact(
            lambda x, a=1.0: a * torch.tanh(x),
            lambda x, a=1.0: min(a, 5) * TANH.derivative(x),
            "(-1, 1)",
            range=lambda a: Interval.parse(f"({-a}, {a})"),
        ),
        "with other",
        "a = 16",
    ),
    "another counterpart": (changed(TANH, torch_module=nn.Softsign), "counterpart", "torch_module of the record gives"),
    "wrong at 500": (fact(lambda x: x * x, swap_at(500, 0.0, twice), "[0, inf)"), "derivative", "x = 500"),
    "tiny range too wide": (
        fact(lambda x: 1e-9 * torch.tanh(x), lambda x: 1e-9 * TANH.derivative(x), "(-1e-9, 5e-9)"),
        "range",
        "high end is said to be 5e-09",
    ),
    "in place": (changed(RELU, function=in_place), "element", "overwrites its input"),
    "in place at 0 only": (changed(RELU, function=in_place_at_zero), "element", "at x = 0"),
    "minus the sum": (changed(RELU, function=lambda x: x - x.sum()), "element", "numbers beside it"),
    "softmax": (changed(RELU, function=lambda x: torch.softmax(x, -1)), "element", "numbers beside it"),
    "noise": (changed(RELU, function=lambda x: x + torch.rand_like(x)), "element", "on chance"),
    "float64 from float32": (
        changed(RELU, function=lambda x: x.double().clamp(min=0)),
        "element",
        "float32 into",
    ),
    "a number": (changed(RELU, derivative=lambda x: 1.0), "element", "returns float"),
    "another shape": (changed(RELU, function=lambda x: torch.relu(x).flatten()), "element", "into"),
    "NaN at 0": (
        fact(lambda x: torch.sin(x) / x * x, lambda x: torch.cos(x), "[-1, 1]"),
        "numbers",
        "value at 0 is NaN",
    ),
    "NaN slope at 0": (
        fact(
            lambda x: x * torch.tanh(x),
            lambda x: x * torch.tanh(x) / x + x / torch.cosh(x.clamp(-80, 80)) ** 2,
            "[0, inf)",
        ),
        "numbers",
        "slope at 0 is NaN",
    ),
    "NaN far out": (
        fact(lambda x: torch.exp(x) / (1 + torch.exp(x)), sigmoid_slope, "(0, 1)"),
        "numbers",
        "at 10000 is NaN",
    ),
    "infinite slope": (
        fact(lambda x: x.sign() * x.abs().sqrt(), lambda x: 0.5 / x.abs().sqrt(), "(-inf, inf)"),
        "numbers",
        "infinite",
    ),
    "cancels for small x": (
        fact(lambda x: (x + 1000) - 1000, step, "(-inf, inf)"),
        "float32",
        "subtracted",
    ),
    "cancels far out": (
        changed(OWN, function=lambda x, b=4.0: (x + torch.sqrt(x**2 + b)) / 2),
        "float32",
        "at -10000",
    ),
    "overflows in float32": (
        fact(lambda x: x / torch.sqrt(1 + x**2), lambda x: (1 + x**2) ** -1.5, "(-1, 1)"),
        "float32",
        "at -1e+20",
    ),
    "wrong sign": (changed(TANH, derivative=lambda x: -TANH.derivative(x)), "derivative against", "sign is wrong"),
    "twice too large": (changed(TANH, derivative=lambda x: 2 * TANH.derivative(x)), "derivative against", "2 times"),
    "wrong slope at 0": (
        changed(SILU, derivative=swap_at(0.0, 1.0, SILU.derivative)),
        "derivative against",
        "at x = 0 itself is 1",
    ),
    "wrong slope at 1": (
        changed(SILU, derivative=swap_at(1.0, 1.0, SILU.derivative)),
        "derivative against",
        "at x = 1 itself is 1",
    ),
    "wrong value at 0": (
        changed(SILU, function=swap_at(0.0, 0.1, SILU.function)),
        "derivative against",
        "value at x = 0 itself",
    ),
    "wrong in the left tail": (
        changed(SILU, derivative=lambda x: torch.where(x < -12, 0.0, SILU.derivative(x))),
        "derivative against",
        "at x = -12",
    ),
    "wrong in the right tail": (
        fact(lambda x: x.abs().sqrt() * x, lambda x: torch.where(x > 50, 1.0, 1.5 * x.abs().sqrt()), "(-inf, inf)", 1),
        "derivative against",
        "at x = 51",
    ),
    "wrong slope at a kink": (
        changed(RELU, derivative=swap_at(0.0, 5.0, RELU.derivative), kinks=fixed((Kink(at=0.0, slope=5.0),))),
        "derivative against",
        "at x = 0 itself is 5",
    ),
    "wrong with another parameter": (
        changed(ELU, derivative=wrong_for_other_alphas),
        "with other",
        "with alpha = 1.1",
    ),
    "from the input, not the output": (
        changed(TANH, derivative_from_output=lambda y: TANH.derivative(y)),
        "derivative from",
        "It gets y, not x",
    ),
    "from the output, on two branches": (
        changed(SILU, derivative_from_output=lambda y: torch.where(y < 0, 0.2, torch.sigmoid(y))),
        "derivative from",
        "two slopes",
    ),
    "no kink declared": (changed(RELU, kinks=fixed(())), "kinks", "jumps at x = 0"),
    "no kink declared at 20": (
        fact(lambda x: x.clamp(0, 20), lambda x: ((x > 0) & (x < 20)).to(x.dtype), "[0, 20]", 0, kinks={0.0: 0.0}),
        "kinks",
        "jumps at x = 20",
    ),
    "no kink there": (changed(OWN, kinks=fixed((Kink(at=0.0, slope=0.5),))), "kinks", "does not jump there"),
    "another slope at the kink": (changed(RELU, kinks=fixed((Kink(at=0.0, slope=1.0),))), "kinks", "record says 1"),
    "smooth, they say": (
        changed(RELU, smoothness=fixed(math.inf)),
        "smoothness",
        "jumps at x = 0, so the smoothness is 0",
    ),
    "a kink, they say": (changed(OWN, smoothness=fixed(0)), "smoothness", "neither value nor slope"),
    "a jump": (
        changed(RELU, function=lambda x: torch.where(x > 0, x + 1, 0.0)),
        "smoothness",
        "the value itself jumps at x = 0",
    ),
    "a small jump": (
        changed(SILU, function=lambda x: SILU.function(x) + 1e-5 * (x > 0.5)),
        "smoothness",
        "the value itself jumps at x = 0.5",
    ),
    "an undeclared kink at -37.7": (
        fact(lambda x: x.clamp(min=-37.7), lambda x: (x > -37.7).to(x.dtype), "[-37.7, inf)", 0),
        "kinks",
        "jumps at x = -37.7",
    ),
    "a gap in the slope": (
        changed(TANH, derivative=lambda x: torch.where((x > 1.5) & (x < 1.6), 0.0, TANH.derivative(x))),
        "derivative against",
        "at x = 1.51",
    ),
    "range for one parameter": (
        changed(ELU, range=fixed(Interval.parse("(-1, inf)"))),
        "with other",
        "lies outside (-1",
    ),
    "bent twice": (changed(ELU, smoothness=fixed(2)), "smoothness", "second derivative jumps at x = 0"),
    "range too narrow": (changed(OWN, range=fixed(Interval.parse("(1, inf)"))), "range", "lies outside"),
    "range too wide": (changed(TANH, range=fixed(Interval.parse("(-1, 1.01)"))), "range", "beyond 1."),
    "infinite, they say": (changed(OWN, range=fixed(Interval.parse("(-inf, inf)"))), "range", "said to be infinite"),
    "an end that is reached": (
        changed(RELU, range=fixed(Interval.parse("(0, inf)"))),
        "range",
        "low end, 0, is reached",
    ),
    "an end that is not reached": (changed(TANH, range=fixed(Interval.parse("[-1, 1]"))), "range", "only approached"),
}


@pytest.mark.parametrize("record", SOUND.values(), ids=SOUND)
def test_a_sound_record_passes(record: Activation) -> None:
    assert checkup(record).faults == ()


@pytest.mark.parametrize(("record", "test", "said"), FAULTY.values(), ids=FAULTY)
def test_a_planted_fault_is_named(record: Activation, test: str, said: str) -> None:
    found = {check.name: check.fault for check in checkup(record).checks}
    fault = next(fault for name, fault in found.items() if name.startswith(test))
    assert said in (fault or "")


def test_an_overflow_in_float16_is_a_remark_as_the_layer_has_none() -> None:
    found = checkup(fact(lambda x: torch.tanh(x) * 1e5 / 1e5, TANH.derivative, "(-1, 1)"))
    assert found.passed
    assert "in float16, the function overflows at" in repr(found)


def test_few_digits_near_zero_are_a_remark() -> None:
    naive = fact(lambda x: torch.exp(x) - 1, lambda x: torch.exp(x), "(-1, inf)")
    found = checkup(naive)
    assert found.passed
    assert "torch.expm1" in repr(found)


def test_rounding_in_another_loop_is_no_neighbour() -> None:
    naive = changed(OWN, function=lambda x: torch.log(torch.cosh(x)), derivative=lambda x: torch.tanh(x), takes={})
    assert "float32 against float64: the value at 100 is inf" in checkup(naive).faults[0]


def test_a_formula_that_raises_is_reported_and_no_error() -> None:
    found = checkup(changed(OWN, function=lambda x, b=4.0: math.sqrt(x)))
    assert "raised" in found.faults[0]


@pytest.mark.parametrize(
    "use",
    [
        card,
        comparison,
        plots.curve_and_slope,
        plots.describe,
        plots.slope_tails,
        lambda record: plots.saturation(record, 1, 4),
        plots.on_a_photograph,
        cheat_sheet,
        cost.passes,
        lambda record: cost.compare(record, (8, 8), against=nn.ReLU, repeats=2),
        lambda record: cost.margin(partial(ActivationModule, record)),
        lambda record: before_after.before_after(record, sources.load("shapes10")),
        lambda record: torch.func.vmap(torch.func.grad(ActivationModule(record, b=2.0)))(torch.randn(3)),
    ],
    ids=range(13),
)
def test_a_record_of_ones_own_is_taken_everywhere(use: Callable) -> None:
    assert use(OWN) is not None


def test_without_a_counterpart_the_benchmark_asks_what_to_compare_with() -> None:
    with pytest.raises(ValueError, match=r"against=nn\.ReLU"):
        cost.compare(OWN, (8, 8))


def test_he_weights_take_the_gain_of_ones_own_record() -> None:
    assert gain(ActivationModule(OWN)) == pytest.approx(OWN.gain, rel=1e-4)


def test_a_record_made_in_a_notebook_travels_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own has another __main__: the record must be sent whole, not by its name."""

    def own(x: Tensor) -> Tensor:
        return x / 2

    own.__module__ = "__main__"
    record = changed(OWN, function=own, derivative=lambda x: torch.full_like(x, 0.5), takes={}, title="Half")
    monkeypatch.setattr(sys.modules["__main__"], "HALF", record, raising=False)
    sent = cloudpickle.dumps(partial(ActivationModule, record))
    monkeypatch.delattr(sys.modules["__main__"], "HALF")
    assert cloudpickle.loads(sent)()(torch.tensor([3.0])).item() == 1.5


def test_a_sweep_trains_a_record_of_ones_own(tmp_path: Any, few_shapes: None, checkout: Any) -> None:
    makers = {"relu": nn.ReLU, "own": partial(ActivationModule, OWN)}
    load = partial(sources.load, "shapes10")
    grid = sweep.Grid(activations=tuple(makers), networks=("mlp",), initialisations=("he",), seeds=(0, 1), epochs=1)
    assert sweep.sweep(grid.cells(load()), makers, load, tmp_path / "runs", jobs=1, progress=False) == []
    (entry,) = [entry for entry in report.summary(report.read_runs(tmp_path / "runs")) if entry.activation == "own"]
    assert entry.pairs == 2
