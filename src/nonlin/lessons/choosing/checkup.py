"""Does a record tell the truth? The tests that every activation of the package passes, for a record of one's own.

Each test returns what is wrong, in a sentence that names the place and the likely bug. What a formula should be is
never assumed, only that value, slope, kinks and range agree. How far two numbers may differ follows from what rounding
of the input alone would do there.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor, nn

from nonlin.activations import Activation, apply
from nonlin.exercises.compare import tell_apart

Function = Callable[[Tensor], Tensor]

ROUNDINGS = 8  # that a formula may take
CLOSE = 1e-12  # relative to numbers above 1
JUMP = 1e-6  # a smaller jump, relative to what jumps, is lost in the roundings of a few float32 operations
FAR, BEYOND = (1e4, 100.0), (1e6, 1e9, 1e20, 1e150)  # beyond are only tests for finite numbers and the range
GRID_END, GRID_STEP = 12.0, 2e-3


def _doubles(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _points() -> Tensor:
    """Where faults sit: ±0, tiny and far numbers, the round ones, binary and decimal, and others."""
    round_ones = torch.cat([torch.arange(640) / 64, torch.arange(2001).double() / 100, torch.arange(20, 129)])
    large = torch.cat([torch.arange(150, 1001, 50), 2.0 ** torch.arange(8, 17), _doubles(65504)])
    positive = torch.cat([_doubles(*FAR, 0.0, 1e-20, 1e-12, 1e-6, 1e-3), round_ones, large])
    others = 4 * torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([-positive[:1], positive, -positive, others])


def _grid() -> Tensor:
    """Where jumps are looked for: evenly spaced up to ±12, then in steps of 0.4 %; beside all round numbers."""
    near = torch.arange(-GRID_END, GRID_END, GRID_STEP, dtype=torch.float64)
    far = torch.logspace(math.log10(GRID_END), 6, 2800, dtype=torch.float64)
    return torch.cat([-far.flip(0)[:-1], near, far]) + 1.2345e-7


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


class _Curve:
    """Value or slope of a record: a function of x, with what is known of its accuracy.

    Args:
        name: ``"value"`` or ``"slope"``.
        function: with the parameters filled in.
        digits: the share of a number's digits that a result must keep.
        scale: the size of the numbers from which a result is made, at each x.
    """

    def __init__(self, name: str, function: Function, digits: float, scale: Function) -> None:
        self.name, self.function, self.digits, self.scale = name, function, digits, scale

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x.clone())  # which the function may overwrite

    def may_be_off(self, x: Tensor, dtype: torch.dtype, digits: float | None = None) -> Tensor:
        """How far results in ``dtype`` may be off: by roundings of the result, and of the input on the way to it.

        What is lost in rounding at 1 is forgiven: e^x - 1 near 0, or the left tail of 1 + tanh x.
        """
        eps = torch.finfo(dtype).eps
        return ROUNDINGS * (eps + eps ** (digits or self.digits) * self.scale(x)) + self.moved(x, dtype)

    def moved(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """How far a result moves if its input is rounded a few times: of a fast wave far out, anywhere it goes."""
        near = torch.stack([self(x * (1 + steps / 2 * torch.finfo(dtype).eps)) for steps in range(-4, 5)])
        return 2 * (near.amax(dim=0) - near.amin(dim=0)).nan_to_num()

    def compare(
        self, found: Tensor, x: Tensor, wide: torch.dtype, digits: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Where results for ``x`` are wrong, and the right ones: those of the same inputs in a wider type."""
        right = self(x.to(wide)).to(x.dtype)  # infinite beyond the range of the narrow type
        near = (found.double() - right.double()).abs() <= self.may_be_off(x.double(), x.dtype, digits)
        return (found != right) & ~near, right

    def least_jump(self, sides: Tensor) -> Tensor:
        return JUMP * self.scale(sides).sum(dim=0) + 2 * ROUNDINGS * torch.finfo(sides.dtype).eps

    @cached_property
    def jumps(self) -> Tensor:
        """Where it jumps: between the points of the grid, or by less at one of the test points."""
        x = POINTS[(POINTS == 0) | (POINTS.abs() >= 1e-3)]  # so that 0 does not lie between both sides
        close, far = (self(_beside(x, near)).diff(dim=0).abs()[0] for near in (CLOSE, 1000 * CLOSE))
        by_little = (close > self.least_jump(_beside(x, CLOSE))) & (close > 0.9 * far)
        return torch.cat([_jumps(self, self.least_jump), x[by_little]])


