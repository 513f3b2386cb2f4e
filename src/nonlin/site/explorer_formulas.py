"""The records' printed formulas as JavaScript that stays right far out, where the printed form would give NaN.

SymPy reads the LaTeX with σ, Φ and tanh as functions of their own, which know their slopes; what loses digits, such as
log(1 + e^x) or e^x - 1, is rewritten with helpers (``explorer_helpers.js``) that do not.
"""

import ast
import json
import math
import re
from collections.abc import Callable
from itertools import combinations, permutations

import sympy
from sympy import Abs, Expr, Max, Min, Piecewise, Symbol
from sympy.core.relational import Relational
from sympy.printing.jscode import JavascriptCodePrinter

from nonlin.activations import ACTIVATIONS, Activation, Parameter
from nonlin.activations.latex import FUNCTIONS, X, read, symbol_of
from nonlin.activations.layers import zero_slope_float32
from nonlin.typography import true_minus


class Helper(sympy.Function):
    """A function of one number that the page computes itself, under the name of its class."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The slope, with helpers again."""
        return SLOPES[type(self)](self.args[0])


class sigma(Helper):
    """1 / (1 + e^-z)."""


class sigmaSlope(Helper):
    """σ(z) σ(-z)."""


class tanh(Helper):
    """tanh z."""


class tanhSlope(Helper):
    """1 / cosh^2 z."""


class softplus(Helper):
    """log(1 + e^z)."""


class Phi(Helper):
    """The share of N(0, 1) below z."""


class density(Helper):
    """The density of N(0, 1) at z."""


class erf(Helper):
    """2 Φ(√2 z) - 1."""


class expm1(Helper):
    """e^z - 1."""


class log1p(Helper):
    """log(1 + z)."""


class tanhshrink(Helper):
    """z - tanh z."""


SLOPES: dict[type[Helper], Callable[[Expr], Expr]] = {
    sigma: sigmaSlope,
    sigmaSlope: lambda z: -sigmaSlope(z) * tanh(z / 2),
    tanh: tanhSlope,
    tanhSlope: lambda z: -2 * tanh(z) * tanhSlope(z),
    softplus: sigma,
    Phi: density,
    density: lambda z: -z * density(z),
    erf: lambda z: 2 * sympy.sqrt(2) * density(sympy.sqrt(2) * z),
    expm1: sympy.exp,
    log1p: lambda z: 1 / (1 + z),
    tanhshrink: lambda z: tanh(z) ** 2,
}
OPAQUE = {**FUNCTIONS, r"\sigma": sigma, r"\Phi": Phi, r"\tanh": tanh, r"\operatorname{erf}": erf}

# What a printed formula leaves out, and the code does: softplus returns x itself where βx is above the threshold.
LEFT_OUT: dict[str, Callable[..., tuple[Expr, Relational]]] = {
    "softplus": lambda beta, threshold: (X, beta * X > threshold)
}


def stable(expr: Expr) -> Expr:
    """An equal expression that neither cancels nor overflows where the given one does."""
    while (better := expr.replace(lambda part: bool(part.args), _stable_part)) != expr:
        expr = better
    return expr


def _stable_part(part: Expr) -> Expr:
    if part.func is sympy.log:
        return _stable_log(part)
    if part.is_Pow and (z := _one_plus_exp(part.base)) is not None:
        return sigma(-z) ** -part.exp
    if part.is_Mul:
        for factor in part.args:
            if isinstance(factor, sigma) and sigma(-factor.args[0]) in part.args:
                return sigmaSlope(factor.args[0]) * part / factor / sigma(-factor.args[0])
    if part.is_Add:
        for first, second in permutations(part.args, 2):
            if (together := _stable_sum(first, second)) is not None:
                return part - first - second + together
    return part


def _one_plus_exp(expr: Expr) -> Expr | None:
    """The z of 1 + e^z."""
    rest = expr - 1
    return rest.exp if isinstance(rest, sympy.exp) else None


def _stable_log(part: Expr) -> Expr:
    (inside,) = part.args
    if isinstance(inside, sigma):
        return -softplus(-inside.args[0])
    if (z := _one_plus_exp(inside)) is not None:
        return softplus(z)
    return log1p(inside - 1) if inside.is_Add and 1 in inside.args else part


def _stable_sum(a: Expr, b: Expr) -> Expr | None:
    """a + b where b = -a e^z, a tanh z or the like, which may cancel a."""
    if b == -tanh(a):
        return tanhshrink(a)
    sign, size = (b / a).as_coeff_Mul()
    if isinstance(size, tanh) and abs(sign) == 1:
        return 2 * a * sigma(2 * sign * size.args[0])
    if sign != -1:
        return None
    if isinstance(size, sympy.exp):
        return -a * expm1(size.exp)
    if isinstance(size, sigma):
        return a * sigma(-size.args[0])
    if size.is_Pow and isinstance(size.base, tanh) and size.exp == 2:
        return a * tanhSlope(size.base.args[0])
    return None


class Printer(JavascriptCodePrinter):
    """As SymPy prints JavaScript; helpers by their names, and of several cases the last where none other holds."""

    def _print_Function(self, expr: sympy.Function) -> str:
        if isinstance(expr, Helper):
            return f"{type(expr).__name__}({self._print(expr.args[0])})"
        return super()._print_Function(expr)

    def _print_Piecewise(self, expr: Piecewise) -> str:
        *pieces, (last, _) = expr.args
        cases = "".join(f"({self._print(condition)}) ? ({self._print(value)}) : " for value, condition in pieces)
        return f"({cases}({self._print(last)}))"


