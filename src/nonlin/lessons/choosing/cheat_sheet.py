"""All activations on one page of A4, to print and pin to the wall: everything on it comes from records and guide."""

import io
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.vectors import VECTOR_FUNCTIONS, VectorFunction
from nonlin.bench.cost import passes
from nonlin.files import write_whole
from nonlin.lessons.choosing.guide import GUIDE, Advice
from nonlin.plots.picture import COLOURS, Picture
from nonlin.typography import number, true_minus

PAGE = (8.27, 11.69)  # A4 upright, in inches
COLUMNS = 6
MARGIN, HEAD, FOOT = 0.32, 0.62, 3.4  # inches: paper that printers leave white, the title, the guide
DOTS_PER_INCH = 190
SMALL, TINY = 5.8, 5.2  # points: what is still read on paper at arm's length, and at reading distance


def cheat_sheet(*records: Activation, guide: Sequence[Advice] = GUIDE) -> Picture:
    """Curve, slope, range, gain, cost and use of every activation, and the decision guide below them.

    Args:
        records: by default all of the package; a learner's own can be put beside some of them.
        guide: what stands at the foot of the page.

    Returns:
        A picture of the size of an A4 page. Save it with :func:`save`, which keeps that size.
    """
    records = records or tuple(ACTIVATIONS.values())
    figure = plt.figure(figsize=PAGE, facecolor="white")
    plt.close(figure)
    _heading(figure)
    rows = math.ceil(len(records) / COLUMNS)
    width = (PAGE[0] - 2 * MARGIN) / COLUMNS
    height = min((PAGE[1] - 2 * MARGIN - HEAD - FOOT) / rows, 1.78)
    for place, record in enumerate(records):
        row, column = divmod(place, COLUMNS)
        left, top = MARGIN + column * width, PAGE[1] - MARGIN - HEAD - row * height
        _cell(figure, record, left, top, width, height)
    _foot(figure, guide)
    words = [*map(_in_words, records), *map(_vector_in_words, VECTOR_FUNCTIONS.values()), *map(str, guide)]
    return Picture(figure, "\n".join(words))


def save(picture: Picture, path: Path) -> None:
    """Write the page as PNG (with few colours, so that it stays small) or as PDF.

    Raises:
        ValueError: for another ending.
        FileError: if the file cannot be written.
    """
    if path.suffix.lower() == ".pdf":
        return write_whole(path, lambda file: picture.figure.savefig(file, format="pdf"))
    if path.suffix.lower() != ".png":
        raise ValueError(f"a cheat sheet is a .png or a .pdf, not {path.name}.")
    png = io.BytesIO()
    picture.figure.savefig(png, format="png", dpi=DOTS_PER_INCH)
    image = Image.open(png).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    options = {"format": "PNG", "optimize": True, "dpi": (DOTS_PER_INCH, DOTS_PER_INCH)}
    return write_whole(path, lambda file: image.save(file, **options))


def _text(figure: Figure, left: float, top: float, text: str, size: float, **options: object) -> None:
    """Text whose upper left corner is at a place in inches, counted from the lower left corner of the page."""
    figure.text(left / PAGE[0], top / PAGE[1], text, fontsize=size, va="top", **options)


