"""Files that are never half written, and records in JSON that are checked while they are read.

The whole package writes and reads its files here, so that each rule stands once: others see the old file or the
complete new one, and whoever finds a damaged one is told in one sentence which it is and what to do.
"""

import csv
import errno
import glob
import io
import json
import math
import os
import secrets
import stat
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, Union, get_args, get_origin, get_type_hints

from nonlin.errors import ReaderError, reason

T = TypeVar("T")
Content = bytes | str | Callable[[BinaryIO], object]
ANEW = "remove it, and make it anew"


class FileError(ReaderError):
    """A file cannot be written or read, or does not hold what it should; ``why`` is the reason alone."""

    def __init__(self, sentence: str, why: str = "") -> None:
        super().__init__(sentence)
        self.why = why


# Writing


def write_whole(path: Path, content: Content) -> None:
    """Write a file so that others see the old content or the complete new one, never a part, after a power cut too.

    A link stays one and a file keeps its permissions. What is no file, ``/dev/null`` say, is written as it is.

    Args:
        path: its folder is made if missing.
        content: text is written in UTF-8; a function receives an open binary file. What it raises is passed on, unless
            the disk is the reason.

    Raises:
        FileError: if the file cannot be written; what was there before then still is.
    """
    try:
        _write(Path(os.path.realpath(path)), content)
    except (OSError, RuntimeError) as error:
        # torch.save hides the disk's error behind one of its own.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise unwritable(path, cause) from error


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode if path.exists() else None
    if mode and not stat.S_ISREG(mode):
        with path.open("wb") as file:  # a folder raises the right error
            return _fill(file, content)
    if mode and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    part = path.with_name(f"{_part_prefix(path)}{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            if mode:
                part.chmod(stat.S_IMODE(mode))  # before the content, whose function may choose another mode
            _fill(file, content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return _sync_folder(path.parent)


def _fill(file: BinaryIO, content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def _part_prefix(path: Path) -> str:
    return f".{path.name[:50]}-"  # a name may fill what the system allows


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_parts(path: Path) -> None:
    """Remove what killed processes left of `write_whole(path, ...)`; only for the holder of the file's lock."""
    for part in path.parent.glob(f"{glob.escape(_part_prefix(path))}*.part"):
        part.unlink(missing_ok=True)


def is_full(error: OSError) -> bool:
    """Whether what could not be written found no room."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)


def unwritable(path: Path, error: OSError) -> FileError:
    """What to raise where a path cannot be written; only a full disk is told to make room."""
    remedy = "make room and start again" if is_full(error) else "choose another place"
    return FileError(f"{path} cannot be written ({reason(error)}): {remedy}.", reason(error))


def write_json(path: Path, content: Any, *, sort_keys: bool = False) -> None:
    """Write a value, or a dataclass, as indented JSON; numbers that JSON does not have become words, ``"nan"``.

    Raises:
        FileError: as for `write_whole`.
    """
    plain = _with_words(asdict(content) if is_dataclass(content) else content)
    text = json.dumps(plain, indent=2, sort_keys=sort_keys, allow_nan=False, ensure_ascii=False)
    write_whole(path, text + "\n")


def _with_words(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_words(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_words(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# Reading


def read_record(path: Path, kind: type[T], *, remedy: str = ANEW) -> T | None:
    """What a JSON file holds, as a dataclass, or None if there is no file.

    Args:
        path: of the file.
        kind: a dataclass, or any type that `fitting` takes.
        remedy: what the reader can do about a damaged file.

    Raises:
        FileError: if it cannot be read, is no JSON, or does not hold such a record.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        return fitting(kind, json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged ({reason(error)}): {remedy}.", reason(error)) from error


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def read_text(path: Path) -> str | None:
    """The text of a file in UTF-8, or None if there is none.

    Raises:
        FileError: if it cannot be read, or is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is damaged (it is no text): {ANEW}.", "it is no text") from error
    except OSError as error:
        raise unreadable(path, error) from error


def read_table(path: Path, *, needs: Collection[str] = ()) -> list[list[str]]:
    """The rows of a CSV file, the names of its columns first.

    Args:
        path: of the file.
        needs: columns that it must have.

    Raises:
        FileError: if it is missing, or no such table.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_text(path) or "", newline=""), strict=True))
    except csv.Error as error:
        raise FileError(f"{path} is damaged ({reason(error)}): restore it.", reason(error)) from error
    if not rows or len({*map(len, rows)}) > 1 or not {*needs} <= {*rows[0]}:
        raise FileError(f"{path} is damaged (it is no whole table): restore it.", "it is no whole table")
    return rows


def unreadable(path: Path, error: OSError) -> FileError:
    """What to raise where a path cannot be read. Nobody is told to remove it: nothing is known of what it holds."""
    return FileError(f"{path} cannot be read ({reason(error)}): check what it is and who may read it.", reason(error))


def fitting(kind: Any, value: Any, name: str = "it") -> Any:
    """A value from JSON as the type that it should have.

    Takes dataclasses (a field that is missing keeps its default), unions, ``dict[str, ...]``, ``tuple[..., ...]``,
    ``Any``, and the plain types: an integer is a float too, but a Boolean is no integer, and ``"nan"`` is a float.

    Raises:
        ValueError: if it does not fit, with the name of the field, or if the dataclass refuses it.
    """
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value, name)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, name)
    if origin is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if origin is float and value in ("nan", "inf", "-inf"):
        return float(value)
    if type(value) is not {tuple: list}.get(origin, origin):
        raise ValueError(f"{name} should be {_WORDS[origin]}, not {_shown(value)}")
    if origin is dict and arguments:
        return {key: fitting(arguments[1], each, f"{name}.{key}") for key, each in value.items()}
    if origin is tuple:
        return tuple(fitting(arguments[0], each, f"{name}[{place}]") for place, each in enumerate(value))
    return value


_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
_WORDS |= {dict: "an object", tuple: "a list"}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    for kind in kinds[:-1]:
        try:
            return fitting(kind, value, name)
        except ValueError:
            continue
    return fitting(kinds[-1], value, name)


_hints = lru_cache(get_type_hints)


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    if type(value) is not dict:
        raise ValueError(f"{name} should be an object, not {_shown(value)}")
    known = {each.name: each for each in fields(kind)}
    for given in value:
        if given not in known:
            raise ValueError(f"{name} has {given!r}, which this version does not know")
    for each in known.values():
        if each.name not in value and each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{name} lacks {each.name!r}")
    hints = _hints(kind)
    return kind(**{field: fitting(hints[field], each, field) for field, each in value.items()})
