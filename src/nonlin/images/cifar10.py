"""CIFAR-10: 60,000 colour photographs of 32x32 pixels in ten classes, downloaded on first use.

From Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009),
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import codecs
import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np
import torch

from nonlin.errors import reason
from nonlin.files import FileError, write_json
from nonlin.images.dataset import SIDE, DataError, Dataset, Split
from nonlin.images.download import DownloadError, Limits, download, forget

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

FOLDER = "cifar-10-batches-py"  # torchvision's base_folder, without the second that its import takes
GET = "python3 start.py data cifar10"
SPACE = 400_000_000  # bytes free on disk, for the archive and what is in it
LARGEST = 200_000_000  # bytes of a file; more are not read
RETRY_AFTER = 3600.0  # seconds for which a failed download is not tried again without being asked for


class FetchError(DataError):
    """A server did not deliver: worth remembering, since trying again costs time.

    Args:
        message: why.
        wait: seconds for which ``load(retry=False)`` will not try again.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def load(folder: Path, *, fetch: bool = True, retry: bool = True, limits: Limits | None = None) -> Dataset:
    """Load CIFAR-10 from ``folder/cifar-10-batches-py``, after downloading it there if it is missing or damaged.

    Every file is checked against torchvision's checksums, and what is read is what was checked. A complete folder is
    read without writing to it. Of several processes that call this at once, one downloads; the others wait for it, and
    share its failure.

    Args:
        folder: where the images are, or shall be.
        fetch: whether to download what is missing, from where torchvision does or ``NONLIN_CIFAR10_URL`` says.
        retry: whether to try again what has failed within the last hour.
        limits: when to give up a download; by default ``Limits()``.

    Raises:
        FetchError: if the server does not deliver.
        DataError: if the images are not there and cannot be stored, or must not be fetched.
    """
    if not fetch and not (folder / FOLDER).is_dir():
        raise DataError(_absent(folder))
    release = _torchvision_release()
    dataset = _read(folder, release)
    if dataset:
        return dataset
    if not fetch:
        raise DataError(_absent(folder))
    since = time.time() - (0 if retry else RETRY_AFTER)
    _share_failure(folder, since)
    return _fetch(folder, release, since, limits or Limits())


def mirror() -> str:
    """The address that ``NONLIN_CIFAR10_URL`` names, or ""."""
    return os.environ.get("NONLIN_CIFAR10_URL", "")


def _absent(folder: Path) -> str:
    return f"CIFAR-10 is not in {folder}, or its files are damaged; get it with: {GET}"


def _torchvision_release() -> "type[CIFAR10]":
    try:
        from torchvision.datasets import CIFAR10  # takes a second to import, so only here
    except (ImportError, RuntimeError) as error:  # RuntimeError: made for another build of torch
        raise DataError(
            f"CIFAR-10 needs torchvision, which cannot be imported ({reason(error)}): reinstall it"
        ) from error
    return CIFAR10


def _read(folder: Path, release: "type[CIFAR10]") -> Dataset | None:
    """CIFAR-10 as it lies in a folder, or None if a file is missing or differs from its checksum."""
    try:
        names = _checked(folder / FOLDER / release.meta["filename"], release.meta["md5"])
        splits = [_read_split(folder, files) for files in (release.train_list, release.test_list)]
    except OSError as error:
        raise DataError(f"CIFAR-10 in {folder} cannot be read ({reason(error)}): check its permissions") from error
    if not (names and all(splits)):
        return None
    classes = tuple(_unpickled(names)[release.meta["key"]])
    return Dataset(name="cifar10", title="CIFAR-10", classes=classes, train=splits[0], test=splits[1])


def _read_split(folder: Path, files: list[list[str]]) -> Split | None:
    batches = []
    for name, md5 in files:
        content = _checked(folder / FOLDER / name, md5)
        if not content:
            return None
        batches.append(_unpickled(content))
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, SIDE, SIDE)
    labels = [label for batch in batches for label in batch["labels"]]
    return Split(images=torch.from_numpy(images), labels=torch.tensor(labels))


def _checked(path: Path, md5: str) -> bytes | None:
    """A file's content, or None if there is none or it differs: whoever reads it again might read something else."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(LARGEST)
    return content if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5 else None


class _Unpickler(pickle.Unpickler):
    """Makes arrays, lists and dictionaries; whatever else a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:
        makers = {
            "_reconstruct": np.empty(0).__reduce__()[0],
            "ndarray": np.ndarray,
            "dtype": lambda code, align, copy: np.dtype(code, bool(align), bool(copy)),  # old ones hold 0 and 1
            "encode": codecs.encode,  # how Python 3 writes bytes for Python 2
        }
        if module.partition(".")[0] in ("numpy", "_codecs") and name in makers:
            return makers[name]
        raise pickle.UnpicklingError(f"{module}.{name} is neither an array nor plain data")


