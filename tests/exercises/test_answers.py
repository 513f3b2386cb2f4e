"""Learners' answers: right ones in many styles pass, wrong ones fail with the words that help.

A file of ``answers`` belongs to one lesson: ``RIGHT`` and ``WRONG`` hold, by exercise, right answers, and wrong ones
with words of the hint that they are to get.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from nonlin.lessons import EXERCISES, check

ENOUGH = 5


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"answers_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ANSWERS = {path.stem[-2:]: load(path) for path in sorted((Path(__file__).parent / "answers").glob("lesson_*.py"))}
every_exercise = pytest.mark.parametrize("number", [each for each in EXERCISES if each[:2] in ANSWERS])


@every_exercise
def test_right_answers_pass_whatever_their_style(number: str) -> None:
    answers = ANSWERS[number[:2]].RIGHT[number]
    assert len(answers) >= ENOUGH
    said = [check(number, answer) for answer in answers]
    assert [(place, feedback.message) for place, feedback in enumerate(said) if feedback.state != "correct"] == []


@every_exercise
def test_wrong_answers_get_the_hint_for_their_slip(number: str) -> None:
    answers = ANSWERS[number[:2]].WRONG[number]
    assert len(answers) >= ENOUGH
    for place, (answer, words) in enumerate(answers):
        feedback = check(number, answer)
        assert feedback.state == "wrong", place
        assert words in feedback.message, (place, feedback.message)
