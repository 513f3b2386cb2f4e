"""A reader's own images: a folder with ``train/CLASS/*`` and ``test/CLASS/*``."""

import hashlib
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError
from tqdm.auto import tqdm

from nonlin.errors import reason
from nonlin.files import unreadable
from nonlin.images.cache import Images, cached
from nonlin.images.dataset import SIDE, DataError, Dataset, Split
from nonlin.typography import shown

_FORMAT = 4  # raise it when the same files shall become other pixels, or none: the cache's key carries it
# Pillow goes by what a file contains and would start other programs for some formats, such as Ghostscript.
_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SYSTEM_FILES = frozenset(["desktop.ini", "thumbs.db"])
_WHITES = tuple((1 << bits) - 1 for bits in (10, 12, 14))
_BLOCK = 256  # images that a thread reads before it reports


def load(folder: Path) -> Dataset:
    """Load the images of a folder, as (3, 32, 32) each; from the cache if no file has changed.

    Args:
        folder: an existing folder. Its classes are the sorted names of the folders in ``train/``, which must be those
            in ``test/``. Images that are not 32x32 are cropped to the central square and resized; grey is repeated in
            three channels; what is transparent is laid on white; of an animation the first frame counts. What has more
            than 8 bits is scaled from the range that its format has, and floating-point numbers from [0, 1].

    Raises:
        DataError: if something else lies in the folder, something is missing or cannot be looked at, an
            image cannot be read, or its white cannot be known: of 16 bits, if most images of a class have no number in
            the upper three quarters of the range, or if more than one in a hundred ends where 10, 12 or 14 bits do.
    """
    listing = _list(folder)
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    files = listing.train, listing.test
    images = cached(f"folder-{place}", listing.key, tuple(map(len, files)), partial(_read, files))
    train, test = (
        Split(images=part, labels=torch.from_numpy(_labels(of_part)))
        for part, of_part in zip(images, files, strict=True)
    )
    name = shown(folder.name or str(folder))
    return Dataset(name=name, title=name, classes=tuple(map(shown, listing.classes)), train=train, test=test)


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
    try:
        train, test = (_list_part(folder, part, digest) for part in ("train", "test"))
    except OSError as error:  # links in a circle, a disk that fails
        raise DataError(str(unreadable(error.filename, error))) from error
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
        if not entry.is_file() or os.path.splitext(entry.name)[1].lower() not in _image_endings():
            raise DataError(f"{entry.path} is not an image file: remove it from the class folder")
        facts = entry.stat()
        # ctime, too: of two files of one size, written at the same tick, mtime does not tell when they change places.
        digest.update(os.fsencode(f"{entry.path}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\0"))
        paths.append(entry.path)
    if not paths:
        raise DataError(f"the class folder {folder.path} holds no image: add some or remove it")
    return paths


@cache
def _image_endings() -> frozenset[str]:
    """All that files of the formats bear: ".jfif" is a JPEG as some browsers store it, ".mpo" one of several images."""
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in (*_FORMATS, "MPO"))


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted, without what operating systems hide there."""
    with os.scandir(folder) as entries:
        seen = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _SYSTEM_FILES]
    return sorted(seen, key=lambda entry: entry.name)


# Reading the images


def _read(files: tuple[list[tuple[str, int]], ...]) -> tuple[Images, ...]:
    # Threads hide the waiting for a class's network folder; Pillow lets others run while it decodes.
    with (
        tqdm(total=sum(map(len, files)), unit="image", desc="Reading images", delay=1, leave=False) as bar,
        ThreadPoolExecutor(8) as pool,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        parts = [_read_split(part, pool, bar) for part in files]
    _check_white([each for _, of_part in parts for each in of_part])
    return tuple(images for images, _ in parts)


def _check_white(brightest: "list[_Brightest]") -> None:
    """Refuse images of 10, 12 or 14 bits in 16, as cameras and microscopes store them and say nowhere how many.

    The images of a class tell together: one by one, a photograph of the night would be refused. In a class of several
    depths, overexposed images tell: their largest number is the largest that there is.
    """
    of_class: dict[int, list[_Brightest]] = {}
    for each in brightest:
        if each.number:
            of_class.setdefault(each.label, []).append(each)
    dim = []
    for its in map(sorted, of_class.values()):
        dark = [each for each in its if each.number < 1 << 14]
        dim += dark
        if 2 * len(dark) > len(its):
            raise _white_unknown(
                dark[-1].path, "16-bit numbers that are, as most of its class, below a quarter of the range"
            )
    clipped = [each for each in brightest if each.number in _WHITES]
    if 100 * len(clipped) > sum(each.number > 0 for each in brightest):
        raise _white_unknown(clipped[0].path, f"16-bit numbers that end at {clipped[0].number}, as those of fewer bits")
    if dim:
        warnings.warn(
            f"{len(dim)} images of 16 bits stay darker than a quarter of white, such as {shown(dim[0].path)}: if they "
            "were stored with fewer bits, save them with 8.",
            stacklevel=2,
        )


def _places(count: int) -> np.ndarray:
    """Where each file of a listing goes: a fixed shuffled order, since a folder lists them class by class."""
    return np.argsort(np.random.PCG64(0).random_raw(count), kind="stable")


def _labels(files: list[tuple[str, int]]) -> np.ndarray:
    labels = np.empty(len(files), np.int64)
    labels[_places(len(files))] = [label for _, label in files]
    return labels


class _Brightest(NamedTuple):
    """The largest number of an image that stores 16 bits a number, else 0."""

    number: int
    path: str
    label: int


def _read_split(files: list[tuple[str, int]], pool: ThreadPoolExecutor, bar: tqdm) -> tuple[Images, list[_Brightest]]:
    """The images, and how bright each is."""
    places = _places(len(files))
    images = np.empty((len(files), 3, SIDE, SIDE), np.uint8)

    def read(start: int) -> list[_Brightest]:
        brightest = []
        for place, (path, label) in zip(places[start:], files[start : start + _BLOCK], strict=False):
            image, number = _read_image(path)
            images[place] = image.transpose(2, 0, 1)
            brightest.append(_Brightest(number, path, label))
        return brightest

    of_all = []
    for brightest in pool.map(read, range(0, len(files), _BLOCK)):
        bar.update(len(brightest))
        of_all += brightest
    return images, of_all


def _read_image(path: str) -> tuple[np.ndarray, int]:
    """One image as (32, 32, 3), uint8: central square, resized; grey repeated; transparent on white; first frame.

    Besides, its largest number where it stores 16 bits a number, else 0.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            colours, brightest = _to_rgb(image)
            return np.asarray(_to_square(colours)), brightest
    except _NoWhite as error:
        raise _white_unknown(path, str(error)) from error
    except Exception as error:  # Pillow raises nearly every type there is on damaged files
        why = "it is no image" if isinstance(error, UnidentifiedImageError) else reason(error)
        raise DataError(f"the image {path} cannot be read ({why}): repair or remove it") from error


