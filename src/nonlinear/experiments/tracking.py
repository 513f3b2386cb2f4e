"""TensorBoard runs: opened safely, never mixed with an older run, pictures that carry their captions, reading back."""

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

Picture = NDArray[np.uint8]  # (height, width, 3)

EVENTS = "events.out.tfevents.*"
FLUSH_SECONDS = 5  # the longest that a watcher of a running experiment waits for a point, plus TensorBoard's own reload
MARGIN = 6  # pixels around a caption
INK, PAPER, GAP = (20, 20, 20), (255, 255, 255), (255, 255, 255)


class TrackingError(Exception):
    """A run that cannot be written or read; the message is one sentence for the reader."""


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
    for number in count(1):
        folder = Path(parent) / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise TrackingError(f"Cannot write runs into {parent}: {_reason(error)}.") from error
    raise AssertionError("count() does not end")


@contextmanager
def open_run(folder: Path, *, resume_at: int | None = None) -> Iterator[SummaryWriter]:
    """Open a run for writing and close it at the end of the ``with`` block, whatever happens in it.

    Args:
        folder: made if missing. Its path below TensorBoard's ``--logdir`` is the run's name.
        resume_at: continue the run that is there, and let TensorBoard forget its points from this step on.

    Raises:
        TrackingError: if the folder cannot be written, is a file, or holds a run and ``resume_at`` is not given.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise TrackingError(f"Cannot write a run into {folder}: {_reason(error)}.") from error
    if resume_at is None and next(folder.glob(EVENTS), None):
        raise TrackingError(f"{folder} already holds a run, whose points would mix with new ones: use another folder.")
    with SummaryWriter(str(folder), purge_step=resume_at, flush_secs=FLUSH_SECONDS) as writer:
        yield writer


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


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


def grid(images: Tensor, *, columns: int, zoom: int = 2, gap: int = 2) -> Picture:
    """Lay images out row by row on white.

    Args:
        images: uint8 of shape (n, 3, h, w).
        columns: images in a row.
        zoom: side of the square that a pixel becomes; nearest neighbour, so that no value is drawn that is not there.
        gap: pixels between images, after zooming.

    Returns:
        uint8 of shape (rows * (h * zoom + gap) - gap, columns * (w * zoom + gap) - gap, 3).
    """
    large = images.permute(0, 2, 3, 1).numpy().repeat(zoom, axis=1).repeat(zoom, axis=2)  # (n, H, W, 3)
    n, height, width, _ = large.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), GAP, np.uint8)
    for index, image in enumerate(large):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def caption(picture: Picture, lines: Sequence[str], *, size: int = 16) -> Picture:
    """Write text above a picture, inside it, so that it stays with the picture wherever that is shown.

    Args:
        picture: uint8 of shape (height, width, 3).
        lines: each starts a new line and is wrapped where it is wider than the picture.
        size: height of the letters in pixels.

    Returns:
        uint8 of shape (height + height of the text, width, 3).
    """
    width = picture.shape[1]
    text = "\n".join(part for line in lines for part in wrap(line, width - 2 * MARGIN, size))
    band = _text(text, width, size)
    return np.concatenate([band, picture])


def labelled_rows(rows: Sequence[tuple[str, Picture]], *, size: int = 16, gap: int = 2) -> Picture:
    """Stack pictures of one size, each with its label on its left.

    Args:
        rows: labels, and pictures uint8 of shape (height, width, 3).
        size: height of the letters in pixels.
        gap: pixels between rows.

    Returns:
        uint8 of shape (n * (height + gap) - gap, label width + width, 3).
    """
    label_width = round(max(_font(size).getlength(label) for label, _ in rows)) + 2 * MARGIN
    height, width, _ = rows[0][1].shape
    sheet = np.full((len(rows) * (height + gap) - gap, label_width + width, 3), PAPER, np.uint8)
    for index, (label, picture) in enumerate(rows):
        top = index * (height + gap)
        band = _text(label, label_width, size)
        start = top + max(0, (height - band.shape[0]) // 2)
        sheet[start : start + min(height, band.shape[0]), :label_width] = band[:height]
        sheet[top : top + height, label_width:] = picture
    return sheet


def wrap(line: str, width: float, size: int) -> list[str]:
    """Break a line into parts of at most ``width`` pixels: between words, or within a word that is too long."""
    font, parts, current = _font(size), [], ""
    for word in line.split():
        if current and font.getlength(f"{current} {word}") > width:
            parts.append(current)
            current = ""
        current = f"{current} {word}".strip()
        while font.getlength(current) > width and len(current) > 1:
            fits = next((k for k in range(len(current) - 1, 1, -1) if font.getlength(current[:k]) <= width), 1)
            parts.append(current[:fits])
            current = current[fits:]
    return [*parts, current]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)


def _text(text: str, width: int, size: int) -> Picture:
    """Lines of text on white: uint8 of shape (height of the text, width, 3)."""
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    bottom = probe.multiline_textbbox((MARGIN, MARGIN), text, font=_font(size))[3]
    band = Image.new("RGB", (width, round(bottom) + MARGIN), PAPER)
    ImageDraw.Draw(band).multiline_text((MARGIN, MARGIN), text, fill=INK, font=_font(size))
    return np.asarray(band)


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
    if not next(Path(folder).glob(EVENTS), None):
        raise TrackingError(f"{folder} holds no TensorBoard run.")
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()
