"""Marking: each submission, honest or hostile, gets its marks, the others theirs, and nothing is left behind."""

import csv
import html
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from handed_in import CASES, RIGHT, SLOPE, hand_in, notebook, zipped

import nonlin
from nonlin.__main__ import main
from nonlin.desk import mark_box
from nonlin.desk.mark import Marker, exercises_of
from nonlin.desk.mark_box import Limits, Outcome
from nonlin.desk.mark_inside import BY_TEXT
from nonlin.desk.submissions import submissions
from nonlin.lessons import EXERCISES
from nonlin.notebooks import LESSONS

COURSE = Path(nonlin.__file__).parent
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what confines the code is Linux's")


def mark(place: Path, output: Path, *more: str) -> subprocess.CompletedProcess:
    """Run the command, with a temporary folder beside the submissions."""
    temporary = place.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "nonlin", "mark", str(place), "--output", str(output), "--lesson", "03", *more]
    environment = os.environ | {"TMPDIR": str(temporary)}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    return {row["Student"]: row for row in csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))}


def states(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[f"03.{n}"].partition(":")[0] for n in range(1, 5))


def processes(of: Path) -> list[str]:
    found = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in found if "mark_inside" in line and str(of) in line]


def check_marks(names: Sequence[str], tmp_path: Path, *more: str) -> None:
    place, output, report = tmp_path / "handed in", tmp_path / "marks" / "marks.csv", tmp_path / "marks" / "page.html"
    hand_in(place, names, COURSE)
    before = sorted(place.rglob("*"))
    done = mark(place, output, "--report", str(report), *more)
    assert done.returncode == 0, done.stderr
    rows = rows_of(output)
    got = {name: states(rows[name]) for name in names}
    assert got == {name: tuple(CASES[name].states) for name in names}, {
        name: (rows[name]["Feedback"], rows[name]["Notes"]) for name in names if got[name] != tuple(CASES[name].states)
    }
    for name in names:
        assert CASES[name].words in rows[name]["Feedback"] + rows[name]["Notes"], name
    page = report.read_text(encoding="utf-8")
    assert "<script" not in page
    assert all(html.escape(name) in page for name in names)
    assert sorted(place.rglob("*")) == before
    assert sorted(each.name for each in output.parent.iterdir()) == ["marks.csv", "page.html"]
    assert processes(tmp_path) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@linux
def test_some_submissions_are_marked_as_they_should_be(tmp_path: Path) -> None:
    few = (
        *("all right", "untouched", "a known mistake", "no imports", "a name made while running", "zipped", "no JSON"),
        *("ends the process", "overwrites check", "opens the seal", "gives back what was stored"),
        *("reads the marks", "leaves a daemon", "patches json", "asks the network"),
    )
    check_marks(few, tmp_path, "--seconds", "5")


@linux
@pytest.mark.long
def test_all_submissions_are_marked_as_they_should_be(tmp_path: Path) -> None:
    check_marks(tuple(CASES), tmp_path, "--seconds", "6")


# Who handed in what

