"""The exercises and quizzes of the lessons, one file a lesson."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Any

from nonlinear.exercises.exercise import Exercise, Feedback, Mistake, Probe, judge
from nonlinear.exercises.quiz import Option, Question, Quiz

LESSONS = tuple(
    import_module(f"{__name__}.{name}")
    for name in sorted(found.name for found in iter_modules(__path__))
    if name.startswith("lesson_")
)


def _exercises(lessons: tuple[ModuleType, ...]) -> Mapping[str, Exercise]:
    found = [value for lesson in lessons for value in vars(lesson).values() if isinstance(value, Exercise)]
    return MappingProxyType({exercise.number: exercise for exercise in found})


EXERCISES = _exercises(LESSONS)
QUIZZES = MappingProxyType({lesson.__name__[-2:]: lesson.QUIZ for lesson in LESSONS})


def check(number: str, answer: Any) -> Feedback:
    """Judge an answer to exercise ``number`` ("02.1"); hints and the solution are folded below the verdict.

    Raises:
        KeyError: if there is no such exercise.
    """
    if number not in EXERCISES:
        raise KeyError(f"there is no exercise {number!r}; there are {', '.join(EXERCISES)}.")
    return judge(EXERCISES[number], answer)


def quiz(lesson: str) -> Quiz:
    """The quiz of a lesson ("02").

    Raises:
        KeyError: if the lesson has none.
    """
    if lesson not in QUIZZES:
        raise KeyError(f"there is no quiz for lesson {lesson!r}; there are {', '.join(QUIZZES)}.")
    return QUIZZES[lesson]


__all__ = ["EXERCISES", "QUIZZES", "Exercise", "Mistake", "Option", "Probe", "Question", "check", "quiz"]
