"""The learner's copies of the lessons: made, brought up to date, begun anew, and never losing what was typed.

A work folder holds, for each lesson, a copy without outputs; what the lessons link to, in ``course``; and, in the
hidden folder ``.course``, each lesson as it was when its copy was made, from which a merge tells what the learner has
changed (see `merge`). Whenever a copy that is not as the course made it is replaced, the former file stays beside the
new one, with the date in its name. Each file is written whole; whatever breaks an update off, the next one ends it.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nonlin import notebooks
from nonlin.desk.merge import Cell, content, fresh, homeless, merge, text, unique
from nonlin.errors import Failure, ReaderError
from nonlin.files import FileError, unreadable, unwritable, write_whole
from nonlin.memory import HIDDEN
from nonlin.paths import is_writable

Notebook = dict[str, Any]

LINKED = "course"  # the folder of what the lessons link to
LINK = re.compile(r"(\]\()\.\./([^)\s#?]+)")
PATIENCE = 60  # seconds


def update(work: Path, book: Path = notebooks.LESSONS) -> list[str]:
    """Bring the copies in a folder up to date with the course; make those that are missing.

    Args:
        work: the learner's folder; it is made if need be.
        book: the folder of the course's lessons.

    Returns:
        What there is to tell the learner, a sentence each; nothing where all went as it should.

    Raises:
        ReaderError: if the folder cannot be written, or is that of the lessons themselves.
    """
    with _alone(work, book):
        updating = _Update(work, book)
        updating.run()
    return updating.said


def again(work: Path, lessons: Iterable[str], book: Path = notebooks.LESSONS) -> list[str]:
    """Begin lessons anew; the former copies stay beside the new ones, with the date in their names.

    Args:
        work: the learner's folder.
        lessons: names of files of the course's lessons.
        book: their folder.

    Returns:
        What there is to tell the learner, a sentence each.

    Raises:
        ReaderError: if the folder cannot be written, or is that of the lessons themselves.
    """
    with _alone(work, book):
        updating = _Update(work, book)
        for name in lessons:
            updating.attempt(updating.begin_anew, name)
    return updating.said


@contextmanager
def _alone(work: Path, book: Path) -> Iterator[None]:
    """In a work folder that can be written, one update at a time."""
    if os.path.realpath(work) == os.path.realpath(book):
        raise ReaderError(f"{work} holds the lessons themselves: name another folder for your copies in NONLIN_WORK")
    hidden = work / HIDDEN
    if not is_writable(work) or not is_writable(hidden):
        raise ReaderError(f"your copies of the lessons cannot be written into {work}: name a folder in NONLIN_WORK")
    hidden.mkdir(parents=True, exist_ok=True)
    lock = FileLock(hidden / "lock", timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise ReaderError(f"another program is updating the copies in {work}: start again when it has ended") from error
    except (OSError, NotImplementedError):
        pass  # some network drives have no locks, and a full disk is told of where something is written
    if lock.is_locked:
        _remove_parts(work)
    try:
        yield
    finally:
        lock.release()


def _remove_parts(work: Path) -> None:
    """Remove what killed updates were writing; nothing of the learner's has such a name."""
    for folder, pattern in ((work, ".[0-9]*.part"), (work / HIDDEN, ".*.part"), (work / LINKED, "**/.*.part")):
        for part in folder.glob(pattern):
            part.unlink(missing_ok=True)


