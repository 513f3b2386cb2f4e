"""Signals and gradients from layer to layer."""

import math
from collections.abc import Collection, Mapping
from itertools import cycle

import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from nonlinear.experiments.gradient_study import Pair
from nonlinear.experiments.probes import Propagation
from nonlinear.plots.picture import COLOURS, STYLES, Picture, subplots


def norms_by_layer(norms: Mapping[str, Tensor], *, place: str = "layer") -> Picture:
    """Gradient norm by layer on a logarithmic axis: geometric mean over seeds, with the range of the seeds as a band.

    Args:
        norms: a label and a (seeds, depth) tensor for each curve.
        place: what the second dimension counts.
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
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def propagation(
    results: Mapping[str, Propagation], *, within: float | None = None, reach: tuple[int, float] | None = None
) -> Picture:
    """Signal (left) and gradient (right) by layer, as root mean squares: geometric mean over seeds, range as a band.

    Args:
        results: a label, and what `probes.propagation` found, for each curve.
        within: a factor; what lies within it of 1 is shaded.
        reach: layers and factor that the axes show, so that pictures can be compared; by default what the curves need.
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
    panels[0].set(title="signal, upwards →", xlabel="layer", ylabel="root mean square, log scale")
    panels[1].set(title="← gradient, downwards", xlabel="layer (the gradient enters on the right)")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


CUT = 2.0  # factors beyond this, or below one over it, have the darkest colour


def first_step_map(pairs: Mapping[tuple[str, str], Pair], *, framed: Collection[tuple[str, str]] = ()) -> Picture:
    """A map of activations (rows) and initialisations (columns): by what one layer multiplies the gradient.

    White keeps it; an arrow says whether it shrinks or grows, as the colours do, so that none is needed to read it.

    Args:
        pairs: by activation and initialisation, from `gradient_study.pairs`.
        framed: pairs that get a thick frame and are named in the words.
    """
    rows, columns = (list(dict.fromkeys(names[place] for names in pairs)) for place in (0, 1))
    figure, axes = subplots(height=0.36 * len(rows) + 1, width=1.35 * len(columns) + 1.4)
    logs = torch.full((len(rows), len(columns)), math.nan)
    for (activation, scheme), pair in pairs.items():
        y, x = rows.index(activation), columns.index(scheme)
        factor = pair.gradient_per_layer
        logs[y, x] = math.log(max(factor, 1e-9)) / math.log(CUT)
        dark = abs(logs[y, x]) > 0.6
        axes.text(x, y, _with_arrow(factor), ha="center", va="center", color="white" if dark else "black")
        if (activation, scheme) in framed:
            axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=2.5))
    axes.imshow(logs.numpy(), cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    lines = [f"{name}: {', '.join(_in_words(pairs, name))}." for name in rows]
    names = ", ".join(f"{activation} with {scheme}" for activation, scheme in pairs if (activation, scheme) in framed)
    return Picture(figure, "\n".join([*lines, f"Framed: {names or 'none'}."]))


def _in_words(pairs: Mapping[tuple[str, str], Pair], activation: str) -> list[str]:
    return [f"{s} {_with_arrow(pair.gradient_per_layer)}" for (a, s), pair in pairs.items() if a == activation]


def _with_arrow(factor: float) -> str:
    """An arrow for what changes a gradient tenfold within 64 layers."""
    tenfold = 10 ** (1 / 63)
    return f"{factor:.2f}" + (" ↓" if factor < 1 / tenfold else " ↑" if factor > tenfold else "")
