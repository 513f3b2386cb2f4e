"""Does a record tell the truth? The tests that every activation of the package passes, for a record of one's own.

Each test returns what is wrong in a sentence that names the likely bug. Only double precision is used, unless the test
is about a narrower type; what a formula should be is never assumed, only that value, slope, kinks and range agree.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nonlin.activations import Activation, apply
from nonlin.activations.layers import slopes

FAR_POINTS = (-1e4, -100.0, 100.0, 1e4)
GRID_END, GRID_STEP = 12.0, 1e-3
JUMP = 1e-4  # a slope that changes by more within 1e-9 has a kink there


@dataclass(frozen=True)
class Check:
    """One test: what was looked at, and what is wrong; None if nothing is."""

    name: str
    fault: str | None

    @property
    def passed(self) -> bool:
        return self.fault is None

    def __str__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.name}{'' if self.passed else f': {self.fault}'}"


@dataclass(frozen=True)
class Checkup:
    """All tests of a record, and remarks on what is allowed and yet worth knowing."""

    title: str
    checks: tuple[Check, ...]
    remarks: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, the first thing to mend first."""
        return tuple(f"{check.name}: {check.fault}" for check in self.checks if check.fault)

    def __repr__(self) -> str:
        return "\n".join([self.title, *map(str, self.checks), *(f"  remark: {remark}" for remark in self.remarks)])


def checkup(record: Activation) -> Checkup:
    """Test a record with its default parameters, and with others where it has any.

    Args:
        record: of the package or of one's own. Nothing is registered or changed.

    Returns:
        The tests in the order in which faults should be mended: a wrong value makes later tests meaningless.
    """
    tests: dict[str, Callable[[Activation], str | None]] = {
        "element by element": _elementwise,
        "values far from 0": _far_values,
        "float32 against float64": _narrow,
        "derivative against autograd": _derivative,
        "derivative with other parameters": _other_parameters,
        "derivative from the output": _from_output,
        "kinks": _kinks,
        "smoothness": _smoothness,
        "range": _range,
        "layer, in 16, 32 and 64 bits": _layer,
    }
    return Checkup(
        record.title,
        tuple(Check(name, _caught(test, record)) for name, test in tests.items()),
        tuple(_remarks(record)),
    )


def _caught(test: Callable[[Activation], str | None], record: Activation) -> str | None:
    try:
        return test(record)
    except Exception as error:  # a learner's formula may raise anything, and the learner must read it
        return f"raised {type(error).__name__}: {error}"


def _points(n: int = 2000) -> Tensor:
    return 4 * torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _grid() -> Tensor:
    steps = round(2 * GRID_END / GRID_STEP)
    return torch.linspace(-GRID_END, GRID_END, steps + 1, dtype=torch.float64)


# The tests


def _elementwise(record: Activation) -> str | None:
    x = _points(24)
    for name, function in (("function", record.function), ("derivative", record.derivative)):
        given = x.clone()
        y = function(given)
        if not isinstance(y, Tensor):
            return f"the {name} returns {type(y).__name__}, not a tensor: use torch's functions, not math's."
        if not torch.equal(given, x):
            return f"the {name} overwrites its input: no in-place operation on x."
        if y.shape != x.shape or y.dtype != x.dtype:
            return f"the {name} turns {_kind(x)} into {_kind(y)}."
        # Not exactly: torch computes a few numbers in another loop than many, which may round another way.
        part, whole = function(x.reshape(4, 6)[:, 1:]), y.reshape(4, 6)[:, 1:]
        if function(x[:0]).shape != (0,) or not torch.allclose(part, whole, rtol=1e-12, atol=1e-14, equal_nan=True):
            return f"the {name} of a number depends on the numbers beside it, or on chance."
    return None


def _kind(x: Tensor) -> str:
    return f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"


def _far_values(record: Activation) -> str | None:
    x = torch.tensor([*FAR_POINTS, -1e20, 1e20], dtype=torch.float32)
    for name, function in (("value", record.function), ("slope", record.derivative)):
        for at, y in zip(x.tolist(), function(x).tolist(), strict=True):
            if math.isnan(y):
                return (
                    f"the {name} at {at:g} is NaN in float32: look for infinity minus or over infinity, or 0 times "
                    "infinity. Bound the argument, or write the formula another way."
                )
            if name == "slope" and math.isinf(y):
                return f"the slope at {at:g} is infinite."
    return None


def _narrow(record: Activation) -> str | None:
    x = torch.tensor([*FAR_POINTS, -1e20, 1e20, -8.0, -3.0, -0.5, 1e-3, 0.5, 3.0, 8.0], dtype=torch.float32)
    for name, function in (("value", record.function), ("slope", record.derivative)):
        narrow = function(x).double()
        wide = function(x.double()).float().double()  # what is beyond float32's range may be infinite there
        # A tail that is lost in rounding at 1 is forgiven; a number of another size is not.
        wrong = (narrow - wide).abs() > 1e-5 * wide.abs().clamp(min=1.0)
        if wrong.any():
            place = int(wrong.nonzero()[0])
            return (
                f"the {name} at {x[place]:g} is {narrow[place]:.4g} in float32 and {wide[place]:.4g} in float64: a "
                "power overflows, or two nearly equal numbers are subtracted."
            )
    return None


