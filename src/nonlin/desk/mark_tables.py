"""Marks as a table for the learning system: Moodle's grading worksheet, Canvas's gradebook, or a plain one."""

import csv
import html
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nonlin.desk.mark import MISTAKE, SOLVED, Mark, Marked
from nonlin.desk.submissions import Student
from nonlin.errors import ReaderError, reason
from nonlin.exercises.exercise import Exercise

FORMATS = ("plain", "moodle", "canvas")
MOODLE = ("Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)", "Feedback comments")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POSSIBLE = "    Points Possible"  # as Canvas writes it
NEEDED = {"plain": (), "moodle": ("Identifier", "Grade", "Feedback comments"), "canvas": ("Student", "ID")}
HELP = {"moodle": "export the grading worksheet, with feedback comments turned on", "canvas": "export the gradebook"}
LARGEST_LIST = 8 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Points of each exercise, by its number."""

    points: Mapping[str, float]

    @property
    def maximum(self) -> float:
        return sum(self.points.values())

    def of(self, marked: Marked) -> float:
        """All points of a student."""
        return sum(self.points[number] for number, mark in marked.marks.items() if mark.state == SOLVED)


def weights_of(exercises: Sequence[Exercise], chosen: Mapping[str, float]) -> Weights:
    """Points of some exercises: as chosen, else as many as it has stars.

    Raises:
        ReaderError: if an exercise is chosen that is not among them.
    """
    stars = {exercise.number: float(exercise.difficulty) for exercise in exercises}
    if unknown := [number for number in chosen if number not in stars]:
        raise ReaderError(f"--weights names {unknown[0]}, which is not marked here; {', '.join(stars)} are.")
    return Weights(points=stars | dict(chosen))


@dataclass(frozen=True)
class Roll:
    """The list of students that a learning system exports: its columns, and a row for each."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def read_roll(path: Path, kind: str = "plain") -> Roll:
    """Read a worksheet of Moodle or a gradebook of Canvas.

    Args:
        path: of the file.
        kind: one of `FORMATS`, in which its rows are to be filled in.

    Raises:
        ReaderError: if it cannot be read, or lacks columns that this takes.
    """
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise ReaderError(f"{path} is too large for a list of students.")
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.DictReader(
            io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
        )
        columns = tuple(reader.fieldnames or ())
        rows = tuple({key: value or "" for key, value in row.items() if key} for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReaderError(f"{path} cannot be read ({reason(error)}): export it again as CSV in UTF-8.") from error
    if "Identifier" not in columns and not {"Student", "ID"} <= {*columns}:
        raise ReaderError(
            f"{path} has neither Moodle's column Identifier nor Canvas's Student and ID: export it in English."
        )
    if missing := [name for name in NEEDED[kind] if name not in columns]:
        raise ReaderError(
            f"{path} lacks the column {missing[0]}, so that --format {kind} cannot fill it in{HELP[kind]}."
        )
    people = (row for row in rows if any(_person(row)) and row.get("Student", "").strip() != POSSIBLE.strip())
    return Roll(columns, tuple(people))


def table(
    marked: Sequence[Marked], weights: Weights, kind: str, *, title: str = "Lesson", roll: Roll | None = None
) -> str:
    """The table as text.

    Args:
        marked: all students, in order.
        weights: points of the exercises.
        kind: one of `FORMATS`.
        title: of the assignment in Canvas.
        roll: the students that the learning system knows; its rows, in its order, are filled in.

    Raises:
        ReaderError: if the list of students is another system's.
    """
    columns, rows = {"plain": _plain, "moodle": _moodle, "canvas": _canvas}[kind](marked, weights, title, roll)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(marked: Sequence[Marked], weights: Weights, title: str, roll: Roll | None) -> tuple[list[str], list[dict]]:
    columns = ["Student", "Number", "Points", "Maximum", *weights.points, "Feedback", "Notes"]
    rows = [
        {
            "Student": _safe(each.student.name),
            "Number": _safe(each.student.number),
            "Points": f"{weights.of(each):g}",
            "Maximum": f"{weights.maximum:g}",
            "Feedback": _safe(feedback(each)),
            "Notes": _safe("; ".join(each.notes)),
        }
        | {number: _cell(mark) for number, mark in each.marks.items()}
        for each in marked
    ]
    if roll:
        found = [id(row) for row, _ in _pairs(roll.rows, marked)]
        for name, number in (_person(row) for row in roll.rows if id(row) not in found):
            rows.append({"Student": _safe(name), "Number": number, "Points": "0", "Notes": "nothing was handed in"})
    return columns, rows


def _moodle(marked: Sequence[Marked], weights: Weights, title: str, roll: Roll | None) -> tuple[list[str], list[dict]]:
    if roll is None:
        rows = [_moodle_row(each) for each in marked]
        columns = list(MOODLE)
    else:
        rows, columns = [dict(row) for row in roll.rows], list(roll.columns)
    for row, each in _pairs(rows, marked) if roll else zip(rows, marked, strict=True):
        most = _number(row.get("Maximum Grade", "")) or weights.maximum
        row["Grade"] = f"{weights.of(each) * most / weights.maximum if weights.maximum else 0:.2f}"
        row["Maximum Grade"] = f"{most:.2f}"
        row["Last modified (grade)"] = row.get("Last modified (grade)") or "-"
        row["Feedback comments"] = "<br>".join(map(html.escape, feedback(each).split("\n")))
    return columns, rows


def _moodle_row(each: Marked) -> dict[str, str]:
    number = each.student.number
    return {
        "Identifier": f"Participant {number}" if number.isdigit() else _safe(number),
        "Full name": _safe(each.student.name),
    }


def _canvas(marked: Sequence[Marked], weights: Weights, title: str, roll: Roll | None) -> tuple[list[str], list[dict]]:
    if roll is None:
        rows, columns = (
            [{"Student": _safe(each.student.name), "ID": _safe(each.student.number)} for each in marked],
            [*CANVAS],
        )
    else:
        columns = [name for name in roll.columns if name in CANVAS]
        rows = [dict(row) for row in roll.rows]
        of_assignment = re.compile(rf"{re.escape(title)}( \(\d+\))?")  # under its number, no second one is made
        title = next(filter(of_assignment.fullmatch, roll.columns), title)
    for row, each in _pairs(rows, marked) if roll else zip(rows, marked, strict=True):
        row[title] = f"{weights.of(each):g}"
    return [*columns, title], [{"Student": POSSIBLE, title: f"{weights.maximum:g}"}, *rows]


def _pairs(rows: Sequence[dict[str, str]], marked: Sequence[Marked]) -> list[tuple[dict[str, str], Marked]]:
    """Rows and marks of the same student: by number, and of the others by a name that only one of each has."""
    by_number = {each.student.number: each for each in marked if each.student.number}
    pairs = []
    for row in rows:
        each = by_number.get(_person(row)[1])
        if each and ("Identifier" not in row or _may_be(row.get("Full name", ""), each.student.name)):
            pairs.append((row, each))
    found = {id(each) for pair in pairs for each in pair}
    names = Counter(_person(row)[0] for row in rows if id(row) not in found)
    others = [each for each in marked if id(each) not in found]
    given = Counter(each.student.name for each in others)
    by_name = {each.student.name: each for each in others if given[each.student.name] == names[each.student.name] == 1}
    rest = (row for row in rows if id(row) not in found and _person(row)[0] in by_name)
    return pairs + [(row, by_name[_person(row)[0]]) for row in rest]


def _may_be(name: str, handed_in: str) -> bool:
    """Whether two names may be one student's: in Moodle a team has a number, too, which is also some student's."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", name).casefold())
    there = handed_in.casefold()
    return not words or there == "participant" or any(word in there for word in words)


def missing(marked: Sequence[Marked], roll: Roll) -> list[Student]:
    """Those who handed something in and are not on the list."""
    found = {id(each) for _, each in _pairs(roll.rows, marked)}
    return [each.student for each in marked if id(each) not in found]


def _person(row: Mapping[str, str]) -> tuple[str, str]:
    """Name and number, of a row of Moodle's or of Canvas's, or of one that was made here."""
    name, number = row.get("Full name", row.get("Student", "")), row.get("Identifier", row.get("ID", ""))
    return unicodedata.normalize("NFC", name), number.removeprefix("Participant ").strip()


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def feedback(marked: Marked) -> str:
    """What to tell a student: a line for each exercise."""
    lines = [
        f"{number}: {mark.state}{f' ({mark.words})' if mark.words else ''}" for number, mark in marked.marks.items()
    ]
    return "\n".join(lines)


def _cell(mark: Mark) -> str:
    return f"{mark.state}: {mark.mistake}" if mark.state == MISTAKE else mark.state


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
