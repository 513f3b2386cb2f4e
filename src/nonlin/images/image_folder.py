"""A reader's own images: a folder with ``train/CLASS/*`` and ``test/CLASS/*``."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from nonlin.errors import reason
from nonlin.images.cache import cached
from nonlin.images.dataset import DataError, Dataset, Split

SIDE = 32

_FORMAT = 1  # raise it when the same files shall become other pixels: the cache's key carries it
_IMAGE_ENDINGS = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_SYSTEM_FILES = frozenset(["desktop.ini", "thumbs.db"])
_BLOCK = 256  # images that a thread reads before it reports


def load(folder: Path) -> Dataset:
    """Load the images of a folder, as (3, 32, 32) each; from the cache if no file has changed.

    Args:
        folder: an existing folder. Its classes are the sorted names of the folders in ``train/``, which must be those
            in ``test/``. Images that are not 32x32 are cropped to the central square and resized; grey is repeated in
            three channels; what is transparent is laid on white; of an animation the first frame counts.

    Raises:
        DataError: if something else lies in the folder, something is missing, or an image cannot be read.
    """
    listing = _list(folder)
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return cached(f"folder-{place}", listing.key, partial(_read, folder, listing))


# What lies in the folder


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """The classes and, for train and test, each image's path and label."""

    classes: tuple[str, ...]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    key: str  # changes with any name, size or time


def _list(folder: Path) -> _Listing:
    digest = hashlib.sha256(os.fsencode(f"{folder} format {_FORMAT}"))
    train, test = (_list_part(folder, part, digest) for part in ("train", "test"))
    one_sided = sorted(train.keys() ^ test.keys())
    if one_sided:
        where = "train" if one_sided[0] in train else "test"
        raise DataError(
            f"train/ and test/ in {folder} must have the same classes, but {one_sided[0]!r} is in {where}/ only: add "
            "it to the other, or remove it"
        )
    return _Listing(classes=tuple(train), train=_label(train), test=_label(test), key=digest.hexdigest())


def _label(classes: dict[str, list[str]]) -> list[tuple[str, int]]:
    return [(path, label) for label, paths in enumerate(classes.values()) for path in paths]


def _list_part(folder: Path, part: str, digest: "hashlib._Hash") -> dict[str, list[str]]:
    """The paths of train/ or test/ by class, classes sorted."""
    place = folder / part
    if not os.path.isdir(place):
        raise DataError(f"{folder} has no folder {part}/; it needs train/CLASS/ and test/CLASS/ with images")
    classes = {entry.name: _list_class(entry, digest) for entry in _entries(place)}
    if not classes:
        raise DataError(f"{place} is empty; it needs one folder of images for each class")
    return classes


def _list_class(folder: os.DirEntry[str], digest: "hashlib._Hash") -> list[str]:
    """The paths of a class's images; names, sizes and times go into the digest."""
    if not folder.is_dir():
        raise DataError(f"{folder.path} is not in a class folder: move it into one or remove it")
    paths = []
    for entry in _entries(folder):
        if not entry.is_file() or os.path.splitext(entry.name)[1].lower() not in _IMAGE_ENDINGS:
            raise DataError(f"{entry.path} is not an image file: remove it from the class folder")
        facts = entry.stat()
        digest.update(os.fsencode(f"{entry.path}\0{facts.st_size}\0{facts.st_mtime_ns}\0"))
        paths.append(entry.path)
    if not paths:
        raise DataError(f"the class folder {folder.path} holds no image: add some or remove it")
    return paths


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted, without what operating systems hide there."""
    try:
        with os.scandir(folder) as entries:
            seen = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _SYSTEM_FILES]
    except OSError as error:
        raise DataError(
            f"the data folder {os.fspath(folder)} cannot be read ({reason(error)}): check its permissions"
        ) from error
    return sorted(seen, key=lambda entry: entry.name)


# Reading the images


def _read(folder: Path, listing: _Listing) -> Dataset:
    total = len(listing.train) + len(listing.test)
    # Threads hide the waiting for a class's network folder; Pillow lets others run while it decodes.
    with (
        tqdm(total=total, unit="image", desc="Reading images", delay=1, leave=False) as bar,
        ThreadPoolExecutor(8) as pool,
    ):
        train, test = (_read_split(files, pool, bar) for files in (listing.train, listing.test))
    name = folder.name or str(folder)
    return Dataset(name=name, title=name, classes=listing.classes, train=train, test=test)


def _read_split(files: list[tuple[str, int]], pool: ThreadPoolExecutor, bar: tqdm) -> Split:
    """Read images into a fixed shuffled order, since a folder lists them class by class."""
    places = np.argsort(np.random.PCG64(0).random_raw(len(files)), kind="stable")
    images = np.empty((len(files), 3, SIDE, SIDE), np.uint8)
    labels = np.empty(len(files), np.int64)
    labels[places] = [label for _, label in files]

    def read(start: int) -> int:
        block = files[start : start + _BLOCK]
        for place, (path, _) in zip(places[start:], block, strict=False):
            images[place] = _read_image(path).transpose(2, 0, 1)
        return len(block)

    for count in pool.map(read, range(0, len(files), _BLOCK)):
        bar.update(count)
    return Split(images=torch.from_numpy(images), labels=torch.from_numpy(labels))


def _read_image(path: str) -> np.ndarray:
    """One image as (32, 32, 3), uint8: central square, resized; grey repeated; transparent on white; first frame."""
    try:
        with Image.open(path) as image:
            return np.asarray(_to_square(_to_rgb(image)))
    except Exception as error:  # Pillow raises nearly every type there is on damaged files
        why = "it is no image" if isinstance(error, UnidentifiedImageError) else reason(error)
        raise DataError(f"the image {path} cannot be read ({why}): repair or remove it") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
    if upright.mode.startswith("I"):  # 16 bits a pixel, of which 8 are kept
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return upright.convert("RGB")


def _to_square(image: Image.Image) -> Image.Image:
    """The central square, resized to 32x32."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
