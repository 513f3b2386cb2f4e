"""Exercises whose checks name the likely bug, made from their solutions.

An exercise holds a tested solution and the wrong answers that people give, each with a hint. A check runs the learner's
answer, the solution and the wrong answers on the same inputs: if the answer behaves like one of the wrong ones, the
learner reads what went wrong there; if it merely differs, the learner reads where.
"""

import ast
import copy
import html
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from textwrap import dedent
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nonlin.exercises.by_hand import ByHand, Used


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One call of the answer: a label that a message can quote ("at x = 100") and the arguments."""

    label: str
    arguments: tuple[Any, ...]
    with_slope: bool = False  # also compare the gradient of the output's sum with respect to the first argument
    tolerance: float = 0.0  # absolute, of values and slopes, added to a few roundings of the expected value


BY_AUTOGRAD = ", the slope by autograd"  # behind the label of a probe


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong answer that people give, and what to tell those who gave it."""

    answer: Any
    hint: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise.

    Args:
        number: lesson and place, ``"03.1"``.
        title: what is to be done, in a few words.
        minutes: time that it takes.
        difficulty: 1 (fill in), 2 (think) or 3 (design).
        solution: the right answer. A function without arguments means that the answer is a value, not a function.
        probes: the inputs on which an answer is judged; empty for a value.
        mistakes: plausible wrong answers, at least three, each with its own hint.
        by_hand: what an answer that is right may yet not use; None for everything goes.
        faults: for a free answer, such as a record of one's own: what is wrong with it, the first thing to mend first.
            Then the answer is not compared with the solution, which is one of many.
        hints: from a nudge to nearly the answer.
        remark: what a correct answer should make one notice.
    """

    number: str
    title: str
    minutes: int
    difficulty: int
    solution: Callable[..., Any]
    probes: tuple[Probe, ...] = ()
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    remark: str
    by_hand: ByHand | None = None
    faults: Callable[[Any], Sequence[str]] | None = None

    @property
    def wants_function(self) -> bool:
        """Whether the answer is a function (else a value)."""
        return bool(inspect.signature(self.solution).parameters)

    @property
    def solution_text(self) -> str:
        """Source code of the solution that the tests run, without annotations, so that it runs in the notebook.

        Where a value is asked for, the function that computes it is called in the last line.
        """
        text = without_annotations(dedent(inspect.getsource(self.solution)).strip())
        return text if self.wants_function else f"{text}\n\n\n{self.solution.__name__}()"


def without_annotations(source: str) -> str:
    """Python code without its annotations, whose names a learner has not imported; the rest keeps its layout.

    Args:
        source: statements. What is cut out of something else, such as a lambda, may be none, and is returned as it is.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    lines = source.encode().splitlines(keepends=True)  # ast counts columns in bytes
    starts = [0, *accumulate(map(len, lines))]
    code = b"".join(lines)
    for node, mark in sorted(
        _annotations(tree), key=lambda found: (found[0].lineno, found[0].col_offset), reverse=True
    ):
        begin = code.rindex(mark, 0, starts[node.lineno - 1] + node.col_offset)
        code = code[:begin].rstrip() + code[starts[node.end_lineno - 1] + node.end_col_offset :]
    return code.decode()


