"""The images that experiments train on: CIFAR-10, shapes10 when there is no CIFAR-10, or a folder of one's own.

``load()`` is all that most readers need. Where the images come from: ``cifar10.py`` downloads them, ``shapes10.py``
draws them, ``image_folder.py`` reads a reader's own.
"""

import difflib
import html
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nonlin.files import FileError, write_json
from nonlin.images import cifar10, image_folder, shapes10
from nonlin.images.cache import cached
from nonlin.images.dataset import DataError, Dataset, Split
from nonlin.paths import cache_folder, data_folder

__all__ = ["SOURCES", "DataError", "Dataset", "Split", "load", "sample_photograph", "show_notice"]

SOURCES = ("auto", "cifar10", "shapes10")
SHAPES10_TITLE = "shapes10 (drawn by the computer, not CIFAR-10)"
RETRY_AFTER = 3600.0  # seconds for which "auto" does not try again what failed


def load(source: str | Path = "auto", *, notice: Callable[[str], object] | None = None) -> Dataset:
    """Load the images of a source.

    - ``"cifar10"``: CIFAR-10, downloaded to ``data/`` on first use (170 MB) and checked against its checksums;
      ``NONLIN_CIFAR10_URL`` names a mirror.
    - ``"shapes10"``: 24,000 images of ten shapes that the computer draws; needs no network.
    - a folder with ``train/CLASS/*`` and ``test/CLASS/*``, see `image_folder.load`. A folder that holds
      ``cifar-10-batches-py/`` is CIFAR-10.
    - ``"auto"``: what ``NONLIN_DATA`` names (a source or a folder), if set; else CIFAR-10 if it is there or can be
      downloaded; else shapes10, with a notice that says so. A failed download is not tried again for an hour.

    Args:
        source: one of the above.
        notice: called with the text of the notice; by default `show_notice`.

    Raises:
        DataError: if the data cannot be had.
    """
    if source != "auto":
        return _load_named(source)
    chosen = os.environ.get("NONLIN_DATA", "auto")
    if chosen in ("", "auto"):
        return _load_cifar10_or_shapes10(notice or show_notice)
    try:
        return _load_named(chosen)
    except DataError as error:
        raise DataError(f"NONLIN_DATA is set to {chosen!r}: {error}") from error


def _load_named(source: str | Path) -> Dataset:
    if not str(source).strip():
        raise DataError(f"the name of the data is empty: choose one of {', '.join(SOURCES)}, or a folder")
    if source == "cifar10":
        return cifar10.load(data_folder())
    if source == "shapes10":
        return _load_shapes10()
    folder = Path(os.path.expanduser(source))
    if isinstance(source, str) and len(folder.parts) < 2 and not os.path.exists(folder):  # a name, not a path
        raise DataError(_unknown(source))
    return _load_folder(folder.absolute())


def _unknown(source: str) -> str:
    near = difflib.get_close_matches(source.lower(), SOURCES, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return (
        f"there is no data source or folder {source!r}: choose one of {', '.join(SOURCES)}, or the path of a folder "
        f"with train/CLASS/ and test/CLASS/{hint}"
    )


def _load_folder(folder: Path) -> Dataset:
    if not os.path.isdir(folder):  # Path.is_dir raises where a folder above may not be read
        raise DataError(
            f"the data folder {folder} does not exist, is not a folder, or must not be read: check the path"
        )
    if folder.name == cifar10.FOLDER:
        folder = folder.parent
    if os.path.isdir(folder / cifar10.FOLDER):
        return cifar10.load(folder, fetch=False)
    return image_folder.load(folder)


def _load_shapes10() -> Dataset:
    return cached("shapes10", f"{SHAPES10_TITLE}, version {shapes10.VERSION}", _draw_shapes10)


def _draw_shapes10() -> Dataset:
    train, test = (
        Split(images=torch.from_numpy(shapes10.draw(n, seed=seed)), labels=torch.from_numpy(shapes10.labels(n)))
        for n, seed in ((shapes10.TRAIN_SIZE, 1), (shapes10.TEST_SIZE, 2))
    )
    return Dataset(name="shapes10", title=SHAPES10_TITLE, classes=shapes10.CLASSES, train=train, test=test)


# "auto": CIFAR-10, or shapes10 with a notice that nobody can miss


def _load_cifar10_or_shapes10(notice: Callable[[str], object]) -> Dataset:
    try:
        return cifar10.load(data_folder(), fetch=_recent_failure() is None)
    except DataError as error:
        if isinstance(error, cifar10.FetchError):
            _remember_failure(str(error))
        why, wait = _recent_failure() or (str(error), 0.0)
    notice(_fallback_text(why, wait))
    return _load_shapes10()


def _fallback_text(why: str, wait: float) -> str:
    """What a reader must know who gets shapes10 without having asked for it."""
    lines = [
        "This is not CIFAR-10: shapes10 is used instead",
        "The images are ten kinds of shapes drawn by the computer. Accuracies on them say nothing about CIFAR-10.",
        f"Why: {why}.",
        f"To get CIFAR-10 (170 MB): {cifar10.GET}",
    ]
    if wait:
        lines.append(f"Until you run this, the download is not tried again for {max(1, round(wait / 60))} minutes.")
    return "\n".join(lines)


def _failure_note() -> Path:
    return cache_folder() / "cifar10-not-delivered.json"


def _remember_failure(why: str) -> None:
    with suppress(FileError):  # where nothing can be written, the download is tried every time
        write_json(_failure_note(), {"when": time.time(), "mirror": cifar10.mirror(), "reason": why})


def _recent_failure() -> tuple[str, float] | None:
    """Why the last download failed and the seconds until the next attempt; None if there is no reason to wait."""
    try:
        note = json.loads(_failure_note().read_text(encoding="utf-8"))
        mirror, why, age = str(note["mirror"]), str(note["reason"]), time.time() - float(note["when"])
    except (OSError, ValueError, KeyError, TypeError):  # no note, or not one of ours
        return None
    return (why, RETRY_AFTER - age) if mirror == cifar10.mirror() and 0 <= age < RETRY_AFTER else None


def show_notice(text: str) -> None:
    """Show a text in a frame: in the notebook's output when run in a kernel, else on stderr. Line 1 is the heading."""
    if _in_kernel():
        from IPython.display import display

        display({"text/plain": _framed(text), "text/html": _framed_html(text)}, raw=True)
    else:
        print(_framed(text), file=sys.stderr, flush=True)


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
