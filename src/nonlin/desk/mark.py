"""Marking: what the students' answers give is compared with the course's keys, here, where nothing of theirs runs.

Three processes have a part in it. This one holds the solutions, reads the notebooks as text and decides. A second one
(`mark_box`) holds the hand-out alone, without solutions; from it comes a third for each answer, confined by `sandbox`,
which runs the student's cells (`mark_inside`) and writes down what the answer gives, as plain data.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from nonlin.desk.mark_box import Box, Limits, Outcome
from nonlin.desk.mark_inside import BY_TEXT, with_other_inputs
from nonlin.desk.submissions import Notebook, Student, Submission, code_cells
from nonlin.errors import ReaderError
from nonlin.exercises.compare import difference
from nonlin.exercises.exercise import Exercise
from nonlin.exercises.key import Key, decode, key_of, results_of, verdict
from nonlin.files import fitting, read_text
from nonlin.lessons import EXERCISES
from nonlin.notebooks import LESSONS, lesson_file
from nonlin.typography import shown

SOLVED, MISTAKE, WRONG, LOOK = "solved", "known mistake", "wrong", "look at it"
UNTRIED, SLOW, CRASHED, UNREADABLE = "not tried", "too slow", "crashed", "unreadable"
STATES = (SOLVED, LOOK, MISTAKE, WRONG, SLOW, CRASHED, UNREADABLE, UNTRIED)  # of several notebooks, the first counts
LONGEST = 300  # letters of what is said about an answer
IN_ALL = 8  # runs' worth of time for one submission
MOST_NOTEBOOKS = 10  # of one submission
OTHERWISE = 1e-5  # tolerance on other inputs, on which the exercise's own tolerances were not tried
ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What became of one exercise of one student.

    Args:
        exercise: its number.
        state: one of `STATES`.
        mistake: which known mistake, as `mistake_names` calls it.
        words: what to tell the student, or the lecturer.
    """

    exercise: str
    state: str
    mistake: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Marked:
    """All marks of one student, by the exercise's number, and what was noticed besides."""

    student: Student
    marks: Mapping[str, Mark]
    notes: tuple[str, ...] = ()


# Exercises


def exercises_of(lessons: Iterable[str]) -> list[Exercise]:
    """The exercises of some lessons ("03"), by number.

    Raises:
        ReaderError: if a lesson has none.
    """
    found = []
    for lesson in dict.fromkeys(lessons):
        own = [exercise for number, exercise in EXERCISES.items() if number.split(".")[0] == lesson]
        if not own:
            known = ", ".join(dict.fromkeys(number.split(".")[0] for number in EXERCISES))
            raise ReaderError(f"no lesson {lesson!r} has exercises; there are {known}.")
        found += own
    return sorted(found, key=lambda each: each.number)


@cache
def mistake_names(number: str) -> tuple[str, ...]:
    """A name for each known mistake of an exercise: the first words of its hint, as many as tell it from the others.

    So a name stays when mistakes are added before it, and says something.
    """
    words = [re.findall(r"[^\W_]+", mistake.hint.lower()) for mistake in EXERCISES[number].mistakes]
    names = []
    for place, own in enumerate(words):
        others = words[:place] + words[place + 1 :]
        count = next((n for n in range(4, len(own)) if all(own[:n] != other[:n] for other in others)), len(own))
        names.append(f"{number} {'-'.join(own[:count])}")
    return tuple(names)


@cache
def cells_before(number: str) -> tuple[str, ...]:
    """The code cells of the lesson, as it was handed out, above the one that asks for an answer to this exercise."""
    name, _ = lesson_file(number.split(".")[0])
    if not name:
        return ()
    with (LESSONS / name).open("rb") as file:
        cells = code_cells(file)
    place = next((place for place, cell in enumerate(cells) if number in BY_TEXT.findall(cell)), 0)
    return tuple(cells[:place])


# One answer


