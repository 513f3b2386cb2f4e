r"""Reads the LaTeX of the records into SymPy: as much of the notation as they use, and anything else is refused.

The grammar, from the loosest binding to the tightest::

    statement   equation {"," equation}       the first states the function, the others define what it uses
    equation    name "=" sum {"=" sum}
    sum         ["-"] product {("+" | "-") product}
    product     power {power | "/" power}     a factor behind a quotient is refused: x/2 y is ambiguous
    power       atom ["^" atom]
    atom        number, letter, group, \frac, \sqrt, |x|, cases, or a function of a group or of one atom
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

Functions = Mapping[str, Callable[..., Expr]]  # what a command of LaTeX stands for

X = Symbol("x", real=True)
GREEK = {"alpha": "α", "beta": "β", "theta": "θ", "lambda": "λ", "omega": "ω"}
CONSTANTS = {"e": sympy.E, r"\pi": sympy.pi, "x": X}
FUNCTIONS = {
    r"\tanh": sympy.tanh,
    r"\sin": sympy.sin,
    r"\cos": sympy.cos,
    r"\log": sympy.log,
    r"\operatorname{erf}": sympy.erf,
    r"\sigma": lambda z: 1 / (1 + sympy.exp(-z)),
    r"\Phi": lambda z: (1 + sympy.erf(z / sympy.sqrt(2))) / 2,
    r"\max": sympy.Max,
    r"\min": sympy.Min,
}
RELATIONS = {"<": sympy.StrictLessThan, ">": sympy.StrictGreaterThan, r"\le": sympy.LessThan, r"\ge": sympy.GreaterThan}
CLOSING = {"(": ")", "{": "}", r"\lvert": r"\rvert"}
NEW_NAME = re.compile(
    r"f|\\operatorname|\\mathrm|.*'"
)  # a left side that only names the function; others say something

SPACING = re.compile(r"\s+|\\[, ]|\\quad(?![A-Za-z])|\\(?:left|right|bigl|bigr)(?![A-Za-z])")
TOKEN = re.compile(
    r"\\(?:mathrm|operatorname|text|begin|end)\{[^}]*\}|\\[A-Za-z]+|\\\\|\d+(?:\.\d+)?|[A-Za-z]|[-+/^=<>(){},&]"
)


@dataclass(frozen=True)
class Statement:
    """A formula as it is read.

    Args:
        left: the LaTeX to the left of the first equals sign.
        sides: the expressions to the right of it, which are all stated to be equal, and the left side where that is an
            expression too and not just a name.
        definitions: the letters that the rest of the formula explains, with their values; the sides still hold them.
    """

    left: str
    sides: tuple[Expr, ...]
    definitions: dict[Symbol, Expr]


def read(latex: str, functions: Functions = FUNCTIONS) -> Statement:
    """Read a formula such as ``f(x) = x u, \\quad u = e^{x}``.

    Args:
        latex: the formula as it is printed.
        functions: what each named function becomes; those that are not given are not read.

    Raises:
        ValueError: for notation that is not in the grammar, or that can be read in two ways.
    """
    left, _, right = latex.partition(" = ")
    reader = _Reader(right, functions)
    sides = [reader.sum()]
    while reader.skip("="):
        sides.append(reader.sum())
    definitions = {}
    while reader.skip(","):
        letter = reader.atom()
        reader.expect("=")
        definitions[letter] = reader.sum()
    reader.expect("")
    if not NEW_NAME.match(left):
        sides.append(expression(left, functions))
    return Statement(left, tuple(sides), definitions)


def expression(latex: str, functions: Functions = FUNCTIONS) -> Expr:
    """Read one expression."""
    reader = _Reader(latex, functions)
    result = reader.sum()
    reader.expect("")
    return result


def symbol_of(symbol: str) -> Symbol:
    """The letter of a parameter."""
    return Symbol(symbol, real=True)


def _tokens(latex: str) -> list[str]:
    tokens, place = [], 0
    while place < len(latex):
        if space := SPACING.match(latex, place):
            place = space.end()
        elif token := TOKEN.match(latex, place):
            tokens.append(token[0])
            place = token.end()
        else:
            raise ValueError(f"{latex[place:]!r} begins with nothing that can be read.")
    return [*tokens, ""]


class _Reader:
    """One method for each line of the grammar; ``""`` marks the end."""

    def __init__(self, latex: str, functions: Functions) -> None:
        self.latex, self.functions, self.tokens = latex, functions, _tokens(latex)

    def skip(self, token: str) -> bool:
        """Whether this token comes next, which is then behind us."""
        found = self.tokens[0] == token
        if found:
            self.tokens.pop(0)
        return found

    def expect(self, token: str) -> None:
        if self.tokens[0] != token:
            raise ValueError(f"{self.tokens[0]!r} stands where {token!r} should, in {self.latex!r}.")
        self.tokens.pop(0)

    def sum(self) -> Expr:
        result = -self.product() if self.skip("-") else self.product()
        while self.tokens[0] in ("+", "-"):
            result += self.product() if self.tokens.pop(0) == "+" else -self.product()
        return result

    def product(self) -> Expr:
        result = self.power()
        while self._atom_follows() or self.tokens[0] == "/":
            if self.skip("/"):
                result /= self.power()
                self._refuse_factor()
            else:
                result *= self.power()
        return result

    def power(self) -> Expr:
        base = self.atom()
        return base ** self.atom() if self.skip("^") else base

    def atom(self) -> Expr:
        token = self.tokens[0]
        if token in ("(", "{", r"\lvert"):
            return self.group()
        self.tokens.pop(0)
        if token in self.functions:
            return self.function(token)
        if token in CONSTANTS:
            return CONSTANTS[token]
        if token in (r"\frac", r"\tfrac"):
            return self.group() / self.group()
        if token == r"\sqrt":
            return sympy.sqrt(self.group())
        if token == r"\begin{cases}":
            return self.cases()
        if re.fullmatch(r"\d.*", token):
            return sympy.Rational(token)  # exact: 0.044715 is 44715 millionths
        name = GREEK.get(token[1:], token)
        if name_in_words := re.fullmatch(r"\\mathrm\{(.*)\}", token):
            name = name_in_words[1].replace(r"\_", "_")
        if not re.fullmatch(r"\w+", name):
            raise ValueError(f"{token!r} cannot be read in {self.latex!r}.")
        return Symbol(name, real=True)

    def group(self) -> Expr:
        opening = self.tokens.pop(0)
        result = self.sum()
        self.expect(CLOSING[opening])
        return sympy.Abs(result) if opening == r"\lvert" else result

    def function(self, name: str) -> Expr:
        exponent = self.atom() if self.skip("^") else 1  # tanh^2 x is the square of tanh x
        if self.tokens[0] == "(":
            return self.functions[name](*self.arguments()) ** exponent
        argument = self.atom()
        self._refuse_factor()
        return self.functions[name](argument) ** exponent

    def arguments(self) -> list[Expr]:
        self.expect("(")
        results = [self.sum()]
        while self.skip(","):
            results.append(self.sum())
        self.expect(")")
        return results

    def cases(self) -> sympy.Piecewise:
        pieces = []
        while not self.skip(r"\end{cases}"):
            value = self.sum()
            self.expect("&")
            pieces.append((value, self.condition()))
            if self.tokens[0] != r"\end{cases}":
                self.expect(r"\\")
        return sympy.Piecewise(*pieces, evaluate=False)  # as printed: SymPy would drop a condition that overlaps

    def condition(self) -> sympy.Basic:
        if self.skip(r"\text{else}"):
            return sympy.true
        result = self.comparison()
        while self.skip(r"\text{ or }"):
            result |= self.comparison()
        return result

    def comparison(self) -> sympy.Basic:
        left, result = self.sum(), sympy.true
        while self.tokens[0] in RELATIONS:
            relation = RELATIONS[self.tokens.pop(0)]
            right = self.sum()
            result &= relation(left, right)
            left = right
        if result is sympy.true:
            raise ValueError(f"{self.tokens[0]!r} stands where a condition should, in {self.latex!r}.")
        return result

    def _atom_follows(self) -> bool:
        return re.match(r"[\w({]|\\(?!le$|ge$|rvert|end|text|\\)", self.tokens[0]) is not None

    def _refuse_factor(self) -> None:
        if self._atom_follows() or self.tokens[0] == "^":
            raise ValueError(
                f"It is not clear whether {self.tokens[0]!r} belongs to what is before it: {self.latex!r}."
            )
