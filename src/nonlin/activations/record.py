"""What is known of one activation function, held in one frozen record."""

import importlib
import inspect
import itertools
import math
import reprlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from numbers import Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from nonlin.activations.facts import Facts

T = TypeVar("T")

HALF = (torch.float16, torch.bfloat16)


def wide(x: Tensor) -> Tensor:
    """x in at least 32 bits: 16-bit numbers are computed with in float32 and rounded once, when the result is there."""
    return x.float() if x.dtype in HALF else x


def _fits(value: object, kind: Any) -> bool:
    """Whether a value is of an annotated kind, looked at from outside: what a function returns is not."""
    origin = get_origin(kind) or kind
    if origin is UnionType:
        return any(_fits(value, one) for one in get_args(kind))
    if origin is Literal:
        return value in get_args(kind)
    if origin is Callable:
        return callable(value)
    if origin is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, get_args(kind)[0]) for each in value)
    return isinstance(value, origin)


def _in_words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is UnionType:
        return " or ".join(map(_in_words, get_args(kind)))
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin is tuple:
        return f"a tuple, each {_in_words(get_args(kind)[0])}"
    words = {Callable: "a function", float: "a number", bool: "True or False", str: "text", NoneType: "None"}
    return words.get(origin) or f"of type {origin.__name__}"


class Checked:
    """A dataclass whose fields are what their annotations say."""

    def __post_init__(self) -> None:
        """Look at every field.

        Raises:
            TypeError: for the first that is something else.
        """
        kinds = get_type_hints(type(self))
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if not _fits(value, kinds[name]):
                said = f"{type(self).__name__} takes {name} as {_in_words(kinds[name])}"
                raise TypeError(f"{said}, not {reprlib.repr(value)}.")


