"""Figures of lesson 06: what one layer does to the gradient at the first step."""

import math
from collections.abc import Collection, Mapping

import torch
from matplotlib.patches import Rectangle

from nonlin.lessons.gradient_flow.experiments import Pair
from nonlin.plots.picture import Picture, subplots

CUT = 2.0  # factors beyond this, or below one over it, have the darkest colour


def first_step_map(pairs: Mapping[tuple[str, str], Pair], *, framed: Collection[tuple[str, str]] = ()) -> Picture:
    """A map of activations (rows) and initialisations (columns): by what one layer multiplies the gradient.

    White keeps it; an arrow says whether it shrinks or grows, as the colours do, so that none is needed to read it.

    Args:
        pairs: by activation and initialisation, from `experiments.pairs`.
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
