"""The tables of marks as Moodle and Canvas take them; and marking goes on where it was stopped."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from handed_in import notebook

from nonlin.__main__ import main
from nonlin.desk.mark import MISTAKE, SOLVED, UNTRIED, Mark, Marked, Store, exercises_of, mark_all
from nonlin.desk.mark_tables import missing, read_roll, table, weights_of
from nonlin.desk.submissions import Student, Submission
from nonlin.errors import ReaderError

EXERCISES = exercises_of(["03"])
NUMBERS = [each.number for each in EXERCISES]
WORKSHEET = """\
Identifier,Full name,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments
Participant 17,Ana Ruiz,Submitted,,{most},-,
Participant 18,Ana Ruiz,No submission,,{most},-,
Participant 19,O'Neil Bo,Submitted,,{most},-,
"""
HIDDEN = """\
Identifier,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments
Participant 17,Submitted,,10.00,-,
"""
GRADEBOOK = """\
Student,ID,SIS User ID,Section,{title},Current Score
,,,,Manual Posting,
    Points Possible,,,,5,(read only)
"Ruiz, Ana",17,s17,A,,80
"Bo, Neil",19,s19,A,3,70
"Li, Wei",20,s20,B,,
"""


def marked(name: str, number: str, *solved: str) -> Marked:
    """A student who solved some exercises, and made a mistake in 03.4 or did not try it."""
    marks = {each: Mark(exercise=each, state=SOLVED if each in solved else UNTRIED) for each in NUMBERS}
    if "03.4" not in solved and solved:
        marks["03.4"] = Mark(exercise="03.4", state=MISTAKE, mistake="03.4 so-it-is", words="x < y & so on")
    return Marked(student=Student(name=name, number=number), marks=marks)


ANA, BO, NOBODY = marked("Ana Ruiz", "17", *NUMBERS), marked("O Neil Bo", "19", "03.1"), marked("Li Wei", "20")
TEAM = marked("Team 3", "18", *NUMBERS)  # a team has a number of its own, which is also a student's


def filled(
    tmp_path: Path, kind: str, roll: str = "", given: tuple[Marked, ...] = (ANA, BO), chosen: Mapping[str, float] = {}
) -> list[dict[str, str]]:
    """The rows of a table, with a list of students if there is one."""
    found = None
    if roll:
        (tmp_path / "roll.csv").write_text(roll, encoding="utf-8-sig")
        found = read_roll(tmp_path / "roll.csv", kind)
    text = table(given, weights_of(EXERCISES, chosen), kind, title="Lesson 03", roll=found)
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("chosen", "points", "most"),
    [
        ({}, ("7", "2"), "7"),  # stars
        ({"03.1": 2.5, "03.4": 0}, ("4.5", "2.5"), "4.5"),
        (dict.fromkeys(NUMBERS, 0), ("0", "0"), "0"),
    ],
)
def test_points_are_stars_or_chosen(
    chosen: Mapping[str, float], points: tuple[str, ...], most: str, tmp_path: Path
) -> None:
    rows = filled(tmp_path, "plain", chosen=chosen)
    assert tuple(row["Points"] for row in rows) == points
    assert {row["Maximum"] for row in rows} == {most}
    assert rows[1]["03.4"] == "known mistake: 03.4 so-it-is"


def test_those_who_handed_nothing_in_are_in_the_plain_table(tmp_path: Path) -> None:
    rows = filled(tmp_path, "plain", WORKSHEET.format(most="10.00"))
    assert [(row["Student"], row["Number"], row["Points"]) for row in rows] == [
        *(("Ana Ruiz", "17", "7"), ("O Neil Bo", "19", "2")),
        ("Ana Ruiz", "18", "0"),  # of the same name
    ]


@pytest.mark.parametrize(
    ("roll", "given", "grades"),
    [
        ("", (ANA, BO), {"Participant 17": "7.00", "Participant 19": "2.00"}),
        (WORKSHEET.format(most="10.00"), (BO, ANA), {"17": "10.00", "18": "", "19": "2.86"}),
        (WORKSHEET.format(most="10,00").replace(",", ";").replace("10;00", "10,00"), (ANA,), {"17": "10.00"}),
        (WORKSHEET.format(most=""), (ANA,), {"17": "7.00"}),
        (WORKSHEET.format(most="10.00"), (TEAM,), {"17": "", "18": ""}),
        (HIDDEN, (marked("Participant", "17", "03.1"),), {"17": "2.86"}),
        (WORKSHEET.format(most="7.00"), (marked("O'Neil Bo", ""),), {"19": "0.00"}),  # found by the name alone
        (WORKSHEET.format(most="7.00"), (marked("Ana Ruiz", "", "03.1"),), {"17": "", "18": ""}),  # two have it
    ],
)
def test_moodles_worksheet_is_filled_in(
    roll: str, given: tuple[Marked, ...], grades: dict[str, str], tmp_path: Path
) -> None:
    rows = {row["Identifier"].removeprefix("Participant "): row for row in filled(tmp_path, "moodle", roll, given)}
    assert {name: rows[name.removeprefix("Participant ")]["Grade"] for name in grades} == grades
    assert {row["Last modified (grade)"] for row in rows.values()} == {"-"}  # without which Moodle takes no row
    if BO in given:
        assert "03.1: solved<br>" in rows["19"]["Feedback comments"]
        assert "03.4: known mistake (x &lt; y &amp; so on)" in rows["19"]["Feedback comments"]


@pytest.mark.parametrize("title", ["Lesson 02 (7)", "Lesson 03 (8)", "Lesson 03"])
def test_canvas_gradebook_is_filled_in(title: str, tmp_path: Path) -> None:
    rows = filled(tmp_path, "canvas", GRADEBOOK.format(title=title), (marked("ruizana", "17", "03.1"), BO))
    column = title if "03" in title else "Lesson 03"
    assert list(rows[0]) == ["Student", "ID", "SIS User ID", "Section", column]
    assert [(row["Student"], row[column]) for row in rows] == [
        *(("    Points Possible", "7"), ("Ruiz, Ana", "2"), ("Bo, Neil", "2"), ("Li, Wei", "")),
    ]


def test_a_table_without_a_list_has_a_row_for_each(tmp_path: Path) -> None:
    given = (ANA, marked("=1+1", "", *NUMBERS), NOBODY)
    assert [row["Lesson 03"] for row in filled(tmp_path, "canvas", given=given)] == ["7", "7", "7", "0"]
    rows = filled(tmp_path, "moodle", given=given)
    assert [(row["Full name"], row["Grade"]) for row in rows] == [
        *(("Ana Ruiz", "7.00"), ("'=1+1", "7.00"), ("Li Wei", "0.00")),
    ]


def test_who_is_not_on_the_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "roll.csv").write_text(WORKSHEET.format(most="10.00"), encoding="utf-8")
    found = missing((ANA, BO, NOBODY, TEAM), read_roll(tmp_path / "roll.csv"))
    assert [each.name for each in found] == ["Li Wei", "Team 3"]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "plain", "neither Moodle's column Identifier"),
        (b"Name,ID\n", "plain", "neither Moodle's column Identifier"),
        ("Vollständiger Name,Bewertung\n".encode(), "plain", "in English"),
        (b"\xff\xfeI\0", "plain", "CSV in UTF-8"),
        (b'Identifier\n"' + b"x" * 200_000, "plain", "CSV in UTF-8"),
        (GRADEBOOK.encode(), "moodle", "lacks the column Identifier"),
        (WORKSHEET.encode(), "canvas", "lacks the column Student"),
        (b"Identifier,Full name,Grade\n", "moodle", "lacks the column Feedback comments"),
        (None, "plain", "cannot be read"),
    ],
)
def test_a_list_that_will_not_do_is_told(content: bytes | None, kind: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReaderError, match=words) as told:
        read_roll(path, kind)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--weights", "10.1=2"], "10.1, which is not marked here"),
        (["--weights", "03.1=-2"], "must be like 03.1=2"),
        (["--weights", "03.1=2", "03.1=3"], "names an exercise twice"),
        (["--students", "{empty}"], "neither Moodle's column"),
        (["--lesson", "3"], "no lesson '3'"),
        (["--report", "{output}"], "both name"),
        (["--report", "{here}/in/marks.html"], "in, which is read"),
        (["--output", "{here}/in"], "is a folder"),
        (["--output", "{here}/in/a.ipynb"], "in, which is read"),
        (["--students", "{empty}", "--output", "{empty}"], "empty.csv, which is read"),
    ],
)
def test_what_cannot_be_marked_is_told_at_once(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").write_bytes(notebook("check('03.1', f)"))
    (tmp_path / "empty.csv").touch()
    places = {"empty": tmp_path / "empty.csv", "output": tmp_path / "marks.csv", "here": tmp_path}
    words = ["mark", str(tmp_path / "in"), "--output", str(tmp_path / "marks.csv"), *words]
    try:
        code = main([word.format(**places) for word in words])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert code in (1, 2)
    assert sentence in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.csv", "in"]


# Going on


class Counting:
    """Marks without running anything, notes whom, and stops at a given one."""

    def __init__(self, stop: str = "") -> None:
        self.names: list[str] = []
        self.stop_at, self.box = stop, self

    def stop(self) -> None:
        self.names.append("stopped")

    def submission(self, submission: Submission) -> Marked:
        if self.stop_at and submission.student.name >= self.stop_at:
            raise KeyboardInterrupt
        self.names.append(submission.student.name)
        return marked(submission.student.name, submission.student.number, "03.1")


@pytest.mark.parametrize(
    ("torn", "course", "anew"),
    [
        (0, "this", ["c", "d"]),
        (30, "this", ["b", "c", "d"]),  # the last line was half written
        (0, "another", ["a", "b", "c", "d"]),
        (10**6, "this", ["a", "b", "c", "d"]),
    ],
)
def test_marking_goes_on_where_it_was_stopped(torn: int, course: str, anew: list[str], tmp_path: Path) -> None:
    path = tmp_path / "marks.csv.part"
    given = [Submission(student=Student(name=name, number=name)) for name in "abcd"]
    first = Counting(stop="c")
    with pytest.raises(KeyboardInterrupt):
        mark_all(first, given, 1, Store(path, "this"), lambda _: None)
    assert first.names == ["a", "b", "stopped"]
    path.write_bytes(path.read_bytes()[: -torn or None])
    for marker, expected in ((Counting(), anew), (Counting(), [])):
        found = mark_all(marker, given, 1, Store(path, course), lambda _: None)
        assert marker.names == expected
        assert found == [marked(name, name, "03.1") for name in "abcd"]
