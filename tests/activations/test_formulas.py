"""The formulas that a reader sees, taken at their word: SymPy differentiates them, and 40 digits check the functions.

Nothing here knows any activation: each printed formula is read from its LaTeX. What is left out of one on purpose is
stated once, in ``LEFT_OUT``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import combinations, pairwise

import mpmath
import pytest
import sympy
import torch
from compared import every_record
from sympy import Abs, Expr, Max, Min, Piecewise, Rational
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule
from nonlin.activations.latex import X, expression, read, symbol_of

# 40 digits have to be left where 1 - tanh^2 x or 1 + erf(x) cancels down to the smallest float64, 5e-324.
DIGITS = 440
EPS = torch.finfo(torch.float64).eps
SMALLEST = 5e-324
ROUNDINGS = 16  # how many relative roundings of its input and of its result a function may be off

POINTS = [1e-300, 1e-12, 1e-4, 0.1, 0.4, 0.7, 1.0, 1.2, 1.5, 2.0, 2.9, 3.3, 5.0, 5.9, 6.5, 9.0, 12.0, 15.0, 19.0]
BENDS = [0.0] + [sign * x for x in (1e-300, 1e-4, 0.4, 1.2, 3.3, 6.5, 12.0, 40.0, 100.0) for sign in (1, -1)]
FAR_POINTS = [22.0, 30.0, 37.0, 39.0, 100.0, 700.0, 740.0, 1e4, 1e8]

# By how much a function may differ from its printed formula, and where: softplus returns x itself where βx is above
# the threshold, which numerical work needs and mathematics does not.
LEFT_OUT: dict[str, Callable[..., float]] = {
    "softplus": lambda x, beta, threshold: math.exp(-threshold) / min(beta, 1) if beta * x > threshold else 0.0,
}


@cache
def numeric(expr: Expr) -> Callable[[mpmath.mpf], mpmath.mpf]:
    return sympy.lambdify(X, expr, "mpmath")


def exactly(expr: Expr, x: float | Rational) -> mpmath.mpf:
    with mpmath.workdps(DIGITS):
        return +numeric(expr)(mpmath.mpf(sympy.Rational(x).p) / sympy.Rational(x).q)


def branch(expr: Expr, at: Rational) -> Expr:
    """The smooth expression that a formula with cases, absolute values, minima and maxima is near a point."""
    if isinstance(expr, Piecewise):
        return branch(next(value for value, condition in expr.args if condition.subs(X, at)), at)
    if isinstance(expr, Abs):
        return branch(expr.args[0] * sympy.sign(expr.args[0].subs(X, at)), at)
    if isinstance(expr, Max | Min):
        choose = max if isinstance(expr, Max) else min
        return branch(choose(expr.args, key=lambda argument: argument.subs(X, at)), at)
    return expr.func(*(branch(argument, at) for argument in expr.args)) if expr.args else expr


def corners(expr: Expr) -> set[Rational]:
    """Where a formula may pass from one smooth expression to another."""
    zero_there = [relation.lhs - relation.rhs for relation in expr.atoms(sympy.core.relational.Relational)]
    zero_there += [absolute.args[0] for absolute in expr.atoms(Abs)]
    compared = {argument for extremum in expr.atoms(Max, Min) for argument in extremum.args}
    zero_there += [a - b for a, b in combinations([a for a in compared if not a.has(Max, Min)], 2)]
    return {point for boundary in zero_there if boundary.has(X) for point in sympy.solveset(boundary, X, sympy.Reals)}


@dataclass(frozen=True)
class Case:
    """A record with parameters, and what its two formulas say then."""

    record: Activation
    parameters: tuple[float, ...]
    by_piece: dict[Expr, list[Expr]] = field(default_factory=dict)

    def with_numbers(self, side: Expr) -> Expr:
        """A side of a formula in x alone: definitions and parameters put in, the parameters exactly."""
        definitions = read(self.record.formula).definitions | read(self.record.derivative_formula).definitions
        values = zip(self.record.parameters, self.parameters, strict=True)
        numbers = {symbol_of(self.record.takes[name].symbol): Rational(value) for name, value in values}
        expr = side.subs(definitions).subs(numbers)
        assert expr.free_symbols <= {X}, f"{expr.free_symbols - {X}} is not explained"
        return expr

    @cached_property
    def values(self) -> list[Expr]:
        return [self.with_numbers(side) for side in read(self.record.formula).sides]

    @cached_property
    def slopes(self) -> list[Expr]:
        return [self.with_numbers(side) for side in read(self.record.derivative_formula).sides]

    @cached_property
    def corners(self) -> list[Rational]:
        return sorted(set().union(*(corners(side) for side in self.values + self.slopes)))

    @cached_property
    def pieces(self) -> list[tuple[Rational | float, Rational | float]]:
        """The open intervals between the corners, on each of which both formulas are smooth."""
        return list(pairwise([-sympy.oo, *self.corners, sympy.oo]))

    @cached_property
    def points(self) -> list[float]:
        """Fixed points, far ones, the corners, and the numbers next to the corners."""
        at_corners = [float(corner) for corner in self.corners]
        beside = [math.nextafter(corner, end) for corner in at_corners for end in (-math.inf, math.inf)]
        signed = [sign * x for x in POINTS + FAR_POINTS for sign in (1, -1)]
        return sorted({0.0, *signed, *at_corners, *beside})

    def derivatives(self, at: Rational) -> list[Expr]:
        """The first, second and third derivative of the piece that holds a point; of the left one at a corner."""
        low, high = next(piece for piece in self.pieces if at <= piece[1])
        if high not in self.by_piece:
            slope = branch(self.slopes[0], inside((low, high)))
            self.by_piece[high] = [slope, slope.diff(X), slope.diff(X, 2)]
        return self.by_piece[high]

    def left_out(self, x: float) -> float:
        return LEFT_OUT[self.record.name](x, *self.parameters) if self.record.name in LEFT_OUT else 0.0


def inside(piece: tuple) -> Rational:
    """A point in an interval, away from its middle, which is often special."""
    low, high = piece
    if low == -sympy.oo:
        return min(high, Rational(0)) - Rational(7, 5)
    return low + (Rational(7, 5) if high == sympy.oo else (high - low) * Rational(2, 5))


PARAMETERS = {
    "default": lambda value: value,
    "other": lambda value: 0.8 * value + 0.3,
    "large": lambda value: 0.3 * value + 1.7,
}
CASES = {
    f"{record.name}-{kind}": Case(record, tuple(map(change, record.parameters.values())))
    for record in ACTIVATIONS.values()
    for kind, change in PARAMETERS.items()
    if record.parameters or kind == "default"
}
FROM_OUTPUT = {name: case for name, case in CASES.items() if case.record.derivative_from_output}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def assert_same(one: Expr, other: Expr, points: list[Rational]) -> None:
    """Two smooth expressions are equal: simplify proves it, or they have 40 digits in common at every point.

    Of the 110 equations of the present records simplify leaves one to the digits: tanh x written with exponentials.
    """
    if sympy.simplify(one - other) == 0:
        return
    for x in points:
        first, second = exactly(one, x), exactly(other, x)
        assert abs(first - second) <= 1e-40 * max(abs(first), abs(second)), f"{one} is not {other} at {x}"


def points_inside(piece: tuple) -> list[Rational]:
    low, high = (max(piece[0], -30), min(piece[1], 30))
    return [low + (high - low) * Rational(step, 101) for step in range(1, 101)]


@every_record
def test_both_formulas_name_the_same_function(record: Activation) -> None:
    names = [read(latex).left.translate(str.maketrans("", "", "() ")) for latex in _formulas(record)]
    assert names[0].count("'") == 0
    assert names[1].count("'") == 1
    assert names[1].replace("'", "") == names[0]


def _formulas(record: Activation) -> tuple[str, str]:
    return record.formula, record.derivative_formula


@every_case
def test_all_sides_of_a_formula_are_equal(case: Case) -> None:
    for first, *others in (case.values, case.slopes):
        for other in others:
            for piece in case.pieces:
                assert_same(branch(first, inside(piece)), branch(other, inside(piece)), points_inside(piece))


@every_case
def test_the_printed_slope_is_the_derivative_of_the_printed_formula(case: Case) -> None:
    for piece in case.pieces:
        derivative = branch(case.values[0], inside(piece)).diff(X)
        assert_same(derivative, branch(case.slopes[0], inside(piece)), points_inside(piece))


@every_case
def test_exactly_one_case_holds_everywhere(case: Case) -> None:
    for latex in _formulas(case.record):
        # Read again, since putting numbers in lets SymPy drop a condition that overlaps another.
        for cases in (cases for side in read(latex).sides for cases in side.atoms(Piecewise)):
            conditions = [case.with_numbers(condition) for _, condition in cases.args if condition != sympy.true]
            for x in [*case.corners, *(inside(piece) for piece in case.pieces)]:
                holding = [condition for condition in conditions if condition.subs(X, x)]
                assert len(holding) <= 1, f"{holding} hold at {x}"
                assert holding or cases.args[-1].cond == sympy.true, f"no case holds at {x}"


@every_case
def test_functions_compute_what_is_printed(case: Case) -> None:
    """To 16 roundings of the input and of the result, in the far tails too."""
    for function, printed in ((case.record.function, case.values[0]), (case.record.derivative, case.slopes[0])):
        computed = function(torch.tensor(case.points, dtype=torch.float64), *case.parameters)
        for x, got in zip(case.points, computed.tolist(), strict=True):
            wanted = exactly(printed, x)
            per_input = x * exactly(branch(printed, Rational(x)).diff(X), x)  # the error that x (1 + EPS) makes / EPS
            # A factor near the smallest number has few digits left, and x may multiply it.
            rounding = ROUNDINGS * (EPS * (abs(wanted) + abs(per_input)) + SMALLEST * max(1, abs(x)))
            tolerance = rounding + case.left_out(x)
            assert abs(got - wanted) <= tolerance, f"{function.__name__}({x}) = {got}, not {mpmath.nstr(wanted, 20)}"


@pytest.mark.parametrize("case", FROM_OUTPUT.values(), ids=FROM_OUTPUT)
def test_the_slope_from_the_output_is_what_is_printed(case: Case) -> None:
    """To 16 roundings of the output and of the slope."""
    points = [x for x in case.points if x in map(float, case.corners) or not _next_to_a_corner(case, x)]
    x = torch.tensor(points, dtype=torch.float64)
    computed = case.record.derivative_from_output(case.record.function(x, *case.parameters), *case.parameters)
    for x, got in zip(points, computed.tolist(), strict=True):
        wanted, bend = exactly(case.slopes[0], x), exactly(branch(case.slopes[0], Rational(x)).diff(X), x)
        # The slope changes with y by f''(x) / f'(x).
        per_output = exactly(case.values[0], x) * bend / wanted if wanted else 0
        tolerance = ROUNDINGS * (EPS * (abs(wanted) + abs(per_output)) + SMALLEST)
        assert abs(got - wanted) <= tolerance, f"{got}, not {mpmath.nstr(wanted, 20)}, at {x}"


def by_double_backward(case: Case, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(ActivationModule(case.record, *case.parameters)(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0]


def by_transforms(case: Case, x: Tensor) -> Tensor:
    module = ActivationModule(case.record, *case.parameters)
    return torch.func.vmap(torch.func.jacrev(torch.func.jacrev(module)))(x)


def of_the_derivative(case: Case, x: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.grad(lambda x: case.record.derivative(x, *case.parameters)))(x)


@every_case
def test_second_derivatives_are_those_of_the_formula(case: Case) -> None:
    """To 32 roundings, at 0 and in the tails, too; where the slope or its slope jumps, the value that torch returns."""
    x = torch.tensor(sorted({*BENDS, *map(float, case.corners)}), dtype=torch.float64)
    at_corners = _second_of_torch(case, x)
    for way in (by_double_backward, by_transforms, of_the_derivative):
        from_output = case.record.keeps_output(*case.parameters, dtype=x.dtype) and way is not of_the_derivative
        for at, got, theirs in zip(x.tolist(), way(case, x).tolist(), at_corners, strict=True):
            wanted, tolerance = _second_of_formula(case, at, from_output)
            if at in map(float, case.corners):
                wanted = wanted if theirs is None else theirs
            assert abs(got - wanted) <= tolerance, f"{way.__name__} at {at}: {got}, not {mpmath.nstr(wanted, 20)}"


def _second_of_torch(case: Case, x: Tensor) -> list[float | None]:
    if case.record.torch_module is None or case.record.name == "hardsigmoid":  # torch has none of Hardsigmoid
        return [None] * len(x)
    theirs = case.record.torch_module(**dict(zip(case.record.parameters, case.parameters, strict=True))).double()
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(theirs(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0].tolist()


def _second_of_formula(case: Case, x: float, from_output: bool) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The exact second derivative, and by how much roundings may change it."""
    if case.left_out(x):
        return mpmath.mpf(0), mpmath.mpf(0)
    first, second, third = (exactly(derivative, x) for derivative in case.derivatives(Rational(x)))
    rounding = abs(first) + abs(second) + abs(x * third)
    if from_output and first:
        rounding += abs(exactly(case.values[0], x) / first) * (abs(third) + abs(second / first) * abs(second))
    return second, 2 * ROUNDINGS * (EPS * rounding + SMALLEST)


