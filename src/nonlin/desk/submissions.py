"""What students handed in, as Moodle and Canvas export it or as plain files: who handed in which notebook.

The files are a stranger's. Nothing is unpacked, links are not followed, and a notebook is looked through in place: its
outputs, however large, are skipped, and only the text of its cells is kept.
"""

import hashlib
import io
import json
import mmap
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from nonlin.errors import ReaderError, reason
from nonlin.typography import shown

MEBIBYTE = 2**20
LARGEST_FILE, LARGEST_CELL, LARGEST_CODE = 4096 * MEBIBYTE, MEBIBYTE, 4 * MEBIBYTE
MOST_CELLS, MOST_NOTEBOOKS, MOST_FILES, MOST_TOKENS = 2000, 100, 10_000, 40_000_000
DEEPEST = 8  # folders within folders
LARGEST_LIST = 16 * MEBIBYTE  # of what is in a zip
PASSED_OVER = {".ipynb_checkpoints", "__MACOSX", "__pycache__", ".DS_Store", "Thumbs.db"}

# A team without a group has no number. Whose names are hidden is "Participant" in Moodle, "anon" in Canvas.
MOODLE = re.compile(r"(?P<name>.+?)(?:_(?P<id>\d+))?_assignsubmission_(?:file|onlinetext)(?:_.*)?", re.DOTALL)
CANVAS = re.compile(
    r"(?:LATE_)?(?P<name>.+?)(?:_LATE)?_(?P<id>\d+|(?<=anon_)[A-Za-z0-9]+)_(?:\d+_.+|text\.html|link\.html)", re.DOTALL
)
NOTEBOOK = re.compile(r"\.ipynb(\W|$)", re.IGNORECASE)  # some browsers store x.ipynb.txt or x.ipynb.json


class Unreadable(Exception):
    """Why a file cannot be marked: a few words that continue "the notebook"."""


