r"""What a learner has done, remembered in his work folder; nothing leaves the machine.

The file ``progress.jsonl`` lies beside the copies of the lessons. Each line is one event, a JSON object in UTF-8:

    {"at": "2026-11-29T08:05:33+00:00", "did": "check", "what": "03.2", "right": false, "said": "..."}

- ``at``: when, in ISO 8601, with the offset from UTC;
- ``did``: ``check`` an exercise, answer a ``quiz``, see the outcome of a ``prediction``, or look at a ``solution``;
- ``what``: the number of the exercise, of the lesson whose quiz it is, or the name of the prediction;
- ``right``: true or false, for a quiz a list with one for each question; null for a solution;
- ``said``: what the check said of a wrong answer, or what the learner answered; may be missing;
- ``lesson``: the name of the lesson's file without its number, by which it is known where numbers change;
- ``title``: of the exercise, by which it is known where numbers change within a lesson.

Lines are only added, each in one piece, so that several notebooks may write at once. A line that is not understood, of
a later version or damaged, is passed over and stays. An event that repeats the last one of its kind is not noted again.
To forget everything, delete the file.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nonlin.errors import reason
from nonlin.files import fitting
from nonlin.notebooks import lesson_file

HIDDEN, FILE = ".course", "progress.jsonl"
START = Path.cwd()  # Jupyter starts a kernel in its notebook's folder; a cell may change it
LONGEST = 300  # signs of what was said


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the file."""

    at: str
    did: str
    what: str
    right: bool | tuple[bool, ...] | None = None
    said: str = ""
    lesson: str = ""
    title: str = ""


def own_folder() -> Path | None:
    """The work folder that this process was started in, or None: tests, and lessons elsewhere, are not remembered."""
    on = os.environ.get("NONLIN_PROGRESS") != "off" and "PYTEST_VERSION" not in os.environ
    return START if on and (START / HIDDEN).is_dir() else None


def remember(did: str, what: str, right: bool | tuple[bool, ...] | None, said: str = "", title: str = "") -> None:
    """Note an event, if this process was started in a work folder. Where it cannot be written, one line says so."""
    folder = own_folder()
    if folder is None:
        return
    event = Event(
        at=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        did=did,
        what=what,
        right=right,
        said=said[:LONGEST],
        lesson=lesson_name(what[:2]),
        title=title,
    )
    try:
        if not _repeats(event, folder):
            _append(folder / FILE, json.dumps(asdict(event), ensure_ascii=False))
    except OSError as error:
        print(f"Your progress is not remembered: {folder / FILE} cannot be written ({reason(error)}).", file=sys.stderr)


def _repeats(event: Event, folder: Path) -> bool:
    def about(each: Event) -> tuple[str, ...]:
        return each.did, each.what, each.lesson, each.title

    last = next((each for each in reversed(recall(folder)) if about(each) == about(event)), None)
    return last is not None and (last.right, last.said) == (event.right, event.said)


def _append(path: Path, line: str) -> None:
    """Add a line in one piece; behind a line that was broken off, a new one begins."""
    with path.open("ab+", buffering=0) as file:
        torn = file.seek(0, os.SEEK_END) > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write(("\n" * torn + line + "\n").encode(errors="replace"))


def lesson_name(number: str) -> str:
    """What a lesson ("03") is called, without its number: ``"sigmoid_and_tanh"``; empty if there is none."""
    return lesson_file(number)[0][3:].removesuffix(".ipynb")


def recall(folder: Path) -> list[Event]:
    """What is remembered in a work folder, in the order in which it was noted.

    Raises:
        OSError: if there is a file that cannot be read.
    """
    try:
        with (folder / FILE).open(encoding="utf-8", errors="replace") as file:
            return list(_events(file))
    except FileNotFoundError:
        return []


def _events(lines: Iterator[str]) -> Iterator[Event]:
    for line in lines:
        try:
            found = json.loads(line)
            yield fitting(Event, {name: found[name] for name in Event.__dataclass_fields__ if name in found})
        except (ValueError, TypeError, RecursionError):
            continue
