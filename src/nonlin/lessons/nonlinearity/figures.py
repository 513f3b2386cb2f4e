"""Figures of lesson 01: folded paper, bent grids, straight pieces."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from torch import Tensor

from nonlin.intervals import Estimate
from nonlin.lessons.nonlinearity.experiments import (
    Completed,
    Layer,
    OneHidden,
    corners,
    fold,
    fold_flat,
    snowflake_creases,
    snowflake_distance,
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
    """What two hidden units make of the plane: above after the matrix, below after the activation.

    Args:
        networks: by title. The dashed line, which the last layer draws, is shown where all four points are right.
    """
    figure, panels = subplots(2, len(networks), height=6.0, squeeze=False)
    figure.suptitle("The matrix squeezes the plane, the activation bends it, a line cuts it", fontsize=12)
    points, labels = xor()
    lines = []
    for (above, below), (title, network) in zip(panels.T, networks.items(), strict=True):
        right = int(((network.logits(points) > 0) == (labels > 0.5)).sum())
        for axes, layer, unit in ((above, network.inputs, "input of unit"), (below, network.hidden, "output of unit")):
            _draw_grid(axes, layer, layer(points), labels)
            axes.set(xlabel=f"{unit} 1", ylabel=f"{unit} 2")
        above.set_title(f"{title}: after the matrix", fontsize=10)
        below.set_title(f"{title}: {right} of 4 points right", fontsize=10)
        if right == 4:
            _draw_line(below, network.last_weight, network.last_bias)
        places = ", ".join(f"({a:.1f}, {b:.1f})" for a, b in network.hidden(points).tolist())
        lines.append(f"{title}: the points (-1,-1), (-1,1), (1,-1), (1,1) go to {places}; {right} of 4 are right.")
    return Picture(figure, "\n".join(lines))


def _draw_grid(axes: Axes, layer: Callable[[Tensor], Tensor], places: Tensor, labels: Tensor) -> None:
    """The plane's grid, and the four points, whose places on the axes are given, as a layer leaves them."""
    side = torch.linspace(-1.5, 1.5, 121)
    for level in torch.linspace(-1.5, 1.5, 13):
        for line in (torch.stack([side, level.expand(121)], 1), torch.stack([level.expand(121), side], 1)):
            axes.plot(*layer(line).T, color="0.65", linewidth=0.8)
    for label, style in enumerate(CLASSES):
        axes.scatter(*places[labels == label].T, s=80, linewidths=2, zorder=5, **style)
    a, b = places.mean(dim=0).tolist()
    reach = 1.25 * (places - places.mean(dim=0)).abs().max().item()
    axes.set(xlim=(a - reach, a + reach), ylim=(b - reach, b + reach))
    axes.grid(visible=False)


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
    left.set(title="each layer that folds doubles the pieces", xlabel="x", yticks=[], xlim=(0, 1.3), xticks=[0, 0.5, 1])
    left.spines["left"].set_visible(False)
    for (label, by_depth), colour, style, marker in zip(
        counts.items(), cycle(COLOURS), cycle(STYLES), cycle("os^D"), strict=False
    ):
        depths, found = list(by_depth), list(by_depth.values())
        right.plot(depths, [e.mean for e in found], color=colour, linestyle=style, marker=marker, label=label)
        right.fill_between(depths, [e.low for e in found], [e.high for e in found], color=colour, alpha=0.2)
        said = (f"{e.mean:g}" if e.low == e.high else str(e) for e in found)
        lines.append(f"{label}: " + ", ".join(f"{e} at {d}" for d, e in zip(depths, said, strict=True)) + " layers.")
    right.set(
        yscale="log",
        title="built by folding, and by chance",
        xlabel="hidden layers",
        ylabel="straight pieces (log scale)",
    )
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    right.legend()
    return Picture(figure, "\n".join(lines))
