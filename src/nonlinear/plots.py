"""Figures of the course: readable without colour, each with a text equivalent beside it."""

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MultipleLocator, NullFormatter
from torch import Tensor

from nonlinear.activations import Activation
from nonlinear.benchmark import Spread
from nonlinear.experiments.before_after import normalise, to_shared_scale
from nonlinear.experiments.data import Dataset, sample_photograph
from nonlinear.experiments.probes import Propagation
from nonlinear.experiments.report import REFERENCE, Row, Summary, groups, labels, summary, variants
from nonlinear.experiments.statistics import mean_interval

# Okabe and Ito's palette, safe for colour-vision deficiency, and line styles that tell curves apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "font.size": 10,
    "lines.linewidth": 2,
}


@dataclass(frozen=True)
class Picture:
    """A figure together with its text equivalent, which a notebook shows folded below it."""

    figure: Figure
    text: str

    def save(self, path: Path) -> None:
        """Write the figure as an image file; its ending decides the format."""
        self.figure.savefig(path, bbox_inches="tight")

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        # Notebook machinery is imported where a notebook needs it, so that the command line does not.
        from IPython.display import display

        png = io.BytesIO()
        self.figure.savefig(png, format="png", bbox_inches="tight")
        display({"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": "(a figure)"}, raw=True)
        body = "".join(f"<p>{html.escape(line)}</p>" for line in self.text.splitlines())
        folded = f"<details><summary>This figure in words</summary>{body}</details>"
        display({"text/html": folded, "text/plain": self.text}, raw=True)


