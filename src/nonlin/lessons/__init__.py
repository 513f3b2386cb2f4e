"""What the lessons hold, gathered: claims by number, exercises by number, quizzes by lesson.

Each lesson has a folder, with the same file names in all of them: ``experiments.py``, ``figures.py``, ``claims.py``,
``exercises.py`` and ``terms.py``, as far as it needs them.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any

from nonlin.exercises import Exercise, Feedback, Quiz, explain, judge, outcome, predict
from nonlin.ledger import Claim
from nonlin.ledger.tables import ledger
from nonlin.typography import Markdown

__all__ = [
    "CLAIMS", "EXERCISES", "NEEDS", "QUIZZES", "TOPICS",
    "check", "explain", "glossary", "of_lesson", "outcome", "parts", "predict", "quiz", "verdicts",
]  # fmt: skip

_TOPICS = """
    start_here nonlinearity conditions saturating rectified leaky gradient_flow exponential smooth
    hardware outputs gated before_after training speed coordinates transformer choosing
"""
TOPICS = MappingProxyType({f"{number:02}": topic for number, topic in enumerate(_TOPICS.split())})

# What a lesson leans on: what a reader of its core path has to know. A test holds the order and the notebooks to it.
NEEDS = MappingProxyType(
    {
        "00": (),
        "01": ("00",),
        "02": ("01",),
        "03": ("01",),
        "04": ("01",),
        "05": ("04",),
        "06": ("03", "04", "05"),
        "07": ("04", "06"),
        "08": ("03", "04"),
        "09": ("04", "06", "08"),
        "10": ("03",),
        "11": ("03", "08"),
        "12": ("03", "04"),
        "13": ("04",),
        "14": ("03", "04"),
        "15": ("03", "04", "06"),
        "16": ("06", "08", "10", "11"),
        "17": ("13",),
    }
)


def parts(name: str) -> dict[str, ModuleType]:
    """The modules of one name, ``"claims"`` for instance, by the number of the lesson that has it."""
    places = {number: f"{__name__}.{topic}.{name}" for number, topic in TOPICS.items()}
    return {number: import_module(place) for number, place in places.items() if find_spec(place)}


def _claims() -> Mapping[int, Claim]:
    found = [
        value for module in parts("claims").values() for value in vars(module).values() if isinstance(value, Claim)
    ]
    claims = {claim.number: claim for claim in sorted(found, key=lambda claim: claim.number)}
    if len(claims) < len(found):
        numbers = [claim.number for claim in found]
        raise ValueError(f"two claims have the number {min(n for n in numbers if numbers.count(n) > 1)}.")
    return MappingProxyType(claims)


def _exercises(modules: Mapping[str, ModuleType]) -> Mapping[str, Exercise]:
    found = [value for module in modules.values() for value in vars(module).values() if isinstance(value, Exercise)]
    return MappingProxyType({exercise.number: exercise for exercise in sorted(found, key=lambda each: each.number)})


CLAIMS = _claims()
EXERCISES = _exercises(parts("exercises"))
QUIZZES = MappingProxyType({number: module.QUIZ for number, module in parts("exercises").items()})


def glossary() -> Mapping[str, tuple[str, str]]:
    """Each term of the course with the number of the lesson that explains it, and what it means, by name."""
    terms = {term: (number, said) for number, module in parts("terms").items() for term, said in module.TERMS.items()}
    return MappingProxyType(dict(sorted(terms.items(), key=lambda item: item[0].casefold())))


def of_lesson(lesson: str) -> tuple[Claim, ...]:
    """The claims that a lesson ("03") takes apart, by number."""
    return tuple(claim for claim in CLAIMS.values() if claim.lesson == lesson)


@cache
def verdicts(lesson: str) -> Markdown:
    """The claims that a lesson ("03") takes apart, tested at the first call or read from what was measured.

    Raises:
        KeyError: if no claim belongs to it.
    """
    claims = of_lesson(lesson)
    if not claims:
        raise KeyError(f"no claim belongs to lesson {lesson!r}.")
    return ledger(claims)


def check(number: str, answer: Any) -> Feedback:
    """Judge an answer to exercise ``number`` ("03.1"); hints and the solution are folded below the verdict.

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