class _Case:
    """A record with the values of its parameters."""

    def __init__(self, record: Activation, values: tuple[float, ...]) -> None:
        self.record, self.values, self.kinks = record, values, record.kinks(*values)
        self.named = dict(zip(record.parameters, values, strict=True))
        self.value = _Curve("value", lambda x: record.function(x, *values), 1, lambda x: self.value(x).abs())
        # A slope may lose half of its digits, as a difference quotient does.
        self.slope = _Curve("slope", lambda x: record.derivative(x, *values), 1 / 2, self._size_of_slope)
        self.curves = self.value, self.slope
        at = _doubles(*(kink.at for kink in self.kinks))
        self.points = torch.cat([POINTS, at, *(at + side for side in (-1e-3, -1e-6, 1e-6, 1e-3))])

    @property
    def module(self) -> nn.Module | None:
        """The counterpart in torch, in float64, which overflows no sooner than the record's."""
        if self.record.torch_module is None:
            return None
        return self.record.torch_module(**self.named).eval().double()

    def _size_of_slope(self, x: Tensor) -> Tensor:
        return self.slope(x).abs() + self.value(x).abs() / x.abs().clamp(min=1)


def _jumps(function: Function, least: Function, x: Tensor = GRID, rounds: int = 10) -> Tensor:
    """Where a function jumps: halving the interval again and again leaves the change as it is.

    A smooth function's change shrinks to a sixteenth in four halvings, and at last even that of |x|^0.1 gets smaller.
    ``least`` is what counts as a jump.
    """
    low, high = x[:-1], x[1:]
    at_low, at_high = function(low), function(high)
    before = (at_high - at_low).abs()
    before = torch.stack([before, before.roll(1), before.roll(-1)]).amax(dim=0)  # what is usual there
    for turn in range(rounds):
        for _ in range(4):
            middle = (low + high) / 2
            there = function(middle)
            left = (there - at_low).abs() > (at_high - there).abs()
            low, high = low.where(left, middle), middle.where(left, high)
            at_low, at_high = at_low.where(left, there), there.where(left, at_high)
        change = (at_high - at_low).abs()
        stays = change > before * (0.25 if turn < 7 else 0.9)
        stays[stays.clone()] = change[stays] > least(torch.stack([low[stays], high[stays]]))
        low, high, at_low, at_high, before = (t[stays] for t in (low, high, at_low, at_high, change))
    return high


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _beside(x: Tensor, near: float) -> Tensor:
    """Both sides of each x, shape (2, ...)."""
    step = near * x.abs().clamp(min=1)
    return torch.stack([x - step, x + step])


def _typical(wrong: Tensor, *results: Tensor) -> list[float]:
    """x and results at one of the places that are wrong: near ±1, where a curve is neither flat nor straight."""
    place = wrong.nonzero()[(results[0][wrong].abs() - 1).abs().argmin()]
    return [t[place].item() for t in results]


# The tests


def _elementwise(case: _Case) -> str | None:
    functions = {"function": case.value.function, "derivative": case.slope.function}
    if case.record.keeps_output(*case.values):
        functions["derivative from the output"] = lambda y: case.record.derivative_from_output(y, *case.values)
    for dtype, (name, function) in product((torch.float64, torch.float32), functions.items()):
        x = case.points.to(dtype)
        if name == "derivative from the output":
            x = case.value(x)
        given = x.clone()
        y = function(given)
        if not isinstance(y, Tensor):
            return f"the {name} returns {type(y).__name__}, not a tensor: use torch's functions, not math's."
        if (changed := (given != x) & ~x.isnan()).any():
            return f"the {name} overwrites its input, at x = {x[changed][0]:.4g}: no in-place operation on x."
        if y.shape != x.shape or y.dtype != dtype:
            return f"the {name} turns {_kind(x)} into {_kind(y)}."
        # Not exactly: torch computes a few numbers in another loop than many, which may round another way.
        some, tolerance = (case.points.abs() < 10).nonzero().flatten(), math.sqrt(torch.finfo(dtype).eps)
        some = some[torch.randperm(len(some), generator=torch.Generator().manual_seed(0))]  # first ones not all tiny
        for part, right in zip(_shapes(x[some]), _shapes(y[some]), strict=True):
            try:
                found = function(_like(part))
            except Exception as error:
                return f"the {name} of {_kind(part)} raised {type(error).__name__}: {error}"
            if found.shape != part.shape or found.dtype != dtype:
                return f"the {name} turns {_kind(part)} into {_kind(found)}."
            if not torch.allclose(found, right, rtol=tolerance, atol=tolerance, equal_nan=True):
                place = f"here of {_kind(part)}"
                return f"the {name} of a number depends on the numbers beside it, on the shape, {place}, or on chance."
    return None