def formulas(record: Activation) -> tuple[Expr, Expr, Expr]:
    """f, f' and f'' in the letters of the parameters: f and f' as printed, f'' by differentiation of the printed f'."""
    letters = [symbol_of(record.takes[name].symbol) for name in record.parameters]
    statements = [read(latex, OPAQUE) for latex in (record.formula, record.derivative_formula)]
    definitions = statements[0].definitions | statements[1].definitions
    value, slope = (
        min((stable(side.subs(definitions)) for side in statement.sides), key=sympy.count_ops)
        for statement in statements
    )
    bend = stable(_cases(slope).diff(X))
    if record.name in LEFT_OUT:
        other, where = LEFT_OUT[record.name](*letters)
        value, slope, bend = (
            Piecewise((other.diff(X, order) if order else other, where), (usual, True))
            for order, usual in enumerate((value, slope, bend))
        )
    return value, slope, bend


def _cases(expr: Expr) -> Expr:
    """Minima and maxima as cases, which SymPy differentiates to cases again."""
    return expr.subs({extremum: extremum.rewrite(Piecewise) for extremum in expr.atoms(Max, Min)})


def corners(expr: Expr) -> set[Expr]:
    """Where an expression may pass from one smooth piece to another, in the letters of the parameters."""
    compared = {argument for extremum in expr.atoms(Max, Min) for argument in extremum.args}
    zero_there = [a - b for a, b in combinations([a for a in compared if not a.has(Max, Min)], 2)]
    zero_there += [relation.lhs - relation.rhs for relation in expr.atoms(Relational)]
    zero_there += [absolute.args[0] for absolute in expr.atoms(Abs)]
    lines = [line.replace(Abs, lambda inside, sign=sign: sign * inside) for line in zero_there for sign in (1, -1)]
    return {place for line in lines if line.has(X) for place in sympy.solve(line, X)}


def condition(said: str) -> str:
    """A condition between parameters, as a record prints it, in JavaScript.

    Raises:
        ValueError: for one that is not a comparison of parameters and numbers, nor says that something is finite.
    """
    finite = re.fullmatch("a finite (.*)", said)
    tree = ast.parse(finite[1] if finite else said, mode="eval").body
    known = (ast.Compare, ast.BinOp, ast.Name, ast.Constant, ast.Load, ast.operator, ast.cmpop)
    if not all(isinstance(node, known) for node in ast.walk(tree)) or (
        not finite and not isinstance(tree, ast.Compare)
    ):
        raise ValueError(f"{said!r} is no condition that can be put into JavaScript: write it as a comparison.")
    return f"Number.isFinite({finite[1]})" if finite else said


def _number(value: float) -> float | str:
    """For JSON, which knows no infinity."""
    return value if math.isfinite(value) else str(value)


def slider(parameter: Parameter) -> tuple[float, float]:
    """A stretch of the domain around the default, between whole numbers, that a slider covers; numbers go further."""
    width = max(2.0, 2 * abs(parameter.default))
    low, high = math.floor(parameter.default - width), math.ceil(parameter.default + width)
    domain, step = parameter.domain, 0.01
    low = max(low, domain.low + (0 if domain.low_closed else step))
    high = min(high, domain.high - (0 if domain.high_closed else step))
    return low, high


def _parameter(name: str, parameter: Parameter) -> dict[str, object]:
    domain = parameter.domain
    return {
        "name": name,
        "symbol": parameter.symbol,
        "value": parameter.default,
        "meaning": true_minus(parameter.meaning),
        "domain": true_minus(str(domain)),
        "low": _number(domain.low),
        "high": _number(domain.high),
        "open": [not domain.low_closed, not domain.high_closed],
        "slider": slider(parameter),
    }


def javascript(record: Activation) -> str:
    """One record as an object of JavaScript: its words, parameters, conditions, f, f', f'', and possible corners.

    The functions take x and the parameters in order.
    """
    printer = Printer()
    expressions = formulas(record)
    letters = {record.takes[name].symbol: name for name in record.parameters}
    names = {symbol_of(letter): Symbol(f"p_{name}", real=True) for letter, name in letters.items()}
    takes = ", ".join(f"p_{name}" for name in record.parameters)
    printed = [printer.doprint(expr.xreplace(names)) for expr in expressions]
    places = sorted(set().union(*map(corners, expressions)), key=str)
    at = ", ".join(printer.doprint(place.xreplace(names)) for place in places)
    alive = zero_slope_float32(record)
    words = {
        "title": record.title,
        "family": record.family,
        "use": true_minus(record.use),
        "caveat": true_minus(record.caveat),
        "float32": [_number(end) for end in (alive.low, alive.high)],
        "parameters": [_parameter(name, record.takes[name]) for name in record.parameters],
    }
    conditions = ", ".join(
        f"[{json.dumps(said)}, ({', '.join(record.parameters)}) => {condition(said)}]" for said in record.conditions
    )
    arguments = f"x, {takes}" if takes else "x"
    lines = [f"  f: [{', '.join(f'({arguments}) => {code}' for code in printed)}],"]
    lines += [f"  corners: ({takes}) => [{at}],", f"  conditions: [{conditions}],"]
    return "Object.assign(" + json.dumps(words, ensure_ascii=False) + ", {\n" + "\n".join(lines) + "\n})"


def all_javascript() -> str:
    """Every record under its name, as the constant ``RECORDS``."""
    records = ",\n".join(f"{json.dumps(name)}: {javascript(record)}" for name, record in ACTIVATIONS.items())
    return f"const RECORDS = {{\n{records}\n}};\n"
