"""The notebooks as files: executed from top to bottom, clean, and held to the rules of the house. nbval runs them."""

import builtins
import re
import symtable
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
import pytest
from folded import folded
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from nonlin.errors import ReaderError
from nonlin.exercises import Exercise
from nonlin.lessons import EXERCISES, QUIZZES
from nonlin.minutes import HIDDEN
from nonlin.notebooks import CELL_NAME, LESSONS, NOT_RUN, execute, lessons, name_figures, refresh
from nonlin.notebooks import read as read_stored
from nonlin.processes import terminable

PATHS = sorted(LESSONS.glob("*.ipynb"))
LONGEST_CELL = 15  # lines of code
LARGEST_FILE = 1_000_000  # bytes

every_notebook = folded("path", PATHS)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def lines_of_code(cell: NotebookNode) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#"))


def problems(path: Path) -> list[str]:
    """What is wrong with a notebook's file; empty for a good one."""
    found = []
    code = code_cells(path)
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not executed from top to bottom")
    for number, cell in enumerate(code, 1):
        if lines_of_code(cell) > LONGEST_CELL and HIDDEN not in cell.metadata.get("tags", []):
            found.append(f"cell {number} has {lines_of_code(cell)} lines")
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"cell {number} stores an error")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            found.append(f"cell {number} stores a warning or other text on stderr")
        for pattern in (r"sys\.path", r"[!%]pip", r"filterwarnings", r"simplefilter"):
            if re.search(pattern, cell.source):
                found.append(f"cell {number} holds {pattern}")
    if path.stat().st_size >= LARGEST_FILE:
        found.append(f"{path.stat().st_size} bytes")
    return found


@every_notebook
def test_notebook_is_clean(path: Path) -> None:
    assert problems(path) == []


def cell(source: str, count: int | None, *outputs: NotebookNode) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, execution_count=count, outputs=list(outputs))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (cell("1", None), "not executed"),
        (cell("1", 2), "not executed"),
        (cell("\n".join("x = 1" for _ in range(16)), 1), "16 lines"),
        (cell("import sys; sys.path.append('.')", 1), "sys"),
        (cell("!pip install torch", 1), "pip"),
        (cell("warnings.filterwarnings('ignore')", 1), "filterwarnings"),
        (cell("1", 1, nbformat.v4.new_output("stream", name="stderr", text="Warning")), "stderr"),
        (cell("1", 1, nbformat.v4.new_output("error", ename="E", evalue="e", traceback=[])), "error"),
    ],
)
def test_a_bad_notebook_is_noticed(bad: NotebookNode, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[bad]), path)
    assert any(said in problem for problem in problems(path))


def test_cells_have_names_for_life() -> None:
    """No position, which changes when a cell is inserted, and none twice in the course."""
    names = [cell.id for path in PATHS for cell in read(path).cells]
    assert [name for name in names if not CELL_NAME.fullmatch(name)] == []
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_cells_keep_their_names_and_new_ones_get_some(tmp_path: Path) -> None:
    path = small_notebook(tmp_path, "1", "2", "3", "4")
    notebook = read(path)
    for cell, name in zip(notebook.cells, ("cell-00", "5ca1ab1e", "5ca1ab1e", "0ddba11a"), strict=True):
        cell.id = name
    names = [cell.id for cell in execute(notebook, tmp_path).cells]
    assert [names[1], names[3]] == ["5ca1ab1e", "0ddba11a"]
    assert len(set(names)) == 4
    assert all(map(CELL_NAME.fullmatch, names))
    assert [cell.id for cell in execute(notebook, tmp_path).cells] == names


