"""The instructor's guide: every lesson has its page and its questions, and the plans can be held."""

import re
from pathlib import Path

import pytest
from folded import folded

from nonlin.desk import instructor
from nonlin.desk.hand_out import course, files_of
from nonlin.errors import ReaderError
from nonlin.lessons import EXERCISES, NEEDS, TOPICS, parts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "instructor.md"
TEACHING = {number: module.TEACHING for number, module in parts("teaching").items()}


def test_the_page_is_made_from_the_lessons_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == instructor.guide()


@folded("number", TOPICS)
def test_each_lesson_has_its_page_and_its_questions(number: str) -> None:
    teaching, lesson = TEACHING[number], instructor.lessons()[number]
    page = re.search(rf"^## Lesson {number} · .*?(?=^## |\Z)", instructor.guide(), re.MULTILINE | re.DOTALL)[0]
    assert len(lesson.aims) >= 3
    assert all(aim in page for aim in lesson.aims)
    assert f"*{lesson.core} minutes, and {lesson.further} for going further." in page
    assert len({discussion.question for discussion in teaching.discussions}) == 3
    for discussion in teaching.discussions:
        assert discussion.question.endswith(("?", "."))
        assert discussion.answer.endswith(".")
        assert discussion.question in page
        assert discussion.answer in page


@folded("number", TOPICS)
def test_behind_the_mistakes_of_each_exercise_stands_a_misconception(number: str) -> None:
    own = {name for name in EXERCISES if name.startswith(number)}
    assert set(TEACHING[number].behind) == own
    assert all(len(said.split()) >= 8 for said in TEACHING[number].behind.values())


def test_no_solution_is_printed() -> None:
    text = instructor.guide()
    for exercise in EXERCISES.values():
        for line in exercise.solution_text.splitlines():
            assert len(line.strip()) < 25 or line.strip() not in text, exercise.number


def test_students_do_not_get_what_is_for_those_who_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [name for name in files_of(course()) if "teaching" in name or "instructor.md" in name]
    monkeypatch.setattr(instructor, "parts", lambda name: {})
    with pytest.raises(ReaderError, match="hand-out"):
        instructor.guide()


@pytest.mark.parametrize("sessions", [2, 4, 8])
def test_plans_hold_what_their_lessons_need_and_fit_into_their_sessions(sessions: int) -> None:
    chosen = instructor.plan(sessions)
    assert len(chosen) == sessions
    assert list(chosen) == sorted(chosen)
    for place, number in enumerate(chosen):
        assert set(NEEDS[number]) <= {"00", *chosen[:place]}
        assert instructor.lessons()[number].core + instructor.TALK <= instructor.SESSION


def test_a_plan_with_a_gap_or_too_long_a_lesson_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructor, "WISHES", ("01", "06"))
    with pytest.raises(ValueError, match=r"lesson 06 needs 03"):
        instructor.plan(2)
    monkeypatch.setattr(instructor, "SESSION", 45)
    with pytest.raises(ValueError, match=r"lesson 01 does not fit"):
        instructor.plan(1)


def test_the_way_to_a_goal_holds_all_that_it_needs_and_no_more() -> None:
    for goal in instructor.GOALS:
        way = instructor.needed(goal)
        assert way[-1] == goal
        for number in way:
            assert set(NEEDS[number]) <= set(way)
            assert number == goal or any(number in NEEDS[other] for other in way)
