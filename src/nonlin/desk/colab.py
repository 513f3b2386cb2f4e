"""Copies of the lessons that run where PyTorch is and the course is not, as in Google Colab."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nonlin import address
from nonlin.errors import ReaderError
from nonlin.files import write_whole
from nonlin.minutes import HIDDEN, LID
from nonlin.notebooks import lessons, read

if TYPE_CHECKING:
    from nbformat import NotebookNode

# What the lessons import, and the package on PyPI that brings it. Only what is missing is installed: pip would complete
# the dependencies of a torch that is there, too, which may be gigabytes.
NEEDED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "scipy": "scipy",
    "matplotlib": "matplotlib",
    "PIL": "pillow",
    "tensorboard": "tensorboard",
    "tqdm": "tqdm",
    "joblib": "joblib",
    "filelock": "filelock",
    "platformdirs": "platformdirs",
    "ipywidgets": "ipywidgets",
    "nbformat": "nbformat",
}


def source(wheel: str | None) -> str:
    """What pip installs the course from: a wheel, its file or its URL, else the repository.

    Raises:
        ReaderError: if there is neither, or the wheel does not exist.
    """
    if wheel is None:
        if found := address.repository():
            return f"git+{found}"
        raise ReaderError(
            "the course has no address yet (project.urls in pyproject.toml): name a wheel of it, --from FILE or URL"
        )
    if "://" not in wheel and not Path(wheel).is_file():
        raise ReaderError(f"there is no wheel {wheel}: make one with pip wheel --no-deps .")
    return wheel


def copies(folder: Path, wheel: str | None = None) -> list[Path]:
    """Write all lessons into a folder, each with a first cell that installs the course.

    They have no outputs, which would give predictions away. A wheel that is a file is put beside them.

    Args:
        folder: where to; made if it is missing. Copies of the same names are replaced.
        wheel: a file or a URL; by default the course is installed from its repository.

    Raises:
        ReaderError: if there is nothing to install from.
    """
    import nbformat

    place = source(wheel)
    folder.mkdir(parents=True, exist_ok=True)
    if wheel and "://" not in wheel:
        shutil.copy(wheel, folder)
        place = f"./{Path(wheel).name}"
    written = []
    for path in lessons([]):
        notebook = read(path)
        _prepare(notebook, place)
        written.append(folder / path.name)
        write_whole(written[-1], nbformat.writes(notebook) + "\n")
    return written


def _prepare(notebook: "NotebookNode", place: str) -> None:
    import nbformat

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _linked(cell.source)
        else:
            cell.outputs, cell.execution_count = [], None
            if HIDDEN in cell.metadata.get("tags", []):  # Colab folds the code of what it calls a form
                cell.metadata["cellView"] = "form"
                cell.source = cell.source.replace(LID, LID.replace("# ", "# @title ", 1), 1)
    first = nbformat.v4.new_code_cell(_first_cell(place), id="install0")
    notebook.cells.insert(0, first)


def _first_cell(place: str) -> str:
    return f"""\
# Installs the course beside what is here, which stays as it is. It takes some seconds.
from importlib.util import find_spec

needed = {json.dumps(NEEDED)}
missing = [package for module, package in needed.items() if find_spec(module) is None]
if missing:
    %pip install --quiet {{" ".join(missing)}}
%pip install --quiet --no-deps "{place}"

from nonlin.desk.colab import remark

remark()"""


def _linked(text: str) -> str:
    """Links to other lessons lead to their copies in Colab, once the course has an address there."""
    return re.sub(r"\]\((\d\d_\w+\.ipynb)\)", lambda found: f"]({address.colab_link(found[1]) or found[1]})", text)


def remark() -> None:
    """Say where the torch that is installed differs from what the lessons say of it; nothing where it does not."""
    at_bound = torch.zeros((), requires_grad=True)
    at_bound.clamp(max=0).backward()
    if at_bound.grad != 0:
        print(
            f"torch {torch.__version__} gives clamp the slope 1 at its bound, where the lessons, written for a later"
            " one, say 0. In lessons 03, 04, 07 and 09 an AssertionError says so; go on with the next cell."
        )
