"""shapes10: ten classes of small colour images that the computer draws, for readers who have no CIFAR-10 at hand.

The images have CIFAR-10's format (32x32 pixels, three channels, ten classes) and nothing else of it: results on one
say nothing about the other, and a caption must name the one that was used.

The same seed gives the same bytes on every platform. Two rules make it so: all random numbers come from the raw
64-bit output of PCG64, whose stream NumPy promises not to change; and pixels are computed only with operations that
IEEE 754 rounds exactly (``+ - * /``, square root, comparisons), never with ``sin``, ``exp`` or a sum whose order the
library chooses.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from nonlin.images.dataset import SIDE

Field = NDArray[np.float32]  # one number per pixel, (n, 32, 32), or per image, (n, 1, 1)

VERSION = 1  # raise it when the drawn bytes change: caches of the images carry it
TRAIN_SIZE, TEST_SIZE = 20_000, 4_000
CHUNK = 250  # images drawn at once: their fields stay in the processor's cache

_DRAWS = 160  # random numbers per image, noise apart
_TURNS = 720  # directions a shape can point in
# Six decimals are the same on every platform, the last bits of sin and cos are not.
_COS = np.array([round(cos(2 * pi * i / _TURNS), 6) for i in range(_TURNS)], np.float32)
_SIN = np.array([round(sin(2 * pi * i / _TURNS), 6) for i in range(_TURNS)], np.float32)


class _Draws:
    """Uniform numbers for n images, handed out column by column."""

    def __init__(self, source: np.random.PCG64, n: int) -> None:
        raw = source.random_raw(n * _DRAWS).reshape(n, _DRAWS)
        self._columns = ((raw >> np.uint64(40)).astype(np.float32) / np.float32(2**24)).T  # 24 bits: exact in float32
        self._used = 0

    def uniform(self, low: float, high: float) -> Field:
        """One number in [low, high) per image, shape (n, 1, 1)."""
        column = self._columns[self._used]
        self._used += 1
        return (column * np.float32(high - low) + np.float32(low))[:, None, None]

    def integer(self, count: int) -> NDArray[np.int64]:
        """One of 0 ... count - 1 per image, shape (n, 1, 1)."""
        return self.uniform(0, count).astype(np.int64)

    def direction(self, widest: int = 180) -> tuple[Field, Field]:
        """Cosine and sine of an angle within plus or minus `widest` degrees per image, each of shape (n, 1, 1)."""
        turn = self.integer(2 * widest * _TURNS // 360) - widest * _TURNS // 360
        return _COS[turn], _SIN[turn]

    def colour(self) -> Field:
        """One colour per image, shape (n, 3, 1, 1)."""
        return np.stack([self.uniform(0.05, 0.95) for _ in range(3)], axis=1)


# Each shape is a signed distance: negative inside, in units of the shape's radius. (u, v) are the pixel's coordinates,
# to the right and upwards, in the shape's own frame, in which it about fills the unit circle; a, in [0, 1), varies the
# proportions from image to image.


def _length(x: Field, y: Field) -> Field:
    return np.sqrt(x * x + y * y)


def _box(u: Field, v: Field, half_width: Field | float, half_height: Field | float) -> Field:
    return np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)


def _segment(u: Field, v: Field, start: tuple[float, float], end: tuple[float, float]) -> Field:
    """Distance to a line segment."""
    du, dv = end[0] - start[0], end[1] - start[1]
    along = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0, 1)
    return _length(u - start[0] - along * du, v - start[1] - along * dv)


def _arrow(u: Field, v: Field, a: Field) -> Field:
    head = np.maximum(0.05 - v, (np.abs(u) - 0.95 + v) * 0.7071)
    shaft = _box(u, v + 0.4, 0.17 + 0.12 * a, 0.55)
    return np.minimum(head, shaft)


def _crescent(u: Field, v: Field, a: Field) -> Field:
    return np.maximum(_length(u + 0.1, v) - 0.95, 0.72 + 0.06 * a - _length(u - 0.36, v))


def _cross(u: Field, v: Field, a: Field) -> Field:
    arm = 0.2 + 0.14 * a
    return np.minimum(_box(u, v, 0.95, arm), _box(u, v, arm, 0.95))


def _disc(u: Field, v: Field, a: Field) -> Field:
    return _length(u, v) - 0.75 - 0.15 * a


def _heart(u: Field, v: Field, a: Field) -> Field:
    """The exact distance that Inigo Quilez derives at https://iquilezles.org/articles/distfunctions2d/."""
    x, y = np.abs(u) * (0.66 - 0.08 * a), v * 0.62 + 0.56
    lobe = _length(x - 0.25, y - 0.75) - 0.35355
    foot = np.maximum(x + y, 0) * 0.5
    edge = np.sqrt(np.minimum(x * x + (y - 1) * (y - 1), (x - foot) * (x - foot) + (y - foot) * (y - foot)))
    return np.where(x + y > 1, lobe, np.where(x > y, edge, -edge)) / 0.62