def _unpickled(content: bytes) -> dict[str, Any]:
    return _Unpickler(io.BytesIO(content), encoding="latin1").load()


def _fetch(folder: Path, release: "type[CIFAR10]", since: float, limits: Limits) -> Dataset:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".cifar10.lock"):
            # Another process may have brought it, or waited in vain, while this one waited for the lock.
            dataset = _read(folder, release)
            if dataset is None:
                _share_failure(folder, since)
                _install(folder, release, limits)
                dataset = _read(folder, release)
    except OSError as error:
        raise DataError(
            f"CIFAR-10 cannot be stored in {folder} ({reason(error)}); make room or make the folder writable, or set "
            f"NONLIN_DATA to a folder that holds {FOLDER}/"
        ) from error
    if dataset is None:
        raise DataError(f"CIFAR-10 was stored in {folder}, but what is read back differs: check the disk")
    return dataset


def _failure_note(folder: Path) -> Path:
    return folder / ".cifar10.failure.json"


def _source_digest() -> str:
    """Tells mirrors apart without their names, which may hold a password."""
    return hashlib.sha256(mirror().encode("utf-8", "surrogateescape")).hexdigest()


def _share_failure(folder: Path, since: float) -> None:
    """Raise the failure that a process has met since a time, in seconds since 1970."""
    try:
        note = json.loads(_failure_note(folder).read_text(encoding="utf-8"))
        mirrored, why, when = str(note["mirror"]), str(note["reason"]), float(note["when"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # no note, or not one of ours
        return
    if mirrored == _source_digest() and since <= when <= time.time():
        raise FetchError(why, when + RETRY_AFTER - time.time())


def _noted(folder: Path, why: str) -> FetchError:
    """The error for a failure, which other processes will share."""
    with suppress(FileError):  # then the download is tried every time
        write_json(_failure_note(folder), {"when": time.time(), "mirror": _source_digest(), "reason": why})
        return FetchError(why, RETRY_AFTER)
    return FetchError(why)


def _install(folder: Path, release: "type[CIFAR10]", limits: Limits) -> None:
    """Bring the archive, check it and put its files in place at once; only for the holder of the lock."""
    for leftover in folder.glob(".cifar10-*"):  # of a process that was killed
        _remove(leftover)
    part = folder / f"{release.filename}.part"
    free = shutil.disk_usage(folder).free + (part.stat().st_size if part.exists() else 0)
    if free < SPACE:
        raise OSError(f"{SPACE / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
    by_hand = _checked(folder / release.filename, release.tgz_md5)  # someone may have put it here with a browser
    archive = by_hand or _download(part, release, limits)
    new, damaged, target = folder / ".cifar10-new", folder / ".cifar10-damaged", folder / FOLDER
    try:
        _unpack(archive, new, release)
        forget(part)
        if target.exists():
            target.rename(damaged)
            _remove(damaged)
        new.rename(target)  # last, since nobody looks for leftovers of a kill where the images are in place
    finally:
        _remove(new)


def _remove(path: Path) -> None:
    """A folder with all that is in it, or a file; nothing if there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _download(part: Path, release: "type[CIFAR10]", limits: Limits) -> bytes:
    """The archive; what came of it before a download broke off is not asked for again."""
    url = mirror() or release.url
    archive = _checked(part, release.tgz_md5)
    try:
        while archive is None:
            resumed = download(url, part, limits, title="CIFAR-10")
            archive = _checked(part, release.tgz_md5)
            if archive is None:
                forget(part)
                if not resumed:
                    raise DownloadError("what it sent is not the archive of CIFAR-10 (wrong checksum)")
    except DownloadError as error:
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url  # urlsplit refuses some addresses
        why = (
            f"CIFAR-10 could not be downloaded from {host} ({error}); connect to the network, or set "
            "NONLIN_CIFAR10_URL to a mirror"
        )
        raise _noted(part.parent, why) from error
    return archive


def _unpack(archive: bytes, folder: Path, release: "type[CIFAR10]") -> None:
    """Write the files that the release lists, and only them, from a checked archive to a new folder."""
    folder.mkdir()
    names = [name for name, _ in (*release.train_list, *release.test_list)] + [release.meta["filename"]]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for name in names:
            with tar.extractfile(f"{FOLDER}/{name}") as member, (folder / name).open("wb") as file:
                shutil.copyfileobj(member, file)
