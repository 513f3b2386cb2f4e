"""Signals and gradients from layer to layer."""

from collections.abc import Mapping
from itertools import cycle

import torch
from torch import Tensor

from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots
from nonlin.toys.stacks import Propagation


def norms_by_layer(norms: Mapping[str, Tensor], *, place: str = "layer", title: str = "") -> Picture:
    """Gradient norm by layer on a logarithmic axis: geometric mean over seeds, with the range of the seeds as a band.

    Args:
        norms: a label and a (seeds, depth) tensor for each curve.
        place: what the second dimension counts.
        title: what to see; by default that each layer leaves a part of the gradient.
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
    axes.set_title(title or f"How much of the gradient each {place} leaves")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def propagation(
    results: Mapping[str, Propagation],
    *,
    within: float | None = None,
    reach: tuple[int, float] | None = None,
    title: str = "",
) -> Picture:
    """Signal (left) and gradient (right) by layer, as root mean squares: geometric mean over seeds, range as a band.

    Args:
        results: a label, and what `stacks.propagation` found, for each curve.
        within: a factor; what lies within it of 1 is shaded.
        reach: layers and factor that the axes show, so that pictures can be compared; by default what the curves need.
        title: what to see; by default that each layer leaves a part of the gradient.
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
    for axes in panels:
        if within:
            axes.axhspan(1 / within, within, color="0.88", zorder=0)
        if reach:
            axes.set(xlim=(0, reach[0] + 1), ylim=(1 / reach[1], reach[1]))
    if within:
        lines.append(f"Grey: within a factor of {within:g} of 1.")
    figure.suptitle(title)
    panels[0].set(title="signal, upwards →", xlabel="layer", ylabel="root mean square, log scale")
    panels[1].set(title="← gradient, downwards", xlabel="layer (the gradient enters on the right)")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))
