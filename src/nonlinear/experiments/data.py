"""The images that experiments train on: CIFAR-10, shapes10 when there is no CIFAR-10, or a folder of one's own.

``load()`` is all that most readers need. CIFAR-10 is from Alex Krizhevsky, "Learning Multiple Layers of Features from
Tiny Images" (2009), https://www.cs.toronto.edu/~kriz/cifar.html; shapes10 is drawn by ``shapes10.py``.
"""

import difflib
import hashlib
import html
import http.client
import json
import os
import shutil
import sys
import tarfile
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import filelock
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from nonlinear.experiments import shapes10
from nonlinear.experiments.folders import cache_folder, data_folder, remove_parts, write_whole

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

SOURCES = ("auto", "cifar10", "shapes10")
SIDE = 32
RETRY_AFTER = 3600.0  # seconds for which "auto" does not try again what failed
GET_CIFAR10 = "python3 start.py data cifar10"

_CIFAR10_FOLDER = "cifar-10-batches-py"  # torchvision's base_folder, without the second that its import takes
_CACHE_FORMAT = 1
_IMAGE_ENDINGS = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_SYSTEM_FILES = frozenset(("desktop.ini", "thumbs.db"))


class DataError(Exception):
    """Data cannot be had; the message is one sentence that says what is wrong and what to do."""


class FetchError(DataError):
    """A server did not deliver: worth remembering, since trying again costs time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images with their labels, in an order in which classes are mixed.

    Shapes: `images` (N, 3, 32, 32), uint8; `labels` (N,), int64, indices into the dataset's classes.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images to train on and to test on.

    `name` is "cifar10", "shapes10" or the folder's name; `title` is how a caption must call the data.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    @property
    def mean(self) -> Tensor:
        """Mean of each channel over the training images scaled to [0, 1]: (3,), float32."""
        return self._moments[0]

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel, as `mean`; at least 1/255, so that it can be divided by."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        levels = torch.arange(256, dtype=torch.float64) / 255
        counts = torch.stack([_histogram(self.train.images[:, channel]) for channel in range(3)])  # (3, 256)
        shares = counts / counts.sum(dim=1, keepdim=True)
        mean = (shares * levels).sum(dim=1)
        variance = (shares * (levels - mean[:, None]).square()).sum(dim=1)
        return mean.float(), variance.sqrt().clamp(min=1 / 255).float()


def _histogram(channel: Tensor) -> Tensor:
    """How often each of the 256 values occurs in a uint8 tensor, (256,); by parts, since bincount copies to int64."""
    return torch.stack([torch.bincount(part.flatten(), minlength=256) for part in channel.split(4096)]).sum(dim=0)


# Choosing a source


def show_notice(text: str) -> None:
    """Show a text in a frame: in the notebook's output when run in a kernel, else on stderr. Line 1 is the heading."""
    if _in_kernel():
        from IPython.display import display

        display({"text/plain": _framed(text), "text/html": _framed_html(text)}, raw=True)
    else:
        print(_framed(text), file=sys.stderr, flush=True)


def load(source: str | Path = "auto", *, notice: Callable[[str], object] = show_notice) -> Dataset:
    """Load the images of a source.

    - ``"cifar10"``: CIFAR-10, downloaded to ``data/`` on first use (170 MB) and checked against its checksums;
      ``NONLINEAR_CIFAR10_URL`` names a mirror.
    - ``"shapes10"``: 24,000 images of ten shapes that the computer draws; needs no network.
    - a folder with ``train/CLASS/*`` and ``test/CLASS/*``: images that are not 32x32 are cropped to the central square
      and resized; grey is repeated in three channels; what is transparent is laid on white; of an animation the first
      frame counts. Classes are the sorted folder names. A folder that holds ``cifar-10-batches-py/`` is CIFAR-10.
    - ``"auto"``: what ``NONLINEAR_DATA`` names (a source or a folder), if set; else CIFAR-10 if it is there or can be
      downloaded; else shapes10, after calling `notice` with a text that says so. A failed download is not tried again
      for an hour.

    Raises `DataError` when the data cannot be had.
    """
    if str(source) != "auto":
        return _load_named(source)
    chosen = os.environ.get("NONLINEAR_DATA", "auto")
    if chosen in ("", "auto"):
        return _load_cifar10_or_shapes10(notice)
    try:
        return _load_named(chosen)
    except DataError as error:
        raise DataError(f"NONLINEAR_DATA is set to {chosen!r}: {error}") from error