@dataclass(frozen=True, kw_only=True)
class Interval(Checked):
    """An interval of the real line with open or closed ends.

    Example: ``Interval.parse("[0, inf)")`` holds 0 but not infinity.
    """

    low: float
    high: float
    low_closed: bool
    high_closed: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.high:
            raise ValueError(f"An interval runs from low to high, not from {self.low:g} to {self.high:g}.")

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read mathematical notation: ``"(-1, 1)"``, ``"[0, inf)"``.

        Raises:
            ValueError: if the text is not an interval, or its ends are out of order.
        """
        try:
            low, high = (float(end) for end in text[1:-1].split(","))
        except ValueError:
            low = high = math.nan
        single = low == high and text[:1] + text[-1:] == "[]"
        if text[:1] not in ("(", "[") or text[-1:] not in (")", "]") or not (low < high or single):
            raise ValueError(f"{text!r} is not an interval such as '(0, 1]' or '[0, inf)'.")
        return cls(low=low, high=high, low_closed=text[0] == "[", high_closed=text[-1] == "]")

    def contains(self, x: T) -> T:
        """Whether each value lies inside: bool, of the shape of ``x``; for a number, one bool."""
        above = x >= self.low if self.low_closed else x > self.low
        below = x <= self.high if self.high_closed else x < self.high
        return above & below

    def __str__(self) -> str:
        ends = ", ".join(f"{end:g}".replace("inf", "∞") for end in (self.low, self.high))
        return f"{'[' if self.low_closed else '('}{ends}{']' if self.high_closed else ')'}"


REAL, NOT_NEGATIVE, POSITIVE = map(Interval.parse, ("(-inf, inf)", "[0, inf)", "(0, inf)"))
EXTENDED = Interval.parse("[-inf, inf]")  # as large as floating point goes, infinities included


@dataclass(frozen=True, kw_only=True)
class Kink(Checked):
    """A point where the slope jumps, and the slope that torch returns exactly there."""

    at: float
    slope: float


def fixed(value: T) -> Callable[..., T]:
    """For what does not depend on the parameters: a function that returns ``value`` whatever they are."""
    return lambda *_: value


ALWAYS = fixed(True)


@dataclass(frozen=True, kw_only=True)
class Paper(Checked):
    """Where an activation comes from."""

    authors: str
    year: int
    title: str
    url: str

    @property
    def signed(self) -> str:
        """The authors with the year."""
        return f"{self.authors} ({self.year})"

    def __str__(self) -> str:
        return f"{self.signed}, {self.title}, {self.url}"


@dataclass(frozen=True)
class Parameter(Checked):
    """A number that shapes an activation.

    Args:
        symbol: its letter in the formula, ``"α"``.
        default: that of torch, as in the signature of the function.
        domain: the values that are accepted; others are refused. What the record says is true of the finite ones.
        meaning: what it does, in a few words.
        learned_by: the layer in ``learned.py`` for which it is not fixed but learned, ``"PReLU"``, if there is one.
    """

    symbol: str
    default: float
    domain: Interval
    meaning: str
    learned_by: str | None = None

    @property
    def to_learn_it(self) -> str:
        """What to do for a value that changes in training."""
        if self.learned_by:
            return f"nonlin.activations.learned.{self.learned_by} learns it"
        return "to learn it, write a module of your own with the formula in torch's functions"


def _has_tangent(x: Tensor) -> bool:
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None


def as_number(owner: str, name: str, value: object, domain: Interval, to_learn_it: str) -> float:
    """The value of a parameter as a number of Python, whole or not.

    Args:
        owner: who has the parameter, for the message: ``"LeakyReLU"``.
        name: of the parameter.
        value: a real number of any type, or a tensor that holds a single one and does not learn.
        domain: of the parameter.
        to_learn_it: what to do instead with a tensor that does, which from here would never get its gradient.

    Raises:
        TypeError: for anything else, in particular a tensor that requires a gradient.
        ValueError: for a number outside the domain, for NaN, and for a whole number beyond floating point.
    """
    if isinstance(value, Tensor):
        if value.requires_grad or _has_tangent(value):
            raise TypeError(f"{owner} takes {name} as a fixed number, which gets no gradient: {to_learn_it}.")
        if value.numel() != 1:
            raise TypeError(f"{owner} takes {name} as one number, not a tensor of shape {tuple(value.shape)}.")
        try:
            value = value.item()
        except RuntimeError:
            raise TypeError(
                f"{owner} takes {name} as a fixed number, and this tensor has none (is it meta, or under vmap?)."
            ) from None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{owner} takes {name} as a number, not {reprlib.repr(value)}.")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{owner} takes {name} as a number in the range of floating point.") from None
    if math.isnan(number):
        raise ValueError(f"{owner} takes {name} as a number, not NaN.")
    if not domain.contains(number):
        raise ValueError(f"{owner} takes {name} in {domain}, not {number:g}.")
    return value if isinstance(value, int) else number


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Checked, Facts):
    """Everything that is known of one activation, written down once.

    A field that can be computed from the others is a property, never stored. A forgotten field fails at import and is
    named in the error; only the last four have a default, which fits most activations.

    Args:
        name: the name used in code and on the command line, ``"sigmoid"``.
        title: the name as a person writes it, ``"Sigmoid"``.
        function: ``y = f(x, *parameters)``, element by element. Its signature after ``x`` holds the parameters with
            their defaults.
        derivative: ``f'(x, *parameters)``, with the signature of ``function``.
        derivative_from_output: the same slope computed from ``y = f(x)``, or None where it does not follow from ``y``.
            Backward then keeps ``y``, which the next layer keeps anyway, instead of ``x``.
        formula: LaTeX of :math:`f(x)`.
        derivative_formula: LaTeX of :math:`f'(x)`.
        range: from the parameters to the set of values of ``f`` over the real line, in exact arithmetic.
        kinks: from the parameters to the points where the slope jumps; ``fixed(())`` for none.
        smoothness: from the parameters to the number of continuous derivatives: -1 for a jump, 0 for a kink, 1 where
            only the second derivative jumps, infinity for a smooth function.
        takes: what is known of each parameter, by its name.
        torch_module: the counterpart in ``torch.nn``, taking the same parameters, or None.
        paper: the source.
        use: when to use it, one sentence.
        caveat: when not to, one sentence.
        output_suffices: from the parameters to whether ``derivative_from_output`` holds for them; by default it does.
        output_suffices_in_half: whether it serves 16-bit tensors, too. Not where it is y + α: a y of 2 or 3 digits
            leaves no correct digit of a small slope. Backward then keeps ``x`` there, as torch does.
        conditions: what the parameters have to fulfil together, or besides their domains, each as it is printed,
            ``"lower <= upper"``, with a function of them all that tells whether it holds.
        integers: what an integer tensor becomes: refused, ``"promoted"`` to floating point, or ``"kept"``, as in torch.
    """

    name: str
    title: str
    function: Callable[..., Tensor]
    derivative: Callable[..., Tensor]
    derivative_from_output: Callable[..., Tensor] | None
    formula: str
    derivative_formula: str
    range: Callable[..., Interval]
    kinks: Callable[..., tuple[Kink, ...]]
    smoothness: Callable[..., float]
    takes: Mapping[str, Parameter]
    torch_module: Callable[..., nn.Module] | None
    paper: Paper
    use: str
    caveat: str
    output_suffices: Callable[..., bool] = ALWAYS
    output_suffices_in_half: bool = True
    conditions: Mapping[str, Callable[..., bool]] = field(default_factory=dict)
    integers: Literal["refused", "promoted", "kept"] = "refused"

    def __post_init__(self) -> None:
        super().__post_init__()
        if "inplace" in self.parameters:
            raise TypeError(f"{self.name}: a parameter may not be called inplace, as the layer has that argument.")
        for other in filter(None, (self.derivative, self.derivative_from_output)):
            if _parameters(other) != self.parameters:
                raise TypeError(f"{self.name}: {other.__name__} must take the same parameters as {self.name}.")
        if {name: parameter.default for name, parameter in self.takes.items()} != self.parameters:
            said = ", ".join(f"{name} = {value:g}" for name, value in self.parameters.items()) or "nothing"
            raise TypeError(f"{self.name}: takes must explain {said}, as the function takes it.")
        self.accepted(self.parameters)  # the defaults are in their domains
        # Now, not at the first plot: what depends on the parameters must take them.
        kinds = get_type_hints(type(self))
        for name in ("range", "kinks", "smoothness", "output_suffices"):
            value, kind = getattr(self, name)(*self.parameters.values()), get_args(kinds[name])[1]
            if not _fits(value, kind):
                raise TypeError(f"{self.name}: {name} must give what is {_in_words(kind)}, not {reprlib.repr(value)}.")

    def __deepcopy__(self, memo: dict) -> "Activation":
        return self  # nothing in it can change

    def __reduce_ex__(self, protocol: int) -> tuple:
        # Pickled by its place where it has one, because its fields may be lambdas, which pickle refuses.
        # Not in a notebook or a script: another process has a __main__ of its own, without this record. There
        # cloudpickle, which a sweep uses, sends the functions themselves.
        module = sys.modules[self.function.__module__]
        for name, value in vars(module).items():
            if value is self and module.__name__ != "__main__":
                return _recall, (module.__name__, name)
        return super().__reduce_ex__(protocol)

    def __fx_create_arg__(self, tracer: torch.fx.Tracer) -> torch.fx.Node:
        # In a graph of torch.fx, a record is an attribute of the module that is traced, as constant tensors are.
        names = (f"_record_{i}" for i in itertools.count())
        name = next(name for name in names if getattr(tracer.root, name, self) is self)
        setattr(tracer.root, name, self)
        return tracer.create_node("get_attr", name, (), {})

    @property
    def family(self) -> str:
        """The file that holds the record: ``"saturating"``, ``"rectified"``, ..."""
        return self.function.__module__.rpartition(".")[2]

    @cached_property
    def default_range(self) -> Interval:
        """The range with the default parameters."""
        return self.range(*self.parameters.values())

    @cached_property
    def default_kinks(self) -> tuple[Kink, ...]:
        """The kinks with the default parameters."""
        return self.kinks(*self.parameters.values())

    @cached_property
    def parameters(self) -> dict[str, float]:
        """Parameter names with their default values."""
        return _parameters(self.function)

    @cached_property
    def default_values(self) -> tuple[float, ...]:
        """The default parameters in order."""
        return tuple(self.parameters.values())

    def accepted(self, given: Mapping[str, object]) -> tuple[float, ...]:
        """All parameters in order: those given, as numbers, and the defaults of the others.

        Raises:
            TypeError: for a parameter that the activation does not have, what is no number, and a tensor that learns.
            ValueError: for a number outside its domain, or numbers that do not fulfil a condition.
        """
        if unknown := sorted(given.keys() - self.parameters.keys()):
            raise TypeError(
                f"{self.title} has no parameter {', '.join(unknown)}; it takes {', '.join(self.parameters) or 'none'}."
            )
        values = dict(self.parameters)
        for name, value in given.items():
            explained = self.takes[name]
            values[name] = as_number(self.title, name, value, explained.domain, explained.to_learn_it)
        for condition, holds in self.conditions.items():
            if not holds(*values.values()):
                said = ", ".join(f"{name} = {value:g}" for name, value in values.items())
                raise ValueError(f"{self.title} needs {condition}, and was given {said}.")
        return tuple(values.values())

    def keeps_output(self, *parameters: float, dtype: torch.dtype = torch.float32) -> bool:
        """Whether backward keeps ``y``, which the next layer keeps anyway, and not ``x``, for tensors of this dtype."""
        if self.derivative_from_output is None or (dtype in HALF and not self.output_suffices_in_half):
            return False
        return self.output_suffices is ALWAYS or self.output_suffices(*(parameters or self.default_values))


def as_record(value: object) -> Activation:
    """The value, if it is a record.

    Raises:
        TypeError: for anything else, such as a name.
    """
    if not isinstance(value, Activation):
        hint = 'take one from ACTIVATIONS, such as ACTIVATIONS["relu"]'
        raise TypeError(f"An activation is a record here, not {reprlib.repr(value)}: {hint}.")
    return value


def _recall(module: str, name: str) -> Activation:
    return getattr(importlib.import_module(module), name)


def _parameters(function: Callable[..., object]) -> dict[str, float]:
    """What a function of ``x`` takes behind ``x``, with its defaults.

    Raises:
        TypeError: for a built-in function, whose parameters cannot be read.
    """
    try:
        takes = inspect.signature(function).parameters.values()
    except ValueError as error:
        raise TypeError(
            f"{getattr(function, '__name__', function)} is built in and does not tell its parameters: "
            "write a function with def that calls it."
        ) from error
    return {p.name: p.default for p in list(takes)[1:]}