def _derivative(record: Activation, *parameters: float) -> str | None:
    x = torch.cat([_points(), torch.tensor(FAR_POINTS, dtype=torch.float64)])
    values = parameters or record.default_values
    corners = torch.tensor([0.0, *(kink.at for kink in record.kinks(*values))], dtype=torch.float64)
    x = x[(x[:, None] - corners).abs().min(dim=1).values > 1e-3]
    stated, found = record.derivative(x, *values), _slope(partial(_call, record, values), x)
    wrong = ~torch.isclose(stated, found, rtol=1e-6, atol=1e-9)
    if not wrong.any():
        return None
    place = int(wrong.nonzero()[(x[wrong].abs() - 1).abs().argmin()])  # where the curve is neither flat nor straight
    at, said, is_ = (values[place].item() for values in (x, stated, found))
    return (
        f"at x = {at:.3g} your derivative is {said:.4g}, and the slope of your formula is {is_:.4g}.{_guess(said, is_)}"
    )


def _call(record: Activation, values: tuple[float, ...], x: Tensor) -> Tensor:
    return record.function(x, *values)


def _guess(said: float, is_: float) -> str:
    if not math.isfinite(said) or not math.isfinite(is_):
        return ""
    if math.isclose(said, -is_, rel_tol=1e-6):
        return " The sign is wrong."
    if is_ and math.isclose(said / is_, round(said / is_), rel_tol=1e-6) and abs(said / is_) > 1.5:
        return f" It is {said / is_:.0f} times too large: an inner derivative, or a factor?"
    return ""