def _load_named(source: str | Path) -> Dataset:
    if source == "cifar10":
        return load_cifar10(data_folder())
    if source == "shapes10":
        return _load_shapes10()
    folder = Path(source).expanduser()
    if isinstance(source, Path) or folder.exists() or len(folder.parts) > 1 or folder.is_absolute():
        return _load_folder(folder)
    near = difflib.get_close_matches(str(source).lower(), SOURCES, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"there is no data source or folder {source!r}: choose one of {', '.join(SOURCES)}, or the path of a folder "
        f"with train/CLASS/ and test/CLASS/{hint}"
    )


def _load_cifar10_or_shapes10(notice: Callable[[str], object]) -> Dataset:
    failed = _recent_failure()
    try:
        dataset = load_cifar10(data_folder(), fetch=failed is None)
    except DataError as error:
        reason, wait = failed or (str(error), RETRY_AFTER if isinstance(error, FetchError) else 0.0)
        notice(_fallback_text(reason, wait))
        return _load_shapes10()
    return dataset


def _fallback_text(reason: str, wait: float) -> str:
    """What a reader must know who gets shapes10 without having asked for it."""
    lines = [
        "This is not CIFAR-10: shapes10 is used instead",
        "The images are ten kinds of shapes drawn by the computer. Accuracies on them say nothing about CIFAR-10.",
        f"Why: {reason}.",
        f"To get CIFAR-10 (170 MB): {GET_CIFAR10}",
    ]
    if wait:
        lines.append(f"Until you run this, the download is not tried again for {max(1, round(wait / 60))} minutes.")
    return "\n".join(lines)


def _in_kernel() -> bool:
    """Whether this runs in a Jupyter kernel, not in a terminal or in a plain script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _framed(text: str) -> str:
    lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, 74)]
    rule = "#" * 78
    return "\n".join([rule, *(f"# {line:74} #" for line in lines), rule])


def _framed_html(text: str) -> str:
    heading, *lines = (html.escape(line) for line in text.splitlines())
    style = "border:4px solid #b00020; background:#fff3cd; color:#1a1a1a; padding:0.8em; margin:0.5em 0"
    return f'<div role="alert" style="{style}"><b>{heading}</b><br>{"<br>".join(lines)}</div>'


def sample_photograph() -> Tensor:
    """The photograph of Grace Hopper that matplotlib brings along: (3, H, W), uint8."""
    from matplotlib import cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


# shapes10


def _load_shapes10() -> Dataset:
    train, test, classes = _cached("shapes10", f"shapes10 version {shapes10.VERSION}", _draw_shapes10)
    title = "shapes10 (drawn by the computer, not CIFAR-10)"
    return Dataset(name="shapes10", title=title, classes=classes, train=train, test=test)


def _draw_shapes10() -> tuple[Split, Split, tuple[str, ...]]:
    train, test = (
        Split(images=torch.from_numpy(shapes10.draw(n, seed=seed)), labels=torch.from_numpy(shapes10.labels(n)))
        for n, seed in ((shapes10.TRAIN_SIZE, 1), (shapes10.TEST_SIZE, 2))
    )
    return train, test, shapes10.CLASSES


# CIFAR-10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a download may cost: seconds to open it, seconds without a byte, bytes per second over a window."""

    opening: float = 8.0
    silence: float = 8.0
    slowest: float = 50_000.0
    window: float = 15.0
    space: int = 400_000_000  # bytes free on disk, for the archive and what is in it


