"""Files: the old one or the complete new one; records: what fits, or one sentence that names the file."""

import errno
import json
import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from small_data import leftovers

from nonlin import files
from nonlin.files import FileError, fitting, read_record, read_table, remove_parts, write_json, write_whole


def fail_with(error: BaseException) -> Callable[[Any], None]:
    def write(file: Any) -> None:
        file.write(b"half of the n")
        raise error

    return write


DISK = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("content", "raised"),
    [
        (fail_with(KeyboardInterrupt()), KeyboardInterrupt),
        (fail_with(ZeroDivisionError()), ZeroDivisionError),
        (fail_with(RuntimeError("the reader's own")), RuntimeError),
        (fail_with(DISK), FileError),
        ("\ud800", UnicodeEncodeError),
    ],
)
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, content: Any, raised: type[BaseException]) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")
    with pytest.raises(raised):
        write_whole(path, content)
    assert path.read_bytes() == b"old"
    write_whole(path, "new")
    assert path.read_bytes() == b"new"
    assert leftovers(path.parent) == ["file"]


class FullDisk:
    """An open file that nothing can be written into."""

    def write(self, data: bytes) -> int:
        raise DISK

    def flush(self) -> None:
        """Nothing is kept back."""


def test_a_disk_that_is_full_for_torch_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"x.pt cannot be written \(No space left on device\): make room and start"):
        write_whole(tmp_path / "x.pt", lambda file: torch.save({"w": torch.ones(10)}, FullDisk()))
    assert leftovers(tmp_path) == []


REMEDIES = {errno.ENOSPC: "make room", errno.EROFS: "choose another", errno.EACCES: "choose another"}


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "choose another"), (errno.EACCES, "choose another")],
)
def test_only_a_full_disk_is_told_to_make_room(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises(FileError, match=rf"^{tmp_path}/x cannot be written \({os.strerror(number)}\): {remedy}.*\.$"):
        write_whole(tmp_path / "x", fail_with(OSError(number, os.strerror(number))))


def test_a_link_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "far" / "file").chmod(0o640)
    for name, target in (("link", "far/file"), ("dangling", "far/nothing")):
        (tmp_path / name).symlink_to(tmp_path / target)
        write_whole(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_text() == "new"
    assert stat.S_IMODE((tmp_path / "far" / "file").stat().st_mode) == 0o640
    assert leftovers(tmp_path) == ["dangling", "far", "link"]


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as for everybody but the administrator
    with pytest.raises(FileError, match="Permission denied"):
        write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="has no devices")
def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    write_whole(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(FileError, match="Is a directory"):
        write_whole(tmp_path, "in the way")


def test_long_and_odd_names_are_names(tmp_path: Path) -> None:
    for name in ("x" * 255, "a[1].json", "ä" * 127):
        write_whole(tmp_path / name, "here")
        killed = tmp_path / f".{name[:50]}-12345678.part"
        killed.touch()
        remove_parts(tmp_path / name)
        assert not killed.exists()
        assert (tmp_path / name).exists()


# Records


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"rate must be at least 0, not {self.rate}.")


@dataclass(frozen=True, kw_only=True)
class Record:
    inner: Inner
    names: tuple[str, ...]
    yes: bool = True
    note: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    anything: Any = None


WHOLE = Record(inner=Inner(rate=math.inf), names=("a",), numbers={"b": 1.0, "c": -math.inf}, anything=[1, {}])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "record.json", WHOLE)
    json.loads((tmp_path / "record.json").read_text(), parse_constant=pytest.fail)
    assert read_record(tmp_path / "record.json", Record) == WHOLE
    write_json(tmp_path / "record.json", {"inner": {"rate": 3}, "names": []})
    assert read_record(tmp_path / "record.json", Record) == Record(inner=Inner(rate=3.0), names=())
    assert read_record(tmp_path / "nothing.json", Record) is None


INNER = '{"inner": {"rate": 1}, "names": [], '
BROKEN = {
    "": "Expecting value",
    '{"inner"': "Expecting",
    "[]": "it should be an object, not",
    "null": "it should be an object, not null",
    "7": "it should be an object, not 7",
    '"text"': "it should be an object",
    "{}": "it lacks 'inner'",
    '{"inner": {"rate": 1}}': "it lacks 'names'",
    '{"inner": {}, "names": []}': "inner lacks 'rate'",
    '{"inner": null, "names": []}': "inner should be an object",
    '{"inner": {"rate": "1"}, "names": []}': 'rate should be a number, not "1"',
    '{"inner": {"rate": true}, "names": []}': "rate should be a number, not true",
    '{"inner": {"rate": -1}, "names": []}': "rate must be at least 0",
    '{"inner": {"rate": 1, "seed": 1.5}, "names": []}': "seed should be a whole number, not 1.5",
    '{"inner": {"rate": 1, "seed": true}, "names": []}': "seed should be a whole number, not true",
    '{"inner": {"rate": NaN}, "names": []}': "NaN is no JSON",
    '{"inner": {"rate": 1}, "names": {}}': "names should be a list",
    '{"inner": {"rate": 1}, "names": [1]}': r"names\[0\] should be text, not 1",
    INNER + '"yes": 1}': "yes should be true or false",
    INNER + '"note": []}': "note should be",
    INNER + '"numbers": {"b": []}}': "numbers.b should be a number",
    INNER + '"new": 1}': "it has 'new', which this version does not know",
    '{"inner": {"rate": 1' + "0" * 400 + '}, "names": []}': "rate should be a number, not 10000",
    "[" * 100_000: "recursion",
    '{"inner": ' + "9" * 5000 + "}": "Exceeds the limit",
}


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text[:60])
def test_another_shape_is_one_sentence_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(FileError, match=rf"^{path} is damaged \(.*{BROKEN[text]}.*\): do this\.$") as caught:
        read_record(path, Record, remedy="do this")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=r"folder cannot be read \(Is a directory\): check") as caught:
        read_record(tmp_path / "folder", Record)
    assert "remove" not in str(caught.value)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match=r"bytes is damaged \(it is no text\): remove it"):
        read_record(tmp_path / "bytes", Record)


def test_several_kinds_are_tried_in_their_order() -> None:
    assert fitting(int | str | None, "a") == "a"
    assert fitting(dict[str, int | float], {"a": 1, "b": 1.5}) == {"a": 1, "b": 1.5}


@pytest.mark.parametrize("content", ["", "a,b\n1\n", "a,c\n1,2\n", 'a,b\n"1,2\n', b"\xff\xfe", None])
def test_what_is_no_whole_table_is_named(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileError, match=r"rows\.csv is damaged"):
        read_table(path, needs=["a", "b"])


def test_a_table_is_read_with_its_head(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'a,b\r\n1,"x, y"\r\n')
    assert read_table(tmp_path / "rows.csv", needs=["a"]) == [["a", "b"], ["1", "x, y"]]


# Where something is written that nobody could lose: into a folder that is still being made, to the end of a file, into
# a stream, or before anything is installed.
OTHER_WRITERS = {
    "activations/fast/compiled.py",
    "desk/hand_out.py",
    "desk/mark.py",
    "desk/pack.py",
    "desk/sandbox.py",
    "files.py",
    "images/cifar10.py",
    "images/download.py",
    "installation.py",
    "site/build.py",
    "site/explorer.py",
    "site/printing.py",
}


def test_whatever_replaces_a_file_does_it_by_one_function() -> None:
    package = Path(files.__file__).parent
    writing = re.compile(r"\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?[\"']")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if writing.search(path.read_text("utf-8"))
    }
    assert found == OTHER_WRITERS
