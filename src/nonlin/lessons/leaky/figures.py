"""Figures of lesson 05: slopes below zero."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from nonlin.lessons.leaky.experiments import Revival
from nonlin.plots.picture import COLOURS, Picture, subplots
from nonlin.typography import true_minus


def leak(slope: float) -> Picture:
    """LeakyReLU with one slope a beside max(ax, x), and the line and the V of which it is made up.

    Args:
        slope: a.
    """
    figure, (left, right) = subplots(1, 2)
    x = torch.linspace(-3, 3, 601, dtype=torch.float64)
    y, larger = torch.where(x > 0, x, slope * x), torch.maximum(slope * x, x)
    left.plot(x, y, color=COLOURS[0], linewidth=3, label="LeakyReLU")
    left.plot(x, larger, color="black", linestyle=(0, (2, 2)), linewidth=1.8, label="max(ax, x)")
    left.set(title=f"a = {_number(slope)}", xlabel="x", ylim=(-4.2, 4.2), xlim=(-3, 3))
    line, bend = (1 + slope) / 2, (1 - slope) / 2
    right.plot(x, y, color=COLOURS[0], linewidth=3, label="LeakyReLU")
    right.plot(x, line * x, color=COLOURS[1], linestyle="--", label=f"line: {_number(line)} x")
    right.plot(x, bend * x.abs(), color=COLOURS[2], linestyle="-.", label=f"V: {_number(bend)} |x|")
    right.set(title="LeakyReLU = a line + a V", xlabel="x", ylim=(-4.2, 4.2), xlim=(-3, 3))
    for axes in (left, right):
        axes.legend(loc="lower right", fontsize=9)
    gap = (larger - y).abs().max().item()
    same = "the same" if gap == 0 else f"apart by up to {gap:.3g} between −3 and 3"
    gain = 1 / math.sqrt((1 + slope**2) / 2)
    return Picture(
        figure,
        f"a = {_number(slope)}: LeakyReLU and max(ax, x) are {same}. LeakyReLU is {_number(line)} x + "
        f"{_number(bend)} |x|. For inputs from N(0, 1) the mean output is {_number(bend * math.sqrt(2 / math.pi))}, "
        f"and the gain {gain:.3g}.",
    )


def _number(value: float) -> str:
    return true_minus(f"{value + 0.0:.3g}")


def below_the_surface(revivals: Mapping[str, Revival]) -> Picture:
    """The largest input of every killed unit during training, one line a unit: above the surface it is alive again.

    Args:
        revivals: a label, and what `leaky.revive` found, for each panel.
    """
    figure, panels = subplots(1, len(revivals), height=3.6, width=10, sharey=True, squeeze=False)
    lines = []
    for axes, (label, revival) in zip(panels[0], revivals.items(), strict=True):
        highest = revival.highest.flatten(1)  # (steps + 1, layers * seeds * units)
        up = highest[-1] > 0
        axes.axhspan(-2, 0, color="0.88", linewidth=0)
        axes.axhline(0, color="black", linewidth=1)
        axes.plot(highest[:, ~up], color=COLOURS[0], linewidth=0.7, alpha=0.7)
        axes.plot(highest[:, up], color=COLOURS[1], linewidth=0.7, alpha=0.7)
        share = up.float().mean().item()
        axes.set(
            title=f"{label}\n{100 * share:.0f} % have surfaced",
            xlabel="step",
            ylim=(-1.25, 3),
            xlim=(0, len(highest) - 1),
        )
        lines.append(
            f"{label}: of {up.numel()} killed units {100 * share:.0f} % are on for at least one point at the end; "
            f"the deepest has a largest input of {_number(highest[-1].min().item())}, the highest one of "
            f"{_number(highest[-1].max().item())}; mean loss {revival.losses[-1].mean():.3f}."
        )
    panels[0][0].set_ylabel("largest input of a unit")
    panels[0][0].text(0.03, 0.03, "below the surface: off for all points", transform=panels[0][0].transAxes, fontsize=9)
    return Picture(figure, "\n".join(lines))


def share_of_the_v(slope: Tensor) -> Tensor:
    """How much of LeakyReLU = line + V is the V: |1 - a| / (|1 - a| + |1 + a|), the same for a and 1 / a."""
    bend, line = (1 - slope).abs(), (1 + slope).abs()
    return bend / (bend + line)


def learned_slopes(slopes: Mapping[str, Tensor], *, init: float = 0.25) -> Picture:
    """Learned slopes on the left, and on the right the share of the V that each leaves; one row a label.

    Args:
        slopes: a label, and slopes of shape (layers, seeds), for each row.
        init: where all of them began.
    """
    figure, (left, right) = subplots(1, 2, height=3.6, width=10, sharey=True)
    lines = []
    for row, (label, found) in enumerate(slopes.items()):
        shares = share_of_the_v(found)
        for layer, (colour, marker) in enumerate(zip(COLOURS, "os^D"[: len(found)], strict=False)):
            for axes, values in ((left, found[layer]), (right, shares[layer])):
                place = [row + 0.22 * (layer - 1)] * len(values)
                name = f"layer {layer + 1}" if row == 0 else None
                axes.plot(values, place, marker, color=colour, markerfacecolor="none", markersize=5, label=name)
        right.plot(shares.mean(), row, "|", color="black", markersize=26, label=None if row else "mean")
        ends = (
            f"layer {layer} from {_number(values.min().item())} to {_number(values.max().item())}"
            for layer, values in enumerate(found, 1)
        )
        lines.append(f"{label}: {'; '.join(ends)}; mean share of the V {shares.mean():.2f}.")
    start = torch.tensor(init)
    for axes, at in ((left, start), (right, share_of_the_v(start))):
        axes.axvline(at, color="black", linestyle=":", label="start")
    left.set(title="Slopes leave the range from 0 to 1", xlabel="learned slope a")
    right.set(
        title="Share of the V: the same for a and 1/a", xlabel="|1 − a| / (|1 − a| + |1 + a|)", xlim=(-0.03, 1.03)
    )
    left.set_yticks(range(len(slopes)), list(slopes))
    left.invert_yaxis()
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return Picture(figure, f"All slopes began at {init:g}.\n" + "\n".join(lines))


def forgotten_eval(points: Tensor, share: Tensor, answer: Tensor) -> Picture:
    """A map of a classifier's answers, and of how often it says otherwise when its slopes are still drawn.

    Args:
        points: (n, n, 2), a square grid.
        share: (n, n), share of the calls in training mode that answer otherwise than evaluation.
        answer: (n, n), the answer in evaluation, 0 or 1.
    """
    figure, (left, right) = subplots(1, 2, height=3.8, sharey=True)
    x, y = points[..., 0].numpy(), points[..., 1].numpy()
    left.pcolormesh(x, y, answer.numpy(), cmap="Greys", shading="nearest", vmin=0, vmax=2)
    left.set_title("model.eval(): one answer a point")
    mesh = right.pcolormesh(x, y, 100 * share.numpy(), cmap="Greys", shading="nearest", vmin=0)
    right.set_title("eval() forgotten: the other answer")
    figure.colorbar(mesh, ax=right, label="% of the calls", shrink=0.85)
    for axes in (left, right):
        axes.set(xlabel="first input", aspect="equal")
        axes.grid(visible=False)
    left.set_ylabel("second input")
    return Picture(
        figure,
        f"On a grid of {share.numel()} points, evaluation gives each one answer. With the slopes still drawn, "
        f"{100 * (share > 0).double().mean():.0f} % of the points get the other answer at least once, all near the "
        f"border between the classes; at worst in {100 * share.max():.0f} % of the calls.",
    )