def load_cifar10(
    folder: Path,
    *,
    fetch: bool = True,
    release: "type[CIFAR10] | None" = None,
    url: str | None = None,
    limits: Limits | None = None,
) -> Dataset:
    """Load CIFAR-10 from ``folder/cifar-10-batches-py``, after downloading it there if it is missing or damaged.

    `release` is torchvision's class, or a subclass with other files and checksums; `url` overrides its address and
    ``NONLINEAR_CIFAR10_URL``. A complete folder is read without writing to it. Two processes may call this at once:
    one downloads, the other waits.

    Raises `DataError` when the data are not there and cannot be stored or (`FetchError`) downloaded.
    """
    if not fetch and not (folder / _CIFAR10_FOLDER).is_dir():
        raise DataError(_absent(folder))
    release = release or _torchvision_release()
    dataset = _read_cifar10(folder, release)
    if dataset is None and fetch:
        dataset = _fetch_cifar10(folder, release, url or _mirror() or release.url, limits or Limits())
    if dataset is None:
        raise DataError(_absent(folder))
    return dataset


def _absent(folder: Path) -> str:
    return f"CIFAR-10 is not in {folder}, or its files are damaged; get it with: {GET_CIFAR10}"


def _torchvision_release() -> "type[CIFAR10]":
    try:
        from torchvision.datasets import CIFAR10  # takes a second to import, so only here
    except (ImportError, RuntimeError) as error:  # RuntimeError: made for another build of torch
        raise DataError(
            f"CIFAR-10 needs torchvision, which cannot be imported ({_reason(error)}): reinstall it"
        ) from error
    return CIFAR10


def _read_cifar10(folder: Path, release: "type[CIFAR10]") -> Dataset | None:
    """CIFAR-10 as it lies in a folder, or None if a file is missing or differs from its checksum."""
    if not (folder / release.base_folder).is_dir():
        return None
    try:
        train, test = release(folder, train=True), release(folder, train=False)
    except RuntimeError:  # torchvision's word for a missing file or a wrong checksum
        return None
    except OSError as error:
        raise DataError(f"CIFAR-10 in {folder} cannot be read: {_reason(error)}") from error
    return Dataset(
        name="cifar10",
        title="CIFAR-10",
        classes=tuple(train.classes),
        train=_split_of(train),
        test=_split_of(test),
    )


def _split_of(part: "CIFAR10") -> Split:
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # (N, 32, 32, 3) -> (N, 3, 32, 32)
    return Split(images=images, labels=torch.tensor(part.targets))


def _fetch_cifar10(folder: Path, release: "type[CIFAR10]", url: str, limits: Limits) -> Dataset:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".cifar10.lock"):
            # Another process may have brought it while this one waited for the lock.
            dataset = _read_cifar10(folder, release)
            if dataset is None:
                _install_cifar10(folder, release, url, limits)
                dataset = _read_cifar10(folder, release)
    except FetchError as error:
        _remember_failure(str(error))
        raise
    except OSError as error:
        raise DataError(
            f"CIFAR-10 cannot be stored in {folder} ({_reason(error)}); make room or make the folder writable, or set "
            "NONLINEAR_DATA to a folder that holds cifar-10-batches-py/"
        ) from error
    if dataset is None:
        raise DataError(f"CIFAR-10 was stored in {folder}, but what is read back differs: check the disk")
    return dataset


def _install_cifar10(folder: Path, release: "type[CIFAR10]", url: str, limits: Limits) -> None:
    """Bring the archive, check it and put its files in place at once; only for the holder of the lock."""
    for leftover in folder.glob(".cifar10-*"):  # of a process that was killed
        shutil.rmtree(leftover)
    by_hand = folder / release.filename  # someone may have put the archive here with a browser
    free = shutil.disk_usage(folder).free
    if free < limits.space:
        raise OSError(f"{limits.space / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
    with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=folder) as name:
        workplace = Path(name)
        archive = by_hand
        if not (by_hand.is_file() and _md5(by_hand) == release.tgz_md5):
            archive = workplace / release.filename
            _download(url, archive, limits)
            if _md5(archive) != release.tgz_md5:
                raise FetchError(_not_delivered(url, "what it sent is not the archive of CIFAR-10 (wrong checksum)"))
        _unpack(archive, workplace / "new", release)
        target = folder / release.base_folder
        if target.exists():
            target.rename(workplace / "damaged")
        os.replace(workplace / "new", target)


