"""Exercises whose checks name the likely bug, made from their solutions.

An exercise holds a tested solution and the wrong answers that people give, each with a hint. What these give on the
probes is the exercise's key (key.py), with which an answer is compared: if it behaves like one of the wrong ones, the
learner reads what went wrong there; if it merely differs, the learner reads where.
"""

import ast
import html
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from textwrap import dedent
from typing import Any

import torch

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.sealed import solution_in


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


@dataclass(frozen=True, kw_only=True, eq=False)  # equal is the same one: tensors have no single answer to ==
class Exercise:
    """One exercise.

    Args:
        number: lesson and place, ``"03.1"``.
        title: what is to be done, in a few words.
        minutes: time that it takes.
        difficulty: 1 (fill in), 2 (think) or 3 (design).
        solution: the right answer. A function without arguments means that the answer is a value, not a function.
            None in a hand-out.
        probes: the inputs on which an answer is judged; empty for a value.
        mistakes: plausible wrong answers, at least three, each with its own hint.
        by_hand: what an answer that is right may yet not use; None for everything goes.
        faults: for a free answer, such as a record of one's own: what is wrong with it, the first thing to mend first.
            Then the answer is not compared with the solution, which is one of many.
        hints: from a nudge to nearly the answer.
        remark: what a correct answer should make one notice.
        sealed: in a hand-out, what takes the place of solution, mistakes and remark: see `key.sealed`.
    """

    number: str
    title: str
    minutes: int
    difficulty: int
    solution: Callable[..., Any] | None
    probes: tuple[Probe, ...] = ()
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...] = field(repr=False)
    remark: str
    by_hand: ByHand | None = None
    faults: Callable[[Any], Sequence[str]] | None = None
    sealed: str = field(default="", repr=False)

    @property
    def wants_function(self) -> bool:
        """Whether the answer is a function (else a value)."""
        return bool(self.probes)

    @property
    def solution_text(self) -> str:
        """Source code of the solution that the tests run, without annotations, so that it runs in the notebook.

        Where a value is asked for, the function that computes it is called in the last line.
        """
        if self.solution is None:
            return solution_in(self.sealed)
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
        mistake: which of the exercise's known mistakes it is, counted from 0.
        keeps_solution: whether the solution is kept back until the answer is right, or ``solution`` is called.
    """

    exercise: Exercise
    state: str
    message: str
    mistake: int | None = None
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


def number_line(dtype: torch.dtype = torch.float32) -> tuple[Probe, ...]:
    """The places where elementwise formulas go wrong: ordinary values, zero, both tails, other dtypes and shapes."""
    return (
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 25, dtype=dtype),)),
        Probe(label="at x = 0", arguments=(torch.tensor([0.0], dtype=dtype),)),
        Probe(label="at x = 100", arguments=(torch.tensor([100.0], dtype=dtype),)),
        Probe(label="at x = -100", arguments=(torch.tensor([-100.0], dtype=dtype),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-3.0, 3).double().reshape(2, 3),)),
    )
