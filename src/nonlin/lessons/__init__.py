"""What the lessons hold, gathered: claims by number, exercises by number, quizzes by lesson.

Each lesson has a folder, with the same file names in all of them: ``experiments.py``, ``figures.py``, ``claims.py``,
``exercises.py`` and ``terms.py``, as far as it needs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from nonlin.exercises import Exercise, Feedback, Quiz, explain, judge, outcome, predict
from nonlin.exercises.progress import Progress, gather
from nonlin.ledger import Claim
from nonlin.ledger.tables import ledger
from nonlin.memory import Event, lesson_name, own_folder, recall, remember
from nonlin.notebooks import lesson_file
from nonlin.typography import Markdown

__all__ = [
    "CLAIMS", "EXERCISES", "NEEDS", "QUIZZES", "TOPICS",
    "check", "explain", "glossary", "of_lesson", "outcome", "parts", "predict", "progress",
    "progress_of", "quiz", "solution", "verdicts",
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

    In a learner's copy, right and wrong answers are remembered, and a solution that is not found yet is not shown:
    `solution` does so.

    Raises:
        KeyError: if there is no such exercise.
    """
    exercise = _exercise(number)
    feedback = judge(exercise, answer)
    if feedback.state != "not yet":
        right = feedback.state == "correct"
        remember("check", number, right, "" if right else feedback.message, exercise.title)
    return replace(feedback, keeps_solution=own_folder() is not None)


def _exercise(number: str) -> Exercise:
    if number not in EXERCISES:
        raise KeyError(f"there is no exercise {number!r}; there are {', '.join(EXERCISES)}.")
    return EXERCISES[number]


def solution(number: str) -> Markdown:
    """The solution of exercise ``number`` ("03.1"); in a learner's copy it is remembered that it was shown.

    Raises:
        KeyError: if there is no such exercise.
    """
    exercise = _exercise(number)
    remember("solution", number, None, title=exercise.title)
    return Markdown(f"```python\n{exercise.solution_text}\n```")


def quiz(lesson: str, answers: str = "") -> Quiz:
    """The quiz of a lesson ("02").

    Args:
        lesson: its number.
        answers: one letter for each question, ``"bac"``; in a learner's copy they are remembered.

    Raises:
        KeyError: if the lesson has none.
    """
    if lesson not in QUIZZES:
        raise KeyError(f"there is no quiz for lesson {lesson!r}; there are {', '.join(QUIZZES)}.")
    if not answers:
        example = "".join("bac"[place % 3] for place, _ in enumerate(QUIZZES[lesson].questions))
        advice = (
            f'To have your answers remembered, write them into the cell, for example quiz("{lesson}", "{example}").'
        )
        return replace(QUIZZES[lesson], advice=advice) if own_folder() else QUIZZES[lesson]
    answered = QUIZZES[lesson].answered(answers)
    if answered.chosen:
        remember("quiz", lesson, answered.right, answered.chosen)
    return answered


def progress(lesson: str = "") -> Progress | Markdown:
    """What a learner has solved in a lesson ("03"), or in all; a picture with words.

    It is remembered in the learner's copies alone: elsewhere a sentence says so.
    """
    folder = own_folder()
    if folder is None:
        return Markdown("*Your progress is remembered, and shown here, in your own copy of this lesson.*")
    return progress_of((lesson,) if lesson else tuple(TOPICS), folder)


def progress_of(lessons: Sequence[str], folder: Path) -> Progress:
    """The same for some lessons and any work folder.

    Raises:
        OSError: if what is remembered cannot be read.
    """
    events = recall(folder)
    lessons_now = {lesson_name(number): number for number in TOPICS}
    exercises_now = {exercise.title: number for number, exercise in EXERCISES.items()}
    titles = {event.title for event in events}

    def what_now(event: Event) -> str:
        place = lessons_now.get(event.lesson, event.what[:2]) + event.what[2:]
        if event.title in exercises_now:
            return exercises_now[event.title]
        other = event.title and place in EXERCISES and EXERCISES[place].title in titles
        return "" if other else place  # an exercise of a new title is the one that stood there, unless that is known

    now = [replace(event, what=what_now(event)) for event in events]
    return gather({number: lesson_file(number)[1] for number in lessons}, EXERCISES.values(), now)
