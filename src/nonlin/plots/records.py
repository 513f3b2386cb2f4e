"""What a record says, drawn: curve, slope, tails, saturation."""

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator
from torch import Tensor

from nonlin.activations import Activation
from nonlin.activations.layers import slopes, zero_slope_float32
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots, wrapped


def curve_and_slope(*records: Activation, low: float = -6, high: float = 6) -> Picture:
    """Curves on the left, slopes on the right; kinks are drawn as jumps with the slope that torch returns there.

    Args:
        records: one or more activations, a learner's own included; more than seven get a row for each family.
        low, high: the ends of the x axis.

    Raises:
        ValueError: without a record, or if ``low`` is not below ``high``.
    """
    if not records or not low < high:
        raise ValueError("curve_and_slope needs at least one activation, and low < high.")
    x = torch.linspace(low, high, 1201, dtype=torch.float64)
    rows = _rows(records)
    figure, panels = subplots(len(rows), 2, height=3.2 * len(rows), squeeze=False)
    for (left, right), row in zip(panels, rows, strict=True):
        for record, colour, style in zip(row, COLOURS, STYLES, strict=False):
            left.plot(x, record.function(x), color=colour, linestyle=style, label=record.title)
            _plot_slope(right, record, x, colour, style)
        names = wrapped(", ".join(record.title for record in row), 44)
        left.set(title=f"{names}: f(x)", xlabel="x", ylabel="f(x)")
        right.set(title="slope f′(x)", xlabel="x", ylabel="f′(x)")
        for axes in (left, right):
            axes.legend()
    return Picture(figure, "\n".join(describe(record) for record in records))


def _rows(records: Sequence[Activation]) -> list[Sequence[Activation]]:
    """Records in rows in which every curve has a colour and a style of its own."""
    if len(records) <= len(COLOURS):
        return [records]
    families: dict[str, list[Activation]] = {}
    for record in records:
        families.setdefault(record.family, []).append(record)
    step = len(COLOURS)
    return [family[start : start + step] for family in families.values() for start in range(0, len(family), step)]


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
        "The slope grows without bound."
        if math.isinf(record.largest_slope)
        else f"The slope is at most {record.largest_slope:.4g} in size.",
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
        computed = slopes(record, x.float()).double()
        zero = zero_slope_float32(record)
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


def saturation(record: Activation, *gains: float) -> Picture:
    """What a gain before the activation does to inputs from N(0, 1): the curve they see, and the slopes they get.

    Args:
        record: the activation.
        gains: one or more factors on the input.

    Raises:
        ValueError: without any gain, and for an activation whose slope grows without bound.
    """
    if not gains:
        raise ValueError("saturation needs at least one gain: saturation(record, 1, 4) for instance.")
    if math.isinf(record.largest_slope):
        raise ValueError(f"the slopes of {record.title} have no largest one to be compared with.")
    figure, (left, right) = subplots(1, 2)
    share = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)
    x = torch.special.ndtri(share)  # 1,000 evenly spaced quantiles of N(0, 1)
    lines = []
    for gain, colour, style in zip(gains, cycle(COLOURS), cycle(STYLES), strict=False):
        slope = record.derivative(gain * x).abs() / record.largest_slope
        lost = (slope < 0.01).double().mean().item()
        left.plot(x, record.function(gain * x), color=colour, linestyle=style)
        label = f"gain {gain:g}:\n{100 * lost:.0f} % below 0.01"
        right.plot(100 * share, slope.sort().values, color=colour, linestyle=style, label=label)
        lines.append(f"gain {gain:g}: {100 * lost:.0f} % of the inputs get less than 1 % of the largest slope.")
    left.set(title=f"{record.title}(gain · x)", xlabel="x")
    right.set(title="slopes, sorted", xlabel="% of inputs from N(0, 1)", ylabel="share of the largest slope")
    right.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), labelspacing=1)
    return Picture(figure, "\n".join(lines))