def _white_unknown(path: str, held: str) -> DataError:
    return DataError(f"the image {path} holds {held}: what is white is not known, so save it with 8 bits")


class _NoWhite(ValueError):
    """The message says what the pixels are whose white is not known."""


def _to_rgb(image: Image.Image) -> tuple[Image.Image, int]:
    """The image in 8 bits, and its largest number if it stores 16."""
    stored, brightest = _stored_as(image), 0  # before the pixels are loaded
    ImageOps.exif_transpose(image, in_place=True)
    if 2 in _tiff_tag(image, TiffImagePlugin.SAMPLEFORMAT):
        raise _NoWhite("signed numbers")
    if image.mode[0] in "IF":  # I, I;16, I;16B, F: grey, of which 8 bits are kept
        if image.mode.startswith("I;16") and stored != "I;12":
            brightest = int(np.asarray(image).max())
        image = Image.fromarray(_eight_bits(image, stored))
    elif re.search(";16[BLN]", stored):
        brightest = max(high for _, high in image.getextrema()[:3]) << 8
    if image.has_transparency_data:
        _scale_transparent_colour(image, stored)
        coloured = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return image.convert("RGB"), brightest


def _stored_as(image: Image.Image) -> str:
    """Pillow's name for how the file stores a pixel: "RGB;16B" has two bytes for a number, which the mode hides."""
    details = image.tile[0].args if image.tile else ()
    return str(details[0] if details and not isinstance(details, str) else details)


def _tiff_tag(image: Image.Image, number: int) -> tuple[int, ...]:
    value = getattr(image, "tag_v2", {}).get(number, ())
    return value if isinstance(value, tuple) else (value,)


def _eight_bits(image: Image.Image, stored: str) -> np.ndarray:
    """A grey image of more bits, scaled from its format's range to 0 ... 255."""
    values = np.asarray(image)
    if image.mode == "F":
        if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
            raise _NoWhite("floating-point numbers outside [0, 1]")
        levels = (values * 255).round()
    elif stored == "I;12":
        levels = values >> 4
    elif image.mode.startswith("I;16") or image.format == "PPM":  # of PPM, Pillow scales the file's white to 65,535
        levels = values >> 8
    else:
        raise _NoWhite("32-bit integers")
    levels = levels.astype(np.uint8)
    if 0 in _tiff_tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION):  # white is 0
        levels = 255 - levels
    return np.where(values == image.info.get("transparency", -1), np.uint8(255), levels)


def _scale_transparent_colour(image: Image.Image, stored: str) -> None:
    """Pillow scales pixels to 8 bits, and leaves the one colour that counts as transparent as it is in the file."""
    colour = image.info.get("transparency")
    if stored == "RGB;16B" and colour:
        image.info["transparency"] = tuple(part >> 8 for part in colour)
    elif stored in ("L;2", "L;4") and colour:
        image.info["transparency"] = colour * {"L;2": 85, "L;4": 17}[stored]


def _to_square(image: Image.Image) -> Image.Image:
    """The central square, resized to 32x32."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
