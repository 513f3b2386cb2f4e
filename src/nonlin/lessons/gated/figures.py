"""Figures of lesson 11: a product and those who imitate it, and gated blocks against plain ones."""

from collections.abc import Callable, Mapping
from itertools import cycle

import torch
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullFormatter
from torch import Tensor

from nonlin.intervals import Estimate
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots

LEVELS, LABELLED = (-6, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 6), (-4, -2, -0.5, 0.5, 2, 4)
# where the plot hardly leaves the square of the examples
NEAR_LEVELS, NEAR_LABELLED = (-1, -0.75, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 0.75, 1), (-0.5, -0.1, 0.1, 0.5)


def products(functions: Mapping[str, Callable[[Tensor], Tensor]], *, reach: float = 3.0) -> Picture:
    """Lines of equal value over the plane, negative ones dashed; the square on which the functions were fitted in the
    middle.

    Args:
        functions: title, then a function from points (n, 2) to values (n, 1).
        reach: the plot goes from -reach to reach.
    """
    far = reach >= 2
    levels, labelled = (LEVELS, LABELLED) if far else (NEAR_LEVELS, NEAR_LABELLED)
    places = (1.0, reach) if far else (0.5, 1.0)
    figure, axes = subplots(1, len(functions), height=3.5, width=3.3 * len(functions), sharey=True, squeeze=False)
    line = torch.linspace(-reach, reach, 241)
    grid = torch.cartesian_prod(line, line)
    lines = []
    for panel, (title, function) in zip(axes[0], functions.items(), strict=True):
        with torch.no_grad():
            values = function(grid).reshape(len(line), len(line)).T.double()
        drawn = panel.contour(
            line, line, values, levels=levels, colors="black", linewidths=1.3, negative_linestyles="dashed"
        )
        panel.clabel(drawn, levels=[level for level in labelled if level in drawn.levels], fontsize=7)
        panel.contourf(line, line, values, levels=levels, cmap="PuOr", alpha=0.55, extend="both")
        panel.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=COLOURS[1], linewidth=2.5))
        panel.set(title=title, xlabel="x", aspect="equal")
        panel.grid(visible=False)
        said = (f"{function(torch.tensor([[at, at]])).item():.2f} at ({at:g}, {at:g})" for at in places)
        lines.append(f"{title}: {', '.join(said)}.")
    axes[0][0].set_ylabel("y")
    return Picture(figure, "Lines of equal value; the box is the square of the examples.\n" + "\n".join(lines))


def product_errors(
    units: Tensor, *, bound: Tensor, built: Tensor, trained: Mapping[int, list[float]], gated: float
) -> Picture:
    """Largest error of x times y on the square against the number of hidden units, both on logarithmic axes.

    Args:
        units: numbers of ReLUs, for the next two.
        bound: what no block of so many ReLUs gets below.
        built: errors of the blocks built by hand.
        trained: units, then errors of trained blocks of ReLUs.
        gated: error of one gated unit.
    """
    figure, axes = subplots(height=3.6, width=9)
    axes.fill_between(units, bound, 1e-9, color="0.9", hatch="//", edgecolor="0.75", linewidth=0)
    axes.plot(units, bound, color="black", linewidth=1.5, label="no ReLU block gets below")
    axes.plot(units, built, "s--", color=COLOURS[0], label="ReLUs, built by hand")
    for number, (count, errors) in enumerate(trained.items()):
        label = "ReLUs, trained" if number == 0 else None
        axes.plot([count] * len(errors), errors, "o", color=COLOURS[1], markerfacecolor="white", label=label)
    axes.plot(1, max(gated, 1e-8), "*", color=COLOURS[2], markersize=18, label="one gated unit, trained")
    axes.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="largest error on the square", ylim=(2e-9, 3))
    axes.xaxis.set_major_locator(FixedLocator([1, 2, 4, 8, 16, 32, 64, 128, 256]))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    lines = [f"One gated unit: {gated:.1g}."]
    lines += [
        f"{int(n)} ReLUs: built {e:.2g}, none below {b:.2g}." for n, e, b in zip(units, built, bound, strict=True)
    ]
    lines += [f"{n} ReLUs, trained: {', '.join(f'{e:.2g}' for e in errors)}." for n, errors in trained.items()]
    return Picture(figure, "\n".join(lines))


def openings(gates: Mapping[str, Callable[[Tensor], Tensor]], *, low: float = -5, high: float = 5) -> Picture:
    """By what a gate multiplies the value, against the gate's input: the whole range, and near 0.

    Args:
        gates: label and function.
        low, high: ends of the x axis.
    """
    figure, (wide, near) = subplots(1, 2)
    x = torch.linspace(low, high, 1001, dtype=torch.float64)
    lines = []
    for (label, gate), colour, style in zip(gates.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        for axes, points in ((wide, x), (near, x / 4)):
            axes.plot(points, gate(points), color=colour, linestyle=style, label=label)
        values = gate(torch.tensor([-4.0, -1.0, 0.0, 1.0, 4.0], dtype=torch.float64)).tolist()
        text = f"{label}: at -4, -1, 0, 1, 4 it opens by {', '.join(f'{value:.3g}' for value in values)}."
        lines.append(text)
    wide.set(title="by what the value is multiplied", xlabel="input b of the gate", ylim=(-3, high))
    near.set(title="the same near 0", xlabel="input b of the gate")
    wide.legend()
    return Picture(figure, "\n".join(lines))


def ratios(panels: Mapping[str, Mapping[str, Estimate]], *, xlabel: str, left: str, right: str) -> Picture:
    """Ratios with their intervals, one row a comparison, one panel a condition; 1 is a draw.

    An interval that reaches 1 is drawn hollow.

    Args:
        panels: condition, then comparison, then the ratio.
        xlabel: what is divided by what.
        left, right: what a ratio below 1, and above 1, means.
    """
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    most = max(len(comparisons) for comparisons in panels.values())
    height = rows * (1.0 + 0.3 * most)
    figure, axes = subplots(rows, columns, height=height, width=10, sharey=True, sharex=True, squeeze=False)
    lines = []
    for panel, (condition, comparisons) in zip(axes.flat, panels.items(), strict=False):
        panel.axvline(1, color="black", linestyle="--", linewidth=1.5)
        for y, (label, ratio) in enumerate(comparisons.items()):
            decided = not ratio.low <= 1 <= ratio.high
            colour = "0.45" if not decided else COLOURS[0] if ratio.mean < 1 else COLOURS[1]
            panel.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=3)
            marker = "o" if not decided else "<" if ratio.mean < 1 else ">"
            panel.plot(
                ratio.mean, y, marker, color=colour, markerfacecolor=colour if decided else "white", markersize=9
            )
            lines.append(f"{condition}, {label}: {ratio}.")
        panel.set(title=condition, xscale="log", ylim=(most - 0.5, -0.5))
        panel.set_yticks(range(len(comparisons)), list(comparisons))
        panel.xaxis.set_major_locator(FixedLocator([0.25, 0.5, 0.75, 1, 1.5, 2, 4]))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in axes[-1]:
        panel.set_xlabel(f"{xlabel}\n← {left}     {right} →")
    return Picture(figure, "\n".join(lines))