def _unpack(archive: Path, folder: Path, release: "type[CIFAR10]") -> None:
    """Write the files that the release lists, and only them, from a checked archive to a new folder."""
    folder.mkdir()
    names = [name for name, _ in (*release.train_list, *release.test_list)] + [release.meta["filename"]]
    with tarfile.open(archive) as tar:
        for name in names:
            with tar.extractfile(f"{release.base_folder}/{name}") as member, (folder / name).open("wb") as file:
                shutil.copyfileobj(member, file)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _reason(error: BaseException) -> str:
    """An error's own words on one line, without number and file name."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(words.split()).rstrip(".")


# Downloading


def _not_delivered(url: str, reason: str) -> str:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url  # urlsplit refuses some addresses
    return (
        f"CIFAR-10 could not be downloaded from {host} ({reason}); connect to the network, or set "
        "NONLINEAR_CIFAR10_URL to a mirror"
    )


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to something less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("the server redirects from https to an insecure address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, path: Path, limits: Limits) -> None:
    """Store what a server sends, within limits; raises `FetchError` for the server's faults, `OSError` for the disk's.

    `path` holds a part of it when this raises.
    """
    response = _open(url, limits)
    expected = response.length or 0
    bar = tqdm(total=expected or None, unit="B", unit_scale=True, desc="CIFAR-10", leave=False)
    received = 0
    with response, path.open("wb") as file, bar:
        for block in _blocks(response, url, limits):
            received += len(block)
            if received > limits.space:
                raise FetchError(_not_delivered(url, "it sends more than CIFAR-10 has"))
            file.write(block)
            bar.update(len(block))
    if received < expected:
        raise FetchError(_not_delivered(url, f"the connection ended after {received} of {expected} bytes"))


def _open(url: str, limits: Limits) -> http.client.HTTPResponse:
    """Ask a server; the time limit covers looking up its name, every address it has, redirections and its headers.

    A socket's own time limit covers none of these together, hence the thread.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise FetchError(_not_delivered(url, "the address must begin with https:// or http://"))
    answer: Future[http.client.HTTPResponse] = Future()
    Thread(target=_answer, args=(answer, url, limits), daemon=True).start()
    try:
        return answer.result(limits.opening)
    except TimeoutError as error:
        if not answer.cancel() and answer.exception() is None:  # it came at the last moment
            return answer.result()
        raise FetchError(_not_delivered(url, "it does not answer")) from error
    except urllib.error.HTTPError as error:
        with error:
            raise FetchError(_not_delivered(url, f"it answers: {error.code} {error.reason}")) from error
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, str) else _reason(error.reason)
        raise FetchError(_not_delivered(url, reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(_not_delivered(url, _reason(error))) from error


def _answer(answer: Future[http.client.HTTPResponse], url: str, limits: Limits) -> None:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "nonlinear (a course; Python urllib)"})
        response = urllib.request.build_opener(_SecureRedirects).open(request, timeout=limits.silence)
    except BaseException as error:  # handed to the thread that waits for it
        if answer.set_running_or_notify_cancel():
            answer.set_exception(error)
        return
    if answer.set_running_or_notify_cancel():
        answer.set_result(response)
    else:
        response.close()


def _blocks(response: http.client.HTTPResponse, url: str, limits: Limits) -> Iterator[bytes]:
    """What a server sends, piece by piece; a server that is silent or too slow is given up."""
    started, in_window = time.monotonic(), 0
    while True:
        try:
            block = response.read1(1 << 18)  # read() would wait for all of it, however slowly it drips
        except TimeoutError as error:
            raise FetchError(_not_delivered(url, "it stopped sending")) from error
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(_not_delivered(url, _reason(error))) from error
        if not block:
            return
        yield block
        in_window += len(block)
        elapsed = time.monotonic() - started
        if elapsed > limits.window:
            if in_window / elapsed < limits.slowest:
                raise FetchError(_not_delivered(url, f"it sends only {in_window / elapsed / 1000:.1f} kB a second"))
            started, in_window = time.monotonic(), 0


def _failure_note() -> Path:
    return cache_folder() / "cifar10-not-delivered.json"


def _mirror() -> str:
    return os.environ.get("NONLINEAR_CIFAR10_URL", "")