def _next_to_a_corner(case: Case, x: float) -> bool:
    # The output there may round to that of the corner itself, and then the slope is that of the corner.
    return any(math.isclose(x, corner, rel_tol=4 * EPS, abs_tol=SMALLEST) for corner in map(float, case.corners))


@every_case
def test_kinks_and_smoothness_follow_from_the_formula(case: Case) -> None:
    recorded = {kink.at: kink.slope for kink in case.record.kinks(*case.parameters)}
    for at, slope in recorded.items():
        assert slope == pytest.approx(float(exactly(case.slopes[0], at)), rel=4 * EPS, abs=0)
    orders = {float(corner): _first_jump(case, piece, after) for corner, piece, after in _neighbours(case)}
    if case.record.name not in LEFT_OUT:
        assert set(recorded) == {at for at, order in orders.items() if order <= 1}
        assert case.record.smoothness(*case.parameters) == min(orders.values(), default=math.inf) - 1


def _neighbours(case: Case) -> list[tuple]:
    return list(zip(case.corners, case.pieces[:-1], case.pieces[1:], strict=True))


def _first_jump(case: Case, before: tuple, after: tuple) -> float:
    """The order of the first derivative that jumps between two pieces, of those that are looked at: 0, 1 and 2."""
    corner = before[1]
    left, right = (branch(case.values[0], inside(piece)) for piece in (before, after))
    for order in range(3):
        if sympy.simplify((left - right).subs(X, corner)) != 0:
            return order
        left, right = left.diff(X), right.diff(X)
    return math.inf