class Marker:
    """Marks the same exercises of many notebooks.

    Args:
        box: where the students' code runs.
        exercises: what is marked.
        limits: of one run.
    """

    def __init__(self, box: Box, exercises: Sequence[Exercise], limits: Limits) -> None:
        self.box, self.exercises, self.limits = box, exercises, limits
        self._keys: dict[str, Key] = {exercise.number: key_of(exercise) for exercise in exercises}
        self._one_at_a_time = threading.Lock()  # judging switches torch's defaults, and back

    def submission(self, submission: Submission) -> Marked:
        """Mark what one student handed in; of several notebooks, the best answer to each exercise counts."""
        until = time.monotonic() + IN_ALL * self.limits.wall
        notes, found = list(submission.notes), []
        readable = [each for each in submission.notebooks if isinstance(each, Notebook)]
        own = [each for each in readable if any(number in cell for cell in each.cells for number in self._keys)]
        for notebook in own[:MOST_NOTEBOOKS]:
            found.append({each.number: self.exercise(each, notebook, until) for each in self.exercises})
        for unreadable in (each for each in submission.notebooks if isinstance(each, tuple)):
            notes.append(": ".join(unreadable))
            found.append({each.number: Mark(exercise=each.number, state=UNREADABLE) for each in self.exercises})
        if len(own) > MOST_NOTEBOOKS:
            notes.append(f"of {len(own)} notebooks with these exercises, the first {MOST_NOTEBOOKS} were looked at")
        if not found:
            given = [each.name for each in readable] or submission.others
            but = f", but {', '.join(given[:3])}{', …' if len(given) > 3 else ''}" if given else ""
            notes.append(f"no notebook {'with these exercises ' if readable else ''}was handed in{but}")
            found.append({each.number: Mark(exercise=each.number, state=UNTRIED) for each in self.exercises})
        best = {
            each.number: min((marks[each.number] for marks in found), key=lambda mark: STATES.index(mark.state))
            for each in self.exercises
        }
        return Marked(student=submission.student, marks=best, notes=tuple(sorted(shown(note) for note in notes)))

    def exercise(self, exercise: Exercise, notebook: Notebook, until: float) -> Mark:
        """Mark one exercise: by the cells that the answer needs, and if they fail, by the whole notebook."""
        if time.monotonic() > until:
            return Mark(exercise=exercise.number, state=SLOW, words="the notebook's time was used up")
        mark, again = self._run(exercise, notebook, whole=False)
        if not again:
            return mark
        whole, _ = self._run(exercise, notebook, whole=True)
        return min(mark, whole, key=lambda each: STATES.index(each.state))

    def _run(self, exercise: Exercise, notebook: Notebook, *, whole: bool) -> tuple[Mark, bool]:
        """The mark, and whether to try it with the whole notebook."""
        job = {
            "number": exercise.number,
            "seed": notebook.digest,
            "cells": notebook.cells,
            "lesson": cells_before(exercise.number),
            "whole": whole,
        }
        limits = replace(self.limits, cpu=3 * self.limits.cpu) if whole else self.limits
        outcome = self.box.run(job, limits)
        given = next((line for line in reversed(outcome.lines) if "results" in line), None)
        if given is None:
            return _without_results(exercise.number, outcome)
        try:
            with self._one_at_a_time:
                mark = self._judged(exercise, given, notebook.digest)
        except ValueError as error:
            return _mark(exercise.number, CRASHED, f"what it gave back cannot be read: {error}"), False
        return mark, "NameError" in mark.words and not whole

    def _judged(self, exercise: Exercise, given: Mapping[str, Any], seed: str) -> Mark:
        refusal = fitting(str | None, given.get("refusal"), "the refusal")
        results = decode(fitting(str, given["results"], "the results"))
        said = verdict(exercise, self._keys[exercise.number], results, refusal)
        if said.state == "not yet":
            return _mark(exercise.number, UNTRIED)
        if said.state == "wrong" and said.mistake is not None:
            name = mistake_names(exercise.number)[said.mistake]
            return Mark(exercise=exercise.number, state=MISTAKE, mistake=name, words=said.message)
        if said.state == "wrong":
            return _mark(exercise.number, WRONG, said.message)
        others = with_other_inputs(exercise, seed)
        if others.probes and (found := _otherwise(others, given)):
            words = f"right on the inputs of the course, but not on others, so look at it: {found}"
            return _mark(exercise.number, LOOK, words)
        return _mark(exercise.number, SOLVED)


def _otherwise(others: Exercise, given: Mapping[str, Any]) -> str | None:
    expected, _ = results_of(others, others.solution)
    probes = [replace(probe, tolerance=max(probe.tolerance, OTHERWISE)) for probe in others.probes]
    return difference(probes, decode(fitting(str, given.get("other"), "the results")), expected)


