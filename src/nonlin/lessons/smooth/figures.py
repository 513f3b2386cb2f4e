"""Figures of lesson 08: gates as random thresholds, lost digits, approximations, β, and the slope of a loss."""

from collections.abc import Callable, Mapping
from itertools import cycle

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

from nonlin.lessons.smooth.experiments import LossLine, random_gates
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots
from nonlin.signatures import Elementwise


def coin_flips(probability: Elementwise, mean: Elementwise, *, name: str, draws: int = 50) -> Picture:
    """A random gate: each x passes whole or becomes 0 (left), and what many tosses give on average (right).

    Args:
        probability: of passing, for each x.
        mean: x times that probability.
        name: of the mean.
        draws: tosses for each x on the right.
    """
    figure, (left, right) = subplots(1, 2, height=3.8, sharey=True)
    x = 6 * torch.rand(700, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3
    y = random_gates(x, probability, 1, seed=1)[0]
    kinds = {
        "passed, x > 0": ((x > 0) & (y != 0), COLOURS[0], "o"),
        "stopped, x > 0": ((x > 0) & (y == 0), COLOURS[2], "s"),
        "stopped, x < 0": ((x < 0) & (y == 0), "0.6", "o"),
        "passed, x < 0": ((x < 0) & (y != 0), COLOURS[1], "v"),
    }
    for label, (chosen, colour, marker) in kinds.items():
        left.plot(x[chosen], y[chosen], marker, color=colour, markersize=5, alpha=0.7, markeredgewidth=0, label=label)
    line = torch.linspace(-3, 3, 301, dtype=torch.float64)
    places = line[::6]
    found = random_gates(places, probability, draws, seed=2).mean(dim=0)
    right.plot(places, found, "o", color=COLOURS[1], markersize=4, label=f"mean of {draws} tosses")
    for axes in (left, right):
        axes.plot(line, mean(line), color="black", linewidth=2.5, label=name)
        axes.set(xlabel="x", ylim=(-2.6, 3.1))
        axes.legend(loc="upper left")
    figure.suptitle(f"{name} is the mean of a coin toss: x passes or becomes 0")
    left.set(title="one toss for each of 700 inputs", ylabel="x · coin")
    right.set(title=f"{draws} tosses for each of {len(places)} inputs")
    counts = ", ".join(f"{label}: {int(chosen.sum())}" for label, (chosen, *_) in kinds.items())
    far = (found - mean(places)).abs().max()
    return Picture(
        figure,
        f"Left, one toss for each of 700 inputs: every dot lies on the line y = x or on y = 0 ({counts}); {name} runs "
        f"between the two lines, and just below 0 where few negative inputs pass.\n"
        f"Right: the means of {draws} tosses lie around {name}, at most {far:.2f} away.",
    )


def thresholds(gates: Mapping[str, Elementwise], density: Callable[[Elementwise, Tensor], Tensor]) -> Picture:
    """Random thresholds: how they are distributed, the probability that x exceeds them, and x times that probability.

    Args:
        gates: a label and the probability that the threshold is below x; a step is drawn as a single threshold.
        density: of a threshold, from its gate and the places.
    """
    figure, panels = subplots(1, 3, height=3.4, width=10)
    x = torch.linspace(-4, 4, 801, dtype=torch.float64)
    lines = []
    for (label, gate), colour, style in zip(gates.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        values, look = gate(x), {"color": colour, "linestyle": style, "label": label}
        if values.unique().numel() <= 3:  # a step: all its density lies at one place
            panels[0].annotate("", (0, 0.62), (0, 0), arrowprops={"color": colour, "width": 1.5, "headwidth": 8})
            panels[0].plot([], [], **look)
        else:
            panels[0].plot(x, density(gate, x), **look)
        panels[1].plot(x, values, **look)
        panels[2].plot(x, x * values, **look)
        lowest = (x * values).min().item() + 0.0
        lines.append(f"{label}: a gate of {gate(x[300]).item():.2f} at x = −1; x times it is lowest at {lowest:.3f}.")
    panels[0].set(title="density of the threshold T", xlabel="T", ylim=(0, 0.65))
    panels[1].set(title="gate: P(T < x)", xlabel="x")
    panels[2].set(title="activation: x · P(T < x)", xlabel="x", ylim=(-0.5, 2), xlim=(-4, 2))
    figure.suptitle("One idea: x passes if it exceeds a random threshold T")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(gates), frameon=False)
    return Picture(figure, "\n".join(lines))


def relative_errors(x: Tensor, forms: Mapping[str, Tensor], exact: Tensor, *, window: int = 21) -> Picture:
    """How wrong each form is, as a share of the exact value, on a logarithmic axis; 1 means that nothing is left.

    Args:
        x: places, in ascending order.
        forms: a label and the computed values, each of the shape of ``x``.
        exact: the values in exact arithmetic, or close to it.
        window: neighbours, an odd number, of which the largest error is drawn.
    """
    figure, axes = subplots(height=3.6)
    lines = []
    for (label, values), colour, style in zip(forms.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        error = max_pool1d(((values.double() - exact) / exact).abs()[None], window, stride=1, padding=window // 2)[0]
        axes.semilogy(x, error, color=colour, linestyle=style, label=label)
        at = ", ".join(f"{error[(x - place).abs().argmin()]:.1g} at {place:g}" for place in (-6, -4, -2))
        lines.append(f"{label}: the largest relative error is {at}.")
    axes.axhline(1, color="black", linewidth=1)
    axes.annotate("nothing is right", (x[-1], 1), ha="right", va="bottom")
    axes.set_title("The further left, the more digits are lost")
    axes.set(xlabel="x", ylabel="relative error, log scale", ylim=(1e-8, 8))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def bends(swish: Callable[[Tensor, float], Tensor], slope: Callable[[Tensor, float], Tensor], *betas: float) -> Picture:
    """Swish for one or more β, its slope on the right, and ReLU and x / 2 as thin lines.

    Args:
        swish, slope: of x and β.
        betas: one or more.
    """
    figure, (left, right) = subplots(1, 2)
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    left.plot(x, x.clamp(min=0), color="0.5", linewidth=1, label="ReLU")
    left.plot(x, x / 2, color="0.5", linewidth=1, linestyle=":", label="x / 2")
    lines = []
    for beta, colour, style in zip(betas, cycle(COLOURS), cycle(STYLES), strict=False):
        y = swish(x, beta)
        left.plot(x, y, color=colour, linestyle=style, label=f"β = {beta:g}")
        right.plot(x, slope(x, beta), color=colour, linestyle=style, label=f"β = {beta:g}")
        place = x[y.argmin()].item()
        dip = f"lowest at x = {place:.2f} with {y.min():.3f}" if place > x[0] else "falls to the left end of the figure"
        away = (y - x.clamp(min=0)).abs().max()
        lines.append(f"β = {beta:g}: {dip}; at most {away:.2f} away from ReLU between −5 and 5.")
    figure.suptitle("β changes the size of the bend, not its shape")
    left.set(title="x σ(βx)", xlabel="x", ylim=(-1.2, 3))
    right.set(title="slope", xlabel="x", ylim=(-0.25, 1.25))
    for axes in (left, right):
        axes.legend(loc="upper left")
    return Picture(figure, "\n".join(lines))


def approximations(
    exact: Elementwise, exact_slope: Elementwise, forms: Mapping[str, tuple[Elementwise, Elementwise]]
) -> Picture:
    """How far approximations are off in their values (left) and slopes (right), on a logarithmic axis.

    Args:
        exact, exact_slope: the function and its derivative.
        forms: a label, and the same two of each approximation.
    """
    figure, panels = subplots(1, 2, height=3.2)
    x = torch.linspace(-6, 6, 12_001, dtype=torch.float64)
    lines = []
    for (label, form), colour, style in zip(forms.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        said = []
        for axes, right, approximate, what in zip(panels, (exact, exact_slope), form, ("value", "slope"), strict=True):
            error = (approximate(x) - right(x)).abs()
            axes.semilogy(x, error.clamp(min=1e-9), color=colour, linestyle=style, label=label)
            largest = error.argmax()
            said.append(f"{what} off by up to {error[largest]:.2g}, at x = ±{x[largest].abs():.2f}")
        lines.append(f"{label}: {'; '.join(said)}.")
    for axes, title in zip(panels, ("of the value", "of the slope"), strict=True):
        axes.set(title=title, xlabel="x", ylim=(1e-7, 1e-1))
    panels[0].set_ylabel("size of the error, log scale")
    figure.suptitle("Approximations are worst beside the bend, not at 0 and not far out")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(forms), frameon=False)
    return Picture(figure, "\n".join(lines))


def learned(runs: Mapping[str, Tensor]) -> Picture:
    """A learned parameter of each layer, step by step: the mean over seeds, and their range as a band.

    Args:
        runs: a label, and (steps + 1, layers, seeds), for each start.
    """
    figure, axes = subplots(1, len(runs), sharey=True, squeeze=False, height=3.2)
    lines = []
    for panel, (label, values) in zip(axes[0], runs.items(), strict=True):
        for layer, (colour, style) in enumerate(zip(COLOURS, STYLES, strict=False)):
            if layer == values.shape[1]:
                break
            band, steps = values[:, layer], range(len(values))
            panel.fill_between(steps, band.amin(dim=1), band.amax(dim=1), color=colour, alpha=0.15, linewidth=0)
            panel.plot(steps, band.mean(dim=1), color=colour, linestyle=style, label=f"layer {layer + 1}")
        panel.set(title=label, xlabel="step", yscale="log")
        panel.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        panel.minorticks_off()
        ends = ", ".join(f"{end:.2f}" for end in values[-1].mean(dim=1))
        lines.append(f"{label}: after {len(values) - 1} steps, by layer, {ends} (means over {values.shape[2]} seeds).")
    figure.suptitle("Learned β: where it ends depends on where it starts")
    axes[0][0].set_ylabel("β, log scale")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def slopes_along(lines: Mapping[str, Mapping[str, LossLine]]) -> Picture:
    """The slope of a loss along a straight line in the space of the weights: one row a number of points.

    Args:
        lines: a row's label, then a panel's title, then what `experiments.loss_along_a_line` found.
    """
    columns = len(next(iter(lines.values())))
    figure, panels = subplots(len(lines), columns, height=4.6, sharex=True, sharey="row", squeeze=False)
    said = []
    for row, (label, found) in zip(panels, lines.items(), strict=True):
        for axes, (title, line), colour in zip(row, found.items(), cycle(COLOURS), strict=False):
            axes.plot(line.place, line.slope, color=colour, linewidth=1.5)
            axes.set_title(f"{title}, {label}")
            said.append(
                f"{title}, {label}: the largest jump from one of {len(line.place)} places to the next is "
                f"{100 * line.largest_jump:.1f} % of the range of the slope."
            )
        row[0].set_ylabel("slope of the loss")
    figure.suptitle("Kinks show in the loss of one point; many points blur them")
    for axes in panels[-1]:
        axes.set_xlabel("way along the line")
    return Picture(figure, "\n".join(said))