def _annotations(tree: ast.AST) -> Iterator[tuple[ast.expr, bytes]]:
    """All annotations, each with the mark in front of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield node.annotation, b":"
        elif isinstance(node, ast.FunctionDef) and node.returns:
            yield node.returns, b"->"


@dataclass(frozen=True)
class Feedback:
    """What a check says; JupyterLab shows it with hints and solution folded below.

    Args:
        exercise: the exercise.
        state: ``"correct"``, ``"not yet"`` or ``"wrong"``.
        message: what is said.
        keeps_solution: whether the solution is kept back until the answer is right, or ``solution`` is called.
    """

    exercise: Exercise
    state: str
    message: str
    keeps_solution: bool = False

    def __repr__(self) -> str:
        return f"{self._heading}: {self.message}"

    @property
    def _heading(self) -> str:
        mark = {"correct": "✓ Correct", "not yet": "○ Not yet", "wrong": "✗ Not right"}[self.state]
        return f"Exercise {self.exercise.number} {mark}"

    def _repr_html_(self) -> str:
        folds = [(f"Hint {n}", f"<p>{html.escape(hint)}</p>") for n, hint in enumerate(self.exercise.hints, 1)]
        kept = self.keeps_solution and self.state != "correct"
        if not kept:
            folds.append(("Solution", f"<pre>{html.escape(self.exercise.solution_text)}</pre>"))
        folded = "".join(f"<details><summary>{title}</summary>{body}</details>" for title, body in folds)
        if kept:
            call = f'from nonlin.lessons import solution; solution("{self.exercise.number}")'
            folded += f"<p>The solution, when you want it: <code>{html.escape(call)}</code></p>"
        return f"<p><b>{self._heading}:</b> {html.escape(self.message)}</p>{folded}"


class _Unanswered(Exception):
    """The learner has not written anything yet."""


def judge(exercise: Exercise, answer: Any) -> Feedback:
    """Judge an answer and say what is likely wrong with it.

    Args:
        exercise: the exercise.
        answer: the learner's function, or value.

    Returns:
        The feedback; a wrong answer, even one that raises, is never an error.
    """
    with _state_kept():
        try:
            return _judged(exercise, answer)
        except _Unanswered:
            return _not_yet(exercise)
        except KeyboardInterrupt:
            return Feedback(exercise, "wrong", "you stopped it: if it ran for long, look for a loop that never ends.")
        except (Exception, SystemExit) as error:  # one net: whatever a learner's object does when it is looked at
            return Feedback(exercise, "wrong", f"your answer cannot be compared: {_words(error)}")


def _judged(exercise: Exercise, answer: Any) -> Feedback:
    if answer is ... or answer is None:
        return _not_yet(exercise)
    if exercise.wants_function and not callable(answer):
        return Feedback(exercise, "wrong", "pass the function itself, without parentheses behind its name.")
    if not exercise.wants_function and callable(answer) and not isinstance(answer, Tensor):
        return Feedback(exercise, "wrong", "the answer is a value here, not a function: call it first.")
    if exercise.faults is not None:
        return _judge_free(exercise, exercise.faults, answer)
    results, refusal = _results_or_error(exercise, answer)
    return _compare_with_solution(exercise, results, refusal)


@contextmanager
def _state_kept() -> Iterator[None]:
    """What a learner's code switches in torch is switched back, so that it cannot spoil what runs next."""
    gradients, dtype, chance = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state()
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(dtype)
        torch.set_rng_state(chance)


def _words(error: BaseException) -> str:
    """The error's kind and what it says; a learner's own kind of error may fail to say anything."""
    try:
        said = str(error)
    except Exception:
        said = ""
    return f"{type(error).__name__}: {said}" if said else f"{type(error).__name__}."


def _not_yet(exercise: Exercise) -> Feedback:
    return Feedback(exercise, "not yet", "replace the ... and run the cell again.")


def _judge_free(exercise: Exercise, faults: Callable[[Any], Sequence[str]], answer: Any) -> Feedback:
    found = faults(answer)
    if not found:
        return Feedback(exercise, "correct", exercise.remark)
    known = (mistake.hint for mistake in exercise.mistakes if faults(mistake.answer) == found)
    return Feedback(exercise, "wrong", next(known, found[0]))


class _AnswerError(Exception):
    """The learner's function could not be called, or did not return what can be compared."""


def _compare_with_solution(exercise: Exercise, results: dict[str, Any], refusal: str | None) -> Feedback:
    expected = _results(exercise, exercise.solution if exercise.wants_function else exercise.solution())
    difference = refusal or _difference(exercise, results, expected)
    if difference is None:
        return Feedback(exercise, "correct", exercise.remark)
    for mistake in exercise.mistakes:
        wrong, refused = _results_or_error(exercise, mistake.answer)
        if refused == refusal and _difference(exercise, results, wrong) is None:
            return Feedback(exercise, "wrong", mistake.hint)
    return Feedback(exercise, "wrong", refusal or results.get("error", difference))


def _results_or_error(exercise: Exercise, answer: Any) -> tuple[dict[str, Any], str | None]:
    """What the answer gives, and why it is refused although it may be right."""
    used = Used()
    try:
        results = _results(exercise, used.watch(answer) if exercise.by_hand else answer)
    except _AnswerError as error:
        results = {"error": str(error)}
    return results, exercise.by_hand.refusal(used) if exercise.by_hand else None


def _results(exercise: Exercise, answer: Any) -> dict[str, Any]:
    """What the answer gives, by label: the value itself, or the output (and slope) for each probe."""
    if not exercise.wants_function:
        return {"your answer": answer}
    results: dict[str, Any] = {}
    for probe in exercise.probes:
        results |= _call(answer, probe)
    return results


def _call(answer: Callable[..., Any], probe: Probe) -> dict[str, Any]:
    arguments = [a.clone() if isinstance(a, Tensor) else copy.deepcopy(a) for a in probe.arguments]
    if probe.with_slope:
        arguments[0].requires_grad_()
    with _state_kept():
        try:
            output = answer(*arguments)
        except (Exception, SystemExit) as error:  # a learner's code may raise anything, and the learner must read it
            raise _AnswerError(f"{probe.label} your function raised {_words(error)}") from error
    if output is ...:
        raise _Unanswered
    if output is None:
        raise _AnswerError("your function returned nothing: is a return missing?")
    results = {probe.label: output}
    for given, now in zip(probe.arguments, arguments, strict=True):
        if isinstance(given, Tensor) and not torch.equal(given.nan_to_num(), now.detach().nan_to_num()):
            results[f"{probe.label}, the input afterwards"] = now.detach()
    if probe.with_slope:
        results[f"{probe.label}{BY_AUTOGRAD}"] = _slope(output, arguments[0], probe)
    return results


