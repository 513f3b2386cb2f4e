"""Figures of lesson 02: what one hidden layer can fit, and how often a nerve cell fires."""

from collections.abc import Mapping
from itertools import cycle

import torch

from nonlin.lessons.conditions.experiments import Fit, count_spikes, firing_rate, wave
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots


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
    left.set(title="the curve, and two that were fitted to it", xlabel="x", ylabel="y", ylim=(-1.4, 2.2))
    left.legend(fontsize=8, loc="upper center", ncols=2)
    for place, (label, by_width) in enumerate(results.items()):
        colour, style, marker = styles[label]
        widths, errors = list(by_width), [fit.errors.clamp(min=1e-8) for fit in by_width.values()]
        right.fill_between(widths, [e.min() for e in errors], [e.max() for e in errors], color=colour, alpha=0.15)
        right.plot(
            widths, [e.mean() for e in errors], color=colour, linestyle=style, marker=marker, label=label, ms=10 - place
        )
        lines.append(f"{label}: " + ", ".join(f"{e.mean():.2g} with {w}" for w, e in zip(widths, errors, strict=True)))
    lines = [f"{line} units." for line in lines]
    right.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="error, over the size of the curve")
    right.set_title("width helps all but polynomials")
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
