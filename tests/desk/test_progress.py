"""What a learner has done is remembered in his work folder alone, and shown."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nonlin import lessons, memory
from nonlin.__main__ import main
from nonlin.desk import copies, server
from nonlin.errors import Failure
from nonlin.exercises.progress import Progress
from nonlin.files import unwritable
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


# Which new numbers an update gives to two exercises, a prediction and the quiz (None: it takes them out), and what is
# found then in one lesson: its bar, how many predictions, how many questions of the quiz.
SOLVED, WRONG, SAID, QUIZ = "03.1", "03.2", "03a", "03"
UPDATES = {
    "nothing": ({}, ("03", "#~..", 1, 3)),
    "renumbered": ({SOLVED: "03.2", WRONG: "03.1", SAID: "03c"}, ("03", "~#..", 1, 3)),
    "another put in front": ({SOLVED: "03.2", WRONG: "03.3", "03.3": "03.1", SAID: "03b"}, ("03", ".#~.", 1, 3)),
    "the first removed": ({SOLVED: None, WRONG: "03.1", SAID: None}, ("03", "~", 0, 3)),
    "another lesson": ({SOLVED: "04.1", WRONG: "04.2", SAID: "04a", QUIZ: "04"}, ("04", "#~..", 1, 3)),
    "moved apart": ({SOLVED: "04.5", QUIZ: None}, ("04", "....#", 0, None)),
}


@pytest.mark.parametrize("reworded", [False, True])
@pytest.mark.parametrize(("moves", "expected"), UPDATES.values(), ids=UPDATES)
def test_progress_follows_the_course(
    work: Path, monkeypatch: pytest.MonkeyPatch, moves: dict, expected: tuple, reworded: bool
) -> None:
    check(SOLVED, EXERCISES[SOLVED].solution)
    check(WRONG, wrong)
    predict(SAID, "a", "abc")
    outcome(SAID, "a", "So it is.")
    quiz(QUIZ, "a" * len(QUIZZES[QUIZ].questions))
    before = len(recall(work))
    taken = set(moves.values())
    now = {what: moves.get(what, None if what in taken else what) for what in (*EXERCISES, SAID, QUIZ)}
    exercises = {
        new: replace(EXERCISES[old], number=new, title=f"{EXERCISES[old].title}{' anew' * reworded}")
        for old, new in sorted(now.items(), key=lambda item: str(item[1]))
        if new and old in EXERCISES
    }
    cells = {new: memory.asking_cells(old[:2])[old] for old, new in now.items() if new}
    monkeypatch.setattr(lessons, "EXERCISES", exercises)
    monkeypatch.setattr(lessons, "asking_cells", lambda lesson: {w: id for w, id in cells.items() if w[:2] == lesson})
    number, bar, predictions, questions = expected
    found = progress_of([number], work).lessons[0]
    assert found.bar.startswith(bar)
    assert found.bar.count("#") + found.bar.count("~") == bar.count("#") + bar.count("~")
    assert len(found.predictions) == predictions
    assert (found.quiz and len(found.quiz)) == questions
    assert len(recall(work)) == before


def test_what_takes_the_number_of_a_solved_exercise_is_remembered(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(SOLVED, EXERCISES[SOLVED].solution)
    other = replace(EXERCISES["03.3"], number=SOLVED)
    monkeypatch.setattr(lessons, "EXERCISES", {SOLVED: other})
    monkeypatch.setattr(memory, "asking_cells", lambda lesson: {SOLVED: "another"})
    check(SOLVED, other.solution)
    assert [event.title for event in recall(work)] == [EXERCISES[SOLVED].title, other.title]
    assert progress_of(["03"], work).lessons[0].solved == 1


def test_lines_of_earlier_versions_follow_their_lesson(work: Path) -> None:
    line = '{"at": "2026-11-29", "did": "%s", "what": "04%s", "right": %s, "lesson": "%s"}'
    lines = (
        line % case
        for case in (
            ("check", ".2", "true", "sigmoid_and_tanh"),
            ("quiz", "", "[true, false]", "sigmoid_and_tanh"),
            ("check", ".1", "true", "no_longer_part"),
        )
    )
    (work / FILE).write_text("\n".join(lines))
    sigmoid, relu = progress_of(["03", "04"], work).lessons
    assert (sigmoid.bar, sigmoid.quiz) == (".#..", (True, False))
    assert (relu.solved, relu.quiz) == (0, None)


def test_titles_tell_exercises_apart() -> None:
    assert len({exercise.title for exercise in EXERCISES.values()}) == len(EXERCISES)


def test_what_cannot_be_written_is_told_in_a_line(work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / FILE).mkdir()
    assert check("00.1", wrong).state == "wrong"
    said = capsys.readouterr().err
    assert said.startswith("Your progress is not remembered")
    assert said.count("\n") == 1
    assert f"{FILE} cannot be read" in repr(progress("00"))
    assert main(["progress"]) == 1
    assert f"{FILE} cannot be read" in capsys.readouterr().err


def test_half_a_line_is_told_and_harms_no_other(work: Path, capsys: pytest.CaptureFixture) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    remember("check", "00.1", True)
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((work / FILE).stat().st_size + 20, former[1]))  # as on a full disk
    try:
        remember("check", "00.2", True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert "Your progress is not remembered" in capsys.readouterr().err
    remember("check", "00.3", True)
    assert [event.what for event in recall(work)] == ["00.1", "00.3"]


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


def full(path: Path, text: str | bytes) -> None:
    raise unwritable(path, OSError(28, "No space left on device"))


def test_again_and_work(work: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["work", "--where"]) == 0
    assert not list(work.glob("*.ipynb"))
    assert main(["work"]) == 0
    assert capsys.readouterr().out == f"{work}\n" * 2
    assert main(["again", "03"]) == 0
    assert "03_sigmoid_and_tanh.ipynb begins anew, and" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(copies, "write_whole", full)
        patch.setattr(server, "update_unless_open", lambda folder: [Failure("It fails.")])
        assert main(["again", "03"]) == main(["work"]) == 1
    assert re.search(r"03_sigmoid_and_tanh.ipynb cannot be written .*\nIt fails.\n$", capsys.readouterr().err)
    assert main(["again", "03", "1"]) == 2
    assert "'1' fits 10_softmax_and_outputs and 7 more" in capsys.readouterr().err
    assert main(["again", "99"]) == 1
    assert "no lesson is called '99'" in capsys.readouterr().err