def _remember_failure(reason: str) -> None:
    note = json.dumps({"when": time.time(), "mirror": _mirror(), "reason": reason}).encode()
    try:
        write_whole(_failure_note(), lambda file: file.write(note))
    except OSError as error:
        _warn_once(f"{_failure_note().parent} cannot be written ({_reason(error)}): the download is tried every time.")


def _recent_failure() -> tuple[str, float] | None:
    """Why the last download failed and the seconds until the next attempt; None if there is no reason to wait."""
    try:
        note = json.loads(_failure_note().read_text(encoding="utf-8"))
        mirror, reason, age = str(note["mirror"]), str(note["reason"]), time.time() - float(note["when"])
    except (OSError, ValueError, KeyError, TypeError):  # no note, or not one of ours
        return None
    return (reason, RETRY_AFTER - age) if mirror == _mirror() and 0 <= age < RETRY_AFTER else None


# Folders of images


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """What lies in a folder: its classes and, for train and test, each image's path and label."""

    classes: tuple[str, ...]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    key: str  # changes with any name, size or time


def _load_folder(folder: Path) -> Dataset:
    folder = folder.absolute()
    if not folder.is_dir():
        raise DataError(f"the data folder {folder} does not exist, or is not a folder")
    if folder.name == _CIFAR10_FOLDER:
        folder = folder.parent
    if (folder / _CIFAR10_FOLDER).is_dir():
        return load_cifar10(folder, fetch=False)
    listing = _list(folder)
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    build = partial(_read_images, listing)
    train, test, classes = _cached(f"folder-{place}", listing.key, build)
    name = folder.name or str(folder)
    return Dataset(name=name, title=name, classes=classes, train=train, test=test)


def _list(folder: Path) -> _Listing:
    digest = hashlib.sha256(f"{folder} format {_CACHE_FORMAT}".encode(errors="surrogateescape"))
    found: dict[str, dict[str, list[str]]] = {}
    for part in ("train", "test"):
        if not (folder / part).is_dir():
            raise DataError(f"{folder} has no folder {part}/; it needs train/CLASS/ and test/CLASS/ with images")
        found[part] = {entry.name: _list_class(entry, digest) for entry in _list_classes(folder / part)}
        if not found[part]:
            raise DataError(f"{folder / part} is empty; it needs one folder of images for each class")
    classes = tuple(sorted(found["train"]))
    one_sided = sorted(set(found["train"]) ^ set(found["test"]))
    if one_sided:
        where = "train" if one_sided[0] in found["train"] else "test"
        raise DataError(
            f"train/ and test/ in {folder} must have the same classes, but {one_sided[0]!r} is in {where}/ only"
        )
    train, test = (
        [(path, label) for label, name in enumerate(classes) for path in found[part][name]]
        for part in ("train", "test")
    )
    return _Listing(classes=classes, train=train, test=test, key=digest.hexdigest())


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted, without what operating systems hide there."""
    try:
        with os.scandir(folder) as entries:
            seen = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _SYSTEM_FILES]
    except OSError as error:
        raise DataError(f"the data folder {os.fspath(folder)} cannot be read: {_reason(error)}") from error
    return sorted(seen, key=lambda entry: entry.name)


def _list_classes(part: Path) -> Iterator[os.DirEntry[str]]:
    for entry in _entries(part):
        if not entry.is_dir():
            raise DataError(f"{entry.path} is not in a class folder: move it to {part}/CLASS/ or remove it")
        yield entry


def _list_class(folder: os.DirEntry[str], digest: "hashlib._Hash") -> list[str]:
    """The paths of a class's images; names, sizes and times go into the digest."""
    paths = []
    for entry in _entries(folder):
        if not entry.is_file() or Path(entry.name).suffix.lower() not in _IMAGE_ENDINGS:
            raise DataError(f"{entry.path} is not an image file: remove it from the class folder")
        facts = entry.stat()
        digest.update(os.fsencode(f"{entry.path}\0{facts.st_size}\0{facts.st_mtime_ns}\0"))
        paths.append(entry.path)
    if not paths:
        raise DataError(f"the class folder {folder.path} holds no image: add some or remove it")
    return paths


