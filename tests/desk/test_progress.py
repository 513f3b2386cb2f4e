"""What a learner has done is remembered in his work folder alone, and shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nonlin import lessons, memory
from nonlin.__main__ import main
from nonlin.exercises.progress import Progress
from nonlin.lessons import EXERCISES, QUIZZES, check, outcome, predict, progress, progress_of, quiz, solution
from nonlin.memory import FILE, HIDDEN, recall, remember


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder, as if a kernel had been started in it."""
    (tmp_path / HIDDEN).mkdir()
    for name in ("PYTEST_VERSION", "NONLIN_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(memory, "START", tmp_path)
    monkeypatch.setenv("NONLIN_WORK", str(tmp_path))
    return tmp_path


def wrong(x: object) -> object:
    return x


def test_right_and_wrong_answers_are_remembered(work: Path) -> None:
    number = "00.1"
    check(number, ...)
    assert recall(work) == []
    for answer in (wrong, wrong, EXERCISES[number].solution, wrong):
        check(number, answer)
    events = recall(work)
    assert [event.right for event in events] == [False, True, False]  # a repetition is no news
    assert events[0].said == check(number, wrong).message
    attempt = progress_of(["00"], work).lessons[0].exercises[0]
    assert (attempt.state, attempt.mistakes, attempt.looked) == ("solved", (events[0].said,), False)
    assert attempt.solved_at == events[1].at


def test_predictions_and_the_quiz_are_remembered(work: Path) -> None:
    outcome("03z", "b", "Nothing was said.")
    predict("03z", "A", "abc")
    outcome("03z", "b", "So it is.")
    right = "".join("abcdef"[[o.right for o in q.options].index(True)] for q in QUIZZES["03"].questions)
    assert quiz("03").advice
    assert all(quiz("03", right.upper()).right)
    quiz("03", "?")
    found = progress_of(["03"], work).lessons[0]
    assert found.predictions == {"03z": False}
    assert found.quiz == (True,) * len(right)
    assert [event.said for event in recall(work)] == ["a", right]


def test_a_quiz_says_what_it_cannot_read() -> None:
    assert "one letter for each" in quiz("03", "z").advice
    assert "one letter for each" in repr(quiz("03", "ab" * 9))
    assert "You said 1a" in repr(quiz("03", "a" * len(QUIZZES["03"].questions)))
    assert "<details open>" in quiz("03", "a" * len(QUIZZES["03"].questions))._repr_html_()


def test_a_solution_is_one_deliberate_step_away(work: Path) -> None:
    number = "00.1"
    text = EXERCISES[number].solution_text.splitlines()[-1].strip()
    shown = check(number, wrong)._repr_html_()
    assert text not in shown
    assert f"solution(&quot;{number}&quot;)" in shown
    assert text in check(number, EXERCISES[number].solution)._repr_html_()
    assert text in repr(solution(number))


@pytest.mark.parametrize("reason", ["PYTEST_VERSION", "NONLIN_PROGRESS", "elsewhere"])
def test_nothing_is_remembered_elsewhere(work: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "elsewhere":
        monkeypatch.setattr(memory, "START", work / HIDDEN)
    else:
        monkeypatch.setenv(reason, "off")
    html = check("00.1", wrong)._repr_html_()
    assert EXERCISES["00.1"].solution_text.splitlines()[-1].strip() in html
    assert quiz("00") is QUIZZES["00"]
    assert "your own copy" in repr(progress("00"))
    assert not list(work.rglob(FILE))


def test_authors_and_tests_are_not_remembered() -> None:
    from nonlin.notebooks import REPRODUCIBLE

    assert REPRODUCIBLE["NONLIN_PROGRESS"] == "off"
    assert memory.own_folder() is None


EVENT = b'{"at": "x", "did": "%s", "what": %s, "right": true}'
DAMAGED = [
    b"", b"\n\n", b"{", b"null", b"[" * 9999,
    b"[1]", b"\xff\xfe\x00", b'{"at": 1}', b'{"did": "check", "what": "00.1"}',
    EVENT % (b"dance", b'"00.1"'), EVENT % (b"check", b"3"),
]  # fmt: skip


def test_a_damaged_file_is_read_as_far_as_it_goes(work: Path) -> None:
    later = b'{"at": "2027-01-01T00:00:00+00:00", "did": "check", "what": "00.1", "right": true, "mood": "good"}'
    (work / FILE).write_bytes(b"\n".join([*DAMAGED, later, b'{"at": "torn']))
    remember("check", "00.2", False, "no")
    assert [attempt.state for attempt in progress_of(["00"], work).lessons[0].exercises] == ["solved", "tried", "open"]
    assert (work / FILE).read_bytes().startswith(b"\n".join(DAMAGED))


def test_progress_follows_a_lesson_to_its_new_number(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(memory, "lesson_name", lambda number: "sigmoid_and_tanh")
        remember("check", "04.2", True)  # as it was called before
        remember("quiz", "04", (True, False))
    sigmoid, relu = progress_of(["03", "04"], work).lessons
    assert (sigmoid.bar, sigmoid.quiz) == (".#..", (True, False))
    assert (relu.solved, relu.quiz) == (0, None)


TITLES = [EXERCISES[f"00.{place}"].title for place in (1, 2, 3)]


@pytest.mark.parametrize(
    ("solved", "bar"),
    [
        ([("00.1", TITLES[1])], ".#."),  # another one was put before it
        ([("00.3", TITLES[1]), ("00.2", TITLES[0])], "##."),
        ([("01.4", TITLES[2])], "..#"),  # it came from another lesson
        ([("00.2", "As it was called before")], ".#."),
        ([("00.2", "")], ".#."),  # noted by an older version
        ([("00.2", "One that was taken out"), ("00.1", TITLES[1])], ".#."),
        ([("00.1", "One that was taken out"), ("00.2", TITLES[0])], "#.."),
    ],
)
def test_progress_follows_an_exercise_to_its_new_number(work: Path, solved: list[tuple[str, str]], bar: str) -> None:
    for number, title in solved:
        remember("check", number, True, title=title)
    assert progress_of(["00"], work).lessons[0].bar == bar


def test_an_exercise_that_takes_the_number_of_a_solved_one_is_noted(work: Path) -> None:
    remember("check", "00.1", True, title="Another one")
    check("00.1", EXERCISES["00.1"].solution)
    assert [event.title for event in recall(work)] == ["Another one", TITLES[0]]


def test_titles_tell_exercises_apart() -> None:
    assert len({exercise.title for exercise in EXERCISES.values()}) == len(EXERCISES)


def test_what_cannot_be_written_is_told_in_a_line(work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / FILE).mkdir()
    assert check("00.1", wrong).state == "wrong"
    said = capsys.readouterr().err
    assert said.startswith("Your progress is not remembered")
    assert said.count("\n") == 1


def test_two_notebooks_may_write_at_once(work: Path) -> None:
    code = "from nonlin.memory import remember\nfor n in range(60): remember('check', f'{WHO}.{n}', False, 'x' * 300)"
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTEST_VERSION", "NONLIN_PROGRESS")}
    writers = [
        subprocess.Popen([sys.executable, "-c", code.replace("WHO", str(who))], cwd=work, env=variables)
        for who in (1, 2)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len({event.what for event in recall(work)}) == 120


def test_the_command(work: Path, capsys: pytest.CaptureFixture) -> None:
    check("00.1", wrong)
    check("00.2", EXERCISES["00.2"].solution)
    assert main(["progress"]) == 0
    text = capsys.readouterr().out
    assert "00 Start here" in text
    assert "[~#.    ]" in text or "[~#." in text
    assert len(text.splitlines()) == len(lessons.TOPICS) + 2
    assert main(["progress", "00", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in found["exercises"]] == ["tried", "solved", "open"]
    assert main(["progress", "00"]) == 0
    assert "1 wrong answer" in capsys.readouterr().out


def test_the_picture_says_the_same_in_words(work: Path) -> None:
    check("00.2", EXERCISES["00.2"].solution)
    shown = progress("00")
    assert isinstance(shown, Progress)
    assert shown.picture.text.startswith("00 Start here")
    assert len(progress().lessons) == len(lessons.TOPICS)
    assert "1 of 3 exercises solved" in repr(shown)


def test_again_and_work(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["work", "--where"]) == 0
    assert not list(work.glob("*.ipynb"))
    assert main(["work"]) == 0
    assert capsys.readouterr().out == f"{work}\n" * 2
    assert main(["again", "03"]) == 0
    assert "03_sigmoid_and_tanh.ipynb begins anew, and" in capsys.readouterr().out
    assert main(["again", "99"]) == 1
    assert "no lesson is called '99'" in capsys.readouterr().err