NAMES = {
    "Ana María Ruiz_17_assignsubmission_file_/03.ipynb": ("Ana María Ruiz", "17"),
    "Ana María Ruiz_18_assignsubmission_file_/03.ipynb": ("Ana María Ruiz", "18"),
    "O_Neil Bo_19_assignsubmission_file/a/b/03.ipynb": ("O Neil Bo", "19"),
    "Li Wei_20_assignsubmission_file_03 (1).ipynb": ("Li Wei", "20"),
    "Li Wei_20_assignsubmission_onlinetext_text.html": ("Li Wei", "20"),
    "Participant_21_assignsubmission_file_/x.ipynb": ("Participant", "21"),
    "Default group_assignsubmission_file/x.ipynb": ("Default group", ""),
    "Ju\N{COMBINING DIAERESIS}rgen_22_assignsubmission_file/x.ipynb": ("Jürgen", "22"),
    "notes of the lecturer.ipynb": ("notes of the lecturer", ""),
}
CANVAS_NAMES = {
    "ruizana_LATE_170_9_03.ipynb": ("ruizana", "170"),
    "neilbo_171_10_03-1.ipynb": ("neilbo", "171"),
    "neilbo_171_11_03 (1).ipynb.txt": ("neilbo", "171"),
    "anon_172_11_03.ipynb": ("anon", "172"),
    "anon_5kX2p_12_03.ipynb": ("anon", "5kX2p"),
    "LATE_anon_6kX2p_13_03.ipynb": ("anon", "6kX2p"),
    "team_blue_173_14_03.ipynb": ("team blue", "173"),
    "liwei_174_text.html": ("liwei", "174"),
    "aydinj_175_link.html": ("aydinj", "175"),
    "notes of the lecturer.ipynb": ("notes of the lecturer", ""),
}
PLAIN_NAMES = {
    "Ana/03.ipynb": ("Ana", "Ana"),
    "Ana.zip": ("Ana", "Ana.zip"),
    "Ana.ipynb": ("Ana", "Ana.ipynb"),
    "bo_1/deep/03.IPYNB": ("bo_1", "bo_1"),
    "Li.ipynb.txt": ("Li", "Li.ipynb.txt"),
    "Eva/._03.ipynb": ("Eva", "Eva"),
    "Eva/03.ipynb.json": ("Eva", "Eva"),
}


@pytest.mark.parametrize("names", [NAMES, CANVAS_NAMES, PLAIN_NAMES], ids=["Moodle", "Canvas", "plain"])
@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_each_submission_finds_its_student(names: dict[str, tuple[str, str]], as_zip: bool, tmp_path: Path) -> None:
    content = {
        name: zipped(**{"x.ipynb": notebook(SLOPE)}) if name.endswith("zip") else notebook(SLOPE) for name in names
    }
    place = tmp_path / "all.zip"
    if as_zip:
        place.write_bytes(zipped(**{name.replace("__", "_"): each for name, each in content.items()}))
    else:
        place = tmp_path / "all"
        for name, each in content.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(each)
    found = submissions(place)
    assert {(each.student.name, each.student.number) for each in found} == set(names.values())
    assert {cells for each in found for cells in (notebook.cells for notebook in each.notebooks)} == {(SLOPE,)}
    count = sum("._" not in name and not name.endswith("html") for name in names)
    assert sum(len(each.notebooks) for each in found) == count


class Nothing:
    """Takes the place of the box: no answer is ever tried."""

    denied = ()

    def run(self, job: dict, limits: Limits) -> Outcome:
        return Outcome(ended="finished", lines=({"untried": True},))