def _shapes(x: Tensor) -> Iterator[Tensor]:
    """Numbers of x in the shapes of tensors that a network meets: none, one, one sample, images, not in order."""
    yield from (x.reshape(-1, 1), x[:0], x[:0].reshape(0, 3), *x[:3], x[:1], x[1::2], x[:6].reshape(2, 3).T)
    for shape in ((1, 6), (1, 1, 1), (4, 3, 2), (1, 3, 4, 4), (2, 3, 1, 2), (2, 1, 3, 2, 2)):
        yield x[: math.prod(shape)].reshape(shape)
    yield x[:48].reshape(2, 3, 2, 4).permute(0, 2, 3, 1)


def _like(x: Tensor) -> Tensor:
    """A copy with the strides of x, which the function may overwrite."""
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).copy_(x)


def _kind(x: Tensor) -> str:
    return f"{tuple(x.shape)} {_name(x.dtype)}"


def _numbers(case: _Case) -> str | None:
    beyond = _doubles(*BEYOND)
    every = torch.cat([case.points, beyond, -beyond])
    for x in (every[every.abs() <= 1e20].float(), every):
        y, slope = case.value(x), case.slope(x)
        for name, wrong in (("value", y.isnan()), ("slope", slope.isnan())):
            if wrong.any():
                return (
                    f"the {name} at {x[wrong][0]:g} is NaN in {_name(x.dtype)}: look for infinity minus or over "
                    "infinity, 0 over 0, 0 times infinity. Bound the argument, or write the formula another way."
                )
        if (wrong := slope.isinf() & y.isfinite()).any():
            return f"the slope at {x[wrong][0]:g} is infinite in {_name(x.dtype)}, and the value there is not."
    return None


def _narrow(case: _Case) -> str | None:
    x = torch.cat([case.points, _doubles(-1e20, 1e20)]).float()
    for curve in case.curves:
        found = curve(x)
        wrong, right = curve.compare(found, x, torch.float64)
        if wrong.any():
            is_, said = tell_apart(found[wrong][0].item(), right[wrong][0].item(), 4)
            return (
                f"the {curve.name} at {x[wrong][0]:g} is {is_} in float32 and {said} in float64: a power overflows, or "
                "two nearly equal numbers are subtracted."
            )
    return None


def _derivative(case: _Case) -> str | None:
    x = case.points
    for curve in case.curves:
        outside, sides = _outside(curve, x), _beside(x, CLOSE)
        shrinks = outside < _outside(curve, x, 1000 * CLOSE) / 2  # as at a kink
        wrong = (outside > curve.least_jump(sides)) & ~shrinks
        if curve is case.slope:
            wrong = _not_as_torch(case, x, wrong)
        if wrong.any():
            at, is_, left, right = (t[wrong][0].item() for t in (x, curve(x), *curve(sides)))
            return f"the {curve.name} at x = {at:.6g} itself is {is_:.4g}, and beside it {left:.4g} and {right:.4g}."
    stated = case.slope(x)
    found, doubt = _quotient(case, x)
    wrong = _not_as_torch(case, x, (stated - found).abs() > case.slope.may_be_off(x, x.dtype) + doubt)
    if not wrong.any():
        return None
    at, said, is_ = _typical(wrong, x, stated, found)
    words = "at x = {:.3g} your derivative is {}, and the slope of your formula is {}.{}"
    return words.format(at, *tell_apart(said, is_, 4), _guess(said, is_))


def _not_as_torch(case: _Case, x: Tensor, wrong: Tensor) -> Tensor:
    """But for places where the slope is that of torch, as Softshrink's at 0 for λ = 0, where two kinks meet."""
    if case.module is None or not wrong.any():
        return wrong
    leaf = x.clone().requires_grad_()
    return wrong & (torch.autograd.grad(case.module(leaf).sum(), leaf)[0] != case.slope(x))


def _outside(curve: _Curve, x: Tensor, near: float = CLOSE) -> Tensor:
    """How far a curve at each x lies outside of what it is on both sides."""
    y, beside = curve(x), curve(_beside(x, near))
    return torch.maximum(beside.amin(dim=0) - y, y - beside.amax(dim=0))