# What reading a stranger's file may raise: a zip may be damaged, locked with a password, or packed in another way.
BAD = (Unreadable, OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True, kw_only=True)
class Student:
    """Whose submission it is.

    Args:
        name: as the learning system, or the file, has it.
        number: of the participant in Moodle, of the user in Canvas; else the name of the file or folder.
    """

    name: str
    number: str


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """The code of one notebook.

    Args:
        name: of the file.
        cells: the text of each code cell, in order.
    """

    name: str
    cells: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A name for exactly this code."""
        return hashlib.sha256(json.dumps(self.cells).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class File:
    """A file somewhere in a submission: ``place`` is its path, ``open`` gives its bytes."""

    place: PurePosixPath
    open: Callable[[], BinaryIO]


@dataclass(kw_only=True)
class Submission:
    """What one student handed in.

    Args:
        student: whose it is.
        files: notebooks, and archives that may hold some.
        others: names of files that are neither.
        notes: what was passed over, in words.
    """

    student: Student
    files: list[File] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def notebooks(self) -> list[Notebook | tuple[str, str]]:
        """Each notebook, or its name and why it cannot be read; the files are read once."""
        return list(self._notebooks())

    def _notebooks(self) -> Iterator[Notebook | tuple[str, str]]:
        count = 0
        for file in self._all_files():
            if isinstance(file, tuple):
                yield file
            elif _is_zip(file):
                yield shown(file.place.name), "is a zip file in another one, and was not opened"
            elif NOTEBOOK.search(file.place.name):
                count += 1
                if count > MOST_NOTEBOOKS:
                    yield shown(file.place.name), f"is one of more than {MOST_NOTEBOOKS}"
                    return
                yield _read(file)

    def _all_files(self) -> Iterator[File | tuple[str, str]]:
        for file in self.files:
            if not _is_zip(file):
                yield file
                continue
            try:
                with file.open() as stream, tempfile.TemporaryFile() as whole:
                    yield from _in_zip(_seekable(stream, whole), file.place)
            except BAD as error:
                yield shown(file.place.name), reason(error)


def _read(file: File) -> Notebook | tuple[str, str]:
    name = shown(file.place.name)
    try:
        with file.open() as stream:
            return Notebook(name=name, cells=tuple(code_cells(stream)))
    except BAD as error:
        return name, reason(error)


# Who


def submissions(place: Path) -> list[Submission]:
    """All submissions in a folder, or in the zip file that a learning system made of it, by name.

    Raises:
        ReaderError: if there are none, or it cannot be read.
    """
    notes: list[tuple[str, str]] = []
    try:
        files = list(_in_folder(place, notes) if place.is_dir() else _in_zip(place, PurePosixPath()))
        empty = [each.name for each in os.scandir(place) if each.is_dir()] if place.is_dir() else []
    except (OSError, Unreadable) as error:
        raise ReaderError(f"{place} cannot be read ({reason(error)}): name a folder, or a zip file.") from error
    tops = {*(each.place.parts[0] for each in files), *(top for top, _ in notes), *empty}
    tops = sorted(tops - _passed_over(tops))
    if not tops:
        raise ReaderError(f"{place} holds no submission: name the folder into which all were unpacked.")
    whose = _naming(tops)
    found: dict[Student, Submission] = {}
    by_top = {top: found.setdefault(whose(top), Submission(student=whose(top))) for top in tops}
    for file in sorted(files, key=lambda each: each.place.parts):
        submission = by_top[file.place.parts[0]]
        if _is_zip(file) or NOTEBOOK.search(file.place.name):
            submission.files.append(file)
        else:
            submission.others.append(shown(file.place.name))
    for top, note in notes:
        if top in by_top:
            by_top[top].notes.append(note)
    return sorted(found.values(), key=lambda each: (each.student.name.casefold(), each.student.number))


def _naming(tops: list[str]) -> Callable[[str], Student]:
    """How the names of files and folders tell whose they are."""
    if any(map(MOODLE.fullmatch, tops)):
        pattern = MOODLE
    elif 2 * sum(map(bool, map(CANVAS.fullmatch, tops))) >= len(tops):  # something else may lie beside them
        pattern = CANVAS
    else:
        return lambda top: Student(name=_name(_stem(top)), number=shown(top))

    def whose(top: str) -> Student:
        if not (match := pattern.fullmatch(top)):
            return Student(name=_name(_stem(top)), number="")
        return Student(name=_name(match["name"].replace("_", " ").strip()), number=match["id"] or "")

    return whose


def _name(text: str) -> str:
    """As the learning system writes it: macOS takes letters apart, ``ü`` into two signs."""
    return shown(unicodedata.normalize("NFC", text))


def _stem(name: str) -> str:
    return re.sub(r"(\.(ipynb|zip|txt|json))+$", "", name, flags=re.IGNORECASE)


def _is_zip(file: File) -> bool:
    return file.place.suffix.lower() == ".zip"


def _passed_over(names: Iterable[str]) -> set[str]:
    """Those of some names that systems and Jupyter leave beside what one hands in."""
    return {name for name in names if name in PASSED_OVER or name.startswith("._")}


def _in_folder(place: Path, notes: list[tuple[str, str]]) -> Iterator[File]:
    count = 0
    for folder, folders, names in os.walk(place):
        here = Path(folder).relative_to(place)
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = sorted(set(folders) - _passed_over(folders) - set(linked))
        if folders and len(here.parts) == DEEPEST:
            notes.append((here.parts[0], f"folders more than {DEEPEST} deep were not looked into"))
            folders.clear()
        for name in sorted({*names, *linked} - _passed_over(names)):
            path, top = Path(folder, name), (here / name).parts[0]
            count += 1
            if count > 20 * MOST_FILES:
                raise Unreadable("it holds too many files")
            if stat.S_ISREG(path.lstat().st_mode):
                yield File(place=PurePosixPath(*(here / name).parts), open=lambda path=path: _opened(path))
            else:
                notes.append((top, f"{shown(name)} is a link or no file, and was not followed"))


def _opened(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    return os.fdopen(handle, "rb")


def _in_zip(stream: BinaryIO | Path, place: PurePosixPath) -> Iterator[File]:
    """The files in a zip, by its path or open. Their paths are names alone: nothing is written to them."""
    try:
        if isinstance(stream, Path):
            with stream.open("rb") as file:
                _check_list(file)
        else:
            _check_list(stream)
        archive = zipfile.ZipFile(stream)
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise Unreadable(f"is no zip file that can be read ({reason(error)})") from error
    if len(entries) > MOST_FILES:
        raise Unreadable("is a zip file of too many files")
    for entry in entries:
        parts = [part for part in re.split(r"[/\\]", entry.filename) if part not in ("", ".", "..")]
        if parts and not entry.is_dir() and not _passed_over(parts):
            yield File(place=place.joinpath(*parts), open=lambda entry=entry: archive.open(entry))


def _check_list(stream: BinaryIO) -> None:
    """Refuse a zip whose list of contents alone would fill the memory."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 66_000))
    tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 16:
        raise Unreadable("is no zip file that can be read (its end is missing)")
    if int.from_bytes(tail[end + 12 : end + 16], "little") > LARGEST_LIST:
        raise Unreadable("is a zip file of too many files")
    stream.seek(0)


def _seekable(stream: BinaryIO, whole: BinaryIO) -> BinaryIO:
    """The stream, if it is a file; what comes out of a zip is written to ``whole``, as far as it is not too large."""
    if isinstance(stream, io.BufferedReader):
        return stream
    size = 0
    while part := stream.read(MEBIBYTE):
        size += len(part)
        if size > LARGEST_FILE:
            raise Unreadable(f"is larger than {LARGEST_FILE // MEBIBYTE} MiB")
        whole.write(part)
    whole.flush()
    return whole


# Notebooks