OTHER = notebook("check('05.1', f)")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"03.ipynb": notebook(SLOPE)}, ""),
        (
            {f"{place:02}.ipynb": OTHER for place in range(30)} | {"99.ipynb": notebook(SLOPE)},
            "",
        ),  # a whole work folder
        ({}, "no notebook was handed in"),
        ({"1/2/3/4/5/6/7/8/9/03.ipynb": notebook(SLOPE)}, "folders more than 8 deep were not looked into"),
        ({"a.pdf": b"", "b.py": b""}, "no notebook was handed in, but a.pdf, b.py"),
        ({"05.ipynb": OTHER}, "no notebook with these exercises was handed in, but 05.ipynb"),
        (
            {f"{place:02}.ipynb": notebook(SLOPE) for place in range(12)},
            "of 12 notebooks with these exercises, the first",
        ),
        ({"a.zip": zipped(**{"b.zip": zipped(**{"x.ipynb": notebook(SLOPE)})})}, "b.zip: is a zip file in another"),
        ({"03.ipynb.pdf": b"%PDF"}, "its JSON is damaged"),
    ],
)
def test_what_was_not_looked_at_is_told(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    (tmp_path / "Ana").mkdir()
    for name, content in files.items():
        (tmp_path / "Ana" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Ana" / name).write_bytes(content)
    [submission] = submissions(tmp_path)
    notes = Marker(Nothing(), exercises_of(["03"]), Limits()).submission(submission).notes
    assert bool(notes) == bool(said)
    assert said in "; ".join(notes)


def test_a_notebook_with_large_outputs_is_looked_through_in_place(tmp_path: Path) -> None:
    text = 'a line of "output" \\ and so on\n'
    (tmp_path / "big.ipynb").write_bytes(notebook(SLOPE, RIGHT["03.1"], output=text * 300_000))
    [submission] = submissions(tmp_path)
    [found] = submission.notebooks
    assert found.cells == (SLOPE, RIGHT["03.1"])


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonlin.desk.submissions.LARGEST_FILE", 2**20)
    (tmp_path / "bomb.zip").write_bytes(zipped(**{"x.ipynb": b" " * 2**22, "y.ipynb": notebook(SLOPE)}))
    [submission] = submissions(tmp_path)
    assert [each if isinstance(each, tuple) else each.cells for each in submission.notebooks] == [
        ("x.ipynb", "is larger than 1 MiB"),
        (SLOPE,),
    ]


@linux
@pytest.mark.long
def test_every_solution_of_the_course_is_found_right_in_its_lesson(tmp_path: Path) -> None:
    """A student hands in three lessons, in which each check got the solution; every day another three."""
    place, output = tmp_path / "handed in", tmp_path / "marks.csv"
    numbers = sorted({number.partition(".")[0] for number in EXERCISES})
    for some in (numbers[place : place + 3] for place in range(0, len(numbers), 3)):
        shutil.rmtree(place, ignore_errors=True)
        for lesson in some:
            (place / "all").mkdir(parents=True, exist_ok=True)
            (place / "all" / f"{lesson}.ipynb").write_bytes(solved(lesson))
        done = mark(place, output, "--lesson", *some, "--seconds", "60")
        assert done.returncode == 0, done.stderr
        row = rows_of(output)["all"]
        own = [number for number in EXERCISES if number[:2] in some]
        assert {number: row[number] for number in own} == dict.fromkeys(own, "solved"), row["Feedback"]


def solved(lesson: str) -> bytes:
    """A lesson with the solution in each cell that checks an answer."""
    [path] = LESSONS.glob(f"{lesson}_*.ipynb")
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        for number in BY_TEXT.findall("".join(cell["source"])) if cell["cell_type"] == "code" else ():
            *body, last = EXERCISES[number].solution_text.rstrip().split("\n")
            name = EXERCISES[number].solution.__name__
            handed = f"check({number!r}, {name if EXERCISES[number].wants_function else last})"
            cell["source"] = "\n".join([*body, last, "", handed])
    return json.dumps(content).encode()


@pytest.mark.long
def test_marks_are_the_same_where_processes_do_not_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark_box, "FORKS", False)
    names = ("all right", "sleeps")
    place, output = tmp_path / "handed in", tmp_path / "marks.csv"
    hand_in(place, names, COURSE)
    assert main(["mark", str(place), "--output", str(output), "--lesson", "03", "--seconds", "4"]) == 0
    assert {name: states(row) for name, row in rows_of(output).items()} == {
        name: tuple(CASES[name].states) for name in names
    }
    assert processes(tmp_path) == []


@linux
@pytest.mark.long
def test_two_marks_of_the_same_folder_are_identical(tmp_path: Path) -> None:
    place = tmp_path / "handed in"
    hand_in(place, ("all right", "a known mistake", "gives back what was stored", "an error in the function"), COURSE)
    for times, jobs in enumerate("12"):
        mark(place, tmp_path / f"{times}.csv", "--report", str(tmp_path / f"{times}.html"), "--jobs", jobs)
    for kind in ("csv", "html"):
        assert (tmp_path / f"0.{kind}").read_bytes() == (tmp_path / f"1.{kind}").read_bytes()