def _quotient(case: _Case, x: Tensor) -> tuple[Tensor, Tensor]:
    """The slope of the formula at each x by difference quotients, and how far it is in doubt.

    Not by autograd, which follows the steps of a formula and not its value: at 0 it calls the slope of |x| zero.
    """
    known = _doubles(-math.inf, 0.0, math.inf, *(kink.at for kink in case.kinks))  # at 0 there may be a cusp
    corners = torch.cat([known, case.value.jumps, case.slope.jumps]).sort().values
    following = torch.searchsorted(corners, x).clamp(1, len(corners) - 1)
    distance = torch.minimum(corners[following] - x, x - corners[following - 1])
    step = (distance / 2).clamp(max=1e-4)

    def quotient(step: Tensor) -> Tensor:
        return (case.value(x + step) - case.value(x - step)) / ((x + step) - (x - step))

    coarse, fine = quotient(step), quotient(step / 2)
    off = case.value.may_be_off(x, x.dtype) + ROUNDINGS * torch.finfo(x.dtype).eps * x.abs()
    return (4 * fine - coarse) / 3, 3 * (coarse - fine).abs() + off / step


def _guess(said: float, is_: float) -> str:
    if not math.isfinite(said) or not math.isfinite(is_) or not is_:
        return ""
    if math.isclose(said, -is_, rel_tol=1e-6):
        return " The sign is wrong."
    if math.isclose(said / is_, round(said / is_), rel_tol=1e-6) and abs(said / is_) > 1.5:
        return f" It is {said / is_:.0f} times too large: an inner derivative, or a factor?"
    return ""


def _from_output(case: _Case) -> str | None:
    if not case.record.keeps_output(*case.values):
        return None
    x = case.points
    y, stated = case.value(x), case.slope(x)
    found = case.record.derivative_from_output(y.clone(), *case.values)
    wrong = y.isfinite() & ~((found - stated).abs() <= case.slope.may_be_off(x, x.dtype))
    if not wrong.any():
        return None
    at, output, is_, said = _typical(wrong, x, y, found, stated)
    return (
        f"at x = {at:.3g}, y = {output:.3g}, it gives {is_:.4g} instead of {said:.4g}. It gets y, not x; and where one "
        "y belongs to two slopes it must be None."
    )


def _kinks(case: _Case) -> str | None:
    for at in case.slope.jumps.tolist():
        if not any(math.isclose(kink.at, at, rel_tol=1e-9, abs_tol=1e-9) for kink in case.kinks):
            left, right = case.slope(_beside(_doubles(at), 1e-9)).flatten().tolist()
            return (
                f"the slope jumps at x = {round(at, 8) + 0.0:.6g}, from {left:.4g} to {right:.4g}, and no kink is "
                "declared there: add Kink(at=..., slope=...), from nonlin.activations, with the slope "
                "that your derivative returns exactly there."
            )
    for kink in case.kinks:
        slope, sides = case.slope(_doubles(kink.at)).item(), _beside(_doubles(kink.at), CLOSE)
        value_jumps = ((case.value.jumps - kink.at).abs() < 1e-6).any()
        if not value_jumps and case.slope(sides).diff(dim=0).abs() <= case.slope.least_jump(sides):
            return f"a kink is declared at x = {kink.at:g}, and the slope does not jump there."
        if not math.isclose(slope, kink.slope, rel_tol=1e-6, abs_tol=1e-9):
            return (
                f"at the kink x = {kink.at:g} your derivative returns {slope:g}, and the record says {kink.slope:g}: "
                "is it > where it should be >=?"
            )
    return None


def _smoothness(case: _Case) -> str | None:
    said = case.record.smoothness(*case.values)
    findings = (
        (-1.0, case.value.jumps, "the value itself jumps"),
        (0.0, case.slope.jumps, "the slope jumps"),
        (1.0, _bends(case.slope), "the second derivative jumps"),
    )
    for wanted, places, what in findings:
        if len(places):
            at = min(places.tolist(), key=abs)
            why = f"{what} at x = {round(at, 5) + 0.0:.6g}, so the smoothness is {wanted:g}; the record says {said:g}."
            return None if said == wanted else why
    if said < 2:
        return f"the record says {said:g}, and neither value nor slope nor second derivative jumps: fixed(2) or more?"
    return None


