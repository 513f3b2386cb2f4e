"""Figures of lesson 06: what one layer does to the gradient at the first step."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.patches import Rectangle

from nonlin.lessons.gradient_flow.experiments import Pair
from nonlin.plots.picture import Picture, subplots

CUT = 2.0  # factors beyond this, or below one over it, have the darkest colour


def first_step_map(
    pairs: Mapping[tuple[str, str], Pair], kept: Mapping[tuple[str, str], Sequence[bool]] | None = None
) -> Picture:
    """A map of activations (rows) and initialisations (columns): by what one layer multiplies the gradient.

    White keeps it; an arrow says whether it shrinks or grows, as the colours do, so that none is needed to read it.

    Args:
        pairs: by activation and initialisation, from `experiments.pairs`.
        kept: whether signal, gradient and what tells images apart are kept; each that is gets its letter below the
            number, and a pair that keeps all three a thick frame.
    """
    rows, columns = (list(dict.fromkeys(names[place] for names in pairs)) for place in (0, 1))
    figure, axes = subplots(height=0.5 * len(rows) + 1.2, width=1.35 * len(columns) + 1.4)
    logs = torch.full((len(rows), len(columns)), math.nan)
    for (activation, scheme), pair in pairs.items():
        y, x = rows.index(activation), columns.index(scheme)
        factor = pair.gradient_per_layer
        logs[y, x] = math.log(max(factor, 1e-9)) / math.log(CUT)
        shade = "white" if abs(logs[y, x]) > 0.6 else "black"
        found = (kept or {}).get((activation, scheme), ())
        letters = _letters(found)
        axes.text(x, y, "\n".join(filter(None, (_with_arrow(factor), letters))), ha="center", va="center", color=shade)
        if found and all(found):
            axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=2.5))
    axes.imshow(logs.numpy(), cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    below = "\nS, G, I: signal, gradient, images kept; framed: all three" if kept else ""
    axes.set_title(f"By what one layer multiplies the gradient (↓ ↑: tenfold in 64 layers){below}")
    lines = [f"{name}: {', '.join(_in_words(pairs, name, kept or {}))}." for name in rows]
    names = ", ".join(" with ".join(names) for names, found in (kept or {}).items() if all(found))
    return Picture(figure, "\n".join([*lines, *([f"All three kept: {names or 'none'}."] if kept else [])]))


def _letters(kept: Sequence[bool]) -> str:
    return " ".join(letter for letter, is_kept in zip("SGI", kept, strict=False) if is_kept)


def _in_words(
    pairs: Mapping[tuple[str, str], Pair], activation: str, kept: Mapping[tuple[str, str], Sequence[bool]]
) -> list[str]:
    return [
        " ".join(filter(None, (s, _with_arrow(pair.gradient_per_layer), _letters(kept.get((a, s), ())))))
        for (a, s), pair in pairs.items()
        if a == activation
    ]


def _with_arrow(factor: float) -> str:
    """An arrow for what changes a gradient tenfold within 64 layers."""
    tenfold = 10 ** (1 / 63)
    return f"{factor:.2f}" + (" ↓" if factor < 1 / tenfold else " ↑" if factor > tenfold else "")