@dataclass
class _Update:
    work: Path
    book: Path
    said: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # names of lessons that stay as they are

    @cached_property
    def originals(self) -> dict[str, bytes]:
        """The files of the course's lessons."""
        return {path.name: path.read_bytes() for path in sorted(self.book.glob("[0-9]*.ipynb"))}

    @cached_property
    def new(self) -> dict[str, Notebook]:
        """The lessons as copies that nobody has touched."""
        return {name: self._as_copy(name, file) for name, file in self.originals.items()}

    def _as_copy(self, name: str, file: bytes) -> Notebook:
        lesson = parsed(file)
        if lesson is None:
            raise ReaderError(f"{self.book / name} is no notebook that can be read: restore it")
        return as_copy(lesson, self.book.parent)

    def _digest(self, file: bytes) -> str:
        """What a copy depends on: its lesson, and the kernel whose name is in it."""
        return hashlib.sha256(file + json.dumps(kernel_metadata()).encode()).hexdigest()[:16]

    @cached_property
    def bases(self) -> dict[str, Notebook]:
        """The lessons as they were when the copies were made."""
        found = {path.name: self._read(path) for path in sorted((self.work / HIDDEN).glob("*.ipynb"))}
        return {name: base for name, base in found.items() if base and all(cell.get("id") for cell in base["cells"])}

    def _read(self, path: Path) -> Notebook | None:
        """A notebook, or None if the file holds none; where it cannot be read, its lesson stays as it is."""
        try:
            return read(path)
        except FileError as error:
            self._fail(path.name, error)
            return None

    @cached_property
    def mine(self) -> dict[str, Notebook]:
        """The learner's copies. One that is no notebook (any more) is put aside, as if there were none."""
        found = {}
        for name in {**self.originals, **self.bases}:
            path = self.work / name
            if path.is_symlink() and Path(os.path.realpath(path)).parent == self.book.resolve():
                path.unlink()  # the lesson itself is not to be written
            if not path.exists():
                continue
            if notebook := self._read(path):
                found[name] = notebook
            elif name not in self.failed:
                former = self._put_aside(path)
                self.said.append(
                    f"{path} was no notebook that can be read: it is kept as {former.name}, and begun anew."
                )
        return found

    def run(self) -> None:
        """Update all copies."""
        if self._is_up_to_date():
            return
        cells = [
            {name: notebook["cells"] for name, notebook in each.items()} for each in (self.bases, self.mine, self.new)
        ]
        merged, left = merge(*cells), homeless(*cells)
        for name in [name for name in self.new if name not in self.failed]:
            self.attempt(self._write, name, merged[name])
        if not self.failed:  # else what was to go elsewhere may still be here alone
            for name in self.bases.keys() - self.new.keys():
                self.attempt(self._leave, name, name in left)
        self.attempt(self._copy_what_is_linked, LINKED)

    def _is_up_to_date(self) -> bool:
        copied = {name: base.get("original") for name, base in self.bases.items() if name in self.mine}
        return copied == {name: self._digest(file) for name, file in self.originals.items()}

    def attempt(self, action: Callable[..., None], name: str, *arguments: Any) -> None:
        """One step; where it fails, the learner is told, and the others are still made."""
        try:
            action(name, *arguments)
        except FileError as error:
            self._fail(name, error)

    def _fail(self, name: str, error: FileError) -> None:
        self.failed.add(name)
        self.said.append(Failure(error))

    def _write(self, name: str, cells: list[Cell]) -> None:
        new, mine, path = self.new[name], self.mine.get(name), self.work / name
        result = new | {"cells": cells}
        if mine:
            result["metadata"] = mine["metadata"] | new["metadata"]
            if mine["cells"] != cells and self._is_touched(name):
                self._put_aside(path, keep=True)
        if mine is None or (mine["cells"], mine["metadata"]) != (cells, result["metadata"]):
            write_whole(path, written(result))
        if mine is None and _differs_from_git(self.book / name):
            former = self._put_aside(path, keep=True)
            self.said.append(
                f"{self.book / name} holds changes of yours: your copy has them, and {former.name} keeps them."
            )
        self._write_base(name)

    def _write_base(self, name: str) -> None:
        base = self.new[name] | {"original": self._digest(self.originals[name])}
        write_whole(self.work / HIDDEN / name, written(base))

    def _is_touched(self, name: str) -> bool:
        """Whether the learner has changed or run anything in a copy."""
        states = [[(cell.get("id"), content(cell), cell.get("outputs", [])) for cell in notebook["cells"]]
                  for notebook in (self.mine[name], self.bases.get(name, {"cells": []}))]  # fmt: skip
        return states[0] != states[1]

    def _leave(self, name: str, homeless: bool) -> None:
        """A lesson that the course no longer has under this name."""
        path = self.work / name
        if name in self.mine:
            if not self._is_touched(name):
                path.unlink()
            elif homeless:
                self.said.append(f"{name} is no longer part of the course; your copy stays as it is.")
            else:
                self._put_aside(path)
        (self.work / HIDDEN / name).unlink(missing_ok=True)

    def begin_anew(self, name: str) -> None:
        """A fresh copy of one lesson, whatever the learner's has become."""
        path = self.work / name
        former = self._put_aside(path) if os.path.lexists(path) else None
        try:
            write_whole(path, written(self.new[name]))
        except FileError:
            if former:
                os.replace(former, path)
            raise
        if former:
            self.said.append(
                f"{name} begins anew, and your former copy is {former.name}; a tab that shows it has to be opened anew."
            )
        self._write_base(name)

    def _put_aside(self, path: Path, *, keep: bool = False) -> Path:
        """Keep a file under a name with the date; it stays under its own, too, if that is said."""
        former = free_name(path, datetime.now())
        try:
            if keep:
                write_whole(former, path.read_bytes())
            else:
                os.replace(path, former)
        except OSError as error:
            raise unwritable(former, error) from error
        return former

    def _copy_what_is_linked(self, folder: str) -> None:
        root = self.book.parent
        for file in sorted(set().union(*(linked(parsed(each), root) for each in self.originals.values()))):
            write_whole(self.work / folder / file, (root / file).read_bytes())


