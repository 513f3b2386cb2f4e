"""Contenders side by side: steps to a goal, time."""

from collections.abc import Mapping
from itertools import cycle

import torch
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from nonlin.bench.cost import Spread
from nonlin.intervals import mean_interval
from nonlin.plots.picture import COLOURS, Picture, subplots


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
    figure.suptitle("A dot is one seed, a bar the 95 % interval of their mean", fontsize=10)
    return Picture(figure, "\n".join(lines))


def costs(rows: Mapping[str, Mapping[str, Spread]], *, floor: int = 1, title: str = "") -> Picture:
    """Times in units of one copy of the tensor, the cheapest first: the median as a mark, the quartiles as a bar.

    Args:
        rows: a label, then what was timed ("forward"), then its time over that of a copy; the last one sorts the rows.
        floor: copies below which nothing can go, drawn as a line.
        title: what to see.
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
    if title:
        figure.suptitle(title)
    return Picture(figure, "\n".join(lines))
