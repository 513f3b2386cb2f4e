"""CIFAR-10: 60,000 colour photographs of 32x32 pixels in ten classes, downloaded on first use.

From Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009),
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import torch

from nonlin.errors import reason
from nonlin.images.dataset import DataError, Dataset, Split
from nonlin.images.download import DownloadError, Limits, download

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

FOLDER = "cifar-10-batches-py"  # torchvision's base_folder, without the second that its import takes
GET = "python3 start.py data cifar10"
SPACE = 400_000_000  # bytes free on disk, for the archive and what is in it


class FetchError(DataError):
    """A server did not deliver: worth remembering, since trying again costs time."""


def load(folder: Path, *, fetch: bool = True, limits: Limits | None = None) -> Dataset:
    """Load CIFAR-10 from ``folder/cifar-10-batches-py``, after downloading it there if it is missing or damaged.

    Every file is checked against torchvision's checksums. A complete folder is read without writing to it. Two
    processes may call this at once: one downloads, the other waits.

    Args:
        folder: where the images are, or shall be.
        fetch: whether to download what is missing, from where torchvision does or ``NONLIN_CIFAR10_URL`` says.
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
    return _fetch(folder, release, limits or Limits())


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
    if not (folder / FOLDER).is_dir():
        return None
    try:
        train, test = release(folder, train=True), release(folder, train=False)
    except RuntimeError:  # torchvision's word for a missing file or a wrong checksum
        return None
    except OSError as error:
        raise DataError(f"CIFAR-10 in {folder} cannot be read ({reason(error)}): check its permissions") from error
    classes = tuple(train.classes)
    return Dataset(name="cifar10", title="CIFAR-10", classes=classes, train=_split(train), test=_split(test))


def _split(part: "CIFAR10") -> Split:
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # (N, 32, 32, 3) -> (N, 3, 32, 32)
    return Split(images=images, labels=torch.tensor(part.targets))


def _fetch(folder: Path, release: "type[CIFAR10]", limits: Limits) -> Dataset:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".cifar10.lock"):
            # Another process may have brought it while this one waited for the lock.
            dataset = _read(folder, release)
            if dataset is None:
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


def _install(folder: Path, release: "type[CIFAR10]", limits: Limits) -> None:
    """Bring the archive, check it and put its files in place at once; only for the holder of the lock."""
    for leftover in folder.glob(".cifar10-*"):  # of a process that was killed
        shutil.rmtree(leftover)
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        raise OSError(f"{SPACE / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
    with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=folder) as name:
        workplace = Path(name)
        archive = folder / release.filename  # someone may have put it here with a browser
        if not (archive.is_file() and _md5(archive) == release.tgz_md5):
            archive = workplace / release.filename
            _download(archive, release, limits)
        _unpack(archive, workplace / "new", release)
        target = folder / FOLDER
        if target.exists():
            target.rename(workplace / "damaged")
        (workplace / "new").rename(target)


def _download(archive: Path, release: "type[CIFAR10]", limits: Limits) -> None:
    url = mirror() or release.url
    try:
        download(url, archive, limits, title="CIFAR-10")
        if _md5(archive) != release.tgz_md5:
            raise DownloadError("what it sent is not the archive of CIFAR-10 (wrong checksum)")
    except DownloadError as error:
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url  # urlsplit refuses some addresses
        raise FetchError(
            f"CIFAR-10 could not be downloaded from {host} ({error}); connect to the network, or set "
            "NONLIN_CIFAR10_URL to a mirror"
        ) from error


def _unpack(archive: Path, folder: Path, release: "type[CIFAR10]") -> None:
    """Write the files that the release lists, and only them, from a checked archive to a new folder."""
    folder.mkdir()
    names = [name for name, _ in (*release.train_list, *release.test_list)] + [release.meta["filename"]]
    with tarfile.open(archive) as tar:
        for name in names:
            with tar.extractfile(f"{FOLDER}/{name}") as member, (folder / name).open("wb") as file:
                shutil.copyfileobj(member, file)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