def _heading(figure: Figure) -> None:
    top = PAGE[1] - MARGIN
    _text(figure, MARGIN, top + 0.02, "Activation functions on one page", 15, weight="bold")
    _text(
        figure,
        MARGIN,
        top - 0.27,
        "Slope: the largest, in size. Flat: where the slope goes to 0. Mean: of the outputs for inputs from N(0, 1). "
        "Gain: weights with standard deviation gain / √(inputs) keep the mean square from layer to layer.\n"
        "Cost: passes over memory, forward + backward, in the course's own form (torch's compiled loops mostly need "
        "1 + 1); in brackets what backward keeps: the output is free where the next layer keeps it too.",
        TINY,
        color="0.25",
        linespacing=1.35,
    )
    axes = _axes(figure, PAGE[0] - MARGIN - 2.35, top - 0.2, 2.35, 0.18)
    axes.axis("off")
    axes.set(xlim=(0, 10), ylim=(0, 1))
    axes.plot([0.2, 1.4], [0.5, 0.5], color="black", linewidth=1.8)
    axes.plot([3.4, 4.6], [0.5, 0.5], color=COLOURS[1], linewidth=1.1, linestyle=(0, (4, 1.5)))
    axes.plot([6.9], [0.5], "o", color=COLOURS[1], markersize=3)
    for x, word in ((1.6, "value"), (4.8, "slope"), (7.2, "slope at a kink")):
        axes.text(x, 0.5, word, fontsize=6.5, va="center")


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    return figure.add_axes((left / PAGE[0], bottom / PAGE[1], width / PAGE[0], height / PAGE[1]))


def _cell(figure: Figure, record: Activation, left: float, top: float, width: float, height: float) -> None:
    inside = width - 0.1
    _text(figure, left, top, record.title, 8 if len(record.title) < 13 else 6.6, weight="bold")
    _text(figure, left + inside, top - 0.025, str(record.paper.year), TINY, color="0.35", ha="right")
    plot_height = height - 0.99
    _curves(_axes(figure, left + 0.12, top - 0.19 - plot_height, inside - 0.12, plot_height), record)
    forward, backward = passes(record)
    kept = "output" if record.keeps_output() else "input"
    mean = round(record.mean_under_normal, 2) + 0.0  # + 0.0 turns -0.0 into 0.0
    facts = (
        f"{_range(record)}, flat {_flat(record)}",
        f"slope ≤ {number(record.largest_slope, 3)}, mean {mean:.2f}",
        f"gain {record.gain:.2f}, cost {forward} + {backward} ({kept})",
    )
    below = top - 0.19 - plot_height - 0.1
    _text(figure, left, below, true_minus("\n".join(facts)), TINY, linespacing=1.2)
    use = _filled(true_minus(record.use), 30)
    _text(figure, left, below - 0.275, use, TINY, color="0.2", style="italic", linespacing=1.12)


def _filled(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=True)


def _range(record: Activation) -> str:
    ends = str(record.default_range)
    low, high = record.default_range.low, record.default_range.high
    for end in (low, high):
        if math.isfinite(end):
            ends = ends.replace(f"{end:g}", f"{round(end, 3):g}")
    return ends


def _flat(record: Activation) -> str:
    return {(True, True): "both sides", (True, False): "left", (False, True): "right"}.get(record.saturates, "nowhere")


def _curves(axes: Axes, record: Activation) -> None:
    # All from -4 to 4, unless there is something to be seen further out.
    high = 8 if any(kink.at > 4 for kink in record.default_kinks) else 4
    x = torch.linspace(-4, high, 1601, dtype=torch.float64)
    value, slope = record.function(x), record.derivative(x)
    for kink in record.default_kinks:
        slope[(x - kink.at).abs() < (x[1] - x[0]) / 2] = math.nan
        if record.smoothness(*record.default_values) < 0:
            value[1:][value.diff().abs() > 0.1] = math.nan
    axes.axhline(0, color="0.6", linewidth=0.5)
    axes.axvline(0, color="0.6", linewidth=0.5)
    axes.plot(x, value, color="black", linewidth=1.8)
    axes.plot(x, slope, color=COLOURS[1], linewidth=1.1, linestyle=(0, (4, 1.5)))
    for kink in record.default_kinks:
        axes.plot(kink.at, kink.slope, "o", color=COLOURS[1], markersize=2.4)
    shown = torch.cat([value, slope]).nan_to_num()
    bottom, top = max(shown.min().item(), -2.0), min(shown.max().item(), 3.0 if high == 4 else high)
    axes.set(xlim=(-4, high), ylim=(bottom - 0.12 * (top - bottom), top + 0.08 * (top - bottom)))
    axes.set_xticks([-4, -2, 0, 2, 4] if high == 4 else [-4, 0, 4, 8])
    axes.set_yticks([tick for tick in (-2, -1, 0, 1, 2, 3, 6) if bottom - 0.05 <= tick <= top + 0.05])
    axes.tick_params(labelsize=4.6, length=1.5, width=0.4, pad=1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.4)


