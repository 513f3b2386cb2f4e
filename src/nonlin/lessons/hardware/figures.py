"""Grids of a few bits: what they do to pictures, to errors and to answers; and curves made of straight pieces."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from nonlin.activations import Activation
from nonlin.intervals import mean_interval
from nonlin.lessons.hardware.experiments import Grid, errors
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots


def rulers(columns: Mapping[str, tuple[Tensor, Grid | None]]) -> Picture:
    """Maps of activations as their grids leave them, above the distribution of the values and the marks of the grid.

    Args:
        columns: a title, then the map, at least 0, of shape (h, w), and its grid, or None for float32.
    """
    figure, axes = subplots(2, len(columns), height=4.6, width=2.1 * len(columns), height_ratios=(2.6, 1))
    lines = []
    for (above, below), (title, (values, grid)) in zip(axes.T, columns.items(), strict=True):
        top = values.flatten().kthvalue(int(0.999 * values.numel())).values.item()
        left = values if grid is None else grid(values)
        above.imshow(left.clamp(max=top).numpy(), cmap="gray", vmin=0, vmax=top, interpolation="nearest")
        above.set(xticks=[], yticks=[])
        above.set_title(title, fontsize=9)
        above.spines[:].set_visible(False)
        below.hist(values[values > 0].clamp(max=top).numpy(), bins=60, color="0.75", log=True)
        below.set_ylabel("count, log scale" if below is axes[1][0] else "", fontsize=8)
        below.set(xlim=(0, top), yticks=[], xlabel="output")
        below.yaxis.set_minor_formatter(NullFormatter())
        below.grid(False)
        used = len(left.unique())
        if grid is not None:
            marks = torch.arange(0, grid.high + grid.scale / 2, grid.scale)
            marks, where = marks[marks <= top], below.get_xaxis_transform()
            below.vlines(marks, 0, 0.35, transform=where, color="black", lw=0.4 if len(marks) > 20 else 3)
        below.set_title(f"{used:,} shades", fontsize=9)
        spacing = "no grid" if grid is None else f"a mark every {grid.scale:.3g}"
        lines.append(
            f"{title.replace(chr(10), ' ')}: {used:,} different values, {spacing}; values up to "
            f"{values.max():.3g}, those above {top:.2g} in the last bar."
        )
    return Picture(figure, "\n".join(lines))


def clipping(values: Tensor, *, bits: int, clip: float) -> Picture:
    """Where a grid from 0 to ``clip`` has its marks, and what rounding and clipping cost at every other clip value.

    The axes depend on the values alone, so that they stay where they are while sliders move bits and clip value.

    Args:
        values: outputs of an activation, at least 0 and not all 0.
        bits: of the grid.
        clip: its upper end.
    """
    figure, (left, right) = subplots(1, 2, height=3.4, width=10)
    positive, largest = values[values > 0], values.max().item()
    grid = Grid.covering(0, clip, bits)
    left.hist(positive.numpy(), bins=80, color="0.65", log=True)
    if bits <= 6:
        marks = grid.values(torch.arange(2**bits, dtype=torch.int32))
        left.vlines(marks, 0, 0.12, transform=left.get_xaxis_transform(), color="black", linewidth=1)
    left.axvline(clip, color=COLOURS[1], linestyle="--", label=f"clip at {clip:g}")
    left.axvspan(clip, max(largest, clip), facecolor="none", edgecolor=COLOURS[1], hatch="//", alpha=0.4)
    left.set(title=f"outputs above 0, and a {bits}-bit ruler", xlabel="output", ylabel="count, log scale")
    left.set_xlim(-0.04 * largest, 1.3 * largest)
    left.legend(loc="upper right")
    clips = torch.logspace(-1.2, 0, 40) * largest
    parts = torch.tensor([errors(values, Grid.covering(0, c, bits)) for c in clips.tolist()])
    total = parts.sum(dim=1)
    best = int(total.argmin())
    for y, label, colour, style in zip(
        (*parts.T, total), ("rounding", "clipping", "both"), COLOURS, STYLES, strict=False
    ):
        right.loglog(clips, y, color=colour, linestyle=style, label=label)
    right.axvline(clip, color=COLOURS[1], linestyle="--", linewidth=1)
    right.plot(clips[best], total[best], "ko", markersize=8, label=f"least, at {clips[best]:.1f}")
    right.set(
        title="rounding rises, clipping falls",
        ylabel="mean squared error",
        xlabel="clip value, log scale",
        xlim=(0.9 * clips[0].item(), 1.3 * largest),
    )
    right.set_ylim(*_range_of_errors(values, clips[0].item(), largest))
    right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.xaxis.set_major_formatter("{x:g}")
    right.xaxis.set_minor_formatter(NullFormatter())
    right.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    rounded, clipped = errors(values, grid)
    share = 100 * (values > clip).double().mean()
    text = (
        f"{bits} bits from 0 to {clip:g}: marks are {grid.scale:.3g} apart, {share:.2f} % of the outputs are clipped. "
        f"Mean squared error: {rounded:.2g} by rounding, {clipped:.2g} by clipping. The sum is least at clip value "
        f"{clips[best]:.2g}; the largest output is {largest:.2g}."
    )
    return Picture(figure, text)


def _range_of_errors(values: Tensor, lowest: float, highest: float) -> tuple[float, float]:
    """From the rounding on 8 bits to the whole error on 2 bits, with a margin."""
    coarse = max(sum(errors(values, Grid.covering(0, clip, 2))) for clip in (lowest, highest))
    return errors(values, Grid.covering(0, lowest, 8))[0] / 2, 2 * coarse


def values_and_answers(
    clips: Sequence[float], curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> Picture:
    """Error of the values (left) and of the answers (right) for every clip value; the least of each is marked.

    Args:
        clips: the clip values.
        curves: a label, then relative squared errors and changed answers in %, one for each clip value.
    """
    figure, panels = subplots(1, 2, height=3.6, width=10)
    lines = []
    for (label, both), colour, style in zip(curves.items(), COLOURS, STYLES, strict=False):
        at = []
        for axes, values in zip(panels, both, strict=True):
            least = min(range(len(clips)), key=lambda i, v=values: v[i])
            axes.plot(clips, values, color=colour, linestyle=style, label=label)
            axes.plot(clips[least], values[least], "o", color=colour, markersize=8)
            at.append(least)
        lines.append(
            f"{label}: the values' error is least at a clip value of {clips[at[0]]:.3g}, the answers' at "
            f"{clips[at[1]]:.3g}, where {both[1][at[1]]:.2g} % change."
        )
    panels[0].set(title="values: squared error / mean square", yscale="log")
    panels[1].set(title="answers that change, in %", yscale="symlog", ylim=(0, None))
    _tick_percents(panels[1])
    for axes in panels:
        axes.set(xscale="log", xlabel="clip value, log scale")
        axes.set_xticks([1, 2, 3, 6, 12, 24], ["1", "2", "3", "6", "12", "24"])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="lower left")
    return Picture(figure, "\n".join(lines))


def paired(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], names: tuple[str, str]
) -> Picture:
    """One line a seed, from one contender to the other, on a scale that is logarithmic above 2; means as bars.

    Args:
        panels: a panel's title, then a condition, then one number a seed for each of the two contenders.
        names: of the contenders.
    """
    figure, axes = subplots(1, len(panels), height=3.4, width=10, sharey=True, squeeze=False)
    lines = []
    for panel, (title, conditions) in zip(axes[0], panels.items(), strict=True):
        for place, (condition, (first, second)) in enumerate(conditions.items()):
            x = (2 * place, 2 * place + 1)
            for a, b in zip(first, second, strict=True):
                panel.plot(x, (a, b), color="0.55", linewidth=0.8, zorder=1)
            for at, values, colour, marker in zip(x, (first, second), COLOURS, "os", strict=False):
                panel.plot([at] * len(values), values, marker, color=colour, markersize=4, alpha=0.7)
                panel.hlines(sum(values) / len(values), at - 0.25, at + 0.25, color="black", linewidth=3, zorder=3)
            difference = mean_interval(torch.tensor(first) - torch.tensor(second))
            lines.append(f"{title}, {condition}: {names[0]} less {names[1]} {difference} over {difference.n} seeds.")
        _label_pairs(panel, title, conditions, names)
    axes[0][0].set_ylabel("answers that change, in %")
    _tick_percents(axes[0][0])
    return Picture(figure, "\n".join(lines))


def _tick_percents(axes: Axes) -> None:
    ticks = [0, 1, 2, 5, 10, 20, 50, 100]  # the scale is linear up to 2 and logarithmic above
    low, high = axes.get_ylim()
    axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
    axes.set_ylim(low, high)


def _label_pairs(panel: Axes, title: str, conditions: Mapping[str, object], names: tuple[str, str]) -> None:
    panel.set(title=title, yscale="symlog", ylim=(0, 100), xlim=(-0.6, 2 * len(conditions) - 0.4))
    panel.set_xticks(range(2 * len(conditions)), names * len(conditions), fontsize=8)
    for place, condition in enumerate(conditions):
        at = {"ha": "center", "va": "top", "fontsize": 8, "transform": panel.get_xaxis_transform()}
        panel.text(2 * place + 0.5, -0.1, condition, **at)
    panel.grid(axis="x", visible=False)


def differences(*pairs: tuple[Activation, Activation], low: float = -6, high: float = 6) -> Picture:
    """Curve minus curve on the left, slope minus slope on the right, with the largest of each marked.

    Args:
        pairs: an approximation and what it stands for.
        low, high: the ends of the x axis.
    """
    figure, panels = subplots(1, 2, height=3.4)
    x = torch.linspace(low, high, 24_001, dtype=torch.float64)  # for two digits of the farthest place
    lines = []
    for (hard, soft), colour, style in zip(pairs, cycle(COLOURS), cycle(STYLES), strict=False):
        found = []
        for axes, gap in zip(
            panels, (hard.function(x) - soft.function(x), hard.derivative(x) - soft.derivative(x)), strict=True
        ):
            inside = torch.tensor([k.at for k in hard.default_kinks], dtype=torch.float64)
            jump = ((x[:, None] - inside).abs() < (x[1] - x[0]) / 2).any(dim=1)
            drawn = gap.where(~jump | (axes is panels[0]), float("nan"))
            axes.plot(x, drawn, color=colour, linestyle=style, label=f"{hard.title} − {soft.title}")
            worst = int(drawn.nan_to_num().abs().argmax())
            axes.plot(x[worst], drawn[worst], "o", color=colour)
            found.append(f"{drawn[worst]:.3f} at x = {x[worst]:.2f}")
        text = f"{hard.title} minus {soft.title}: farthest {found[0]}; slopes: farthest {found[1]}."
        lines.append(text)
    panels[0].set(title="value: hard minus smooth", xlabel="x")
    panels[1].set(title="slope: hard minus smooth", xlabel="x")
    panels[0].legend(fontsize=8, loc="lower right")
    return Picture(figure, "\n".join(lines))
