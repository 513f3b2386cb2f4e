"""What the front door says is true: its lessons, its dependencies, its commands and its links exist."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from folded import folded
from packaging.requirements import Requirement

from nonlin import __main__ as command_line
from nonlin.notebooks import LESSONS, with_lessons

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/**/README.md"))
    if path != ROOT / "docs" / "index.md"  # whose links lead to pages that the site makes, and are held with it
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OF_START = ("test", "setup", "lab")  # commands of start.py itself


def commands(page: str) -> list[str]:
    found = (text.split("#")[0].strip() for text in re.findall(r"python3 start\.py \w[^`\n]*", PAGES[page]))
    return [command for command in found if command.split()[2] not in (*OF_START, "COMMAND")]


def anchors(page: str) -> set[str]:
    """The headings of a page as GitHub links to them."""
    titles = re.findall(r"^#+ (.*)$", PAGES[page], flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def requirements(name: str) -> list[str]:
    """The lines of a requirements file, without comments and without the package itself."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-e")]


def test_every_direct_dependency_has_a_reason_and_is_locked() -> None:
    direct = {Requirement(line).name for line in requirements("requirements.in")}
    section = PAGES["CONTRIBUTING.md"].split("## What each dependency is for")[1].split("##")[0]
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


def test_the_readme_is_one_screen_beside_its_tables() -> None:
    table = re.search(r"^\| \| lesson .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)[0]
    assert len(re.sub(r"^\|.*\n", "", README, flags=re.MULTILINE).split()) <= 460
    assert README.index("docs/activations.png") < README.index("python3 start.py test") < README.index(table)


def test_the_table_of_lessons_is_made_from_them() -> None:
    assert with_lessons(README) == README
    rows = re.findall(r"^\| (\d\d) \| \[.*?\]\(notebooks/(.*?)\): .+ \| \d+( \+ \d+)? \|$", README, flags=re.MULTILINE)
    assert [row[1] for row in rows] == [path.name for path in sorted(LESSONS.glob("*.ipynb"))]


def test_a_lesson_that_is_missing_in_the_table_gets_its_row() -> None:
    without = re.sub(r"^\| 0[37] \|.*\n", "", README, flags=re.MULTILINE)
    added = with_lessons(without)
    assert [line[:4] for line in added.splitlines()] == [line[:4] for line in README.splitlines()]
    assert with_lessons("no table") == "no table"


@folded("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^):]+)\)", PAGES[page]):
        place, _, anchor = target.partition("#")
        path = (ROOT / page).parent / place if place else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.resolve().relative_to(ROOT).as_posix()), target


@folded("page", PAGES)
def test_commands_are_understood(page: str) -> None:
    for command in commands(page):
        assert command_line.parse(shlex.split(command)[2:]), command


def test_there_are_commands_to_understand() -> None:
    assert len([command for page in PAGES for command in commands(page)]) > 30


def test_what_can_be_cited_was_released() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PYPROJECT["project"]["version"]
    assert f"## {citation['version']} ({citation['date-released']})" in PAGES["CHANGELOG.md"]


def test_the_code_of_conduct_names_no_address() -> None:
    """Nobody has been asked to receive complaints: they go where the repository's issues are."""
    assert not re.search(r"@|://", PAGES["CODE_OF_CONDUCT.md"])
    assert "Open an issue" in PAGES["CODE_OF_CONDUCT.md"]