@every_case
def test_the_range_is_that_of_the_formula(case: Case) -> None:
    """It ends at the least and the greatest limit or turning point, and is closed just where those are taken."""
    taken = [exactly(case.values[0], corner) for corner in case.corners] + _turning_values(case)
    limits = []
    for piece in case.pieces:
        formula = branch(case.values[0], inside(piece))
        ends = [sympy.limit(formula, X, end, side) for end, side in zip(piece, "+-", strict=True)]
        # A wave has none: what it swings between, it takes at its turning points.
        known = [exactly(end, 0) for end in ends if not isinstance(end, sympy.AccumBounds)]
        (limits if formula.has(X) else taken).extend(known)
    stated = case.record.range(*case.parameters)
    for end, closed, extreme in ((stated.low, stated.low_closed, min), (stated.high, stated.high_closed, max)):
        reached = extreme(taken + limits)
        right = end == reached or abs(end - reached) <= 2 * EPS * abs(reached)
        assert right, f"the range ends at {mpmath.nstr(reached, 17)}, not at {end}"
        assert closed == (reached in taken and not mpmath.isinf(reached))


def _turning_values(case: Case) -> list[mpmath.mpf]:
    values = []
    for piece in case.pieces:
        slope = numeric(branch(case.slopes[0], inside(piece)))
        for low, high in pairwise(points_inside(piece)):
            ends = [exactly(case.slopes[0], x) for x in (low, high)]
            if ends[0] * ends[1] < 0:
                with mpmath.workdps(40):
                    root = mpmath.findroot(slope, [mpmath.mpf(end.p) / end.q for end in (low, high)], solver="anderson")
                values.append(exactly(case.values[0], Rational(str(root))))
    return values