def _without_results(number: str, outcome: Outcome) -> tuple[Mark, bool]:
    last = outcome.lines[-1] if outcome.lines else {}
    if outcome.ended == "slow":
        return _mark(number, SLOW, outcome.words), False
    if outcome.ended != "finished":
        return _mark(number, CRASHED, outcome.words), False
    if "failed" in last:
        return _mark(number, CRASHED, str(last["failed"]) or "it was not handed in"), True
    if "untried" in last:
        return _mark(number, UNTRIED), False
    return _mark(number, CRASHED, "it ended the process before the answer was handed in"), False


def _mark(number: str, state: str, words: str = "") -> Mark:
    words = ADDRESS.sub("0x…", shown(" ".join(words.split())))
    return Mark(exercise=number, state=state, words=words if len(words) <= LONGEST else f"{words[:LONGEST]}…")


# Many submissions


@dataclass
class Store:
    """Marks of an unfinished run, so that the next goes on from there: a line of JSON for each submission.

    Args:
        path: of the file; removed when all is done.
        course: a name for exactly this course and these limits.
    """

    path: Path
    course: str
    _known: dict[str, Marked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in (read_text(self.path) or "").splitlines():
            with suppress(ValueError, KeyError, TypeError):  # the last line may be half written
                content = json.loads(line)
                if content["course"] == self.course:
                    student = fitting(Student, content["student"])
                    marks = {number: fitting(Mark, each) for number, each in content["marks"].items()}
                    self._known[content["key"]] = Marked(
                        student=student, marks=marks, notes=fitting(tuple[str, ...], content["notes"])
                    )

    def find(self, key: str) -> Marked | None:
        return self._known.get(key)

    def keep(self, key: str, marked: Marked) -> None:
        line = json.dumps({"course": self.course, "key": key} | asdict(marked))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the line before may have been broken off


def course_version(exercises: Sequence[Exercise], limits: Limits) -> str:
    """A name for exactly this course: its sources, torch, what is marked, and within which limits."""
    found = hashlib.sha256(f"{torch.__version__} {limits} {[each.number for each in exercises]}".encode())
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def key_of_submission(submission: Submission) -> str:
    """A name for exactly this submission: whose it is, and the code in it."""
    found = hashlib.sha256(repr((submission.student, submission.notes, submission.others)).encode())
    for notebook in submission.notebooks:
        found.update(repr(notebook if isinstance(notebook, tuple) else (notebook.name, notebook.digest)).encode())
    return found.hexdigest()


def mark_all(
    marker: Marker, submissions: Sequence[Submission], jobs: int, store: Store, tell: Callable[[Marked], object]
) -> list[Marked]:
    """Mark all submissions, several at a time.

    Args:
        marker: what marks one.
        submissions: in the order of the result.
        jobs: how many at a time.
        store: where finished ones are kept until all are.
        tell: called with each one that is finished, in any order.
    """

    def one(submission: Submission) -> Marked:
        key = key_of_submission(submission)
        known = store.find(key)
        return known or keep(key, marker.submission(submission))

    lock = threading.Lock()

    def keep(key: str, marked: Marked) -> Marked:
        with lock:
            store.keep(key, marked)
        return marked

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(one, submission) for submission in submissions]
        try:
            for done in as_completed(waiting):
                tell(done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            marker.box.stop()  # else what runs is waited for
            raise
    return [each.result() for each in waiting]


def lessons_in(submissions: Sequence[Submission]) -> list[str]:
    """The lesson that most students handed in an answer for; of several that as many did, all.

    Raises:
        ReaderError: if there is none.
    """
    counts: dict[str, int] = {}
    for submission in submissions:
        own = {
            number.split(".")[0]
            for notebook in submission.notebooks
            if isinstance(notebook, Notebook)
            for cell in notebook.cells
            for number in BY_TEXT.findall(cell)
            if number in EXERCISES
        }
        for lesson in own:
            counts[lesson] = counts.get(lesson, 0) + 1
    if not counts:
        raise ReaderError("no submission holds an exercise of the course: name the lesson with --lesson.")
    return sorted(lesson for lesson, count in counts.items() if count == max(counts.values()))