def _differs_from_git(file: Path) -> bool:
    """Whether a lesson of a checkout is not as the course has it, as after work in it; without git it is not known.

    Its copy would count as untouched, and follow the lesson when that is restored.
    """
    command = ["git", "-C", str(file.parent), "status", "--porcelain", "--", file.name]
    try:
        said = subprocess.run(command, capture_output=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said[:2].strip() == b"M"


def free_name(path: Path, now: datetime) -> Path:
    """A name beside a file, with the date: ``03_relu.2026-11-29_08.05.33.ipynb``."""
    stems = (f"{path.stem}.{now:%Y-%m-%d_%H.%M.%S}{more}" for more in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(each for stem in stems if not os.path.lexists(each := path.with_name(f"{stem}{path.suffix}")))


# Notebooks as files


def read(path: Path) -> Notebook | None:
    """A notebook, whose cells have their sources as texts, or None if the file does not hold one.

    Raises:
        FileError: if the file cannot be read.
    """
    try:
        # What is neither a file nor a folder, which raises the right error, might keep us waiting.
        return parsed(path.read_bytes()) if path.is_file() or path.is_dir() else None
    except OSError as error:
        raise unreadable(path, error) from error


def parsed(file: bytes) -> Notebook | None:
    """The same for the content of a file."""
    try:
        notebook = json.loads(file)
        if not isinstance(notebook["cells"], list):
            return None
        cells = [_cell(cell) for cell in notebook["cells"]]
        return notebook | {"metadata": dict(notebook.get("metadata", {})), "cells": cells}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _cell(cell: Any) -> dict[str, Any]:
    if cell["cell_type"] not in ("code", "markdown", "raw"):
        raise ValueError("no cell")
    cell = {"metadata": {}, **cell, "source": text(cell)}
    if not isinstance(cell.get("id", ""), str):
        del cell["id"]
    return {"outputs": [], "execution_count": None, **cell} if cell["cell_type"] == "code" else cell


def written(notebook: Notebook) -> str:
    """A notebook as nbformat writes it."""
    cells = [cell | {"source": cell["source"].splitlines(keepends=True)} for cell in notebook["cells"]]
    whole = notebook | {"cells": cells, "nbformat": 4, "nbformat_minor": 5}
    lines = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return lines.encode(errors="backslashreplace").decode()  # half a sign, which UTF-8 cannot hold, as JSON writes it


def as_copy(lesson: Notebook, root: Path) -> Notebook:
    """A lesson as a learner gets it: nothing in it has been run, and opening it in JupyterLab changes nothing.

    Args:
        lesson: of the course.
        root: the course's folder, in which its links lead to files that a copy finds in its own folder ``course``.
    """
    cells = [fresh(cell) | {"source": _with_links(cell, root)} for cell in unique(lesson["cells"])]
    return {"cells": cells, "metadata": kernel_metadata()}


def _with_links(cell: dict[str, Any], root: Path) -> str:
    found = _linked(cell, root)
    return LINK.sub(lambda link: f"{link[1]}{LINKED}/{link[2]}" if link[2] in found else link[0], cell["source"])


def linked(lesson: Notebook, root: Path) -> set[str]:
    """The files of the course to which the texts of a lesson link, from its folder on."""
    return set().union(*(_linked(cell, root) for cell in lesson["cells"]))


def _linked(cell: dict[str, Any], root: Path) -> set[str]:
    found = {name for _, name in LINK.findall(cell["source"])} if cell["cell_type"] == "markdown" else set()
    return {name for name in found if ".." not in name and (root / name).is_file()}


def kernel_metadata() -> dict[str, Any]:
    """What JupyterLab would write into a notebook when its kernel has started, were it not there already."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        title = KernelSpecManager().get_kernel_spec("python3").display_name
    except NoSuchKernel:
        title = "Python 3 (ipykernel)"
    language = {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    }
    return {"kernelspec": {"display_name": title, "language": "python", "name": "python3"}, "language_info": language}