def _bends(slope: _Curve) -> Tensor:
    """Where the second derivative jumps, as far as differences of the slope show it."""
    step, eps = 1e-6, torch.finfo(GRID.dtype).eps
    return _jumps(
        lambda x: (slope(x + step) - slope(x - step)) / (2 * step),
        lambda sides: 100 * slope.least_jump(sides) + ROUNDINGS * eps * sides.abs().amax(dim=0).clamp(min=1) / step,
        GRID[GRID.abs() < GRID_END],
        rounds=2,  # down to 8e-6, which is wider than the quotient
    )


def _range(case: _Case) -> str | None:
    stated = case.record.range(*case.values)
    beyond = _doubles(*BEYOND)
    x = torch.cat([GRID, case.points, beyond, -beyond])
    for name, end, closed, side in (
        ("low", stated.low, stated.low_closed, -1.0),
        ("high", stated.high, stated.high_closed, 1.0),
    ):
        y = (side * case.value(x)).nan_to_num(-math.inf, posinf=math.inf, neginf=-math.inf)
        reached, near = y.max().item(), y[x.abs() <= 1e4].max().item()
        size = max(abs(end), min(1.0, y.where(y.isfinite(), 0).abs().max().item()))
        away = abs(reached - side * end)
        if reached > side * end + 1e-6 * abs(end):
            return f"f({x[y.argmax()]:.4g}) = {side * reached:.9g} lies outside {stated}."
        grows = reached == math.inf or reached - near > 1e-3 * max(1.0, abs(near))
        if (away > 2e-4 * size) if math.isfinite(end) else not grows:
            wide = f"{end:g}" if math.isfinite(end) else "infinite"
            return f"the {name} end is said to be {wide}; as far as 1e150 no value goes beyond {side * reached:.6g}."
        if math.isfinite(end) and away <= 1e-6 * size and _attained(case.value, end) is (not closed):
            is_, bracket = ("only approached", "round") if closed else ("reached", "square")
            return f"the {name} end, {end:g}, is {is_}: in {stated} it wants a {bracket} bracket."
    return None


def _attained(value: _Curve, end: float) -> bool | None:
    """Whether a function takes this end of its range, and does not only approach it, or round to it; None: unknown."""

    def away(x: Tensor) -> Tensor:
        return (value(x) - end).abs()

    if not away(GRID).any():
        return True  # a constant
    tails = [x for x in (GRID, GRID.flip(0)) if away(x[:50]).max() < 1e-3 * max(1.0, abs(end))]
    if any(_departs(away, x) > 1e-12 * max(1.0, abs(end)) for x in tails if away(x[:1]) == 0):
        return True
    return None if len(value.jumps) else not tails  # without a tail it is an extreme value in between


def _departs(away: Function, x: Tensor) -> float:
    """How far a function is from its end just behind a tail where it takes it; infinitely far if at once.

    From a constant tail a function departs in proportion to the distance, or its square; from one that is constant by
    rounding only gradually, by one rounding and then another.
    """
    leaves = away(x).nonzero()[0].item()
    tail, out = x[leaves - 1], x[leaves]
    for _ in range(80):
        middle = (tail + out) / 2
        tail, out = (middle, out) if away(middle[None]) == 0 else (tail, middle)
    step = (x[leaves] - x[leaves - 1]).sign() * max(1e-3 * out.abs().item(), 1e-6)
    there, before = away((out + step)[None]), away(out + step * torch.arange(9) / 64).max()
    return math.inf if there > max(4 * before, torch.finfo(x.dtype).tiny) else there.item()


def _layer(case: _Case) -> str | None:
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        leaf = case.points[case.points.abs() <= 100].to(dtype).requires_grad_()
        y = apply(case.record, leaf, **case.named)
        gradient = torch.autograd.grad(y.sum(), leaf)[0]
        if y.dtype != dtype or gradient.dtype != dtype:
            return f"{_name(dtype)} becomes {_name(y.dtype)}, and its gradient {_name(gradient.dtype)}."
        x = leaf.detach()
        for curve, found in zip(case.curves, (y.detach(), gradient), strict=True):
            # The layer computes 16 bits in float32. Whether the formula is right there, another test has asked.
            wrong, right = curve.compare(found, x, torch.promote_types(dtype, torch.float32), digits=3 / 4)
            if wrong.any():
                at, *numbers = _typical(wrong, x, found, right)
                is_, said = tell_apart(*numbers, 4)
                return f"in {_name(dtype)} the {curve.name} at x = {at:.4g} is {is_} instead of {said}."
    return None


