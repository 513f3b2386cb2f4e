"""How an answer is judged: what it gives is compared with a key, which holds no code of the solution.

The halves can be run apart. `results_of` calls the answer, and runs where the learner's code runs; `verdict` decides by
a key, sees plain data alone and calls nothing of the learner's. `encode` and `decode` carry results from one to the
other. A check in a notebook, `judge`, is both in a row.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nonlin.exercises.by_hand import Used
from nonlin.exercises.compare import difference
from nonlin.exercises.exercise import BY_AUTOGRAD, Exercise, Feedback, Probe
from nonlin.exercises.plain import decode, encode, kind_of, plain
from nonlin.exercises.sealed import seal, unseal

__all__ = ["Key", "Wrong", "decode", "encode", "judge", "key_of", "results_of", "sealed", "verdict"]

UNANSWERED, ERROR = "unanswered", "error"  # labels beside those of the probes
CHANCE = 730_421  # seed of what an answer draws: one for all, so that its verdict stays, and one of no probe


class Wrong(NamedTuple):
    """What a known mistake gives, why it is refused although it may be right, and what to tell those who made it."""

    results: Mapping[str, Any]
    refusal: str | None
    hint: str


@dataclass(frozen=True)
class Key:
    """What judging an answer needs beside what the answer gives.

    Args:
        expected: what a right answer gives, by label.
        mistakes: in the order of the exercise's own.
        remark: what a right answer should make one notice.
    """

    expected: Mapping[str, Any]
    mistakes: tuple[Wrong, ...]
    remark: str

    def __repr__(self) -> str:  # in a notebook it would give the answer away
        return f"Key(of {len(self.mistakes)} mistakes)"


@lru_cache(maxsize=256)
def key_of(exercise: Exercise) -> Key:
    """The key of an exercise: in a hand-out the sealed one, else from its solution and mistakes, which run once.

    Raises:
        ValueError: if the solution does not give what a key can hold.
    """
    if exercise.solution is None:
        return _unsealed(exercise.sealed)
    if exercise.faults is not None:
        expected: dict[str, Any] = {}
    else:
        right = exercise.solution if exercise.wants_function else exercise.solution()
        expected, _ = results_of(exercise, right)
    if ERROR in expected or UNANSWERED in expected or _has_meta(tuple(expected.values())):
        raise ValueError(f"the solution of {exercise.number} cannot be run: {expected.get(ERROR, 'it is too large')}")
    mistakes = ((*results_of(exercise, mistake.answer), mistake.hint) for mistake in exercise.mistakes)
    return Key(expected, tuple(Wrong(*each) for each in mistakes), exercise.remark)


def _has_meta(value: Any) -> bool:
    return (
        any(map(_has_meta, value)) if isinstance(value, tuple | list) else isinstance(value, Tensor) and value.is_meta
    )


def sealed(exercise: Exercise, after: date | None = None) -> str:
    """The key of an exercise as letters that tell nothing, for a hand-out.

    Args:
        exercise: with its solution.
        after: if given, the solution is sealed, too, and shown from this day on.
    """
    key = key_of(exercise)
    content = {"expected": encode(key.expected), "remark": key.remark}
    content["mistakes"] = [[encode(wrong.results), wrong.refusal, wrong.hint] for wrong in key.mistakes]
    if after:
        content |= {"solution": exercise.solution_text, "after": after.isoformat()}
    return seal(content)


def _unsealed(text: str) -> Key:
    content = unseal(text)
    mistakes = (Wrong(decode(results), refusal, hint) for results, refusal, hint in content["mistakes"])
    return Key(decode(content["expected"]), tuple(mistakes), content["remark"])


def judge(exercise: Exercise, answer: Any) -> Feedback:
    """Judge an answer and say what is likely wrong with it.

    Args:
        exercise: the exercise.
        answer: the learner's function, or value.

    Returns:
        The feedback; a wrong answer, even one that raises, is never an error.
    """
    return verdict(exercise, key_of(exercise), *results_of(exercise, answer))


def verdict(exercise: Exercise, key: Key, results: Mapping[str, Any], refusal: str | None) -> Feedback:
    """What to tell a learner whose answer gave these results.

    Args:
        exercise: whose probes and number are used, nothing else.
        key: of this exercise.
        results: plain ones, as `results_of` returns them and `decode` reads them.
        refusal: why the answer is refused although it may be right, as `results_of` returns it.
    """
    if UNANSWERED in results:
        return Feedback(exercise, "not yet", "replace the ... and run the cell again.")
    found = refusal or difference(exercise.probes, results, key.expected)
    if found is None:
        return Feedback(exercise, "correct", key.remark)
    for place, wrong in enumerate(key.mistakes):
        if wrong.refusal == refusal and difference(exercise.probes, results, wrong.results) is None:
            return Feedback(exercise, "wrong", wrong.hint, place)
    return Feedback(exercise, "wrong", refusal or str(results.get(ERROR, found)))


def results_of(exercise: Exercise, answer: Any) -> tuple[dict[str, Any], str | None]:
    """What an answer gives, plain and by label, and why it is refused although it may be right.

    It runs the answer, and needs no solution. Whatever the answer does, nothing is raised: the label ``"error"`` says
    why there are no results, ``"unanswered"`` that nothing was written yet.

    A free answer, which has no results to compare, is looked through by ``exercise.faults`` here already.
    """
    if answer is ... or answer is None:
        return {UNANSWERED: True}, None
    if exercise.wants_function and not callable(answer):
        return {ERROR: "pass the function itself, without parentheses behind its name."}, None
    if not exercise.wants_function and not exercise.faults and callable(answer) and not isinstance(answer, Tensor):
        return {ERROR: "the answer is a value here, not a function: call it first."}, None
    used = Used()
    try:
        with _state_kept():
            results = plain(_results(exercise, used.watch(answer) if exercise.by_hand else answer))
    except _Unanswered:
        return {UNANSWERED: True}, None
    except KeyboardInterrupt:
        return {ERROR: "you stopped it: if it ran for long, look for a loop that never ends."}, None
    except _AnswerError as error:
        results = {ERROR: str(error)}
    except (Exception, SystemExit) as error:  # one net: whatever a learner's object does when it is looked at
        return {ERROR: f"your answer cannot be compared: {_words(error)}"}, None
    return results, exercise.by_hand.refusal(used) if exercise.by_hand else None


class _Unanswered(Exception):
    """The learner has not written anything yet."""


class _AnswerError(Exception):
    """The learner's function could not be called, or did not return what can be compared."""


@contextmanager
def _state_kept() -> Iterator[None]:
    """An answer finds torch as it is after its import, and what it switches there cannot spoil what runs next."""
    gradients, dtype, chance = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state()
    try:
        torch.set_default_dtype(torch.float32)
        torch.default_generator.manual_seed(CHANCE)
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


def _results(exercise: Exercise, answer: Any) -> dict[str, Any]:
    """By label: the value itself, or the output (and slope) for each probe."""
    if exercise.faults is not None:
        return {f"fault {n}" if n else ERROR: fault for n, fault in enumerate(exercise.faults(answer))}
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
    if isinstance(output, tuple | list):
        raise _AnswerError(f"{probe.label} a tensor is expected, not {kind_of(output)}.")
    lost = f"{probe.label} autograd cannot follow your function: use differentiable operations on its argument itself."
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise _AnswerError(lost)
    try:
        return torch.autograd.grad(output.sum(), x)[0]
    except RuntimeError as error:  # the output depends on a copy of x, or is no real number
        raise _AnswerError(lost) from error