def _ring(u: Field, v: Field, a: Field) -> Field:
    return np.abs(_length(u, v) - 0.74) - 0.13 - 0.09 * a


def _square(u: Field, v: Field, a: Field) -> Field:
    return _box(u, v, 0.66 + 0.1 * a, 0.74)


def _star(u: Field, v: Field, a: Field) -> Field:
    """Five points, folded onto half of one by three reflections (Quilez, as for the heart)."""
    x, y = np.abs(u), v
    for mirror in (0.809017, -0.809017):
        overlap = 2 * np.maximum(mirror * x - 0.587785 * y, 0)
        x, y = x - overlap * mirror, y + overlap * 0.587785
    x, y = np.abs(x), y - 1
    inner = 0.36 + 0.1 * a
    du, dv = inner * 0.587785, inner * 0.809017 - 1
    along = np.clip((x * du + y * dv) / (du * du + dv * dv), 0, 1)
    edge = _length(x - along * du, y - along * dv)
    return np.where(y * du > x * dv, edge, -edge)


def _triangle(u: Field, v: Field, a: Field) -> Field:
    return np.maximum(-v - 0.5, 0.866025 * np.abs(u) + 0.5 * v - 0.5 + 0.08 * a)


def _zigzag(u: Field, v: Field, a: Field) -> Field:
    corners = ((-0.8, -0.45), (-0.3, 0.45), (0.25, -0.45), (0.8, 0.45))
    sides = [_segment(u, v, start, end) for start, end in pairwise(corners)]
    return np.minimum(np.minimum(sides[0], sides[1]), sides[2]) - 0.13 - 0.07 * a


SHAPES: dict[str, Callable[[Field, Field, Field], Field]] = {
    "arrow": _arrow,
    "crescent": _crescent,
    "cross": _cross,
    "disc": _disc,
    "heart": _heart,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
    "zigzag": _zigzag,
}
CLASSES = tuple(SHAPES)

_Y, _X = (grid.astype(np.float32)[None] for grid in np.mgrid[0:SIDE, 0:SIDE])  # pixel centres, each (1, 32, 32)


def labels(n: int) -> NDArray[np.int64]:
    """The labels of the first n images: 0 ... 9 over and over, so that every stretch of ten holds each class once."""
    return np.arange(n) % len(CLASSES)


def draw(n: int, *, seed: int) -> NDArray[np.uint8]:
    """Draw n images, image i of the class ``labels(n)[i]``.

    Shape of the result: (n, 3, 32, 32), uint8. The first m images do not depend on n.

    Each image is one shape of random position, size, direction, proportions, colour and texture, often cut by the
    border, on a gradient or pattern, among lines and blobs, under noise.
    """
    return np.concatenate(list(_chunks(n, seed))) if n else np.empty((0, 3, SIDE, SIDE), np.uint8)