def _counterpart(case: _Case) -> str | None:
    if case.module is None:
        return None
    x = case.points[case.points.abs() <= 100].float()
    found = case.module(x.double()).detach().to(x.dtype)
    wrong, right = case.value.compare(found, x, torch.float64)
    if not wrong.any():
        return None
    at, *numbers = _typical(wrong, x, found, right)
    is_, said = tell_apart(*numbers, 4)
    return f"at x = {at:.4g} the torch_module of the record gives {is_}, and the function {said}."


TESTS: dict[str, Callable[[_Case], str | None]] = {
    "element by element": _elementwise,
    "numbers everywhere": _numbers,
    "float32 against float64": _narrow,
    "derivative against difference quotients": _derivative,
    "derivative from the output": _from_output,
    "kinks": _kinks,
    "smoothness": _smoothness,
    "range": _range,
    "layer, in 16, 32 and 64 bits": _layer,
    "counterpart in torch.nn": _counterpart,
}


def _with_others(record: Activation) -> str | None:
    """The same tests with all parameters changed, and with each at the edge of its domain and with the other sign."""
    for values, tests in _others(record):
        case = _Case(record, values)
        words = ", ".join(f"{name} = {value:.3g}" for name, value in case.named.items())
        faults = ((name, _caught(test, case)) for name, test in tests.items())
        if first := next((f"with {words}, {name}: {fault}" for name, fault in faults if fault), None):
            return first
    return None


def _others(record: Activation) -> Iterator[tuple[tuple[float, ...], dict[str, Callable[[_Case], str | None]]]]:
    """Values of the parameters, and the tests for them: of much smaller and larger ones only the slope.

    A steep or wide curve leaves the points at which the others look.
    """
    default, slope = record.parameters, {name: test for name, test in TESTS.items() if test is _derivative}
    cases = [({name: _another(place, record, name) for place, name in enumerate(default)}, TESTS)]
    for name, takes in record.takes.items():
        edges = (takes.domain.low, takes.domain.high, -takes.default)
        cases += [(default | {name: value}, TESTS) for value in edges if math.isfinite(value)]
        cases += [(default | {name: takes.default * factor}, slope) for factor in (1 / 16, 16)]
    for given, tests in cases:
        with suppress(ValueError):  # outside of a domain, or against a condition
            yield record.accepted(given), tests


def _another(place: int, record: Activation, name: str) -> float:
    """Not by the same factor for two parameters, which might then be mistaken for each other."""
    default, domain = record.takes[name].default, record.takes[name].domain
    candidates = (0.8 * default + 0.3 + 0.2 * place, (0.8 - 0.1 * place) * default, (1.25 + 0.1 * place) * default)
    return next((value for value in candidates if domain.contains(value)), default)


# What is allowed, and yet worth knowing


def _remarks(record: Activation) -> Iterator[str]:
    with suppress(Exception):  # said by the tests
        value = _Case(record, record.default_values).value
        ends = torch.tensor([-math.inf, math.inf])
        if (bad := value(ends).isnan()).any():
            where = " and ".join(f"{end:g}" for end in ends[bad].tolist())
            yield f"the value at {where} is NaN, as that of torch's SiLU is at -inf; a limit would be better."
        leaf = torch.cat([_doubles(*FAR), -_doubles(*FAR)]).requires_grad_()
        if torch.autograd.grad(record.function(leaf).sum(), leaf)[0].isnan().any():
            yield "autograd of your formula is NaN far from 0 (the layer uses your derivative, so it is not)."
        x = POINTS[POINTS.abs() < 1].float()
        right, eps = value(x.double()), torch.finfo(x.dtype).eps
        near = 2 * ROUNDINGS * eps * (x.abs() + right.abs()) + value.moved(x.double(), x.dtype)
        if (lost := (value(x) - right).abs() > near).any():
            yield f"near 0, as at x = {x[lost][0]:.4g}, float32 keeps few digits of the value: see torch.expm1, log1p."
        x = POINTS[POINTS.abs() <= 100].half()
        if (lost := ~value(x).isfinite() & value(x.double()).half().isfinite()).any():
            yield f"called by itself in float16, the function overflows at {x[lost][0]:g}; the layer takes float32."
        if record.torch_module is None:
            yield "torch.nn has no counterpart, so only difference quotients were compared with."
