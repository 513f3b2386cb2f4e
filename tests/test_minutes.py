"""The minutes of a lesson: counted by the rule, and written where they are said."""

import nbformat
import pytest

from nonlin.minutes import FURTHER, HIDDEN, LID, core, fold, further, sections, write_minutes

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def output(**data: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {kind.replace("_", "/"): text for kind, text in data.items()})


@pytest.mark.parametrize(
    ("cell", "minutes"),
    [
        (TEXT("word " * 220), 2),
        (CODE("x = 1\n\n" * 18), 2),
        (CODE("x", outputs=[output(image_png="", text_plain="a figure")]), 1 + 1 / 9),
        (CODE("x", outputs=[output(text_markdown="| a table |")]), 1 + 1 / 9),
        (CODE('predict("04a", ...)'), 1 + 1 / 9),
        (CODE("interact(f);"), 1 + 1 / 9),
        (CODE("x", metadata={"tags": [HIDDEN]}, outputs=[output(text_markdown="word " * 110)]), 1),
        (CODE('quiz("04")', outputs=[output(text_plain="1. a\n   a) b\n2. c\n\nAnswers\n1a no")]), 1),
        (CODE('check("04.1", ...)', outputs=[output(text_markdown="word " * 110)]), 0),
        (TEXT("### Exercise 04.1 · Twice · ★☆☆ · 7 minutes"), 7 + 10 / 110),
    ],
)
def test_each_kind_of_cell_takes_its_time(cell: nbformat.NotebookNode, minutes: float) -> None:
    [section] = sections(nbformat.v4.new_notebook(cells=[cell]))
    assert section.minutes == pytest.approx(minutes)


def lesson() -> nbformat.NotebookNode:
    opening = TEXT("# Lesson 04 · ReLU\n\n*5 minutes. Before this: nothing.*")
    return nbformat.v4.new_notebook(
        cells=[opening, TEXT("## 1 · A\n" + "word " * 1100), TEXT(f"{FURTHER}B\n" + "word " * 219), TEXT("## Quiz")]
    )


def test_minutes_are_written_into_the_opening_and_the_headings_and_count_nothing() -> None:
    notebook = lesson()
    write_minutes(notebook)
    assert (
        notebook.cells[0].source
        == "# Lesson 04 · ReLU\n\n*10 minutes, and 2 more for going further. Before this: nothing.*"
    )
    assert notebook.cells[2].source.startswith(f"{FURTHER}B · 2 minutes\n")
    assert (core(notebook), further(notebook)) == (10, 2)
    before = [cell.source for cell in notebook.cells]
    write_minutes(notebook)
    assert [cell.source for cell in notebook.cells] == before


def test_what_goes_further_and_what_is_hidden_is_folded() -> None:
    notebook = lesson()
    notebook.cells.append(CODE("assert True", metadata={"tags": [HIDDEN]}))
    fold(notebook)
    folded = [cell.metadata.get("jp-MarkdownHeadingCollapsed", False) for cell in notebook.cells]
    assert folded == [False, False, True, False, False]
    assert notebook.cells[-1].metadata["jupyter"] == {"source_hidden": True}
    assert notebook.cells[-1].source == f"{LID}\nassert True"
    fold(notebook)
    assert notebook.cells[-1].source == f"{LID}\nassert True"