def _chunks(n: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    source, noise = (np.random.PCG64(child) for child in np.random.SeedSequence(seed).spawn(2))
    of_image = labels(n)
    for start in range(0, n, CHUNK):
        classes = of_image[start : start + CHUNK]
        draws = _Draws(source, len(classes))
        image, behind = _background(draws)
        image = _clutter(draws, image, lines=2, blobs=2)
        image = _shape(draws, image, behind, classes)
        image = _clutter(draws, image, lines=1, blobs=0)
        yield _finish(draws, image, noise)


def _blend(image: Field, colour: Field, cover: Field) -> Field:
    """Paint a colour, (n, 3, 1, 1) or (n, 3, 32, 32), over an image where cover, (n, 32, 32), is above 0."""
    return image + (colour - image) * cover[:, None]


def _pattern(draws: _Draws) -> Field:
    """A texture per image in [0, 1]: flat, gradient, stripes or checks, in a random direction."""
    kind = draws.integer(4)
    c, s = draws.direction()
    period = draws.uniform(3, 9)
    along = c * (_X - 15.5) + s * (_Y - 15.5) + draws.uniform(0, 9)
    across = c * (_Y - 15.5) - s * (_X - 15.5)
    gradient = np.clip(along / 32 + 0.4, 0, 1)
    stripes, bars = _wave(along / period), _wave(across / period)
    checks = np.abs(stripes - bars)
    flat = np.zeros_like(gradient)
    return np.where(kind == 0, flat, np.where(kind == 1, gradient, np.where(kind == 2, stripes, checks)))


def _wave(phase: Field) -> Field:
    """A periodic wave between 0 and 1 with flat tops, made without a sine."""
    triangle = np.abs(phase - np.floor(phase) - 0.5) * 2
    return np.clip(triangle * 3 - 1, 0, 1)


def _towards(draws: _Draws, colour: Field, low: float, high: float) -> Field:
    """Another colour, (n, 3, 1, 1), whose largest difference in a channel lies between low and high."""
    step = draws.uniform(low, high)[:, None]
    shares = np.stack([draws.uniform(0.1, 1) for _ in range(3)], axis=1)
    shares = shares / shares.max(axis=1, keepdims=True) * step
    sign = np.where(draws.uniform(-1, 1) > 0, np.float32(1), np.float32(-1))[:, None]
    sign = np.where(colour + sign * shares > 1, -1, np.where(colour + sign * shares < 0, 1, sign)).astype(np.float32)
    return colour + sign * shares


def _background(draws: _Draws) -> tuple[Field, Field]:
    """A pattern between two colours, (n, 3, 32, 32), and the colour halfway between them, (n, 3, 1, 1)."""
    first = draws.colour()
    second = _towards(draws, first, 0.0, 0.28)
    return first + (second - first) * _pattern(draws)[:, None], (first + second) / 2


def _clutter(draws: _Draws, image: Field, *, lines: int, blobs: int) -> Field:
    """Paint short thin lines and small blobs of random colours, each present in two images of three."""
    for index in range(lines + blobs):
        x, y = draws.uniform(0, SIDE), draws.uniform(0, SIDE)
        c, s = draws.direction()
        half = draws.uniform(3, 11) if index < lines else draws.uniform(0, 1.5)
        thickness = draws.uniform(0.4, 1.0) if index < lines else draws.uniform(1.0, 2.6)
        along = np.clip(c * (_X - x) + s * (_Y - y), -half, half)
        distance = _length(_X - x - along * c, _Y - y - along * s) - thickness
        present = draws.uniform(0, 3) < 2
        image = _blend(image, draws.colour(), np.clip(0.5 - distance, 0, 1) * present)
    return image


def _shape(draws: _Draws, image: Field, behind: Field, classes: NDArray[np.int64]) -> Field:
    """Paint each image's shape over it, in colours that stand out from the colour behind, (n, 3, 1, 1)."""
    radius = draws.uniform(6.5, 12.5)
    reach = 15.5 - 0.75 * radius  # how far the centre may lie from the image's: up to a quarter of the width is cut off
    x, y = 15.5 + reach * draws.uniform(-1, 1), 15.5 + reach * draws.uniform(-1, 1)
    c, s = draws.direction(45)
    stretch, proportions = draws.uniform(0.85, 1.18), draws.uniform(0, 1)
    u = (c * (_X - x) + s * (_Y - y)) / (radius * stretch)
    v = (s * (_X - x) - c * (_Y - y)) * stretch / radius
    distance = np.empty_like(u)
    for index, shape in enumerate(SHAPES.values()):
        rows = np.flatnonzero(classes == index)
        distance[rows] = shape(u[rows], v[rows], proportions[rows])
    cover = np.clip(0.5 - distance * radius, 0, 1)
    return _blend(image, _paint(draws, behind), cover)


def _paint(draws: _Draws, behind: Field) -> Field:
    """The colours of the shapes, (n, 3, 32, 32): far enough from the background's to be seen, and textured."""
    first = _towards(draws, behind, 0.4, 0.8)
    second = _towards(draws, first, 0.0, 0.26)
    return first + (second - first) * _pattern(draws)[:, None]


def _finish(draws: _Draws, image: Field, noise: np.random.PCG64) -> NDArray[np.uint8]:
    """Light, noise, and rounding to uint8."""
    n = len(image)
    light = draws.uniform(0.8, 1.15)[:, None]
    strength = draws.uniform(0.01, 0.07)[:, None]
    raw = noise.random_raw(n * 3 * SIDE * SIDE // 4).astype("<u8").view(np.uint8)  # two bytes for each value
    bell = raw[0::2].astype(np.float32) + raw[1::2].astype(np.float32)  # triangular, 0 to 510
    grain = ((bell - 255) / 104).reshape(image.shape)  # standard deviation 1
    return (np.clip(image * light + grain * strength, 0, 1) * 255 + 0.5).astype(np.uint8)