@every_notebook
def test_notebook_has_the_parts_of_a_lesson(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for part in (" minutes", "Before this:", "you can\n", "## Quiz", "## Recap"):
        assert part in text, part
    assert text.startswith(f"# Lesson {path.stem[:2]} · ")


@every_notebook
def test_notebook_has_all_its_exercises_and_its_quiz(path: Path) -> None:
    number = path.stem[:2]
    code = "\n".join(cell.source for cell in code_cells(path))
    assert re.findall(r'check\("([\d.]+)"', code) == [n for n in EXERCISES if n.startswith(number)]
    assert re.findall(r'quiz\("(\d+)"\)', code) == [number]
    assert number in QUIZZES


@every_notebook
def test_headings_of_exercises_state_difficulty_and_minutes_as_recorded(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    headings = dict(re.findall(r"^####? Exercise (\d\d\.\d) · .* · ([★☆]{3} · \d+ minutes)$", text, flags=re.MULTILINE))
    own = {n: e for n, e in EXERCISES.items() if n.startswith(path.stem[:2])}
    wanted = {n: f"{'★' * e.difficulty}{'☆' * (3 - e.difficulty)} · {e.minutes} minutes" for n, e in own.items()}
    assert headings == wanted


@every_notebook
def test_links_to_lessons_lead_somewhere(path: Path) -> None:
    for cell_ in read(path).cells:
        for target in re.findall(r"\]\((\w+\.ipynb)\)", cell_.source):
            assert (LESSONS / target).is_file(), target


@every_notebook
def test_a_slider_has_a_static_picture_beside_it(path: Path) -> None:
    code = code_cells(path)
    for place, cell_ in enumerate(code):
        if "interact(" in cell_.source:
            drawn = [output for other in code[max(0, place - 2) : place + 2] for output in other.outputs]
            assert any("image/png" in output.get("data", {}) for output in drawn)


@every_notebook
def test_every_figure_has_an_alt_text_where_other_programs_look_for_it(path: Path) -> None:
    """nbconvert in the output, myst-nb in the cell."""
    for cell in code_cells(path):
        drawn = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        texts = [output.metadata["image/png"]["alt"] for output in drawn]
        assert all(len(text) > 10 for text in texts)
        assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "") == " ".join(texts)


def test_figures_are_named_in_their_cell() -> None:
    named = nbformat.v4.new_output("display_data", {"image/png": "x"}, metadata={"image/png": {"alt": "A curve."}})
    cells = [nbformat.v4.new_code_cell(outputs=[named, named]), nbformat.v4.new_code_cell()]
    name_figures(nbformat.v4.new_notebook(cells=cells))
    assert cells[0].metadata["mystnb"] == {"image": {"alt": "A curve. A curve."}}
    assert "mystnb" not in cells[1].metadata


def small_notebook(tmp_path: Path, *sources: str) -> Path:
    path = tmp_path / "55_small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources]), path)
    return path


def test_execution_forces_the_built_in_data_and_one_thread(tmp_path: Path) -> None:
    path = small_notebook(
        tmp_path, "import os\nos.environ['NONLIN_DATA'], os.environ['OMP_NUM_THREADS']", "1 / 0  # a server"
    )
    notebook = read(path)
    notebook.cells[1].metadata["tags"] = [NOT_RUN]
    done = execute(notebook, tmp_path)
    assert done.cells[0].outputs[0].data["text/plain"] == "('shapes10', '1')"
    assert [cell.execution_count for cell in done.cells] == [1, 2]
    assert done.cells[1].outputs == []


ASK_TO_END = "import os, signal, time\nos.kill(os.getppid(), signal.{})\ntime.sleep(60)"


@pytest.mark.parametrize(
    ("cell", "error", "said"),
    [
        ("1 / 0", ReaderError, r"fails in the cell \w+ \(ZeroDivisionError: division by zero\): mend it"),
        ("raise ValueError", ReaderError, r"fails in the cell \w+ \(ValueError\): mend it"),
        ("import os\nos._exit(3)", ReaderError, r"fails in the cell \w+ \(Kernel died\): mend it"),
        (ASK_TO_END.format("SIGINT"), KeyboardInterrupt, None),
        (ASK_TO_END.format("SIGTERM"), KeyboardInterrupt, None),
    ],
    ids=["failed", "no words", "died", "Ctrl-C", "SIGTERM"],
)
def test_a_lesson_that_does_not_end_keeps_its_old_outputs(tmp_path, monkeypatch, capfd, cell, error, said) -> None:
    path = small_notebook(tmp_path, "1", cell)
    before = path.read_bytes()
    monkeypatch.setattr("nonlin.notebooks.LESSONS", tmp_path)
    begin = time.monotonic()
    with terminable(), pytest.raises(error, match=said):
        refresh(["55"])
    assert time.monotonic() - begin < 20
    assert capfd.readouterr() == ("55_small.ipynb ... ", "")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_lesson_is_named_with_those_there_are() -> None:
    with pytest.raises(ReaderError, match=r"no lesson is called '99'; there are 00_start_here"):
        lessons(["99"])


kept_cells = cache(code_cells)


def scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from scopes(child)


def names_made(source: str) -> set[str]:
    """The names that a cell leaves behind for the cells below it."""
    top = symtable.symtable(TransformerManager().transform_cell(source), "cell", "exec")
    return {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


kept_names = cache(names_made)


def names_needed(source: str) -> set[str]:
    """The names that code takes from outside, in functions as well."""
    top = symtable.symtable(source, "cell", "exec")
    used = {
        symbol.get_name()
        for scope in scopes(top)
        for symbol in scope.get_symbols()
        if symbol.is_referenced() and (scope is top or symbol.is_global())
    }
    return used - names_made(source) - set(dir(builtins))


@folded("exercise", EXERCISES.values())
def test_a_solution_runs_in_the_cell_of_its_exercise(exercise: Exercise) -> None:
    [path] = LESSONS.glob(f"{exercise.number[:2]}_*.ipynb")
    sources = [cell.source for cell in kept_cells(path)]
    place = next(number for number, source in enumerate(sources) if f'check("{exercise.number}"' in source)
    above = set().union(*map(kept_names, sources[:place]))
    assert names_needed(exercise.solution_text) <= above
    if exercise.wants_function:
        assert names_made(exercise.solution_text) & names_made(sources[place]), "the check calls another name"


def test_names_are_told_apart() -> None:
    source = "import math as m\nfrom a import b\n%matplotlib inline\nc = [d for d in range(3)]\ndef f(x):\n    y = x"
    assert names_made(source) == {"m", "b", "c", "f"}
    assert names_needed("def f(x):\n    y = g(x)\n    return math.pi * y + len([z for z in y])") == {"g", "math"}


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "1", '{"nbformat": 4, "cells": 1}', '{"nbformat": 4}', '{"nbformat": 9, "cells": []}']
)
def test_what_is_no_notebook_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "05.ipynb").write_text(content, encoding="utf-8")
    with pytest.raises(ReaderError, match=r"05\.ipynb is no notebook that can be read: restore it"):
        read_stored(tmp_path / "05.ipynb")
