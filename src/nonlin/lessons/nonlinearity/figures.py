"""Figures of lesson 01: folded paper, bent grids, straight pieces, what one hidden layer can fit."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from torch import Tensor

from nonlin.intervals import Estimate
from nonlin.lessons.nonlinearity.experiments import (
    Completed,
    Fit,
    Layer,
    OneHidden,
    corners,
    count_spikes,
    firing_rate,
    fold,
    fold_flat,
    snowflake_creases,
    snowflake_distance,
    wave,
    xor,
)
from nonlin.plots.picture import COLOURS, STYLE, STYLES, Picture, subplots

# The two classes: filled discs and open squares, so that they differ without colour.
CLASSES = (
    {"marker": "o", "facecolors": COLOURS[0], "edgecolors": "black"},
    {"marker": "s", "facecolors": "white", "edgecolors": COLOURS[1]},
)
CREASE = -math.pi / 4  # normal of the diagonal that runs through the two points of equal signs


def folded_sheet(*degrees: float) -> Picture:
    """The four points of XOR on a sheet of paper, folded along the diagonal by one or more angles.

    Args:
        degrees: 0 leaves the sheet flat, 90 stands one half upright, 180 lays it over the other.
    """
    with plt.rc_context(STYLE):
        width = max(4.5, 3.0 * len(degrees))
        figure, panels = plt.subplots(
            1, len(degrees), figsize=(width, 3.0), subplot_kw={"projection": "3d"}, squeeze=False
        )
    plt.close(figure)
    lines = []
    for axes, angle in zip(panels[0], degrees, strict=True):
        gap = _draw_sheet(axes, math.radians(angle))
        said = "no plane separates" if gap < 1e-9 else f"gap {gap:.2f}"
        axes.set_title(f"{angle:g}°: {said}", fontsize=10, y=0.93)  # no empty band below it
        lines.append(
            f"Folded by {angle:g} degrees: the discs lie on the crease, the squares off it; "
            + ("all in one plane, crosswise." if gap < 1e-9 else f"a plane separates them with a gap of {gap:.2f}.")
        )
    return Picture(figure, "\n".join(lines))


def _draw_sheet(axes: Axes, angle: float) -> float:
    """Draw the sheet, and return the distance between the two classes across the best plane."""
    side = torch.linspace(-1.4, 1.4, 57)
    for level in torch.linspace(-1.4, 1.4, 15):
        for line in (torch.stack([side, level.expand(57)], 1), torch.stack([level.expand(57), side], 1)):
            axes.plot(*fold(line, CREASE, angle).T, color="0.65", linewidth=0.7)
    along = torch.tensor([[-1.4, -1.4], [1.4, 1.4]])
    axes.plot(*fold(along, CREASE, angle).T, color="black", linewidth=1.5)
    gap = 2 * math.sqrt(2) / 2 * math.sin(angle / 2)
    if gap > 1e-9:
        for shift in (0.5, -0.5):  # halfway between the crease and a square
            cut = torch.tensor([[-0.9, -0.9], [0.9, 0.9]]) + torch.tensor([shift, -shift])
            axes.plot(*fold(cut, CREASE, angle).T, color=COLOURS[2], linestyle="--", linewidth=2)
    points, labels = xor()
    places = fold(points, CREASE, angle)
    for label, style in enumerate(CLASSES):
        axes.scatter(*places[labels == label].T, s=70, linewidths=2, depthshade=False, zorder=9, **style)
    axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), zlim=(0, 2))
    axes.set_box_aspect((1.4, 1.4, 1), zoom=1.05)
    axes.view_init(elev=24, azim=-112)  # nearly along the crease, as one looks into an open book
    axes.set_axis_off()
    return gap


def snowflake(points: Tensor, labels: Tensor, folds: Sequence[int] = (0, 1, 2, 3, 4)) -> Picture:
    """Two rings on a sheet that is folded again and again, and what one straight cut through it looks like unfolded.

    Args:
        points: (n, 2), around the origin.
        labels: 0 or 1, (n,).
        folds: how often, one column each.
    """
    figure, panels = subplots(2, len(folds), height=4.6, width=2.1 * len(folds))
    side = torch.linspace(-3, 3, 301)
    sheet = torch.cartesian_prod(side, side)
    lines = []
    for column, number in enumerate(folds):
        folded_as = f"{number} fold{'' if number == 1 else 's'}"
        distance = snowflake_distance(points, number)
        radius, share = _best_cut(distance, labels)
        folded = points
        for crease in snowflake_creases(number):
            folded = fold_flat(folded, crease)
        top, bottom = panels[0][column], panels[1][column]
        _draw_folded(top, folded, labels, number, radius)
        _scatter(bottom, points, labels)
        _draw_creases(bottom, number)
        heights = snowflake_distance(sheet, number).reshape(301, 301)
        bottom.contour(side, side, heights.T, levels=[radius], colors="black", linewidths=2.5)
        bottom.set_title(f"{100 * share:.1f} % right", fontsize=10)
        top.set_title(folded_as, fontsize=10)
        shape = {0: "one straight line", 1: "two parallel lines"}.get(number, f"a polygon with {2**number} sides")
        lines.append(f"{folded_as}: unfolded, the cut is {shape}; {100 * share:.1f} % of the points are right.")
    for axes in panels.flat:
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set(visible=True, color="0.8")
    panels[0][0].set_ylabel("folded, and cut once")
    panels[1][0].set_ylabel("unfolded")
    return Picture(figure, "\n".join(lines))


def _draw_folded(axes: Axes, folded: Tensor, labels: Tensor, number: int, radius: float) -> None:
    _scatter(axes, folded, labels)
    middle = math.pi / 2**number if number > 1 else 0.0
    out = torch.tensor([math.cos(middle), math.sin(middle)])
    across = torch.tensor([-out[1], out[0]])
    reach = 4.0 if number < 2 else abs(radius) * math.tan(middle) + 0.25
    ends = torch.stack([radius * out - reach * across, radius * out + reach * across])
    axes.plot(*ends.T, color="black", linewidth=2.5)


def _draw_creases(axes: Axes, number: int) -> None:
    """The creases on the sheet, once it is unfolded again: rays from the middle."""
    rays = 2**number if number > 1 else 2 * number
    for ray in range(rays):
        turned = 2 * math.pi * ray / rays + (math.pi / 2 if number == 1 else 0)
        axes.plot([0, 5 * math.cos(turned)], [0, 5 * math.sin(turned)], ":", color="0.3", linewidth=1)


def _scatter(axes: Axes, points: Tensor, labels: Tensor) -> None:
    for label, style in enumerate(CLASSES):
        edge = {**style, "edgecolors": COLOURS[label]}
        axes.scatter(*points[labels == label].T, s=7, linewidths=0.8, **edge)


def _best_cut(distance: Tensor, labels: Tensor) -> tuple[float, float]:
    """The threshold that gets most points right, and their share."""
    radii = torch.linspace(-2.5, 2.5, 501)
    shares = ((distance[:, None] > radii) == (labels[:, None] > 0.5)).float().mean(dim=0)
    best = shares == shares.max()
    return radii[best].median().item(), shares.max().item()


def bent_grids(networks: Mapping[str, OneHidden]) -> Picture:
    """What two hidden units make of the plane, with the four points of XOR and the line that the last layer draws.

    Args:
        networks: by title. The dashed line is drawn where the network gets all four points right.
    """
    figure, panels = subplots(1, len(networks), height=3.1, squeeze=False)
    points, labels = xor()
    lines = []
    for axes, (title, network) in zip(panels[0], networks.items(), strict=True):
        _draw_grid(axes, network)
        hidden = network.hidden(points)
        for label, style in enumerate(CLASSES):
            axes.scatter(*hidden[labels == label].T, s=80, linewidths=2, zorder=5, **style)
        right = int(((network.logits(points) > 0) == (labels > 0.5)).sum())
        a, b = hidden.mean(dim=0).tolist()
        reach = 1.25 * (hidden - hidden.mean(dim=0)).abs().max().item()
        axes.set(xlim=(a - reach, a + reach), ylim=(b - reach, b + reach))
        if right == 4:
            _draw_line(axes, network.last_weight, network.last_bias)
        axes.set(title=f"{title}: {right} of 4", xlabel="hidden unit 1", ylabel="hidden unit 2")
        axes.grid(visible=False)
        places = ", ".join(f"({a:.1f}, {b:.1f})" for a, b in hidden.tolist())
        lines.append(f"{title}: the points (-1,-1), (-1,1), (1,-1), (1,1) go to {places}; {right} of 4 are right.")
    return Picture(figure, "\n".join(lines))


def _draw_grid(axes: Axes, network: OneHidden) -> None:
    side = torch.linspace(-1.5, 1.5, 121)
    for level in torch.linspace(-1.5, 1.5, 13):
        for line in (torch.stack([side, level.expand(121)], 1), torch.stack([level.expand(121), side], 1)):
            axes.plot(*network.hidden(line).T, color="0.65", linewidth=0.8)


def _draw_line(axes: Axes, weight: Tensor, bias: Tensor) -> None:
    """The line on which the logit is 0."""
    w = weight.squeeze(1)
    foot = -bias.squeeze() * w / w.square().sum()
    along = torch.stack([-w[1], w[0]]) / w.norm()
    limits = axes.get_xlim(), axes.get_ylim()
    axes.plot(*torch.stack([foot - 99 * along, foot + 99 * along]).T, color=COLOURS[2], linestyle="--")
    axes.set(xlim=limits[0], ylim=limits[1])


def completed(results: Mapping[str, Completed], seed: int = 0) -> Picture:
    """A matrix, what was seen of it, and what was made of that.

    Args:
        results: by title; all from the same matrices.
        seed: which of them.
    """
    first = next(iter(results.values()))
    target, seen = first.target[seed], first.seen[seed]
    shown = {
        "the matrix": target,
        "what is seen": target.where(seen > 0, float("nan")),
        **{title: result.found[seed] for title, result in results.items()},
    }
    figure, panels = subplots(1, len(shown), height=2.7, width=2.3 * len(shown))
    reach = target.abs().max().item()
    for axes, (title, matrix) in zip(panels, shown.items(), strict=True):
        axes.set_facecolor("#BFD4E6")
        axes.imshow(matrix.numpy(), cmap="gray", vmin=-reach, vmax=reach)
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(visible=False)
    lines = [f"Of {target.numel()} entries {int(seen.sum())} are seen; the others are blue in the second picture."]
    for title, result in results.items():
        error = result.hidden_errors[seed].item()
        lines.append(f"{title}: squared error on the entries not seen, over their squares: {error:.2g}.")
    return Picture(figure, "\n".join(lines))


def straight_pieces(networks: Mapping[int, Sequence[Layer]], counts: Mapping[str, Mapping[int, Estimate]]) -> Picture:
    """Left: networks with one input, as curves. Right: numbers of straight pieces against hidden layers, log scale.

    Args:
        networks: by number of hidden layers; drawn on [0, 1], each one step below the one before.
        counts: label, then hidden layers, then the number of pieces with its interval.
    """
    figure, (left, right) = subplots(1, 2, height=3.6)
    lines = []
    for place, (layers, network) in enumerate(networks.items()):
        x, y = corners(network, 0, 1)
        left.plot(x, y - 1.25 * place, color=COLOURS[0])
        pieces = len(x) - 1
        left.text(1.03, 0.4 - 1.25 * place, f"{pieces} pieces", va="center")
        lines.append(f"Left, hidden layers: {layers}; straight pieces: {pieces}.")
    left.set(title="1, 2, 3, … hidden layers of two units", xlabel="x", yticks=[], xlim=(0, 1.3), xticks=[0, 0.5, 1])
    left.spines["left"].set_visible(False)
    for (label, by_depth), colour, style, marker in zip(
        counts.items(), cycle(COLOURS), cycle(STYLES), cycle("os^D"), strict=False
    ):
        depths, found = list(by_depth), list(by_depth.values())
        right.plot(depths, [e.mean for e in found], color=colour, linestyle=style, marker=marker, label=label)
        right.fill_between(depths, [e.low for e in found], [e.high for e in found], color=colour, alpha=0.2)
        said = (f"{e.mean:g}" if e.low == e.high else str(e) for e in found)
        lines.append(f"{label}: " + ", ".join(f"{e} at {d}" for d, e in zip(depths, said, strict=True)) + " layers.")
    right.set(yscale="log", title="straight pieces, log scale", xlabel="hidden layers")
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    right.legend()
    return Picture(figure, "\n".join(lines))


def fits(results: Mapping[str, Mapping[int, Fit]], shown: Mapping[str, int]) -> Picture:
    """Left: the curve and some fits. Right: error against units, mean over seeds with the range of the seeds as a band.

    Args:
        results: label, then units, then what was fitted.
        shown: label and units of those that are drawn on the left.
    """
    figure, (left, right) = subplots(1, 2, height=3.6)
    lines = []
    styles = dict(zip(results, zip(cycle(COLOURS), cycle(STYLES[1:]), cycle("os^Dv"), strict=False), strict=False))
    for label, units in shown.items():
        fitted = results[label][units].fitted[0]
        x = torch.linspace(-1, 1, len(fitted), dtype=torch.float64)
        left.plot(x, fitted, color=styles[label][0], linestyle=styles[label][1], label=f"{label}, {units} units")
    left.plot(x, wave(x), color="0.5", linewidth=5, alpha=0.4, zorder=0, label="to be fitted")
    left.set(xlabel="x", ylim=(-1.4, 2.2))
    left.legend(fontsize=8, loc="upper center", ncols=2)
    for label, by_width in results.items():
        colour, style, marker = styles[label]
        widths, errors = list(by_width), [fit.errors.clamp(min=1e-8) for fit in by_width.values()]
        right.fill_between(widths, [e.min() for e in errors], [e.max() for e in errors], color=colour, alpha=0.15)
        right.plot(widths, [e.mean() for e in errors], color=colour, linestyle=style, marker=marker, label=label)
        lines.append(f"{label}: " + ", ".join(f"{e.mean():.2g} with {w}" for w, e in zip(widths, errors, strict=True)))
    lines = [f"{line} units." for line in lines]
    right.set(xscale="log", yscale="log", xlabel="hidden units", title="remaining error, over the size of the curve")
    right.set_xticks(widths, [str(w) for w in widths])
    right.minorticks_off()
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def neuron() -> Picture:
    """The firing rate of a leaky integrate-and-fire neuron, by formula and by simulation, beside ReLU and sigmoid."""
    figure, (left, right) = subplots(1, 2, height=3.0)
    lines = []
    for axes, high, step in ((left, 4.0, 1e-4), (right, 120.0, 2e-5)):
        current = torch.linspace(0, high, 2001, dtype=torch.float64)
        axes.plot(current, firing_rate(current), color=COLOURS[0], label="formula")
        for place in torch.linspace(high / 8, high, 8).tolist():
            axes.plot(place, count_spikes(place, step=step), "o", color="black", markerfacecolor="white")
        axes.set(xlabel="constant current, in units of the threshold", ylabel="spikes per second")
    left.plot([0, 1, 4], [0, 0, firing_rate(torch.tensor(4.0)).item()], ":", color=COLOURS[1], label="a ReLU")
    left.plot([], [], "o", color="black", markerfacecolor="white", label="simulated")
    left.axvline(1, color="0.5", linewidth=1)
    left.set_title("near the threshold: silent, then rising")
    right.axhline(500, color=COLOURS[2], linestyle="--", label="1 / pause = 500")
    right.set_title("far above it: the pause sets a limit")
    for axes in (left, right):
        axes.legend(loc="lower right")
    for place in (0.9, 1.1, 2.0, 4.0, 120.0):
        lines.append(f"Current {place:g}: {firing_rate(torch.tensor(place)).item():.0f} spikes per second.")
    return Picture(figure, "\n".join(lines))