def _foot(figure: Figure, guide: Sequence[Advice]) -> None:
    top = MARGIN + FOOT - 0.1
    line = plt.Line2D(
        [MARGIN / PAGE[0], 1 - MARGIN / PAGE[0]], [(top + 0.06) / PAGE[1]] * 2, color="black", linewidth=0.8
    )
    figure.add_artist(line)
    _text(figure, MARGIN, top, "Functions of a vector", 8, weight="bold")
    step = 2 * (PAGE[0] - 2 * MARGIN) / len(VECTOR_FUNCTIONS)
    for place, record in enumerate(VECTOR_FUNCTIONS.values()):
        row, column = divmod(place, len(VECTOR_FUNCTIONS) // 2)
        left, below = MARGIN + column * step, top - 0.17 - 0.43 * row
        _text(figure, left, below, f"{record.title}  ${_on_one_line(record.formula)}$", SMALL + 0.4)
        use = _filled(record.use, 48)
        _text(figure, left, below - 0.14, use, TINY, color="0.2", style="italic", linespacing=1.1)
    top -= 0.97
    _text(figure, MARGIN, top, "Which one?", 8, weight="bold")
    _text(
        figure,
        MARGIN + 0.85,
        top - 0.02,
        "c: claim of the ledger, L: lesson, with the evidence; training on CIFAR-10, JPEG re-encoding",
        TINY,
        color="0.35",
    )
    _guide(figure, guide, top - 0.17)
    source = "Nonlinear, a course on activation functions. Made from its records and measurements by: "
    _text(figure, MARGIN, MARGIN - 0.03, source + "python3 start.py guide --cheat-sheet FILE", TINY, color="0.35")


def _on_one_line(formula: str) -> str:
    return re.sub(r"\\frac\{(.*)\}\{(.*)\}", r"\1 \\,/\\, \2", formula).replace(r"\sum", r"\,\Sigma")


def _guide(figure: Figure, guide: Sequence[Advice], top: float) -> None:
    """The lines of the guide in two columns, situation by situation."""
    blocks: dict[str, list[Advice]] = {}
    for line in guide:
        blocks.setdefault(line.situation, []).append(line)
    width = (PAGE[0] - 2 * MARGIN) / 3
    columns: list[list[tuple[str, bool]]] = [[], [], []]
    total = sum(1 + sum(len(_wrapped(line)) for line in lines) for lines in blocks.values())
    for situation, lines in blocks.items():
        entry = [(situation, True), *((text, False) for line in lines for text in _wrapped(line))]
        filled = [len(column) for column in columns]
        fits = [place for place in range(3) if not filled[place] or filled[place] + len(entry) <= total / 3 + 1]
        columns[fits[0] if fits else filled.index(min(filled))] += entry
    for place, column in enumerate(columns):
        for row, (text, bold) in enumerate(column):
            _text(
                figure,
                MARGIN + place * width,
                top - 0.086 * row,
                text,
                SMALL if bold else TINY,
                weight="bold" if bold else "normal",
            )


def _wrapped(line: Advice) -> list[str]:
    return textwrap.wrap(f"• {line.advice} [{line.sources}]", 65, subsequent_indent="   ")


def _vector_in_words(record: VectorFunction) -> str:
    return f"{record.title} (of a vector, {record.paper.year}): values in {record.range}. {record.use}"


def _in_words(record: Activation) -> str:
    forward, backward = passes(record)
    return (
        f"{record.title} ({record.family}, {record.paper.year}): values in {_range(record)}; largest slope "
        f"{number(record.largest_slope, 3)}, flat {_flat(record)}; gain {record.gain:.2f}; "
        f"{forward} + {backward} passes, keeps the {'output' if record.keeps_output() else 'input'}. {record.use}"
    )
