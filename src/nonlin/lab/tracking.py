"""TensorBoard runs: opened safely, never mixed with an older run, read back."""

import io
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from nonlin.errors import ReaderError, reason
from nonlin.files import unwritable
from nonlin.images.pictures import Picture

PREFIX = "events.out.tfevents."
EVENTS = f"{PREFIX}*"
FLUSH_SECONDS = 5  # the longest that a watcher of a running experiment waits for a point, plus TensorBoard's own reload


class TrackingError(ReaderError):
    """A run cannot be written or read."""


def fresh_folder(parent: Path, name: str) -> Path:
    """Make a new folder ``parent/name``; where that exists, ``name-2``, ``name-3``, ...

    Repeating a run gives a new folder, and so a new run in TensorBoard: the points of two runs are never joined into
    one curve, an older curve stays for comparison, and nothing is deleted. Two processes never get the same folder.

    Args:
        parent: where runs are kept; made if missing.
        name: letters and digits of any script, ``. _ -``; anything else becomes ``-``.

    Raises:
        TrackingError: if the folder cannot be made.
    """
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    parent = Path(parent)
    try:
        parent.mkdir(parents=True, exist_ok=True)  # apart, so that FileExistsError below can only mean the run's folder
        return _first_free(parent, stem)
    except OSError as error:
        raise TrackingError(f"Cannot write runs into {parent} ({reason(error)}): choose another folder.") from error


def _first_free(parent: Path, stem: str) -> Path:
    folder, number = parent / stem, 1
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
            folder = parent / f"{stem}-{number}"


@contextmanager
def open_run(folder: Path, *, resume_at: int | None = None) -> Iterator[SummaryWriter]:
    """Open a run for writing and close it at the end of the ``with`` block, whatever happens in it.

    Args:
        folder: made if missing. Its path below TensorBoard's ``--logdir`` is the run's name.
        resume_at: continue the run that is there, and let TensorBoard forget its points from this step on.

    Raises:
        TrackingError: if the folder cannot be written, is a file, or holds a run and ``resume_at`` is not given.
        FileError: later, if the disk fills up.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise TrackingError(f"Cannot write a run into {folder} ({reason(error)}): choose another folder.") from error
    if resume_at is None and holds_run(folder):
        raise TrackingError(f"{folder} already holds a run, whose points would mix with new ones: use another folder.")
    _let_the_next_be_the_last(folder)
    # At 0 there is nothing to purge, but the mark has to be there: TensorBoard's slower reader skips the first one.
    options = {"purge_step": resume_at or 0, "flush_secs": FLUSH_SECONDS}
    with _failing_clearly(folder), SummaryWriter(str(folder), **options) as writer:
        yield writer


def holds_run(folder: Path) -> bool:
    """Whether there is an event file in a folder."""
    return any(path.is_file() for path in Path(folder).glob(EVENTS))


def _let_the_next_be_the_last(folder: Path) -> None:
    """Wait, or rename, until the next event file comes last in the order of names, which begin with the second.

    TensorBoard reads the files of a run in that order. A file that is dated ahead, since the clock was wrong then or
    is now, is not waited for: it gets the second before this one, and its place among its like.
    """
    found = {path: re.match(r"\d+", path.name.removeprefix(PREFIX)) for path in folder.glob(EVENTS)}
    seconds = {path: int(number[0]) for path, number in found.items() if number}
    ahead = sorted(path for path, second in seconds.items() if second > time.time())
    last = max((second for path, second in seconds.items() if path not in ahead), default=0)
    first_free = last + 1 + bool(ahead)
    time.sleep(min(max(0.0, first_free - time.time()), 2.0))
    for place, path in enumerate(ahead):
        path.rename(path.with_name(f"{PREFIX}{last + 1:010}.{place:04}.{path.name.removeprefix(PREFIX)}"))


@contextmanager
def _failing_clearly(folder: Path) -> Iterator[None]:
    """One sentence where a disk fills up in the middle of a run.

    TensorBoard writes in a thread of its own, which prints a traceback before the error reaches the next call.
    """
    errors, print_traceback = [], threading.excepthook

    def collect(failure: threading.ExceptHookArgs) -> None:
        if type(failure.thread).__module__.startswith("tensorboard."):
            errors.append(failure.exc_value)
        else:
            print_traceback(failure)

    threading.excepthook = collect
    try:
        yield
    except OSError as error:
        if error not in errors:
            raise
        raise unwritable(folder, error) from error
    finally:
        threading.excepthook = print_traceback


def bytes_written(folder: Path) -> int:
    """The size of all event files in a folder and below it, in bytes."""
    return sum(file.stat().st_size for file in Path(folder).rglob(EVENTS))


def log_picture(writer: SummaryWriter, tag: str, picture: Picture, step: int) -> None:
    """Write one picture as PNG under a tag.

    ``SummaryWriter.add_image`` would copy it through float32 and compress it as far as PNG goes, which together take
    several times longer for a file that is hardly smaller.

    Args:
        writer: an open run.
        tag: ``"group/name"``; TensorBoard shows one section per group.
        picture: uint8 of shape (height, width, 3).
        step: its place on TensorBoard's slider.
    """
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG", compress_level=1)
    height, width, channels = picture.shape
    image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png.getvalue())
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All curves of one run: the (step, value) points by tag, in the order of writing.

    Raises:
        TrackingError: if the folder holds no run.
    """
    events = _events(folder)
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def read_images(folder: Path, tag: str) -> list[tuple[int, Picture]]:
    """All pictures that one run logged under a tag: (step, uint8 of shape (height, width, 3)).

    Raises:
        TrackingError: if the folder holds no run, or the run no such tag.
    """
    events = _events(folder)
    known = events.Tags()["images"]
    if tag not in known:
        raise TrackingError(f"{folder} holds no picture {tag!r}; it holds {', '.join(known) or 'none'}.")
    return [
        (event.step, np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))) for event in events.Images(tag)
    ]


def _events(folder: Path) -> EventAccumulator:
    if not holds_run(folder):
        raise TrackingError(f"{folder} holds no TensorBoard run.")
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()
