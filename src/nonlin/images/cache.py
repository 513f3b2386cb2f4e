"""Data sets that took time to make, kept in one file each, so that they load at once the next time."""

import warnings
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import filelock
import torch

from nonlin.errors import reason
from nonlin.files import FileError, remove_parts, write_whole
from nonlin.images.dataset import Dataset, Split
from nonlin.paths import cache_folder

_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def cached(name: str, key: str, make: Callable[[], Dataset]) -> Dataset:
    """What `make` returns, kept until the key changes; a damaged file or an unwritable folder costs time only.

    Args:
        name: of the file in the cache folder, without its ending.
        key: any text that differs whenever `make` would return something else.
        make: called if there is nothing in the cache; of two processes, one calls it and the other waits.
    """
    path = cache_folder() / f"{name}.pt"
    stored = _read(path, key)
    if stored:
        return stored
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _warn_unwritable(path.parent, reason(error))
        return make()
    try:
        return _read(path, key) or _make_and_write(path, key, make)
    finally:
        lock.release()


def _read(path: Path, key: str) -> Dataset | None:
    """The content of a cache file, or None if there is none, it is for another key, or it is damaged."""
    if not path.is_file():
        return None
    try:
        stored = torch.load(path, weights_only=True)
        if stored["key"] != key or stored["checksum"] != _checksum(stored):
            return None
        train, test = (Split(images=stored[f"{p}_images"], labels=stored[f"{p}_labels"]) for p in ("train", "test"))
        return Dataset(
            name=stored["name"], title=stored["title"], classes=tuple(stored["classes"]), train=train, test=test
        )
    except Exception:  # torch.load raises many types on damaged files, and every one means: make it again
        return None


def _make_and_write(path: Path, key: str, make: Callable[[], Dataset]) -> Dataset:
    dataset = make()
    stored = {"key": key, "name": dataset.name, "title": dataset.title, "classes": list(dataset.classes)}
    stored |= {"train_images": dataset.train.images, "train_labels": dataset.train.labels}
    stored |= {"test_images": dataset.test.images, "test_labels": dataset.test.labels}
    stored["checksum"] = _checksum(stored)
    try:
        remove_parts(path)
        write_whole(path, lambda file: torch.save(stored, file))
    except FileError as error:
        _warn_unwritable(path.parent, error.why)
    return dataset


def _checksum(stored: dict[str, Any]) -> int:
    """A checksum of the tensors: torch.load does not see a changed byte."""
    checksum = 0
    for name in _TENSORS:
        checksum = zlib.crc32(stored[name].numpy().data, checksum)
    return checksum


@lru_cache
def _warn_unwritable(folder: Path, why: str) -> None:
    """Warn once, not at every load."""
    warnings.warn(f"{folder} cannot be written ({why}): these data are made anew at every load.", stacklevel=2)
