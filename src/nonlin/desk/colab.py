"""Copies of the lessons that run where PyTorch is and the course is not, as in Google Colab."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin import address
from nonlin.desk.new_folder import new_folder
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
        folder: a new one, which is there complete or not at all.
        wheel: a file or a URL; by default the course is installed from its repository.

    Raises:
        ReaderError: if there is nothing to install from; if the folder holds something, lies in the course, or cannot
            be written.
    """
    import nbformat

    place = source(wheel)
    with new_folder(folder) as part:
        if wheel and "://" not in wheel:
            shutil.copy(wheel, part)
            place = f"./{Path(wheel).name}"
        for path in lessons([]):
            notebook = read(path)
            _prepare(notebook, place)
            write_whole(part / path.name, nbformat.writes(notebook) + "\n")
    return [folder / path.name for path in lessons([])]


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
    beside = f"\n# In Colab, put {Path(place).name} among its files first." if place.startswith("./") else ""
    return f"""\
# Installs the course beside what is here, which stays as it is. It takes some seconds.{beside}
from importlib.util import find_spec

%pip install --quiet --no-deps "{place}"
needed = {json.dumps(NEEDED)}
missing = [package for module, package in needed.items() if find_spec(module) is None]
if missing:
    %pip install --quiet {{" ".join(missing)}}"""


def _linked(text: str) -> str:
    """Links to other lessons lead to their copies in Colab, once the course has an address there."""
    return re.sub(r"\]\((\d\d_\w+\.ipynb)\)", lambda found: f"]({address.colab_link(found[1]) or found[1]})", text)
