"""How long a lesson takes, computed from its notebook by one rule, and written into its headings.

The rates are set so that they meet what careful readers needed for the first lessons of this course: technical text
with formulas at 110 words a minute, code at 9 lines a minute, a minute for each figure or table and for each
prediction, half a minute for each question of a quiz. An exercise takes what its heading says.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

WORDS, LINES = 110, 9  # a minute
FIGURE, PREDICTION, QUESTION = 1.0, 1.0, 0.5  # minutes each
HIDDEN = "hide-input"  # the tag of a cell that holds the assertions of its section, and what they show, folded
LID = "# The assertions of this section, and what they show"  # JupyterLab shows the first line of what it folds
FURTHER = "### Going further · "
_FURTHER = re.compile(rf"^{FURTHER}(.*?)(?: · \d+ minutes?)?$", re.MULTILINE)
_OPENING = re.compile(r"^\*(?:\d+ minutes(?:, and \d+ more for going further)?)\. ", re.MULTILINE)
_EXERCISE = re.compile(r"^####? Exercise \d\d\.\d+ · .* · [★☆]{3} · (\d+) minutes$", re.MULTILINE)
_QUESTION = re.compile(r"^\d+\. ", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A stretch of a lesson: from one heading of the second or third level to the next.

    Attributes:
        title: its heading, without the signs.
        further: whether it is folded, and no part of the core path.
        cells: its cells, the one with the heading first.
    """

    title: str
    further: bool
    cells: tuple[NotebookNode, ...]

    @property
    def minutes(self) -> float:
        return sum(map(_minutes_of_cell, self.cells))


def sections(notebook: NotebookNode) -> tuple[Section, ...]:
    """All cells of a lesson, in order; the first section is its opening."""
    found: list[list[NotebookNode]] = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.match("##?#? ", cell.source) and found[-1]:
            found.append([])
        found[-1].append(cell)
    titles = [cells[0].source.partition("\n")[0] if cells else "" for cells in found]
    return tuple(
        Section(title.lstrip("# "), title.startswith(FURTHER), tuple(cells))
        for title, cells in zip(titles, found, strict=True)
    )


def core(notebook: NotebookNode) -> int:
    """Minutes of the core path, rounded to five."""
    return 5 * round(sum(part.minutes for part in sections(notebook) if not part.further) / 5)


def further(notebook: NotebookNode) -> int:
    """Minutes of all that is folded, as the headings say them."""
    return sum(math.ceil(part.minutes) for part in sections(notebook) if part.further)


def write_minutes(notebook: NotebookNode) -> None:
    """Put the computed minutes into the opening and into the headings of what goes further, in place."""
    for part in sections(notebook):
        if part.further:
            heading = f"{FURTHER}{_FURTHER.match(part.cells[0].source)[1]} · {_minutes(math.ceil(part.minutes))}"
            part.cells[0].source = _FURTHER.sub(lambda _, heading=heading: heading, part.cells[0].source, count=1)
    if notebook.cells:
        more = further(notebook)
        said = f"*{core(notebook)} minutes{f', and {more} more for going further' if more else ''}. "
        notebook.cells[0].source = _OPENING.sub(said, notebook.cells[0].source, count=1)


def fold(notebook: NotebookNode) -> None:
    """Set what makes JupyterLab fold the sections that go further and hide the cells with the assertions, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith(FURTHER):
            cell.metadata = {"jp-MarkdownHeadingCollapsed": True, "tags": ["further"]}
        elif HIDDEN in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
            if not cell.source.startswith(LID):
                cell.source = f"{LID}\n{cell.source}"


def _minutes(number: int) -> str:
    return f"{number} minute{'s' if number > 1 else ''}"


def _minutes_of_cell(cell: NotebookNode) -> float:
    if cell.cell_type == "markdown":
        words = _OPENING.sub("", _FURTHER.sub(r"\1", cell.source)).split()  # what is written here must not count
        return len(words) / WORDS + sum(map(int, _EXERCISE.findall(cell.source)))
    shown = sum(_minutes_of_output(output, cell) for output in cell.outputs)
    if HIDDEN in cell.metadata.get("tags", []):
        return shown
    if any(call in cell.source for call in ("check(", "quiz(", "progress(")):
        return shown  # in the minutes of the exercise, or of the questions; a look at the progress is a rest
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return (
        shown + len(lines) / LINES + PREDICTION * cell.source.count("predict(") + FIGURE * ("interact(" in cell.source)
    )


def _minutes_of_output(output: NotebookNode, cell: NotebookNode) -> float:
    data = output.get("data", {})
    if "check(" in cell.source or "progress(" in cell.source:
        return 0.0
    if "quiz(" in cell.source:
        return QUESTION * len(_QUESTION.findall("".join(data.get("text/plain", ""))))
    if "image/png" in data:
        return FIGURE
    if "text/markdown" in data:
        hidden = HIDDEN in cell.metadata.get("tags", [])
        return len("".join(data["text/markdown"]).split()) / WORDS if hidden else FIGURE
    return 0.0