def _slope(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Autograd's slope of the formula; where that is NaN (the trap of torch.where), the difference quotient."""
    leaf = x.clone().requires_grad_()
    y = function(leaf)
    step = 1e-6 * x.abs().clamp(min=1.0)
    quotient = (function(x + step) - function(x - step)) / (2 * step)
    if not y.requires_grad:
        return quotient
    slope = torch.autograd.grad(y.sum(), leaf)[0]
    return slope.where(slope.isfinite(), quotient)


def _other_parameters(record: Activation) -> str | None:
    if not record.parameters:
        return None
    changed = {name: 0.8 * value + 0.3 for name, value in record.parameters.items()}
    fault = _derivative(record, *changed.values())
    words = ", ".join(f"{name} = {value:.3g}" for name, value in changed.items())
    return f"with {words}, {fault}" if fault else None


def _from_output(record: Activation) -> str | None:
    if record.derivative_from_output is None or not record.keeps_output():
        return None
    x = _points()
    kinks = torch.tensor([math.inf, *(kink.at for kink in record.default_kinks)], dtype=torch.float64)
    x = x[(x[:, None] - kinks).abs().min(dim=1).values > 1e-6]
    stated, found = record.derivative(x), record.derivative_from_output(record.function(x))
    wrong = ~torch.isclose(found, stated, rtol=1e-6, atol=1e-9)
    if not wrong.any():
        return None
    place = int(wrong.nonzero()[0])
    return (
        f"at x = {x[place]:.3g}, y = {record.function(x)[place]:.3g}, it gives {found[place]:.4g} instead of "
        f"{stated[place]:.4g}. It gets y, not x; and where one y belongs to two slopes it must be None."
    )


def _kinks(record: Activation) -> str | None:
    found = _jumps(record.derivative)
    declared = [kink for kink in record.default_kinks if abs(kink.at) < GRID_END]
    for at in found:
        if not any(abs(kink.at - at) < 1e-6 for kink in declared):
            left, right = (record.derivative(torch.tensor(at + d, dtype=torch.float64)).item() for d in (-1e-6, 1e-6))
            return (
                f"the slope jumps at x = {at:.4g}, from {left:.4g} to {right:.4g}, and no kink is declared there: add "
                "Kink(at=..., slope=...) with the slope that your derivative returns exactly there."
            )
    for kink in declared:
        if not any(abs(kink.at - at) < 1e-6 for at in found):
            return f"a kink is declared at x = {kink.at:g}, and the slope does not jump there."
        slope = record.derivative(torch.tensor(kink.at, dtype=torch.float64)).item()
        if not math.isclose(slope, kink.slope, rel_tol=1e-9, abs_tol=1e-12):
            return (
                f"at the kink x = {kink.at:g} your derivative returns {slope:g}, and the record says {kink.slope:g}: "
                "is it > where it should be >=?"
            )
    return None


def _jumps(function: Callable[[Tensor], Tensor], most: int = 40) -> list[float]:
    """Where a function jumps: places at which halving the step again and again leaves the change as it is."""
    x = _grid() + 1.2345e-7  # beside round numbers, where a kink would be met exactly
    change = function(x).diff().abs()
    found = []
    for place in change.argsort(descending=True)[:most].tolist():
        if change[place] < JUMP:
            break
        low, high = x[place].item(), x[place + 1].item()
        while high - low > 1e-9:
            middle = (low + high) / 2
            y = function(torch.tensor([low, middle, high], dtype=torch.float64)).tolist()
            low, high = (low, middle) if abs(y[1] - y[0]) > abs(y[2] - y[1]) else (middle, high)
        y = function(torch.tensor([low, high], dtype=torch.float64))
        if (y[1] - y[0]).abs() > JUMP:
            found.append(round(high, 8) + 0.0)
    return sorted(found)


def _smoothness(record: Activation) -> str | None:
    said = record.smoothness(*record.default_values)
    if breaks := _jumps(record.function):
        wanted, why = -1.0, f"the value itself jumps at x = {breaks[0]:.4g}"
    elif kinks := _jumps(record.derivative):
        wanted, why = 0.0, f"the slope jumps at x = {kinks[0]:.4g}"
    elif bends := _bends(record):
        wanted, why = 1.0, f"the second derivative jumps near x = {bends[0]:.3g}"
    elif said < 2:
        return f"the record says {said:g}, and neither value nor slope nor second derivative jumps: fixed(math.inf)?"
    else:
        return None
    return None if said == wanted else f"{why}, so the smoothness is {wanted:g}; the record says {said:g}."


def _bends(record: Activation) -> list[float]:
    """Where the second derivative jumps, as far as differences of the slope show it."""
    x = _grid() + 1.2345e-7
    second = record.derivative(x).diff() / GRID_STEP
    return x[1:-1][second.diff().abs() > 0.05].tolist()


def _range(record: Activation) -> str | None:
    stated = record.default_range
    y = torch.cat(
        [record.function(_grid()), record.function(torch.tensor([-1e9, *FAR_POINTS, 1e9], dtype=torch.float64))]
    )
    x = torch.cat([_grid(), torch.tensor([-1e9, *FAR_POINTS, 1e9], dtype=torch.float64)])
    slack = torch.tensor([-1.0, 1.0], dtype=torch.float64) * 1e-12
    outside = (y < stated.low + slack[0]) | (y > stated.high + slack[1])
    if outside.any():
        place = int(outside.nonzero()[0])
        return f"f({x[place]:.4g}) = {y[place]:.6g} lies outside {stated}."
    for name, end, reached in (("low", stated.low, y.min().item()), ("high", stated.high, y.max().item())):
        if math.isinf(end) and abs(reached) < 1e3:
            return f"the {name} end is said to be infinite; from -1e9 to 1e9 no value goes beyond {reached:.6g}."
        if math.isfinite(end) and abs(reached - end) > 1e-4 * max(1.0, abs(end)):
            return f"the {name} end is said to be {end:g}; from -1e9 to 1e9 no value goes beyond {reached:.6g}."
    return None


def _layer(record: Activation) -> str | None:
    x = _points(200)
    wide = apply(record, x)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        leaf = x.to(dtype).requires_grad_()
        y = apply(record, leaf)
        slope = torch.autograd.grad(y.sum(), leaf)[0]
        if y.dtype != dtype or slope.dtype != dtype:
            return f"{dtype} becomes {y.dtype}, and its gradient {slope.dtype}."
        error = (y.double() - wide).abs() / wide.abs().clamp(min=1.0)
        if error.max() > 16 * torch.finfo(dtype).eps:
            return f"in {dtype} the value at x = {x[int(error.argmax())]:.3g} is off by {error.max():.2g}."
        if not slope.isfinite().all():
            return f"in {dtype} a gradient is not finite."
    if not torch.allclose(slopes(record, x), record.derivative(x), rtol=1e-6, atol=1e-9):
        return "backward computes another slope than the derivative."
    return None


# What is allowed, and yet worth knowing


def _remarks(record: Activation) -> Iterator[str]:
    try:
        ends = torch.tensor([-math.inf, math.inf])
        if (bad := record.function(ends).isnan()).any():
            where = " and ".join(f"{end:g}" for end in ends[bad].tolist())
            yield f"the value at {where} is NaN, as that of torch's SiLU is at -inf; a limit would be better."
        leaf = torch.tensor(FAR_POINTS, dtype=torch.float64, requires_grad=True)
        if torch.autograd.grad(record.function(leaf).sum(), leaf)[0].isnan().any():
            yield "autograd of your formula is NaN far from 0 (the layer uses your derivative, so it is not)."
        if record.torch_module is None:
            yield "torch.nn has no counterpart, so only autograd and difference quotients were compared with."
    except Exception:  # said by the tests
        return