def _read_images(listing: _Listing) -> tuple[Split, Split, tuple[str, ...]]:
    total = len(listing.train) + len(listing.test)
    # Threads hide the waiting for a class's network folder; Pillow lets others run while it decodes.
    with (
        tqdm(total=total, unit="image", desc="Reading images", delay=1, leave=False) as bar,
        ThreadPoolExecutor(8) as pool,
    ):
        train, test = (_read_split(files, pool, bar) for files in (listing.train, listing.test))
    return train, test, listing.classes


def _read_split(files: list[tuple[str, int]], pool: ThreadPoolExecutor, bar: Any) -> Split:
    """Read images into a fixed shuffled order, since a folder lists them class by class."""
    places = np.argsort(np.random.PCG64(0).random_raw(len(files)), kind="stable")
    images = np.empty((len(files), 3, SIDE, SIDE), np.uint8)
    labels = np.empty(len(files), np.int64)
    labels[places] = [label for _, label in files]

    def read(start: int) -> int:
        block = files[start : start + 256]
        for place, (path, _) in zip(places[start:], block, strict=False):
            images[place] = _read_image(path).transpose(2, 0, 1)
        return len(block)

    for count in pool.map(read, range(0, len(files), 256)):
        bar.update(count)
    return Split(images=torch.from_numpy(images), labels=torch.from_numpy(labels))


def _read_image(path: str) -> np.ndarray:
    """One image as (32, 32, 3), uint8: central square, resized; grey repeated; transparent on white; first frame."""
    try:
        with Image.open(path) as image:
            return np.asarray(_as_rgb(image))
    except Exception as error:  # Pillow raises nearly every type there is on damaged files
        raise DataError(f"the image {path} cannot be read ({_reason(error)}): repair or remove it") from error


def _as_rgb(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
    if upright.mode.startswith("I"):  # 16 bits a pixel, of which 8 are kept
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    rgb = upright.convert("RGB")
    return rgb if rgb.size == (SIDE, SIDE) else _central_square(rgb).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


# The cache


_Content = tuple[Split, Split, tuple[str, ...]]  # train, test, classes


def _cached(name: str, key: str, build: Callable[[], _Content]) -> _Content:
    """What `build` returns, kept in a file until the key changes; a damaged or unwritable file costs time only."""
    path = cache_folder() / f"{name}.pt"
    stored = _read_cache(path, key)
    if stored:
        return stored
    with _held(path) as locked:
        stored = _read_cache(path, key) if locked else None
        if stored:
            return stored
        content = build()
        if locked:
            _write_cache(path, key, content)
    return content


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock of a file in the cache; False, with a warning, where the folder cannot be written."""
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _warn_unwritable(path, error)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def _read_cache(path: Path, key: str) -> _Content | None:
    """The content of a cache file, or None if there is none, it is for another key, or it is damaged."""
    if not path.is_file():
        return None
    try:
        stored = torch.load(path, weights_only=True)
        if stored["key"] != key or stored["crc"] != _crc(stored):
            return None
        train, test = (Split(images=stored[f"{p}_images"], labels=stored[f"{p}_labels"]) for p in ("train", "test"))
        return train, test, tuple(stored["classes"])
    except Exception:  # torch.load raises many types on damaged files, and every one means: build it again
        return None


def _write_cache(path: Path, key: str, content: _Content) -> None:
    train, test, classes = content
    stored = {"key": key, "classes": list(classes)}
    stored |= {"train_images": train.images, "train_labels": train.labels}
    stored |= {"test_images": test.images, "test_labels": test.labels}
    stored["crc"] = _crc(stored)
    try:
        remove_parts(path)
        write_whole(path, lambda file: torch.save(stored, file))
    except OSError as error:
        _warn_unwritable(path, error)
    except RuntimeError as error:  # torch.save's own, when the disk's error interrupts it
        _warn_unwritable(path, error.__context__ or error)


def _crc(stored: dict[str, Any]) -> int:
    """A checksum of the tensors: torch.load does not see a changed byte."""
    crc = 0
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        crc = zlib.crc32(stored[name].numpy().data, crc)
    return crc


def _warn_unwritable(path: Path, error: BaseException) -> None:
    _warn_once(f"{path.parent} cannot be written ({_reason(error)}): these data are made anew at every load.")


@lru_cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=2)
