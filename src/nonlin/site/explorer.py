"""The explorer: a page on which a reader moves activation functions; three files that need no server."""

import base64
import json
from pathlib import Path

import numpy as np

from nonlin.images import shapes10
from nonlin.site.explorer_formulas import all_javascript

HERE = Path(__file__).parent
COLUMNS = 5
SEED = 3  # of ten pictures whose shapes are easy to see


def build(folder: Path, *, home: str | None = None) -> None:
    """Write ``index.html``, ``explorer.js`` and ``explorer.css``.

    Args:
        folder: where to; it is made if it is not there.
        home: address of the page to go back to, as seen from the folder; None leaves out the link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link = f'<p><a href="{home}">Nonlinear</a></p>' if home else ""
    page = (HERE / "explorer.html").read_text(encoding="utf-8").replace("<!--home-->\n", link and f"{link}\n")
    for name, text in (("index.html", page), ("explorer.js", script()), ("explorer.css", _text("explorer.css"))):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def numbers() -> str:
    """The part of the script that computes and needs no page: helpers, formulas, what is made of them."""
    return "\n".join((_text("explorer_helpers.js"), all_javascript(), _text("explorer_numbers.js")))


def script() -> str:
    """The whole script."""
    return "\n".join(
        ('"use strict";\n', numbers(), f"const PICTURE = {json.dumps(_picture())};\n", _text("explorer_page.js"))
    )


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _picture() -> dict[str, object]:
    """One picture of each shape, side by side, as bytes of red, green and blue, row by row."""
    images = shapes10.draw(len(shapes10.CLASSES), seed=SEED)  # (10, 3, 32, 32)
    rows = images.reshape(-1, COLUMNS, 3, *images.shape[2:]).transpose(0, 3, 1, 4, 2)  # row, y, column, x, channel
    mosaic = np.ascontiguousarray(rows).reshape(-1, COLUMNS * images.shape[3], 3)
    height, width, _ = mosaic.shape
    return {"width": width, "height": height, "pixels": base64.b64encode(mosaic.tobytes()).decode()}
