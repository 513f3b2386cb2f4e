"""Images that took time to make, kept in one file for each data set, so that they load at once the next time."""

import hashlib
import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nonlin.errors import reason
from nonlin.files import FileError, remove_parts, write_whole
from nonlin.images.dataset import SIDE
from nonlin.paths import cache_folder, is_private
from nonlin.typography import shown

Images = NDArray[np.uint8]  # (n, 3, 32, 32)


def cached(name: str, key: str, counts: tuple[int, ...], make: Callable[[], tuple[Images, ...]]) -> list[Tensor]:
    """What `make` returns, kept until the key changes; a damaged file or an unwritable folder costs time only.

    A file holds pixels and a digest of them. How many images there are, and of which class, the caller knows from
    where they come from, so that no file can say otherwise; a file that others can write to counts as damaged.

    Args:
        name: of the file in the cache folder, without its ending.
        key: any text that differs whenever `make` would return something else.
        counts: how many images `make` returns, in each of its arrays.
        make: called if there is nothing in the cache; of two processes, one calls it and the other waits.

    Returns:
        A tensor for each count: (count, 3, 32, 32), uint8.
    """
    folder = cache_folder()
    if folder is None:
        _warn_unwritable("there is no folder for caches to which this user can write, and no other")
        return _tensors(make())
    path = folder / f"{name}.images"
    stored = _read(path, key, counts)
    if stored:
        return stored
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _warn_unwritable(f"{folder} cannot be written ({reason(error)})")
        return _tensors(make())
    try:
        return _read(path, key, counts) or _tensors(_make_and_write(path, key, make))
    finally:
        lock.release()


def _tensors(parts: tuple[Images, ...]) -> list[Tensor]:
    return [torch.from_numpy(part) for part in parts]


def _read(path: Path, key: str, counts: tuple[int, ...]) -> list[Tensor] | None:
    """The content of a cache file, or None if there is none, it is for another key, or it is damaged."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            size = hashlib.sha256().digest_size + sum(counts) * 3 * SIDE * SIDE
            if not is_private(facts) or facts.st_size != size:  # before memory of that size is taken
                return None
            digest = file.read(hashlib.sha256().digest_size)
            parts = tuple(np.empty((count, 3, SIDE, SIDE), np.uint8) for count in counts)
            for part in parts:
                file.readinto(part.data.cast("B"))
    except OSError:
        return None
    return _tensors(parts) if digest == _digest(key, parts) else None


def _make_and_write(path: Path, key: str, make: Callable[[], tuple[Images, ...]]) -> tuple[Images, ...]:
    parts = make()

    def write(file: BinaryIO) -> None:
        os.chmod(file.name, 0o600)  # whatever the umask is: see is_private
        for piece in (_digest(key, parts), *(part.data for part in parts)):
            file.write(piece)

    try:
        remove_parts(path)
        path.unlink(missing_ok=True)  # its permissions would be kept
        write_whole(path, write)
    except (OSError, FileError) as error:
        why = error.why if isinstance(error, FileError) else reason(error)
        _warn_unwritable(f"{path.parent} cannot be written ({why})")
    return parts


def _digest(key: str, parts: tuple[Images, ...]) -> bytes:
    digest = hashlib.sha256(f"{key}, {[len(part) for part in parts]} images\0".encode())
    for part in parts:
        digest.update(part.data)
    return digest.digest()


@lru_cache
def _warn_unwritable(why: str) -> None:
    """Warn once, not at every load."""
    warnings.warn(f"{shown(why)}: these data are made anew at every load.", stacklevel=2)