def _slope(output: Any, x: Tensor, probe: Probe) -> Tensor:
    lost = f"{probe.label} autograd cannot follow your function: use torch operations on x itself throughout."
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise _AnswerError(lost)
    try:
        return torch.autograd.grad(output.sum(), x)[0]
    except RuntimeError as error:  # the output depends on a copy of x, or is no real number
        raise _AnswerError(lost) from error


def _difference(exercise: Exercise, results: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """The first difference in words, or None."""
    tolerances = {
        label: probe.tolerance for probe in exercise.probes for label in (probe.label, f"{probe.label}{BY_AUTOGRAD}")
    }
    for label, wanted in expected.items():
        if label not in results:
            return f"{label}: nothing came back."
        if said := _compare(results[label], wanted, tolerances.get(label, 0.0)):
            return f"{label}: {said}"
    if extra := [label for label in results if label not in expected]:
        return f"{extra[0]} is not what was passed: your function changes its argument in place."
    return None


def _compare(got: Any, wanted: Any, tolerance: float) -> str | None:
    if isinstance(wanted, tuple):
        return _compare_tuples(got, wanted, tolerance)
    if not isinstance(wanted, Tensor):
        return _compare_numbers(got, wanted)
    if isinstance(got, np.ndarray | np.generic) or (wanted.ndim == 0 and type(got) in (bool, int, float)):
        got = torch.as_tensor(got, dtype=wanted.dtype if isinstance(got, bool | int | float) else None)
    if not isinstance(got, Tensor):
        return f"a tensor is expected, not {type(got).__name__}."
    if got.layout != torch.strided or got.is_quantized or got.is_nested or got.device != wanted.device:
        return "a plain, dense tensor in the processor's memory is expected."
    if got.shape != wanted.shape:
        return f"the shape is {tuple(got.shape)}, expected {tuple(wanted.shape)}."
    if got.dtype != wanted.dtype:
        return f"the dtype is {got.dtype}, expected {wanted.dtype}."
    return _compare_values(got.detach(), wanted.detach(), tolerance)


def _compare_tuples(got: Any, wanted: tuple, tolerance: float) -> str | None:
    if isinstance(got, Tensor | np.ndarray) and got.ndim == 1:
        got = tuple(got)
    if not isinstance(got, tuple | list) or len(got) != len(wanted):
        return f"{len(wanted)} values are expected, in a tuple."
    return next((said for pair in zip(got, wanted, strict=True) if (said := _compare(*pair, tolerance))), None)


def _compare_numbers(got: Any, wanted: Any) -> str | None:
    if isinstance(got, Tensor) and got.numel() != 1:
        return f"one value is expected, not a tensor of shape {tuple(got.shape)}."
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        try:
            return None if abs(float(got) - wanted) <= 1e-4 * max(1.0, abs(wanted)) else f"{got} is not right."
        except Exception:  # also of an object of the learner's own
            return f"a number is expected, not {type(got).__name__}."
    if isinstance(wanted, bool) and isinstance(got, Tensor | np.bool_):
        got = bool(got)
    if not isinstance(got, type(wanted)):
        return f"an answer of type {type(wanted).__name__} is expected, not {type(got).__name__}."
    return None if got == wanted else f"{got!r} is not right."


def _compare_values(got: Tensor, wanted: Tensor, tolerance: float) -> str | None:
    # A few roundings are allowed, relative to the value, so that a tail that was flushed to zero is seen.
    roundings = 64 * torch.finfo(wanted.dtype).eps if wanted.is_floating_point() else 0
    close = torch.isclose(got.double(), wanted.double(), rtol=roundings, atol=max(tolerance, 1e-38), equal_nan=True)
    if close.all():
        return None
    place = tuple((~close).nonzero()[0].tolist())
    where = f" at index {place if len(place) > 1 else place[0]}" if place else ""
    return "{}{where}, expected {}.".format(*tell_apart(got[place].item(), wanted[place].item()), where=where)


def tell_apart(a: float, b: float, digits: int = 6) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, at least ``digits``."""
    pairs = ((f"{a:.{digits}g}", f"{b:.{digits}g}") for digits in range(digits, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(a), repr(b)))


def number_line(dtype: torch.dtype = torch.float32) -> tuple[Probe, ...]:
    """The places where elementwise formulas go wrong: ordinary values, zero, both tails, other dtypes and shapes."""
    return (
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 25, dtype=dtype),)),
        Probe(label="at x = 0", arguments=(torch.tensor(0.0, dtype=dtype),)),
        Probe(label="at x = 100", arguments=(torch.tensor(100.0, dtype=dtype),)),
        Probe(label="at x = -100", arguments=(torch.tensor(-100.0, dtype=dtype),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-3.0, 3).double().reshape(2, 3),)),
    )
