"""A figure with its text equivalent, and the style of all figures: readable without colour."""

import base64
import html
import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nonlin.typography import alt_text, true_minus

# Okabe and Ito's palette, safe for colour-vision deficiency, and line styles that tell curves apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "font.size": 10,
    "lines.linewidth": 2,
}


@dataclass(frozen=True)
class Picture:
    """A figure together with its text equivalent, which gets true minus signs; a notebook shows it folded below."""

    figure: Figure
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", true_minus(self.text))

    def save(self, path: Path) -> None:
        """Write the figure as an image file; its ending decides the format."""
        self.figure.savefig(path, bbox_inches="tight")

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        # Notebook machinery is imported where a notebook needs it, so that the command line does not.
        from IPython.display import display

        png = io.BytesIO()
        self.figure.savefig(png, format="png", bbox_inches="tight")
        drawn = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": "(a figure)"}
        # Where nbconvert looks for it, and refresh, for myst-nb. JupyterLab shows no alt text, but what follows.
        display(drawn, metadata={"image/png": {"alt": alt_text(self.text)}}, raw=True)
        body = "".join(f"<p>{html.escape(line)}</p>" for line in self.text.splitlines())
        folded = f"<details><summary>This figure in words</summary>{body}</details>"
        display({"text/html": folded, "text/plain": self.text}, raw=True)


def subplots(rows: int = 1, columns: int = 1, *, height: float = 3.2, width: float = 9.0, **options: Any) -> tuple:
    """A figure in the style of the course, with its axes; it appears where it is returned, not at once."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), **options)
    plt.close(figure)
    return figure, axes


def wrapped(text: str, width: int = 90) -> str:
    return "\n".join(textwrap.wrap(text, width))
