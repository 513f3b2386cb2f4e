"""A folder that is there complete, or not at all; and one for a while, of which nothing stays."""

import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nonlin.errors import ReaderError
from nonlin.files import unwritable
from nonlin.paths import is_writable, project_root
from nonlin.typography import shown


def check_new(folder: Path) -> None:
    """Refuse what `new_folder` could not make; asked before anything that takes time.

    Raises:
        ReaderError: if the folder holds something, lies in the course, or cannot be made.
    """
    root = project_root()
    try:
        place = folder.resolve()
        if root and place.is_relative_to(root.resolve()):
            raise ReaderError(f"{folder} lies in the course itself: name a folder outside of {root}")
        if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
            raise ReaderError(f"{folder} is there already and not empty: name a new folder")
        if folder.exists() and folder.samefile(Path.cwd()):
            raise ReaderError(f"{folder} is the folder that you are in: name a new one in it")
    except (OSError, RuntimeError) as error:
        raise ReaderError(f"{folder} cannot be a new folder ({shown(str(error))}): name another") from error
    if not is_writable(place.parent):
        raise ReaderError(f"{folder} lies where nothing can be written: choose another place")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block has ended well.

    It lies beside its later place, under a name that ends in ``.part``. If the block fails or is stopped it is removed;
    what a killed process left is removed by the next one that makes the same folder.

    Raises:
        ReaderError: as for `check_new`; if something cannot be written; or if the folder has been made meanwhile.
    """
    check_new(folder)
    folder = folder.resolve()
    try:
        with workspace(folder.parent, folder.name) as part:
            yield part
            if folder.exists():
                folder.rmdir()
            part.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


@contextmanager
def workspace(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder in another, to work in; it is removed at the end, and by the next one if this process is killed.

    Args:
        parent: made if it is missing.
        name: of what is made in it, of which its own name reminds.
    """
    _remove_left(parts_of(parent, name))
    part = parent / f".{name[:50]}-{os.getpid()}-{secrets.token_hex(2)}.part"
    try:
        part.mkdir(parents=True)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def parts_of(parent: Path, name: str) -> set[Path]:
    """The folders in which processes make something of this name, or made it until they were killed."""
    return {*parent.glob(f".{glob.escape(name[:50])}-*.part")}


@contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """A temporary folder for this user alone; what a killed process left of one, the next of its kind removes."""
    begin = f"nonlin-{kind}"
    _remove_left(Path(tempfile.gettempdir()).glob(f"{glob.escape(begin)}-*-*"))
    with tempfile.TemporaryDirectory(prefix=f"{begin}-{os.getpid()}-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _remove_left(folders: Iterable[Path]) -> None:
    """Those of processes that run no more, by the number in their names."""
    for left in folders:
        process = left.name.rsplit("-", 2)[1]
        if process.isdecimal() and not _runs(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # os.kill would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
