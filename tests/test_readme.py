"""The README holds what is true: its lessons, its dependencies, its commands and its links exist."""

import re
import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nonlin import __main__ as command_line
from nonlin.notebooks import LESSONS, with_lessons

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [found.split("#")[0].strip() for found in re.findall(r"python3 start\.py \w[^`\n]*", README)]


def requirements(name: str) -> list[str]:
    """The lines of a requirements file, without comments and without the package itself."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-e")]


def test_every_direct_dependency_has_a_reason_and_is_locked() -> None:
    direct = {Requirement(line).name for line in requirements("requirements.in")}
    section = README.split("## What each dependency is for")[1].split("##")[0]
    named = [cell for row in re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE) for cell in row.split(", ")]
    assert sorted(cell.strip("`") for cell in named) == sorted(direct)
    locked = {Requirement(line).name for line in requirements("requirements.txt")}
    assert direct <= locked
    for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert line.partition("#")[2].strip(), f"{line} has no reason"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-cpu.txt"])
def test_the_lock_pins_everything_and_names_no_index(name: str) -> None:
    for line in requirements(name):
        assert re.search(r"==\d", line), line
        assert "://" not in line


def test_the_table_of_lessons_is_made_from_them() -> None:
    assert with_lessons(README) == README
    rows = re.findall(r"^\| (\d\d) \| \[.*?\]\(notebooks/(.*?)\): .+ \| \d+( \+ \d+)? \|$", README, flags=re.MULTILINE)
    assert [row[1] for row in rows] == [path.name for path in sorted(LESSONS.glob("*.ipynb"))]


def test_a_lesson_that_is_missing_in_the_table_gets_its_row() -> None:
    without = re.sub(r"^\| 0[37] \|.*\n", "", README, flags=re.MULTILINE)
    added = with_lessons(without)
    assert [line[:4] for line in added.splitlines()] == [line[:4] for line in README.splitlines()]
    assert with_lessons("no table") == "no table"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^):#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.split()[2] not in ("test", "setup")])
def test_commands_are_understood(command: str) -> None:
    command_line.parse(shlex.split(command)[2:])