def code_cells(stream: BinaryIO) -> list[str]:
    """The text of a notebook's code cells, whatever its outputs are.

    Raises:
        Unreadable: if it is no notebook, or too much of one.
    """
    with tempfile.TemporaryFile() as whole:
        stream = _seekable(stream, whole)
        size = os.fstat(stream.fileno()).st_size
        if size > LARGEST_FILE:
            raise Unreadable(f"is larger than {LARGEST_FILE // MEBIBYTE} MiB")
        if not size:
            raise Unreadable("is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Scanner(_in_bytes_of_ascii(content)).code()


def _in_bytes_of_ascii(content: mmap.mmap) -> Any:
    """The same, in an encoding whose brackets and quotes are those of ASCII."""
    if content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return content
    if len(content) > 64 * MEBIBYTE:
        raise Unreadable("is UTF-16, and large")
    return content[:].decode("utf-16", errors="replace").encode()


class _Scanner:
    """Walks through JSON in place, and skips what it is not asked for."""

    SPACE = re.compile(rb"[ \t\r\n]*+")
    STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
    PLAIN = re.compile(rb"[-+.\w]++")
    TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}"]', re.DOTALL)

    def __init__(self, content: Any) -> None:
        self.content, self.tokens = content, 0
        self.cells: list[str] = []
        self.large = 0

    def code(self) -> list[str]:
        start = 3 if self.content[:3] == b"\xef\xbb\xbf" else 0
        known: dict[str, Any] = {}
        try:
            keep = {name: self._keep(known, name) for name in ("nbformat", "worksheets")}
            self._object(self._space(start), {"cells": self._cells, **keep})
        except (IndexError, RecursionError, ValueError) as error:
            raise Unreadable("is no notebook: its JSON is damaged") from error
        if "worksheets" in known or known.get("nbformat", 4) != 4:
            raise Unreadable("is in an old format: it has to be saved anew by today's Jupyter")
        return self.cells

    def _keep(self, into: dict[str, Any], name: str) -> Callable[[int], int]:
        def value(at: int) -> int:
            end = self._skipped(at)
            if end - at > LARGEST_CELL:
                raise Unreadable(f"has a cell of more than {LARGEST_CELL // MEBIBYTE} MiB of code")
            into[name] = json.loads(_text(self.content[at:end]))
            return end

        return value

    def _cells(self, at: int) -> int:
        self.cells = []
        return self._array(at, self._cell)

    def _cell(self, at: int) -> int:
        cell: dict[str, Any] = {}
        end = self._object(at, {name: self._keep(cell, name) for name in ("cell_type", "source")})
        source = cell.get("source", "")
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if cell.get("cell_type") == "code":
            self.cells.append(source)
            self.large += len(source)
        if len(self.cells) > MOST_CELLS or self.large > LARGEST_CODE:
            raise Unreadable("has too much code to be marked")
        return end

    def _object(self, at: int, wanted: dict[str, Callable[[int], int]]) -> int:
        at = self._after(at, b"{")
        if self.content[at : at + 1] == b"}":
            return at + 1
        while True:
            end = self._string(at)
            name = self.content[at:end] if end - at < 40 else b""
            at = self._after(self._space(end), b":")
            at = self._space(wanted.get(name[1:-1].decode(errors="replace"), self._skipped)(at))
            if self.content[at : at + 1] == b"}":
                return at + 1
            at = self._after(at, b",")

    def _array(self, at: int, element: Callable[[int], int]) -> int:
        at = self._after(at, b"[")
        if self.content[at : at + 1] == b"]":
            return at + 1
        while True:
            at = self._space(element(at))
            if self.content[at : at + 1] == b"]":
                return at + 1
            at = self._after(at, b",")

    def _after(self, at: int, sign: bytes) -> int:
        if self.content[at : at + 1] != sign:
            raise ValueError(f"{sign!r} is missing")
        return self._space(at + 1)

    def _space(self, at: int) -> int:
        return self.SPACE.match(self.content, at).end()

    def _string(self, at: int) -> int:
        if not (found := self.STRING.match(self.content, at)):
            raise ValueError("a text does not end")
        return found.end()

    def _skipped(self, at: int) -> int:
        """The end of the value that begins here."""
        first = self.content[at : at + 1]
        if first == b'"':
            return self._string(at)
        if first not in (b"[", b"{"):
            if not (found := self.PLAIN.match(self.content, at)):
                raise ValueError("a value is missing")
            return found.end()
        depth = 0
        for token in self.TOKEN.finditer(self.content, at):
            sign = token[0] if token.end() - token.start() == 1 else b""
            depth += (sign in (b"[", b"{")) - (sign in (b"]", b"}")) if sign else 0
            self.tokens += 1
            if self.tokens > MOST_TOKENS:
                raise Unreadable("has outputs of too many parts to be looked through")
            if sign == b'"':
                raise ValueError("a text does not end")
            if not depth:
                return token.end()
        raise ValueError("it ends early")


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:  # not UTF-8, as a notebook has to be: only letters in comments and texts may be wrong
        return content.decode("latin-1")