def subplots(rows: int = 1, columns: int = 1, *, height: float = 3.2, width: float = 9.0, **options: Any) -> tuple:
    """A figure in the style of the course, with its axes; it appears where it is returned, not at once."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), **options)
    plt.close(figure)
    return figure, axes


def curve_and_slope(*records: Activation, low: float = -6, high: float = 6) -> Picture:
    """Curves on the left, slopes on the right; kinks are drawn as jumps with the slope that torch returns there.

    Args:
        records: one or more activations, a learner's own included.
        low, high: the ends of the x axis.

    Raises:
        ValueError: without a record, or if ``low`` is not below ``high``.
    """
    if not records or not low < high:
        raise ValueError("curve_and_slope needs at least one activation, and low < high.")
    figure, (left, right) = subplots(1, 2)
    x = torch.linspace(low, high, 1201, dtype=torch.float64)
    for record, colour, style in zip(records, cycle(COLOURS), cycle(STYLES), strict=False):
        left.plot(x, record.function(x), color=colour, linestyle=style, label=record.title)
        _plot_slope(right, record, x, colour, style)
    names = ", ".join(record.title for record in records)
    left.set(title=f"{names}: f(x)", xlabel="x", ylabel="f(x)")
    right.set(title="slope f′(x)", xlabel="x", ylabel="f′(x)")
    for axes in (left, right):
        axes.legend()
    return Picture(figure, "\n".join(describe(record) for record in records))


def _plot_slope(axes: Axes, record: Activation, x: Tensor, colour: str, style: Any) -> None:
    slope = record.derivative(x)
    for kink in record.default_kinks:
        slope[(x - kink.at).abs() < (x[1] - x[0]) / 2] = float("nan")  # a jump, not a steep line
        axes.plot(kink.at, kink.slope, marker="o", color=colour)
    axes.plot(x, slope, color=colour, linestyle=style, label=record.title)


def describe(record: Activation) -> str:
    """One activation in words, computed from its record: values, slopes, limits and kinks."""
    at = torch.tensor([-6.0, -1.0, 0.0, 1.0, 6.0], dtype=torch.float64)
    values = ", ".join(f"f({x:g}) = {y:.4g}" for x, y in zip(at, record.function(at), strict=True))
    kinks = " ".join(f"The slope jumps at x = {k.at:g}; torch returns {k.slope:g} there." for k in record.default_kinks)
    flat = {
        (True, True): "The slope goes to 0 on both sides.",
        (True, False): "The slope goes to 0 on the left only.",
        (False, True): "The slope goes to 0 on the right only.",
        (False, False): "The slope goes to 0 on neither side.",
    }[record.saturates]
    sentences = (
        f"{record.title}: {values}; values in {record.default_range}.",
        f"The slope is at most {record.largest_slope:.4g} in size.",
        flat,
        kinks or "There is no kink.",
    )
    return " ".join(sentences)


def slope_tails(*records: Activation, low: float = -120, high: float = 60) -> Picture:
    """The slope on a logarithmic axis: as backward computes it in float32, over the exact one.

    Args:
        records: activations with a positive slope.
        low, high: the ends of the x axis.
    """
    figure, panels = subplots(1, len(records), sharey=True, squeeze=False)
    x = torch.linspace(low, high, 3601, dtype=torch.float64)
    lines = []
    for record, axes in zip(records, panels[0], strict=True):
        computed = record.backward_slope(x.float()).double()
        zero = record.zero_slope_float32
        axes.semilogy(x, record.derivative(x), color="0.6", linestyle="--", label="exact")
        axes.semilogy(x, computed.where(computed > 0, float("nan")), color=COLOURS[0], label="float32")
        for left, right in ((low, max(low, zero.low)), (min(high, zero.high), high)):
            axes.axvspan(left, right, facecolor="0.92", hatch="//", edgecolor="0.8", linewidth=0)
        axes.set(title=record.title, xlabel="x", xlim=(low, high), ylim=(1e-52, 10))
        axes.xaxis.set_major_locator(MultipleLocator(40))
        lines.append(
            f"{record.title}: in float32 the slope is positive for x in ({zero.low:.3g}, {zero.high:.3g}), and exactly "
            "0 outside (hatched); the exact slope goes on falling in a straight line on this logarithmic axis."
        )
    panels[0][0].set_ylabel("slope f′(x), log scale")
    panels[0][0].legend(loc="lower center")
    return Picture(figure, "\n".join(lines))


def norms_by_layer(norms: Mapping[str, Tensor], *, place: str = "layer") -> Picture:
    """Gradient norm by layer on a logarithmic axis: geometric mean over seeds, with the range of the seeds as a band.

    Args:
        norms: a label and a (seeds, depth) tensor for each curve.
        place: what the second dimension counts.
    """
    figure, axes = subplots(height=3.6)
    lines = []
    for (label, values), colour, style in zip(norms.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        layers = range(1, values.shape[1] + 1)
        mean = values.log().mean(dim=0).exp()
        axes.fill_between(layers, values.amin(dim=0), values.amax(dim=0), color=colour, alpha=0.2, linewidth=0)
        axes.semilogy(layers, mean, color=colour, linestyle=style, label=label)
        lines.append(f"{label}: {mean[-1]:.2g} at {place} {len(mean)}, {mean[0]:.2g} at {place} 1.")
    depth = max(values.shape[1] for values in norms.values())
    axes.set_xticks(torch.linspace(1, depth, min(depth, 6)).round().tolist())
    axes.set(xlabel=f"{place} (the gradient enters on the right)", ylabel="gradient norm, log scale")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def propagation(results: Mapping[str, Propagation]) -> Picture:
    """Signal (left) and gradient (right) by layer, as root mean squares: geometric mean over seeds, range as a band.

    Args:
        results: a label, and what `probes.propagation` found, for each curve.
    """
    figure, panels = subplots(1, 2, height=3.6, width=10, sharey=True)
    lines = []
    for (label, result), colour, style in zip(results.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        for axes, squares in zip(panels, (result.signal, result.gradient), strict=True):
            values, layers = squares.sqrt(), range(1, squares.shape[1] + 1)
            axes.fill_between(layers, values.amin(dim=0), values.amax(dim=0), color=colour, alpha=0.2, linewidth=0)
            axes.semilogy(layers, values.log().mean(dim=0).exp(), color=colour, linestyle=style, label=label)
        top, bottom = (x.log().mean().div(2).exp() for x in (result.signal[:, -1], result.gradient[:, 0]))
        lines.append(f"{label}: signal {top:.2g} at layer {squares.shape[1]}, gradient {bottom:.2g} at layer 1.")
    panels[0].set(title="signal, upwards →", xlabel="layer", ylabel="root mean square, log scale")
    panels[1].set(title="← gradient, downwards", xlabel="layer (the gradient enters on the right)")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def finishes(panels: Mapping[str, Mapping[str, Tensor]], xlabel: str) -> Picture:
    """One dot a seed and a bar for the mean's 95 % interval, one row an activation, one panel an optimizer.

    Args:
        panels: panel title, then label, then one number a seed.
        xlabel: what the numbers are.
    """
    figure, axes = subplots(1, len(panels), height=2.8, sharey=True, squeeze=False)
    lines = []
    for panel, (title, rows) in zip(axes[0], panels.items(), strict=True):
        for y, (label, values) in enumerate(rows.items()):
            jitter = torch.linspace(-0.22, 0.22, len(values))
            mean = mean_interval(values)
            panel.plot(values, y + jitter, "o", color=COLOURS[y], alpha=0.35, markersize=4)
            panel.plot([mean.low, mean.high], [y, y], color="black", linewidth=5, solid_capstyle="butt")
            lines.append(f"{title}, {label}: mean {mean} over {mean.n} seeds.")
        panel.set(title=title, xlabel=xlabel, xscale="log", yticks=range(len(rows)), yticklabels=list(rows))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0][0].invert_yaxis()
    return Picture(figure, "\n".join(lines))


def saturation(record: Activation, *gains: float) -> Picture:
    """What a gain before the activation does to inputs from N(0, 1): the curve they see, and the slopes they get.

    Args:
        record: the activation.
        gains: one or more factors on the input.
    """
    figure, (left, right) = subplots(1, 2)
    share = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)
    x = torch.special.ndtri(share)  # 1,000 evenly spaced quantiles of N(0, 1)
    lines = []
    for gain, colour, style in zip(gains, cycle(COLOURS), cycle(STYLES), strict=False):
        slope = record.derivative(gain * x).abs() / record.largest_slope
        lost = (slope < 0.01).double().mean().item()
        left.plot(x, record.function(gain * x), color=colour, linestyle=style, label=f"gain {gain:g}")
        right.plot(100 * share, slope.sort().values, color=colour, linestyle=style, label=f"gain {gain:g}")
        lines.append(f"gain {gain:g}: {100 * lost:.0f} % of the inputs get less than 1 % of the largest slope.")
    left.set(title=f"{record.title}(gain · x)", xlabel="x")
    right.set(title="slopes, sorted", xlabel="% of inputs from N(0, 1)", ylabel="share of the largest slope")
    for axes in (left, right):
        axes.legend()
    return Picture(figure, "\n".join(lines))


def costs(rows: Mapping[str, Mapping[str, Spread]], *, floor: int = 1) -> Picture:
    """Times in units of one copy of the tensor, the cheapest first: the median as a mark, the quartiles as a bar.

    Args:
        rows: a label, then what was timed ("forward"), then its time over that of a copy; the last one sorts the rows.
        floor: copies below which nothing can go, drawn as a line.
    """
    ordered = sorted(rows.items(), key=lambda row: list(row[1].values())[-1].median)
    figure, axes = subplots(height=1.2 + 0.22 * len(rows), width=8)
    copies = "one copy" if floor == 1 else f"{floor} copies"
    axes.axvline(floor, color="black", linestyle="--", linewidth=1.5, label=copies)
    lines = ["The cheapest first, in copies of the tensor:"]
    for y, (label, timed) in enumerate(ordered):
        for what, colour, marker in zip(timed, cycle(COLOURS), cycle("os^"), strict=False):
            s = timed[what]
            axes.plot([s.low, s.high], [y, y], color=colour, linewidth=4, alpha=0.4)
            face = "white" if marker == "o" else colour
            axes.plot(s.median, y, marker, color=colour, markerfacecolor=face, label=what if y == 0 else None)
        lines.append(f"{label}: {', '.join(f'{what} {s.median:.1f}' for what, s in timed.items())}.")
    axes.set(xscale="log", xlabel="time, in copies of the tensor (log scale)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [label for label, _ in ordered])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False)
    return Picture(figure, "\n".join(lines))


def image_rows(rows: Mapping[str, Tensor], text: str) -> Picture:
    """Rows of images, each with its label on the left; pixels are drawn as they are, without smoothing.

    Args:
        rows: a label, and uint8 images of shape (n, 3, h, w), for each row; all rows hold the same number.
        text: what is to be seen, in words.
    """
    n, _, height, width = next(iter(rows.values())).shape
    side = min(0.8, 8.0 / n)
    figure, axes = subplots(
        len(rows), n, width=1.6 + side * n, height=(side * height / width + 0.06) * len(rows), squeeze=False
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
        for place, image in zip(line, images, strict=True):
            place.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
    return Picture(figure, text)


def classes(dataset: Dataset, *, columns: int = 5) -> Picture:
    """The first test images of each class, one row a class.

    Args:
        dataset: any data set.
        columns: images in a row; classes with fewer repeat theirs.
    """
    rows = {}
    for number, name in enumerate(dataset.classes):
        places = (dataset.test.labels == number).nonzero().flatten()
        rows[name] = dataset.test.images[places[torch.arange(columns) % len(places)]]
    counts = f"{len(dataset.train.images):,} training and {len(dataset.test.images):,} test images"
    text = f"{dataset.title}: {counts} of 32 by 32 pixels in {len(rows)} classes: {', '.join(rows)}."
    return image_rows(rows, text)


def on_a_photograph(*records: Activation) -> Picture:
    """What each activation makes of a standardised photograph, above its curve; -2 is drawn black and 2 white.

    Args:
        records: one or more activations.
    """
    photograph = sample_photograph()[None, :, ::2, ::2]
    x = normalise(photograph, *(f(photograph / 255, dim=(0, 2, 3)) for f in (torch.mean, torch.std)))
    figure, axes = subplots(2, 1 + len(records), height=5, width=2.3 * (1 + len(records)), sharey="row")
    line = torch.linspace(-2, 2, 401)
    columns = [("before", lambda x: x), *((record.title, record.function) for record in records)]
    for (above, below), (title, function), colour in zip(axes.T, columns, cycle(COLOURS[-1:] + COLOURS), strict=False):
        above.imshow(to_shared_scale(function(x)[0], -2, 2).permute(1, 2, 0).numpy())
        above.set(title=title, xticks=[], yticks=[])
        above.spines[:].set_visible(False)
        below.plot(line, function(line), color=colour)
        below.set(xlabel="value before", xlim=(-2, 2), ylim=(-2.1, 2.1), aspect="equal")
    axes[1, 0].set_ylabel("value after")
    text = "A portrait, standardised to mean 0 and standard deviation 1, and what comes of it."
    return Picture(figure, "\n".join([text, *(_change(record, x) for record in records)]))


def _change(record: Activation, x: Tensor) -> str:
    y = record.function(x)
    zeros = (y == 0).double().mean().item()
    return (
        f"After {record.title}: values from {y.min():.2f} to {y.max():.2f}, standard deviation {y.std():.2f}, "
        f"{100 * zeros:.0f} % exactly 0."
    )


# Runs of a report


def learning_curves(rows: Sequence[Row], *, over: str = "epochs") -> Picture:
    """Test accuracy as training goes on: the mean over seeds, with the range of the seeds as a band.

    Of more than seven curves, the reference and the six best are drawn in colour and named, the others in grey.

    Args:
        rows: of one group of `report.groups`.
        over: ``"epochs"`` or ``"seconds"``.

    Raises:
        ValueError: if the rows are of several groups, or ``over`` is neither.
    """
    if over not in ("epochs", "seconds"):
        raise ValueError(f'over must be "epochs" or "seconds", not {over!r}.')
    title, found = _only_group(rows), _by_label(rows)
    ranked = sorted(found, key=lambda label: -_final(found[label]))
    references = [label for label in ranked if label.split(",")[0] == REFERENCE][:1]
    named = (references + [label for label in ranked if label not in references])[: len(COLOURS)]
    figure, axes = subplots(height=4)
    for label in ranked:
        if label not in named:
            axes.plot(*_curve(found[label], over)[:2], color="0.75", linewidth=1, label="_")
    lines = [title]
    marks = zip(sorted(named, key=ranked.index), cycle(COLOURS), cycle(STYLES), strict=False)
    for label, colour, style in marks:
        x, mean, low, high = _curve(found[label], over)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, mean, color=colour, linestyle=style, marker="o", markersize=3, label=label)
        seeds, at = len(found[label]), f"{x[-1]:.3g} {over}"
        spread = f", {low[-1]:.1f} to {high[-1]:.1f}" if seeds > 1 else ""
        lines.append(f"{label}: {mean[-1]:.1f} % after {at} (mean of {seeds} seed{'s' * (seeds > 1)}{spread}).")
    lines += [f"{label}, in grey: {_final(found[label]):.1f} %." for label in ranked if label not in named]
    axes.set(title=_wrapped(title), xlabel=over, ylabel="test accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=4)
    return Picture(figure, "\n".join(lines))


def paired_differences(rows: Sequence[Row]) -> Picture:
    """Accuracy minus ReLU's with the same seeds, the best first: a thick bar for the 95 % interval of one comparison
    alone, a thin one for all comparisons together. A run that diverged does not set the scale: what lies outside is
    an arrow at the border.

    Args:
        rows: of one group of `report.groups`.

    Raises:
        ValueError: if the rows are of several groups, or nothing can be compared with ReLU.
    """
    title = _only_group(rows)
    found = sorted((entry for entry in summary(rows) if entry.difference is not None), key=lambda e: -e.difference)
    if not found:
        raise ValueError(f"there are no runs of {REFERENCE} with the same seeds as others: nothing can be compared.")
    figure, axes = subplots(height=1.4 + 0.28 * len(found), width=8)
    axes.axvline(0, color="black", linestyle="--", linewidth=1.5)
    low, high = _limits(found)
    lines = [title]
    for y, entry in enumerate(found):
        words = f"{entry.label}: {entry.difference:+.2f} points over {entry.pairs} pair{'s' * (entry.pairs > 1)}"
        if entry.interval:
            alone, all_hold = entry.interval, entry.corrected
            axes.plot([all_hold.low, all_hold.high], [y, y], color=COLOURS[0], linewidth=1.5)
            axes.plot([alone.low, alone.high], [y, y], color=COLOURS[0], linewidth=5, solid_capstyle="butt")
            words += (
                f", alone [{alone.low:+.2f}, {alone.high:+.2f}], together [{all_hold.low:+.2f}, {all_hold.high:+.2f}]"
            )
        place = min(max(entry.difference, low), high)
        marker = (
            "<" if place > entry.difference else ">" if place < entry.difference else "X" if entry.diverged else "o"
        )
        axes.plot(place, y, marker, color="black", markerfacecolor="white", markersize=7, clip_on=False)
        lines.append(words + (f"; {entry.diverged} of {entry.runs} runs diverged (X)" * bool(entry.diverged)) + ".")
    if not any(entry.interval for entry in found):
        lines.append("One seed tells nothing about spread: there are no intervals.")
    axes.set(title=_wrapped(title), xlim=(low, high), ylim=(len(found) - 0.5, -0.5))
    axes.set_xlabel(f"test accuracy minus that of {REFERENCE}, points; 95 %: thick alone, thin all together")
    axes.set_yticks(range(len(found)), [entry.label for entry in found])
    return Picture(figure, "\n".join(lines))


def _limits(entries: Sequence[Summary]) -> tuple[float, float]:
    """The ends of the x axis: 0, the means and the intervals of those that did not diverge, if any, with a margin."""
    shown = [entry for entry in entries if not entry.diverged] or entries
    ends = [0.0, *(entry.difference for entry in shown)]
    ends += [end for entry in shown if entry.corrected for end in (entry.corrected.low, entry.corrected.high)]
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - margin, max(ends) + margin


def against_reference(rows: Sequence[Row], reference: Sequence[Row]) -> Picture:
    """Your runs over the band that reference runs of the same setting span, one panel for each setting.

    Settings match in activation, network, depth, batch normalisation, initialisation and recipe; data, precision,
    threads and seeds may differ, and the text says so.

    Args:
        rows: yours.
        reference: for instance a table from ``data/results``.

    Raises:
        ValueError: if no setting is in both.
    """
    mine, theirs = _by_setting(rows), _by_setting(reference)
    both = [setting for setting in mine if setting in theirs]
    if not both:
        raise ValueError(
            "none of the reference runs has the setting of one of these runs: the same activation, network, depth, "
            "batch normalisation, initialisation and recipe."
        )
    columns = min(3, len(both))
    figure, panels = subplots(
        -(-len(both) // columns), columns, height=3.2 * -(-len(both) // columns), sharey=True, squeeze=False
    )
    for unused in panels.flat[len(both) :]:
        unused.set_visible(False)
    lines = []
    for axes, setting in zip(panels.flat, both, strict=False):
        lines.append(_draw_against(axes, mine[setting], theirs[setting]))
    for axes in panels[:, 0]:
        axes.set_ylabel("test accuracy, %")
    panels.flat[0].legend()
    return Picture(figure, "\n".join(lines))


def _draw_against(axes: Axes, mine: list[Row], theirs: list[Row]) -> str:
    x, mean, low, high = _curve(theirs, "epochs")
    axes.fill_between(x, low, high, color="0.8", hatch="//", edgecolor="0.6", linewidth=0, label="reference: range")
    axes.plot(x, mean, color="0.4", linestyle="--", label="reference: mean")
    for row in mine:
        own = range(1, len(row.test_accuracies) + 1)
        label = "yours" if row is mine[0] else None
        axes.plot(own, row.test_accuracies, color=COLOURS[0], marker="o", markersize=4, label=label)
    c = mine[0].configuration
    name = f"{c.activation}, {c.network}, depth {c.depth}, {'' if c.batch_norm else 'no '}batch norm"
    axes.set(title=_wrapped(name, 32), xlabel="epochs")
    last = ", ".join(f"{row.test_accuracy:.1f} % (seed {row.seed})" for row in mine)
    inside = sum(low[-1] <= row.test_accuracy <= high[-1] for row in mine)
    return (
        f"{name}, {c.initialisation}, rate {c.recipe.learning_rate:g}: yours {last} on {_differing(mine)}; reference "
        f"{mean[-1]:.1f} % on {_differing(theirs)}, {low[-1]:.1f} to {high[-1]:.1f} over {len(theirs)} runs; "
        f"{inside} of yours {'is' if inside == 1 else 'are'} within."
    )


def _differing(rows: list[Row]) -> str:
    """What may differ between runs of one setting."""
    found = {f"{row.configuration.data} in {row.configuration.precision}, {row.device}" for row in rows}
    return " or ".join(sorted(found))


def _by_setting(rows: Sequence[Row]) -> dict[tuple, list[Row]]:
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        c = row.configuration
        recipe = replace(c.recipe, seed=0)
        found.setdefault((c.activation, c.network, c.depth, c.batch_norm, c.initialisation, recipe), []).append(row)
    return found


def _only_group(rows: Sequence[Row]) -> str:
    """The title of the rows' group."""
    found = groups(rows)
    if len(found) != 1:
        raise ValueError(f"this figure takes the rows of one group, not of {len(found)}: see report.groups.")
    return next(iter(found))


def _by_label(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found = variants(rows)
    return {label: found[variant] for variant, label in labels(found).items()}


def _final(rows: list[Row]) -> float:
    return sum(row.test_accuracy for row in rows) / len(rows)


def _curve(rows: list[Row], over: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places on the x axis, and mean, lowest and highest accuracy there; a run that diverged keeps its last one."""
    longest = max(len(row.test_accuracies) for row in rows)
    accuracies = torch.tensor([_prolonged(row.test_accuracies, longest) for row in rows], dtype=torch.float64)
    whole = [row.times for row in rows if len(row.times) == longest]
    ends = torch.tensor(whole, dtype=torch.float64).mean(dim=0)
    x = torch.arange(1, longest + 1) if over == "epochs" else ends
    return x, accuracies.mean(dim=0), accuracies.amin(dim=0), accuracies.amax(dim=0)


def _prolonged(values: Sequence[float], length: int) -> list[float]:
    return [*values, *[values[-1]] * (length - len(values))]


def _wrapped(text: str, width: int = 90) -> str:
    return "\n".join(textwrap.wrap(text, width))
