"""A learner's month: lessons are worked on while the course goes on, and nothing that was typed is lost."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nonlin import notebooks
from nonlin.desk.copies import again, parsed, read, update, written
from nonlin.desk.merge import NOTES
from nonlin.errors import ReaderError

DATED = re.compile(r"\.\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d(-\d+)?\.ipynb$")
Cell = dict[str, Any]


def code(id: str, source: str) -> Cell:
    ran = {"output_type": "stream", "name": "stdout", "text": "the solution"}
    return {"cell_type": "code", "id": id, "metadata": {}, "source": source, "outputs": [ran], "execution_count": 1}


def prose(id: str, source: str) -> Cell:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": source}


def exercise(lesson: str, number: int) -> list[Cell]:
    task = prose(f"{lesson}-task-{number}", f"### Exercise {lesson}.{number}\n\nDo it.")
    source = f"def answer_{number}(x):\n    return ...\n\n\ncheck('{lesson}.{number}', answer_{number})"
    return [task, code(f"{lesson}-code-{number}", source)]


class Course:
    """A course of generated lessons, and a learner's work folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.book, self.work = folder / "course" / "notebooks", folder / "work"
        self.book.mkdir(parents=True)

    def publish(self, name: str, *cells: Cell) -> None:
        (self.book / f"{name}.ipynb").write_text(written({"cells": list(cells), "metadata": {}}))

    def change(self, name: str, change: Callable[[list[Cell]], Any]) -> None:
        _change(self.book / f"{name}.ipynb", change)

    def edit(self, name: str, change: Callable[[list[Cell]], Any]) -> None:
        _change(self.work / f"{name}.ipynb", change)

    def answer(self, name: str, id: str, source: str) -> None:
        self.edit(name, lambda cells: find(cells, id).update(source=source))

    def update(self) -> list[str]:
        return update(self.work, self.book)

    def cells(self, name: str) -> list[Cell]:
        return read(self.work / f"{name}.ipynb")["cells"]

    def sources(self, name: str) -> list[str]:
        return [cell["source"] for cell in self.cells(name)]

    @property
    def former(self) -> list[str]:
        return sorted(path.name for path in self.work.glob("*.ipynb") if DATED.search(path.name))

    @property
    def copies(self) -> list[str]:
        return sorted(path.stem for path in self.work.glob("*.ipynb") if not DATED.search(path.name))


def _change(path: Path, change: Callable[[list[Cell]], Any]) -> None:
    notebook = read(path)
    change(notebook["cells"])
    path.write_text(written(notebook))


def find(cells: list[Cell], id: str) -> Cell:
    return next(cell for cell in cells if cell["id"] == id)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = Course(tmp_path)
    for lesson in ("01", "02"):
        course.publish(
            f"{lesson}_topic",
            prose(f"{lesson}-head", f"# Lesson {lesson} · Topic"),
            *exercise(lesson, 1),
            prose(f"{lesson}-between", "Between."),
            *exercise(lesson, 2),
            prose(f"{lesson}-end", "## Recap"),
        )
    assert course.update() == []
    return course


def remove(id: str) -> Callable[[list[Cell]], None]:
    return lambda cells: cells.remove(find(cells, id))


def test_a_month(course: Course) -> None:
    """Work on two lessons; an insertion, a rewriting and a new number come meanwhile."""
    first, second = "def answer_1(x):\n    return x  # mine", "def answer_2(x):\n    return 2 * x"
    course.answer("01_topic", "01-code-1", first)
    course.edit("01_topic", lambda cells: cells.insert(3, code("mine", "my = 'experiment'")))

    course.change("01_topic", lambda cells: cells.insert(1, prose("news", "News.")))
    assert course.update() == []
    assert course.sources("01_topic")[:5] == [
        "# Lesson 01 · Topic", "News.", "### Exercise 01.1\n\nDo it.", first, "my = 'experiment'",
    ]  # fmt: skip
    assert len(course.former) == 1

    course.answer("02_topic", "02-code-2", second)
    rewritten = "def answer_2(x, y):\n    return ...\n\n\ncheck('02.2', answer_2)"
    course.change("02_topic", lambda cells: find(cells, "02-code-2").update(source=rewritten))
    course.change("01_topic", lambda cells: find(cells, "01-between").update(source="Between, in better words."))
    assert course.update() == []
    assert course.sources("02_topic")[5:8] == [second, NOTES["both"], rewritten]
    assert "Between, in better words." in course.sources("01_topic")

    (course.book / "02_topic.ipynb").rename(course.book / "03_topic.ipynb")
    course.publish("02_new", prose("new", "# Lesson 02 · New"))
    course.change("03_topic", lambda cells: find(cells, "02-head").update(source="# Lesson 03 · Topic"))
    assert course.update() == []
    assert course.copies == ["01_topic", "02_new", "03_topic"]
    assert course.sources("03_topic")[0] == "# Lesson 03 · Topic"
    assert second in course.sources("03_topic")
    assert [name[:8] for name in course.former] == ["01_topic", "01_topic", "02_topic", "02_topic"]
    before = {path: path.read_bytes() for path in course.work.rglob("*.ipynb")}
    assert course.update() == []
    assert {path: path.read_bytes() for path in course.work.rglob("*.ipynb")} == before


