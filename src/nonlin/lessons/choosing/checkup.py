"""Does a record tell the truth? The tests that every activation of the package passes, for a record of one's own.

Each test returns what is wrong, in a sentence that names the place and the likely bug. What a formula should be is never
assumed, only that value, slope, kinks and range agree. How far two numbers may differ follows from what rounding of the
input alone would do there.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nonlin.activations import Activation, Interval, Kink, apply
from nonlin.exercises.exercise import tell_apart

Function = Callable[[Tensor], Tensor]

ROUNDINGS = 16  # how many a value may take
JUMP = 1e-6  # a smaller jump, relative to what jumps, is lost in the roundings of a few float32 operations
FAR = (-1e4, 1e4, -100.0, 100.0)
BEYOND = (-1e150, -1e20, -1e9, -1e6, 1e6, 1e9, 1e20, 1e150)  # only for finite numbers and for the range
GRID_END, GRID_STEP = 12.0, 2e-3


def _both_signs(x: Tensor) -> Tensor:
    return torch.cat([x, -x])


def _points() -> Tensor:
    """Where faults sit: ±0, tiny and far numbers, all round ones between -20 and 20, binary and decimal, and others."""
    exact = torch.cat([torch.arange(1, 10 * 64) / 64, torch.arange(1, 2001, dtype=torch.float64) / 100])
    tiny = torch.tensor([0.0, 1e-20, 1e-12, 1e-6, 1e-3], dtype=torch.float64)
    others = 4 * torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([torch.tensor(FAR, dtype=torch.float64), _both_signs(tiny), _both_signs(exact), others])


def _grid() -> Tensor:
    """Where jumps are looked for: evenly spaced up to ±12, then in steps of 0.4 %; beside all round numbers."""
    near = torch.linspace(-GRID_END, GRID_END, round(2 * GRID_END / GRID_STEP) + 1, dtype=torch.float64)
    far = torch.logspace(math.log10(GRID_END + GRID_STEP), 6, 2800, dtype=torch.float64)
    return torch.cat([-far.flip(0), near, far]) + 1.2345e-7


POINTS, GRID = _points(), _grid()


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
    case = _Case(record, record.default_values)
    checks = [Check(name, _caught(test, case)) for name, test in TESTS.items()]
    if record.parameters:
        checks.append(Check("with other parameters", _caught(_with_others, record)))
    return Checkup(record.title, tuple(checks), tuple(_remarks(record)))


def _caught(test: Callable[..., str | None], subject: object) -> str | None:
    try:
        return test(subject)
    except Exception as error:  # a learner's formula may raise anything, and the learner must read it
        return f"raised {type(error).__name__}: {error}"


class _Case:
    """A record with the values of its parameters, and what several tests ask of it."""

    def __init__(self, record: Activation, values: tuple[float, ...]) -> None:
        self.record, self.values = record, values
        self.kinks: tuple[Kink, ...] = record.kinks(*values)
        self.range: Interval = record.range(*values)

    def value(self, x: Tensor) -> Tensor:
        return self.record.function(x.clone(), *self.values)  # which may overwrite it

    def slope(self, x: Tensor) -> Tensor:
        return self.record.derivative(x.clone(), *self.values)

    @property
    def functions(self) -> tuple[tuple[str, Function, Callable[[Tensor, torch.dtype], Tensor]], ...]:
        """Value and slope, each with how far it may be off."""
        return ("value", self.value, self.rounding), ("slope", self.slope, self.slope_rounding)

    @cached_property
    def points(self) -> Tensor:
        """The test points, with the declared kinks and both sides of each."""
        kinks = torch.tensor([kink.at for kink in self.kinks], dtype=torch.float64)
        return torch.cat([POINTS, kinks, *(kinks + side for side in (-1e-3, -1e-6, 1e-6, 1e-3))])

    @cached_property
    def value_jumps(self) -> Tensor:
        return _jumps(self.value, self.value_scale)

    @cached_property
    def slope_jumps(self) -> Tensor:
        return _jumps(self.slope, self.slope_scale)

    def rounding(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """How far a value may be off in ``dtype``: by roundings of the value, or of the input on the way to it.

        What is lost in rounding at 1 is forgiven: e^x - 1 near 0, or the left tail of 1 + tanh x.
        """
        return ROUNDINGS * torch.finfo(dtype).eps * (1 + self.value(x).abs()) + _moved(self.value, x, dtype)

    def slope_slack(self, x: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """How far a slope may be off: half of the digits of ``dtype``, as in a difference quotient of the values."""
        return math.sqrt(torch.finfo(dtype).eps) * self.slope_scale(x)

    def value_scale(self, x: Tensor) -> Tensor:
        return self.value(x).abs()

    def slope_scale(self, x: Tensor) -> Tensor:
        return self.slope(x).abs() + self.value(x).abs() / x.abs().clamp(min=1)

    def slope_rounding(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """How far a slope that is computed in ``dtype`` may be off; as for values, what is lost at 1 is forgiven."""
        eps = ROUNDINGS * torch.finfo(dtype).eps
        return eps + self.slope_slack(x, dtype) + _moved(self.slope, x, dtype)


def _moved(function: Function, x: Tensor, dtype: torch.dtype) -> Tensor:
    """How far a function moves if its input is rounded a few times in ``dtype``."""
    y, eps = function(x), torch.finfo(dtype).eps
    return torch.stack([(function(x * (1 + step * eps)) - y).abs().nan_to_num() for step in (-4, 4)]).amax(dim=0)


def _jumps(function: Function, scale: Function, x: Tensor = GRID, rounds: int = 10) -> Tensor:
    """Where a function jumps: halving the interval again and again leaves the change as it is.

    A smooth function changes by a sixteenth after four halvings. ``scale`` is the size of what jumps, at each x.
    """
    low, high = x[:-1], x[1:]
    at_low, at_high = function(low), function(high)
    before = (at_high - at_low).abs()
    before = torch.stack([before, before.roll(1), before.roll(-1)]).amax(dim=0)  # what is usual there
    for _ in range(rounds):
        for _ in range(4):
            middle = (low + high) / 2
            there = function(middle)
            left = (there - at_low).abs() > (at_high - there).abs()
            low, high = low.where(left, middle), middle.where(left, high)
            at_low, at_high = at_low.where(left, there), there.where(left, at_high)
        change = (at_high - at_low).abs()
        stays = change > before / 4
        stays[stays.clone()] = change[stays] > _least_jump(scale, torch.stack([low[stays], high[stays]]))
        low, high, at_low, at_high, before = (t[stays] for t in (low, high, at_low, at_high, change))
    return high


def _least_jump(scale: Function, sides: Tensor) -> Tensor:
    return JUMP * scale(sides).sum(dim=0) + ROUNDINGS * torch.finfo(sides.dtype).eps


# The tests


def _elementwise(case: _Case) -> str | None:
    for dtype in (torch.float64, torch.float32):
        x = case.points.to(dtype)
        for name, function in (("function", case.record.function), ("derivative", case.record.derivative)):
            given = x.clone()
            y = function(given, *case.values)
            if not isinstance(y, Tensor):
                return f"the {name} returns {type(y).__name__}, not a tensor: use torch's functions, not math's."
            if not torch.equal(given, x):
                place = x[(given != x).nonzero()[0]].item()
                return f"the {name} overwrites its input, at x = {place:.4g}: no in-place operation on x."
            if y.shape != x.shape or y.dtype != dtype:
                return f"the {name} turns {_kind(x)} into {_kind(y)}."
            # Not exactly: torch computes a few numbers in another loop than many, which may round another way.
            few, whole = function(x[::7].reshape(-1, 1), *case.values).flatten(), y[::7]
            if not torch.allclose(few, whole, rtol=1e-4, atol=1e-6, equal_nan=True):
                return f"the {name} of a number depends on the numbers beside it, or on chance."
            for part in (x[0], x[:0], x[:6].reshape(2, 3).T):  # one number, none, not in order
                if (found := function(part.clone(), *case.values)).shape != part.shape:
                    return f"the {name} turns {_kind(part)} into {_kind(found)}."
    return None


def _kind(x: Tensor) -> str:
    return f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"


def _numbers(case: _Case) -> str | None:
    for dtype in (torch.float32, torch.float64):
        x = torch.cat([case.points, torch.tensor(BEYOND, dtype=torch.float64)])
        x = x[x.abs() <= (1e20 if dtype == torch.float32 else math.inf)].to(dtype)
        y, slope = case.value(x), case.slope(x)
        for name, wrong in (("value", y.isnan()), ("slope", slope.isnan())):
            if wrong.any():
                return (
                    f"the {name} at {x[wrong][0]:g} is NaN in {_name(dtype)}: look for infinity minus or over infinity, 0 "
                    "over 0, or 0 times infinity. Bound the argument, or write the formula another way."
                )
        if (wrong := slope.isinf() & y.isfinite() & case.slope(x.double()).to(dtype).isfinite()).any() or (
            wrong := case.slope(x.double()).isinf() & y.isfinite()
        ).any():
            return f"the slope at {x[wrong][0]:g} is infinite in {_name(dtype)}, and the value there is not."
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _narrow(case: _Case) -> str | None:
    x = torch.cat([case.points, torch.tensor([-1e20, 1e20], dtype=torch.float64)]).float()
    wide = x.double()
    for name, function, may_be_off in case.functions:
        slack = may_be_off(wide, torch.float32)
        narrow, right = function(x).double(), function(wide).float().double()  # beyond float32 it may be infinite
        if (wrong := (narrow != right) & ~((narrow - right).abs() <= slack)).any():
            at, is_, said = (t[wrong][0].item() for t in (x, narrow, right))
            return (
                f"the {name} at {at:g} is {is_:.4g} in float32 and {said:.4g} in float64: a power overflows, or two nearly "
                "equal numbers are subtracted."
            )
    x = x[x.abs() <= 100].half()
    with suppress(RuntimeError):  # what torch has not written for float16; the layer computes in float32
        if (wrong := case.value(x).isinf() & case.value(x.double()).half().isfinite()).any():
            return f"the value at {x[wrong][0]:g} overflows on the way in float16, which ends at 65504."
    return None


def _derivative(case: _Case) -> str | None:
    x = case.points
    for name, function, scale in (("value", case.value, case.value_scale), ("slope", case.slope, case.slope_scale)):
        outside, sides = _outside(function, x, 1e-12)
        closer = outside < _outside(function, x, 1e-9)[0] / 2  # a kink, or a slope that begins vertically
        if (wrong := (outside > _least_jump(scale, sides)) & ~closer).any():
            at, is_, left, right = (t[..., wrong][..., 0].item() for t in (x, function(x), *function(sides)))
            return f"the {name} at x = {at:.6g} itself is {is_:.4g}, and beside it {left:.4g} and {right:.4g}."
    stated = case.slope(x)
    found, doubt = _quotient(case, x)
    wrong = (stated - found).abs() > 4 * case.slope_slack(x) + doubt
    if not wrong.any():
        return None
    at, said, is_ = _typical(wrong, x, stated, found)
    words = "at x = {:.3g} your derivative is {}, and the slope of your formula is {}.{}"
    return words.format(at, *tell_apart(said, is_, 4), _guess(said, is_))


def _typical(wrong: Tensor, x: Tensor, *results: Tensor) -> list[float]:
    """One of the places that are wrong, and the results there: near ±1, where a curve is neither flat nor straight."""
    place = wrong.nonzero()[(x[wrong].abs() - 1).abs().argmin()]
    return [t[place].item() for t in (x, *results)]


def _outside(function: Function, x: Tensor, near: float) -> tuple[Tensor, Tensor]:
    """How far a function at each x lies outside of what it is on both sides, and these sides."""
    step = near * x.abs().clamp(min=1)
    sides = torch.stack([x - step, x + step])
    y, beside = function(x), function(sides)
    return torch.maximum(beside.amin(dim=0) - y, y - beside.amax(dim=0)), sides


def _quotient(case: _Case, x: Tensor) -> tuple[Tensor, Tensor]:
    """The slope of the formula at each x by difference quotients, and how far it is in doubt.

    Not by autograd, which follows the steps of a formula and not its value: at 0 it calls the slope of |x| zero.
    """
    kinks = x.new_tensor([-math.inf, math.inf, *(kink.at for kink in case.kinks)])
    corners = torch.cat([kinks, case.value_jumps, case.slope_jumps]).sort().values
    next_one = torch.searchsorted(corners, x).clamp(1, len(corners) - 1)
    distance = torch.minimum(corners[next_one] - x, x - corners[next_one - 1])
    step = (distance / 2).clamp(max=1e-4)

    def quotient(step: Tensor) -> Tensor:
        return (case.value(x + step) - case.value(x - step)) / ((x + step) - (x - step))

    coarse, fine = quotient(step), quotient(step / 2)
    return (4 * fine - coarse) / 3, 3 * (coarse - fine).abs() + case.rounding(x, x.dtype) / step


def _guess(said: float, is_: float) -> str:
    if not math.isfinite(said) or not math.isfinite(is_):
        return ""
    if said and math.isclose(said, -is_, rel_tol=1e-6):
        return " The sign is wrong."
    if is_ and math.isclose(said / is_, round(said / is_), rel_tol=1e-6) and abs(said / is_) > 1.5:
        return f" It is {said / is_:.0f} times too large: an inner derivative, or a factor?"
    return ""


def _from_output(case: _Case) -> str | None:
    if not case.record.keeps_output(*case.values):
        return None
    x = case.points
    y, stated = case.value(x), case.slope(x)
    found = case.record.derivative_from_output(y, *case.values)
    if not (wrong := y.isfinite() & ~((found - stated).abs() <= 4 * case.slope_slack(x))).any():
        return None
    at, output, is_, said = _typical(wrong, x, y, found, stated)
    return (
        f"at x = {at:.3g}, y = {output:.3g}, it gives {is_:.4g} instead of {said:.4g}. It gets y, not x; and where one y "
        "belongs to two slopes it must be None."
    )


def _kinks(case: _Case) -> str | None:
    for at in case.slope_jumps.tolist():
        if not any(math.isclose(kink.at, at, rel_tol=1e-9, abs_tol=1e-9) for kink in case.kinks):
            left, right = _sides(case.slope, at)
            return (
                f"the slope jumps at x = {round(at, 8) + 0.0:.6g}, from {left:.4g} to {right:.4g}, and no kink is declared "
                "there: add Kink(at=..., slope=...) with the slope that your derivative returns exactly there."
            )
    for kink in case.kinks:
        place = torch.tensor(kink.at, dtype=torch.float64)
        slope, (left, right) = case.slope(place).item(), _sides(case.slope, kink.at)
        broken = math.dist(*([end] for end in _sides(case.value, kink.at))) > 1e-6
        if not broken and abs(left - right) <= 4 * case.slope_slack(place):
            return f"a kink is declared at x = {kink.at:g}, and the slope does not jump there."
        if not math.isclose(slope, kink.slope, rel_tol=1e-6, abs_tol=1e-9):
            return (
                f"at the kink x = {kink.at:g} your derivative returns {slope:g}, and the record says {kink.slope:g}: "
                "is it > where it should be >=?"
            )
    return None


def _sides(function: Function, at: float) -> list[float]:
    step = 1e-9 * max(1.0, abs(at))
    return function(torch.tensor([at - step, at + step], dtype=torch.float64)).tolist()


def _smoothness(case: _Case) -> str | None:
    said = case.record.smoothness(*case.values)
    findings = (
        (-1.0, case.value_jumps, "the value itself jumps"),
        (0.0, case.slope_jumps, "the slope jumps"),
        (1.0, _bends(case), "the second derivative jumps"),
    )
    for wanted, places, what in findings:
        if len(places):
            at = min(places.tolist(), key=abs)
            why = f"{what} at x = {round(at, 4) + 0.0:.4g}, so the smoothness is {wanted:g}; the record says {said:g}."
            return None if said == wanted else why
    if said < 2:
        return f"the record says {said:g}, and neither value nor slope nor second derivative jumps: fixed(math.inf)?"
    return None


def _bends(case: _Case) -> Tensor:
    """Where the second derivative jumps, as far as differences of the slope show it."""
    width = 1e-6
    return _jumps(
        lambda x: (case.slope(x + width) - case.slope(x - width)) / (2 * width),
        lambda x: 100 * case.slope_scale(x),
        GRID[GRID.abs() < GRID_END],
        rounds=2,  # down to 4e-6, which is wider than the quotient
    )


def _range(case: _Case) -> str | None:
    x = torch.cat([GRID, case.points, torch.tensor(BEYOND, dtype=torch.float64)]).sort().values
    y, stated = case.value(x), case.range
    for name, end, closed, side in (
        ("low", stated.low, stated.low_closed, -1.0),
        ("high", stated.high, stated.high_closed, 1.0),
    ):
        beyond = side * (y - end)
        reached, near = ((side * t).nan_to_num(-math.inf, posinf=math.inf).max().item() for t in (y, y[x.abs() <= 1e4]))
        if math.isfinite(end) and (beyond > 1e-6 * abs(end)).any():
            worst = beyond.nan_to_num(0, posinf=math.inf).argmax()
            return f"f({x[worst]:.4g}) = {y[worst]:.6g} lies outside {stated}."
        if math.isinf(end) and reached < math.inf and reached - near <= 1e-3 * max(1.0, abs(near)):
            return f"the {name} end is said to be infinite; as far as 1e150 no value goes beyond {side * reached:.6g}."
        if math.isfinite(end) and abs(side * reached - end) > 1e-4 * max(1.0, abs(end)):
            return f"the {name} end is said to be {end:g}; as far as 1e150 no value goes beyond {side * reached:.6g}."
        if abs(side * reached - end) <= 1e-6 and not len(case.value_jumps) and closed != _attained(case, end):
            word, mark = ("reached", "[ or ]") if not closed else ("only approached", "( or )")
            return f"the {name} end {end:g} is {word}: in {stated} it wants {mark}."
    return None


def _attained(case: _Case, end: float) -> bool:
    """Whether a continuous function takes this end of its range, and does not only approach it, or round to it."""
    away = (case.value(GRID) - end).abs()
    tails = [tail for tail in (away, away.flip(0)) if tail[0] < 1e-3 * max(1.0, abs(end))]
    if not tails:
        return True  # an extreme value between the tails
    # From a constant tail a function departs at once; from one that is constant by rounding only gradually.
    leaves = (tail[tail.nonzero()[0].item() + 3] for tail in tails if tail[0] == 0)
    return any(leave > 1e-12 * max(1.0, abs(end)) for leave in leaves)


def _layer(case: _Case) -> str | None:
    named = dict(zip(case.record.parameters, case.values, strict=True))
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        leaf = case.points[case.points.abs() <= 100].to(dtype).requires_grad_()
        x = leaf.detach().double()
        y = apply(case.record, leaf, **named)
        slope = torch.autograd.grad(y.sum(), leaf)[0]
        if y.dtype != dtype or slope.dtype != dtype:
            return f"{dtype} becomes {y.dtype}, and its gradient {slope.dtype}."
        for (name, function, may_be_off), found in zip(case.functions, (y, slope), strict=True):
            right = function(x).to(dtype)
            slack = may_be_off(x, dtype)
            if (wrong := (found != right) & ~((found.double() - right.double()).abs() <= slack)).any():
                at, is_, said = _typical(wrong, x, found, right)
                return f"in {_name(dtype)} the {name} at x = {at:.4g} is {is_:.4g} instead of {said:.4g}."
    return None


TESTS: dict[str, Callable[[_Case], str | None]] = {
    "element by element": _elementwise,
    "numbers everywhere": _numbers,
    "float32 and float16 against float64": _narrow,
    "derivative against difference quotients": _derivative,
    "derivative from the output": _from_output,
    "kinks": _kinks,
    "smoothness": _smoothness,
    "range": _range,
    "layer, in 16, 32 and 64 bits": _layer,
}


def _with_others(record: Activation) -> str | None:
    """The same tests with each parameter changed, within its domain."""
    values = {name: _another(name, record) for name in record.parameters}
    case = _Case(record, tuple(values.values()))
    words = ", ".join(f"{name} = {value:.3g}" for name, value in values.items())
    faults = ((name, _caught(test, case)) for name, test in TESTS.items())
    return next((f"with {words}, {name}: {fault}" for name, fault in faults if fault), None)


def _another(name: str, record: Activation) -> float:
    takes = record.takes[name]
    candidates = (0.8 * takes.default + 0.3, 0.8 * takes.default, 1.25 * takes.default)
    return next((v for v in candidates if takes.domain.contains(torch.tensor(v))), takes.default)


# What is allowed, and yet worth knowing


def _remarks(record: Activation) -> Iterator[str]:
    try:
        ends = torch.tensor([-math.inf, math.inf])
        if (bad := record.function(ends).isnan()).any():
            where = " and ".join(f"{end:g}" for end in ends[bad].tolist())
            yield f"the value at {where} is NaN, as that of torch's SiLU is at -inf; a limit would be better."
        leaf = torch.tensor(FAR, dtype=torch.float64, requires_grad=True)
        if torch.autograd.grad(record.function(leaf).sum(), leaf)[0].isnan().any():
            yield "autograd of your formula is NaN far from 0 (the layer uses your derivative, so it is not)."
        x = POINTS.float()
        wide, eps = record.function(x.double()), ROUNDINGS * torch.finfo(x.dtype).eps
        lost = (record.function(x) - wide).abs() > eps * (x.abs() + wide.abs()) + _moved(
            record.function, x.double(), x.dtype
        )
        if (lost := lost & (x.abs() < 1)).any():
            yield f"near 0, as at x = {x[lost][0]:g}, few digits of the value are left in float32: see torch.expm1 and log1p."
        if record.torch_module is None:
            yield "torch.nn has no counterpart, so only difference quotients were compared with."
    except Exception:  # said by the tests
        return
