"""All links to the published course follow one setting."""

from email.message import Message
from pathlib import Path

import pytest

from nonlin import address
from nonlin.errors import ReaderError
from nonlin.site.markdown import links

WRITTEN = "https://github.com/someone/course"


def set_in_checkout(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pyproject.toml").write_text(f"[project]\n[project.urls]\n{lines}\n", encoding="utf-8")
    monkeypatch.setattr(address, "project_root", lambda: folder)


def set_in_package(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Message()
    for line in lines.splitlines():
        facts["Project-URL"] = line.replace('"', "").replace(" = ", ", ")
    monkeypatch.setattr(address, "project_root", lambda: None)
    monkeypatch.setattr(address, "metadata", lambda name: facts)


@pytest.mark.parametrize("place", [set_in_checkout, set_in_package])
@pytest.mark.parametrize(
    "line", [f'Repository = "{WRITTEN}"', f'repository = "{WRITTEN}.git"', f'Repository = "{WRITTEN}/"']
)
def test_links_follow_the_setting(place, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(f'Homepage = "https://example.org"\n{line}', tmp_path, monkeypatch)
    assert address.repository() == WRITTEN
    shown = links("notebooks/04_relu.ipynb", runs=True)
    assert f"]({WRITTEN}/edit/main/notebooks/04_relu.ipynb)" in shown
    assert "](https://colab.research.google.com/github/someone/course/blob/colab/04_relu.ipynb)" in shown
    assert "Run this lesson" not in links("docs/using.md")


@pytest.mark.parametrize("line", ['Repository = "github.com/someone"', "Repository = https://github.com/someone"])
def test_a_setting_that_is_no_address_is_named(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_in_checkout(line, tmp_path, monkeypatch)
    with pytest.raises(ReaderError, match=r"pyproject\.toml .*mend it"):
        address.repository()


def test_a_course_that_is_published_elsewhere_has_no_link_to_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://example.org/course")
    assert address.colab_link("04_relu.ipynb") is None
    assert "Run this lesson" not in links("notebooks/04_relu.ipynb", runs=True)


@pytest.mark.parametrize("place", [set_in_checkout, set_in_package])
def test_without_an_address_there_are_no_links(place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place("", tmp_path, monkeypatch)
    assert links("notebooks/04_relu.ipynb", runs=True) == ""