def test_a_copy_holds_no_output_and_all_that_jupyterlab_would_add(course: Course) -> None:
    from ipykernel.ipkernel import IPythonKernel

    notebook = read(course.work / "01_topic.ipynb")
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook["cells"][2::3])
    assert notebook["metadata"]["language_info"] == IPythonKernel.language_info
    assert notebook["metadata"]["kernelspec"]["display_name"].startswith("Python 3")
    assert "the solution" not in (course.work / "01_topic.ipynb").read_text()


YOURS = "def answer_1(x):\n    return -x  # mine"
NEWS = "def answer_1(x, *, y):\n    return ...\n\n\ncheck('01.1', answer_1)"
TASK = "### Exercise 01.1\n\nDo it."


def no_ids(cells: list[Cell]) -> None:
    for cell in cells:
        del cell["id"]
    cells[2]["source"] = cells[2]["source"].replace("...", "-x  # mine")


def other_ids(cells: list[Cell]) -> None:
    no_ids(cells)
    for place, cell in enumerate(cells):
        cell["id"] = f"other-{place}"


def one_id_twice(cells: list[Cell]) -> None:
    cells.insert(3, code("01-code-1", YOURS))


def collapse(cells: list[Cell]) -> None:
    find(cells, "01-end")["metadata"] = {"jp-MarkdownHeadingCollapsed": True}


def both(cells: list[Cell]) -> None:
    find(cells, "01-code-1").update(source=YOURS)


SAID = "def answer_1(x):\n    return -x  # mine\n\n\ncheck('01.1', answer_1)"
CASES = {
    # what the learner did, what the course did, what stands in the copy then (in this order), and what does not
    "he adds": (lambda c: c.append(prose("x", "Mine.")), lambda c: c.append(prose("y", "News.")), ["## Recap", "Mine.", "News."], []),
    "he adds in front": (lambda c: c.insert(0, prose("x", "Mine.")), remove("01-head"), ["Mine.", TASK], ["# Lesson 01 · Topic"]),
    "he deletes": (remove("01-between"), lambda c: c.append(prose("y", "News.")), ["## Recap", "News."], ["Between."]),
    "he deletes what is rewritten": (remove("01-between"), lambda c: find(c, "01-between").update(source="News."),
                                     [NOTES["back"], "News."], ["Between."]),
    "the course deletes": (lambda c: None, remove("01-between"), [TASK, "## Recap"], ["Between."]),
    "the course deletes what he changed": (both, remove("01-code-1"), [TASK, NOTES["removed"], YOURS, "Between."], []),
    "both change": (both, lambda c: find(c, "01-code-1").update(source=NEWS), [TASK, YOURS, NOTES["both"], NEWS], []),
    "both change alike": (both, both, [TASK, YOURS, "Between."], [NOTES["both"]]),
    "both, in lines apart": (
        lambda c: find(c, "01-code-1").update(source=SAID),
        lambda c: find(c, "01-code-1").update(source=find(c, "01-code-1")["source"].replace("01.1", "01.7")),
        [SAID.replace("01.1", "01.7")], [SAID, NOTES["both"]],
    ),
    "the course moves a cell": (both, lambda c: c.append(c.pop(2)), ["Between.", YOURS], [NOTES["both"]]),
    "ids are lost": (no_ids, lambda c: c.insert(0, prose("y", "News.")), ["News.", "# Lesson 01 · Topic", SAID, "Between."], [NOTES["both"]]),
    "ids are others": (other_ids, lambda c: c.insert(0, prose("y", "News.")), ["News.", "# Lesson 01 · Topic", SAID], [NOTES["both"]]),
    "one id twice": (one_id_twice, lambda c: c.insert(0, prose("y", "News.")), ["News.", TASK, YOURS, "Between."], [NOTES["both"]]),
    "he pastes a picture": (lambda c: c[0].update(source="![a](attachment:a.png)", attachments={"a.png": {"image/png": "eA=="}}),
                            lambda c: c[0].update(source="# News"),
                            ["![a](attachment:a.png)", NOTES["both"], "# News"], []),
}  # fmt: skip


@pytest.mark.parametrize(("mine", "theirs", "expected", "gone"), CASES.values(), ids=CASES)
def test_what_both_do(course: Course, mine: Callable, theirs: Callable, expected: list[str], gone: list[str]) -> None:
    course.edit("01_topic", mine)
    course.change("01_topic", theirs)
    assert course.update() == []
    sources = course.sources("01_topic")
    places = [sources.index(each) for each in expected]
    assert places == sorted(places)
    assert not set(gone) & set(sources)
    ids = [cell["id"] for cell in course.cells("01_topic")]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]{1,64}", id) for id in ids)
