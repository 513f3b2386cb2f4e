"""A learner's month: lessons are worked on while the course goes on, and nothing that was typed is lost."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import nbformat
import pytest

from nonlin.desk import copies
from nonlin.desk.copies import again, parsed, read, update, written
from nonlin.desk.merge import NOTES, merge_lines
from nonlin.errors import Failure, ReaderError
from nonlin.files import unwritable, write_whole
from nonlin.notebooks import LESSONS

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

    def lines(self, name: str) -> set[str]:
        return {line for source in self.sources(name) for line in source.split("\n")}

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


SAID = "def answer_1(x):\n    return -x  # mine\n\n\ncheck('01.1', answer_1)"
HEAD = "# Lesson 01 · Topic"
PICTURE = "![a](attachment:a.png)"


def first(cells: list[Cell]) -> None:
    cells.insert(0, prose("news", "News."))


def last(cells: list[Cell]) -> None:
    cells.append(prose("news", "News."))


def adds(place: int) -> Callable[[list[Cell]], None]:
    return lambda cells: cells.insert(place, prose("his", "His."))


def writes(id: str, source: str, **more: Any) -> Callable[[list[Cell]], None]:
    return lambda cells: find(cells, id).update(source=source, **more)


mine, task, between = writes("01-code-1", YOURS), writes("01-code-1", NEWS), writes("01-between", "New between.")
picture = writes("01-head", PICTURE, attachments={"a.png": {"image/png": "eA=="}})
renumbered = writes("01-code-1", "def answer_1(x):\n    return ...\n\n\ncheck('01.7', answer_1)")
both, back, removed = (NOTES[kind] for kind in ("both", "back", "removed"))
CASES = {
    # What the learner did, what the course did, what stands in the copy then, in this order, and what does not.
    "he adds": (adds(7), last, ["## Recap", "His.", "News."], []),
    "he adds in front": (adds(0), remove("01-head"), ["His.", TASK], [HEAD]),
    "he deletes": (remove("01-between"), last, ["## Recap", "News."], ["Between."]),
    "he deletes what is rewritten": (remove("01-between"), between, [back, "New between."], ["Between."]),
    "the course deletes": (adds(4), remove("01-between"), [TASK, "His.", "## Recap"], ["Between."]),
    "the course deletes what he changed": (mine, remove("01-code-1"), [TASK, removed, YOURS, "Between."], []),
    "both change": (mine, task, [TASK, YOURS, both, NEWS, "Between."], []),
    "both change alike": (mine, mine, [TASK, YOURS, "Between."], [both]),
    "both, in lines apart": (writes("01-code-1", SAID), renumbered, [SAID.replace("01.1", "01.7")], [SAID, both]),
    "the course moves a cell": (mine, lambda cells: cells.append(cells.pop(2)), ["Between.", YOURS], [both]),
    "ids are lost": (no_ids, first, ["News.", HEAD, TASK, SAID, "Between."], [both]),
    "ids are others": (other_ids, first, ["News.", HEAD, TASK, SAID, "Between."], [both]),
    "one id twice": (one_id_twice, first, ["News.", TASK, YOURS, "Between."], [both]),
    "he pastes a picture": (picture, writes("01-head", "# News"), [PICTURE, both, "# News"], []),
}


@pytest.mark.parametrize(("his", "its", "expected", "gone"), CASES.values(), ids=CASES)
def test_what_both_do(course: Course, his: Callable, its: Callable, expected: list[str], gone: list[str]) -> None:
    course.edit("01_topic", his)
    course.change("01_topic", its)
    assert course.update() == []
    sources = course.sources("01_topic")
    places = [sources.index(each) for each in expected]
    assert places == sorted(places)
    assert not set(gone) & set(sources)
    ids = [cell["id"] for cell in course.cells("01_topic")]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]{1,64}", id) for id in ids)
    assert len(course.former) == (his is not its)


@pytest.mark.parametrize("odd", ["\u2028", "\x0c", "\x85", "\r"])
def test_only_a_line_break_ends_a_line(odd: str) -> None:
    base = f"one\ntwo{odd}two\nthree"
    assert merge_lines(base, f"mine\ntwo{odd}two\nthree", f"{base}\nfour") == f"mine\ntwo{odd}two\nthree\nfour"


def test_two_forms_stand_side_by_side_until_the_learner_decides(course: Course) -> None:
    course.edit("01_topic", mine)
    course.change("01_topic", task)
    course.update()
    course.change("01_topic", first)
    course.update()
    assert course.sources("01_topic")[3:6] == [YOURS, both, NEWS]
    course.change("01_topic", writes("01-code-1", "def answer_1(z):\n    ..."))
    course.update()
    assert course.sources("01_topic")[3:7] == [YOURS, both, "def answer_1(z):\n    ...", "Between."]
    course.edit("01_topic", lambda cells: [remove(id)(cells) for id in ("01-code-1", "01-code-1-note")])
    course.change("01_topic", task)
    course.update()
    assert course.sources("01_topic")[3:5] == [NEWS, "Between."]


def test_lessons_are_merged_split_and_exchanged(course: Course) -> None:
    course.edit("01_topic", mine)
    course.edit("02_topic", writes("02-code-2", "two = 2"))
    course.edit("02_topic", adds(6))
    one, two = (parsed((course.book / f"0{n}_topic.ipynb").read_bytes())["cells"] for n in (1, 2))
    course.publish("01_topic", *one, *two)
    (course.book / "02_topic.ipynb").unlink()
    assert course.update() == []
    assert course.copies == ["01_topic"]
    sources = course.sources("01_topic")
    assert [each for each in sources if each in (YOURS, "two = 2", "His.")] == [YOURS, "two = 2", "His."]
    course.publish("01_topic", *two)
    course.publish("02_topic", *one)
    assert course.update() == []
    assert course.sources("01_topic")[5:7] == ["two = 2", "His."]
    assert course.sources("02_topic")[2] == YOURS


def test_a_lesson_that_the_course_gives_up_stays_if_it_was_touched(course: Course) -> None:
    course.edit("01_topic", mine)
    for name in ("01_topic", "02_topic"):
        (course.book / f"{name}.ipynb").unlink()
    assert course.update() == ["01_topic.ipynb is no longer part of the course; your copy stays as it is."]
    assert course.copies == ["01_topic"]
    assert YOURS in course.sources("01_topic")
    assert course.update() == []


def test_an_untouched_lesson_is_replaced_and_one_that_was_run_keeps_its_outputs(course: Course) -> None:
    ran = [{"output_type": "stream", "name": "stdout", "text": "ran"}]
    course.edit("02_topic", lambda cells: [cell.update(outputs=ran) for cell in cells if cell["cell_type"] == "code"])
    for lesson in ("01", "02"):
        course.change(f"{lesson}_topic", writes(f"{lesson}-code-1", "new = 1"))
    assert course.update() == []
    assert [name[:2] for name in course.former] == ["02"]
    assert [cell["outputs"] for cell in course.cells("02_topic") if cell["cell_type"] == "code"] == [[], ran]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": [1]}', b"\xff\xfe", b'{"cells": {}}', b"[" * 10_000])
def test_what_is_no_notebook_is_kept_and_begun_anew(course: Course, content: bytes) -> None:
    path = course.work / "01_topic.ipynb"
    whole = path.read_bytes()
    path.write_bytes(content)
    said = course.update()
    assert len(said) == 1
    assert course.former[0] in said[0]
    assert (course.work / course.former[0]).read_bytes() == content
    assert path.read_bytes() == whole


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cell_with(key: str, value: Any) -> Callable[[Path], None]:
    """The same notebook, with something in a cell that no program should write, as plain JSON."""

    def write(path: Path) -> None:
        notebook = read(path)
        notebook["cells"][2][key] = value
        path.write_text(json.dumps(notebook))

    return write


HALF = "answer = '\ud83d'"
half, list_as_id = cell_with("source", HALF), cell_with("id", [1])
STRANGE = [
    *(("", each) for each in (half, list_as_id, pipe, loop, folder)),
    *((".course", each) for each in (half, list_as_id, loop, folder)),
]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes in folders")
@pytest.mark.parametrize(("place", "make"), STRANGE)
def test_whatever_a_copy_has_become_the_others_follow_the_course(
    course: Course, place: str, make: Callable[[Path], None]
) -> None:
    make(course.work / place / "01_topic.ipynb")
    for lesson in ("01_topic", "02_topic"):
        course.change(lesson, last)
    said = course.update()
    assert len(said) == (make in (folder, pipe)), said
    assert course.sources("02_topic")[-1] == "News."
    if make is not folder:
        assert course.sources("01_topic")[-1] == "News."
        assert course.update() == []
    if make is half and not place:
        assert HALF in course.sources("01_topic")


def test_what_a_killed_update_was_writing_is_removed(course: Course) -> None:
    places = [course.work / name for name in (".01_topic.ipynb-1a2b3c4d.part", ".course/.01_topic.ipynb-0.part")]
    for place in places:
        place.touch()
    course.update()
    assert not any(place.exists() for place in places)


@pytest.mark.parametrize("content", [None, b"{", b'{"cells": [{"cell_type": "raw"}]}'])
def test_without_the_former_original_nothing_is_lost(course: Course, content: bytes | None) -> None:
    course.edit("01_topic", mine)
    course.edit("01_topic", adds(1))
    base = course.work / ".course" / "01_topic.ipynb"
    base.write_bytes(content) if content else base.unlink()
    course.change("01_topic", last)
    assert course.update() == []
    expected = [HEAD, "His.", TASK, YOURS, both, SAID.replace("-x  # mine", "..."), "Between."]
    assert course.sources("01_topic")[:7] == expected
    assert course.sources("01_topic")[-1] == "News."


def test_again(course: Course) -> None:
    course.edit("01_topic", mine)
    for _ in range(2):  # within one second, too
        said = again(course.work, ["01_topic.ipynb"], course.book)
        assert len(said) == 1
        assert any(name in said[0] for name in course.former)
    assert len(course.former) == 2
    assert YOURS not in course.sources("01_topic")
    assert ["return -x  # mine" in (course.work / name).read_text() for name in course.former].count(True) == 1
    assert course.update() == []


def test_a_copy_that_cannot_be_replaced_stays_and_the_others_go_on(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lesson in ("01", "02"):
        course.edit(f"{lesson}_topic", adds(1))
        course.change(f"{lesson}_topic", last)

    def full(path: Path, text: str | bytes) -> None:
        if path.name == "01_topic.ipynb" and path.parent == course.work:
            raise unwritable(path, OSError(28, "No space left on device"))
        write_whole(path, text)

    before = (course.work / "01_topic.ipynb").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(copies, "write_whole", full)
        assert ["No space left" in said for said in course.update()] == [True]
    assert (course.work / "01_topic.ipynb").read_bytes() == before
    assert "News." in course.sources("02_topic")
    assert course.update() == []
    assert {"His.", "News."} < set(course.sources("01_topic"))


def test_again_on_a_full_disk_changes_nothing(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.edit("01_topic", mine)
    before = (course.work / "01_topic.ipynb").read_bytes()

    def full(path: Path, text: str | bytes) -> None:
        raise unwritable(path, OSError(28, "No space left on device"))

    monkeypatch.setattr(copies, "write_whole", full)
    (said,) = again(course.work, ["01_topic.ipynb"], course.book)
    assert isinstance(said, Failure)
    assert (course.work / "01_topic.ipynb").read_bytes() == before
    assert not course.former


@pytest.mark.parametrize("name", ["file/work", "loop", "course/notebooks"])
def test_a_folder_that_cannot_be_written_is_told(course: Course, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ReaderError, match=r"NONLIN_WORK"):
        update(place, course.book)
    assert course.sources("01_topic")[0] == HEAD


def test_links_are_followed_but_never_into_the_course_itself(course: Course, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    (course.work / "01_topic.ipynb").rename(elsewhere)
    (course.work / "01_topic.ipynb").symlink_to(elsewhere)
    (course.work / "02_topic.ipynb").unlink()
    (course.work / "02_topic.ipynb").symlink_to(course.book / "02_topic.ipynb")
    course.change("01_topic", last)
    lesson = (course.book / "02_topic.ipynb").read_bytes()
    assert course.update() == []
    assert (course.work / "01_topic.ipynb").is_symlink()
    assert course.sources("01_topic")[-1] == "News."
    assert (course.book / "02_topic.ipynb").read_bytes() == lesson
    assert not (course.work / "02_topic.ipynb").is_symlink()


def test_what_lessons_link_to_lies_in_the_work_folder(course: Course) -> None:
    (course.book.parent / "docs").mkdir()
    (course.book.parent / "docs" / "sheet.png").write_bytes(b"png")
    course.change(
        "01_topic", writes("01-head", "[a](../docs/sheet.png) [b](02_topic.ipynb) [c](../none.md) [d](../../x)")
    )
    course.update()
    assert (
        course.sources("01_topic")[0] == "[a](course/docs/sheet.png) [b](02_topic.ipynb) [c](../none.md) [d](../../x)"
    )
    assert (course.work / "course" / "docs" / "sheet.png").read_bytes() == b"png"


def randomly(random: Random, cells: list[Cell], name: str, *wild: str) -> set[str]:
    """Edit cells as anybody might, in place; returns the lines that were typed and still stand there."""
    typed = set()
    for n in range(random.randrange(4)):
        line, place = f"{name} {n}", random.randrange(len(cells) + 1)
        kind = random.choice(["add", "change", "append", "delete", "move", *wild])
        cell = cells[place % len(cells)] if cells else None
        if kind == "add" or cell is None:
            cells.insert(place, prose(f"{name}-{n}".replace(" ", "-"), line))
        elif kind == "change":
            cell["source"] = line
        elif kind == "append":
            cell["source"] += f"\n{line}"
        elif kind == "delete":
            cells.remove(cell)
        elif kind == "move":
            cells.remove(cell)
            cells.insert(place % (len(cells) + 1), cell)
        elif kind == "copy":
            cells.insert(place, copy.deepcopy(cell))
        else:
            cell["id"] = f"{random.getrandbits(32):08x}"
        typed.add(line)
    return typed & {each for cell in cells for each in cell["source"].split("\n")}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_typed_is_lost_whatever_happens(
    tmp_path: Path, seed: int, amount: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random edits on both sides, random new names, and updates that are broken off at any step."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    random = Random(seed)
    for trial in range(amount(6, 200)):
        course, lines = Course(tmp_path / str(trial)), set()
        for lesson in ("01", "02"):
            course.publish(lesson, prose(f"{lesson}-head", lesson), *exercise(lesson, 1), *exercise(lesson, 2))
        course.update()
        for month in range(3):
            for name in course.copies:
                before = course.lines(name)

                def edit(cells: list[Cell], typed: set[str] = lines, month: int = month) -> None:
                    typed |= randomly(random, cells, f"his {month}", "copy", "id")

                course.edit(name, edit)
                lines -= before - course.lines(name)
            for path in sorted(course.book.glob("*.ipynb")):
                course.change(path.stem, lambda cells, month=month: randomly(random, cells, f"course {month}"))
                if random.random() < 0.3:
                    path.rename(path.with_name(f"0{random.randrange(3, 9)}.ipynb"))
            _broken_off(course, random)
            course.update()
            assert lines <= set().union(*map(course.lines, course.copies)), f"trial {trial}, month {month}"


def _broken_off(course: Course, random: Random) -> None:
    """An update that is killed before one of the files is written."""
    steps = iter(range(random.randrange(1, 12)))

    def write(path: Path, text: str | bytes) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        write_whole(path, text)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(copies, "write_whole", write)
        course.update()


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git here, and so nobody restores a book by it")
def test_answers_in_the_book_itself_are_kept_when_it_is_restored(tmp_path: Path) -> None:
    course = Course(tmp_path)
    course.publish("03_one", prose("a", "One."), code("b", "answer = ..."))
    git = ["git", "-C", str(course.book), "-c", "user.name=x", "-c", "user.email=x@y"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "Lessons"]):
        subprocess.run([*git, *words], check=True)
    course.change("03_one", lambda cells: cells[1].update(source="answer = 42"))
    [said] = course.update()
    assert "holds changes of yours" in said
    subprocess.run([*git, "checkout", "-q", "."], check=True)
    assert course.update() == []
    assert [cell["source"] for cell in course.cells("03_one")] == ["One.", "answer = ..."]
    assert any("answer = 42" in path.read_text() for path in course.work.glob("03_one.*.ipynb"))


def test_real_lessons_are_worked_on(tmp_path: Path) -> None:
    """Two lessons of the course: every exercise is answered, a cell comes into each, and they change their numbers."""
    course = Course(tmp_path)
    for name in ("03_sigmoid_and_tanh", "04_relu"):
        (course.book / f"{name}.ipynb").write_bytes((LESSONS / f"{name}.ipynb").read_bytes())
    course.update()
    answers = {}

    def answer(cells: list[Cell]) -> None:
        for cell in cells:
            if cell["cell_type"] == "code" and "\ncheck(" in cell["source"] and "return ..." in cell["source"]:
                cell["source"] = cell["source"].replace("return ...", f"return 'mine {cell['id']}'")
                answers[cell["id"]] = cell["source"]

    for name in course.copies:
        course.edit(name, answer)
        course.change(name, lambda cells: cells.insert(10, prose("news", "News.")))
    course.update()
    for name, new in (("04_relu", "05_relu"), ("03_sigmoid_and_tanh", "04_sigmoid_and_tanh")):
        course.change(name, lambda cells: [c.update(source=c["source"].replace('check("0', 'check("1')) for c in cells])
        (course.book / f"{name}.ipynb").rename(course.book / f"{new}.ipynb")
    assert course.update() == []
    assert course.copies == ["04_sigmoid_and_tanh", "05_relu"]
    found = {cell["id"]: cell["source"] for name in course.copies for cell in course.cells(name)}
    assert len(answers) > 5
    for id, source in answers.items():
        assert found[id] == source.replace('check("0', 'check("1')
    assert both not in found.values()
    for path in course.work.glob("*.ipynb"):
        nbformat.validate(nbformat.read(path, nbformat.NO_CONVERT))
    assert [course.sources(name)[10] for name in course.copies] == ["News."] * 2
