"""For authors: run lessons from top to bottom and store their outputs, the same on every machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin.errors import ReaderError
from nonlin.files import write_whole
from nonlin.minutes import core, fold, write_minutes
from nonlin.minutes import further as minutes_further

if TYPE_CHECKING:
    from nbformat import NotebookNode

# nbformat and nbclient are imported where they are needed: every lesson imports this module for the place of the
# lessons alone, and nbformat takes longer to import than anything but torch.

LESSONS = Path(__file__).parents[2] / "notebooks"

# What stored outputs and tests are made with. Set before a kernel starts, because threads are counted at import.
REPRODUCIBLE = {
    "NONLIN_DATA": "shapes10",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "100",
    "NONLIN_KERNELS": "off",  # which would change last digits
    "NONLIN_PROGRESS": "off",  # an author's runs are not a learner's
}

# Cells that start a server; a test would leave it running.
NOT_RUN = "nbval-skip"
CELL_NAME = re.compile(r"[0-9a-f]{8}")
WIDGET = "application/vnd.jupyter.widget-view+json"


def lessons(names: list[str]) -> list[Path]:
    """The notebooks whose file names begin with one of ``names`` ("02"), or all.

    Raises:
        ReaderError: if a name fits no notebook.
    """
    if not names:
        return sorted(LESSONS.glob("*.ipynb"))
    found = []
    for name in names:
        stem = Path(name).stem
        matches = [path for path in lessons([]) if stem and path.stem.startswith(stem)]
        if not matches:
            known = ", ".join(path.stem for path in lessons([]))
            raise ReaderError(f"no lesson is called {name!r}; there are {known or 'none'}.")
        found += matches
    return found


def read(path: Path) -> NotebookNode:
    """A notebook as it is stored.

    Raises:
        ReaderError: if it is none.
    """
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:  # for other JSON, too
        raise ReaderError(f"{path} is no notebook that can be read: restore it.") from error


@cache
def lesson_file(lesson: str) -> tuple[str, str]:
    """The file name and the title of a lesson ("03"), or two empty strings if there is none."""
    path = next(iter(LESSONS.glob(f"{lesson}_*.ipynb")), None)
    return (path.name, _title(path)) if path else ("", "")


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        found = re.search(r'# Lesson \d\d · ([^\\"]+)', file.read(2000))  # the first cell holds it
    return found[1] if found else path.stem


ASKS = re.compile(r'\b(?:check|outcome|quiz)\(\s*"(\d\d[^"]{0,4})"')


@cache
def asking_cells(lesson: str) -> dict[str, str]:
    """The ids of the cells of a lesson ("03") that ask for something: for an exercise, "03.2", a quiz, a prediction.

    A cell keeps its id where numbers change. What is damaged holds none.
    """
    path = LESSONS / (lesson_file(lesson)[0] or "none")
    try:
        cells = json.loads(path.read_bytes())["cells"] if path.is_file() else []
        return {what: cell["id"] for cell in cells for what in ASKS.findall("".join(cell["source"]))}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def refresh(names: list[str]) -> None:
    """Execute lessons on the built-in data, with one thread, and store their outputs in place.

    A lesson that fails, or that is stopped, keeps its old outputs.

    Args:
        names: beginnings of file names ("02"); empty for all lessons.

    Raises:
        ReaderError: if a name fits no notebook, or one cannot be read or fails.
    """
    import nbformat
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    for path in lessons(names):
        print(f"{path.name} ...", end=" ", flush=True)
        notebook = read(path)
        try:
            notebook = execute(notebook, path.parent)
        except (CellControlSignal, DeadKernelError) as error:
            raise ReaderError(f"{path} fails in the cell {_last_run(notebook)} ({_why(error)}): mend it.") from error
        write_whole(path, nbformat.writes(notebook) + "\n")
        print(f"{path.stat().st_size / 1000:.0f} kB")
    readme = LESSONS.parent / "README.md"
    if readme.is_file():
        write_whole(readme, with_lessons(readme.read_text(encoding="utf-8")))


_ROW = re.compile(r"^\| (\d\d) \| \[[^]]*\]\([^)]*\)(?:: (.*?))? \| .* \|$", re.MULTILINE)


def with_lessons(readme: str) -> str:
    """The README with a row for each lesson: title and minutes of the notebook, and what it is about, as before.

    The rows stand where the first one stood.
    """
    about = dict(_ROW.findall(readme))
    first = _ROW.search(readme)
    if first is None:
        return readme
    rows = []
    for path in lessons([]):
        notebook = read(path)
        number, more = path.stem[:2], minutes_further(notebook)
        what = f": {about[number]}" if about.get(number) else ""
        link = f"[{_title(path)}](notebooks/{path.name}){what}"
        rows.append(f"| {number} | {link} | {core(notebook)}{f' + {more}' if more else ''} |")
    rest = re.sub(_ROW.pattern + r"\n", "", readme[first.start() :], flags=re.MULTILINE)
    return readme[: first.start()] + "\n".join(rows) + "\n" + rest


def _last_run(notebook: NotebookNode) -> str:
    return [cell.id for cell in notebook.cells if cell.cell_type == "code" and "execution" in cell.metadata][-1]


def _why(error: Exception) -> str:
    """The error of a cell, or the first line of what nbclient says."""
    said = [error.ename, error.evalue] if hasattr(error, "ename") else [str(error).partition("\n")[0]]
    return " ".join(": ".join(filter(None, said)).split())


class _Loop(asyncio.SelectorEventLoop):
    """Leaves signals to the process: nbclient would end the kernel upon one, and call that the kernel's failure."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells but those tagged ``nbval-skip`` in a fresh kernel, and drop what differs from run to run."""
    from nbclient import NotebookClient

    cells = notebook.cells
    notebook.cells = [cell for cell in cells if NOT_RUN not in cell.metadata.get("tags", [])]
    with tempfile.TemporaryDirectory() as runs:
        environment = os.environ | REPRODUCIBLE | {"NONLIN_RUNS": runs}
        environment.pop("MPLBACKEND", None)  # a kernel draws into the notebook
        # No cell takes half a minute. But nbclient sometimes waits for ever where a cell holds a widget
        # (github.com/jupyter/nbclient/issues/312); an error that says which cell it was is better.
        # What is printed in a few pieces on a busy machine is one text.
        options = {"kernel_name": "python3", "timeout": 120, "coalesce_streams": True}
        client = NotebookClient(notebook, **options, resources={"metadata": {"path": folder}})
        with asyncio.Runner(loop_factory=_Loop) as runner:
            loop = runner.get_loop()  # runner.run would turn Ctrl-C into what nbclient takes for a dead kernel
            try:
                loop.run_until_complete(client.async_execute(env=environment, stderr=subprocess.DEVNULL))
            except KeyboardInterrupt:
                loop.set_exception_handler(lambda *_: None)  # of what is torn down now
                raise
    notebook.cells = cells
    _normalise(notebook)
    return notebook


def _normalise(notebook: NotebookNode) -> None:
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.execution_count = count
        # A widget is drawn by its kernel, which is gone when the notebook is read.
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    name_cells(notebook)
    fold(notebook)
    name_figures(notebook)
    write_minutes(notebook)


def name_figures(notebook: NotebookNode) -> None:
    """Put the alt texts of a cell's figures where myst-nb looks for them, in place; nbconvert looks in the outputs."""
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        texts = [output.get("metadata", {}).get("image/png", {}).get("alt") for output in cell.outputs]
        if any(texts):
            cell.metadata["mystnb"] = {"image": {"alt": " ".join(filter(None, texts))}}


def name_cells(notebook: NotebookNode) -> None:
    """Give every cell a name for life, in place: eight random hexadecimal digits. A cell that has one keeps it.

    What is said about a cell (a review, a mark, a translation) finds it by its name, wherever it stands by then. A copy
    of a cell gets a name of its own, the first of the two keeps the old one.
    """
    taken: set[str] = set()
    for cell in notebook.cells:
        if not CELL_NAME.fullmatch(cell.get("id", "")) or cell.id in taken:
            cell.id = secrets.token_hex(4)
        taken.add(cell.id)
