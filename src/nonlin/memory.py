r"""What a learner has done, remembered in his work folder; nothing leaves the machine.

The file ``progress.jsonl`` lies beside the copies of the lessons. Each line is one event, a JSON object in UTF-8:

    {"at": "2026-11-29T08:05:33+00:00", "did": "check", "what": "03.2", "right": false, "said": "..."}

- ``at``: when, in ISO 8601, with the offset from UTC;
- ``did``: ``check`` an exercise, answer a ``quiz``, see the outcome of a ``prediction``, or look at a ``solution``;
- ``what``: the number of the exercise, of the lesson whose quiz it is, or the name of the prediction;
- ``right``: true or false, for a quiz a list with one for each question; null for a solution;
- ``said``: what the check said of a wrong answer, or what the learner answered; may be missing;
- ``title`` of the exercise, ``cell``: the id of the lesson's cell that asks for it, and ``lesson``: the name of the
  lesson's file without its number. By these it is known where an update of the course has changed numbers: by its
  title, else by its cell; a quiz, and a line that has neither, by its lesson. What the course no longer has stays in
  the file, and counts no more.

Lines are only added, each in one piece, so that several notebooks may write at once. A line that is not understood, of
a later version or damaged, is passed over and stays. An event that repeats the last one of its kind is not noted again.
To forget everything, delete the file.
"""

import errno
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nonlin.errors import reason
from nonlin.files import FileError, fitting, unreadable
from nonlin.notebooks import asking_cells, lesson_file
from nonlin.processes import switched_on

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
    title: str = ""
    cell: str = ""
    lesson: str = ""


def own_folder() -> Path | None:
    """The work folder that this process was started in, or None: tests, and lessons elsewhere, are not remembered."""
    on = switched_on("NONLIN_PROGRESS") and "PYTEST_VERSION" not in os.environ
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
        title=title,
        cell=asking_cells(what[:2]).get(what, ""),
        lesson=lesson_name(what[:2]),
    )
    try:
        if not _repeats(event, folder):
            _append(folder / FILE, json.dumps(asdict(event), ensure_ascii=False))
    except (OSError, FileError) as error:
        why = reason(error.__cause__ or error)
        print(f"Your progress is not remembered: {folder / FILE} cannot be written ({why}).", file=sys.stderr)


def _repeats(event: Event, folder: Path) -> bool:
    """Whether it is the last one of its kind, but for the time."""
    kind = (event.did, event.what, event.title, event.cell)
    same = (each for each in reversed(recall(folder)) if (each.did, each.what, each.title, each.cell) == kind)
    last = next(same, None)
    return last is not None and (last.right, last.said) == (event.right, event.said)


def _append(path: Path, line: str) -> None:
    """Add a line in one piece; behind a line that was broken off, a new one begins."""
    with path.open("ab+", buffering=0) as file:
        torn = file.seek(0, os.SEEK_END) > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        whole = ("\n" * torn + line + "\n").encode(errors="replace")
        if file.write(whole) < len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def lesson_name(number: str) -> str:
    """What a lesson ("03") is called, without its number: ``"sigmoid_and_tanh"``; empty if there is none."""
    return lesson_file(number)[0][3:].removesuffix(".ipynb")


def recall(folder: Path) -> list[Event]:
    """What is remembered in a work folder, in the order in which it was noted.

    Raises:
        FileError: if there is a file that cannot be read.
    """
    try:
        with (folder / FILE).open(encoding="utf-8", errors="replace") as file:
            return list(_events(file))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder / FILE, error) from error


def _events(lines: Iterator[str]) -> Iterator[Event]:
    for line in lines:
        try:
            found = json.loads(line)
            yield fitting(Event, {name: found[name] for name in Event.__dataclass_fields__ if name in found})
        except (ValueError, TypeError, RecursionError):
            continue