@pytest.mark.parametrize(
    ("latex", "meant"),
    [
        (r"-x^{2}/2 + a x", "-x**2/2 + a*x"),
        (r"\frac{x + 1}{2}\,x - 3", "(x + 1)*x/2 - 3"),
        (r"\tanh^{2} x - \sigma(x)^2", "tanh(x)**2 - 1/(1 + exp(-x))**2"),
        (r"\sqrt{\tfrac{2}{\pi}} e^{-x}", "sqrt(2/pi)*exp(-x)"),
        (r"\min\bigl(\max(0, x + 3), 6\bigr)", "Min(Max(0, x + 3), 6)"),
        (r"\lvert x \rvert \log \sigma(x)", "log(1/(1 + exp(-x)))*Abs(x)"),
        (r"\mathrm{min\_val} x", "min_val*x"),
        (r"a \cos(a x) - \sin x", "a*cos(a*x) - sin(x)"),
    ],
)
def test_latex_is_read_as_meant(latex: str, meant: str) -> None:
    names = {name: sympy.Symbol(name, real=True) for name in ("x", "a", "min_val")}
    assert sympy.simplify(expression(latex) - sympy.sympify(meant, locals=names)) == 0


@pytest.mark.parametrize(
    "latex",
    [
        r"x/2 y",
        r"\tanh x y",
        r"\tanh x^2",
        r"x +",
        r"(x",
        r"\cosh x",
        r"x = 1",
        r"\frac{1}{2",
        r"\begin{cases} 1 & x \end{cases}",
        "x!",
    ],
)
def test_what_cannot_be_read_is_refused(latex: str) -> None:
    with pytest.raises(ValueError, match=r"stands where|cannot be read|can be read|not clear"):
        expression(latex)
