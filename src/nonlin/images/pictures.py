"""Pictures as arrays: images in a grid, with captions and labels that stay with them wherever they are shown."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Picture = NDArray[np.uint8]  # (height, width, 3)

MARGIN = 6  # pixels around a text
BLACK, WHITE = (20, 20, 20), (255, 255, 255)


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
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), WHITE, np.uint8)
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
    sheet = np.full((len(rows) * (height + gap) - gap, label_width + width, 3), WHITE, np.uint8)
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
    band = Image.new("RGB", (width, round(bottom) + MARGIN), WHITE)
    ImageDraw.Draw(band).multiline_text((MARGIN, MARGIN), text, fill=BLACK, font=_font(size))
    return np.asarray(band)
