"""Copies for Google Colab: what they install, and that nothing in them needs what Colab lacks."""

import ast
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
from folded import folded

import nonlin
from nonlin import address, paths
from nonlin.desk import colab
from nonlin.errors import ReaderError
from nonlin.minutes import HIDDEN
from nonlin.notebooks import LESSONS

HERE = Path(nonlin.__file__).parent
NOT_THERE = {"commands", "desk", "site", "__main__.py", "installation.py"}  # what no lesson imports


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "nonlin-1-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    return path


def test_each_lesson_gets_a_copy_that_installs_the_course(tmp_path: Path, wheel: Path) -> None:
    folder = tmp_path / "copies"
    written = colab.copies(folder, str(wheel))
    assert [path.name for path in written] == [path.name for path in sorted(LESSONS.glob("*.ipynb"))]
    assert (folder / wheel.name).read_bytes() == b"a wheel"
    for path in written:
        copy, lesson = (nbformat.read(place / path.name, as_version=4) for place in (folder, LESSONS))
        nbformat.validate(copy)
        first, *rest = copy.cells
        assert f'%pip install --quiet --no-deps "./{wheel.name}"' in first.source
        assert f"put {wheel.name} among its files" in first.source  # a notebook that is opened there comes alone
        assert [cell.id for cell in rest] == [cell.id for cell in lesson.cells]
        assert not any(cell.get("outputs") for cell in copy.cells)
        for cell in rest:
            folded_there = cell.metadata.get("cellView") == "form" and cell.source.startswith("# @title ")
            assert folded_there == (HIDDEN in cell.metadata.get("tags", []))


@folded("path", sorted(LESSONS.glob("*.ipynb")))
def test_no_lesson_asks_for_the_checkout(path: Path) -> None:
    """Where the course is installed from a wheel there is none; results_folder() is where the tables are."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not [cell.id for cell in cells if "project_root" in cell.source or "data/results" in cell.source]


def test_a_wheel_brings_the_tables_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = LESSONS.parent
    for name in ("src/nonlin", "data/results/claims"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src" / "nonlin" / "__init__.py").touch()
    (tmp_path / "data" / "results" / "claims" / "03.json").write_text("{}")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "nonlin"\nversion = "1"\n')
    shutil.copy(root / "setup.py", tmp_path)
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "built"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "built" / "nonlin" / "results" / "claims" / "03.json").is_file()
    monkeypatch.setattr(paths, "project_root", lambda: None)
    assert paths.results_folder() == HERE / "results"


def test_without_an_address_a_wheel_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "repository", lambda: None)
    with pytest.raises(ReaderError, match="--from"):
        colab.copies(tmp_path / "copies")
    with pytest.raises(ReaderError, match=r"no wheel missing\.whl"):
        colab.copies(tmp_path / "copies", "missing.whl")
    assert not (tmp_path / "copies").exists()


def test_nothing_that_is_there_is_replaced(tmp_path: Path, wheel: Path) -> None:
    """Neither the lessons themselves nor the answers in a learner's copies, which have the same names."""
    before = {path: path.stat().st_mtime_ns for path in LESSONS.iterdir()}
    for folder, why in {LESSONS: "in the course itself", tmp_path: "not empty", wheel: "is there already"}.items():
        with pytest.raises(ReaderError, match=why):
            colab.copies(folder, str(wheel))
    assert {path: path.stat().st_mtime_ns for path in LESSONS.iterdir()} == before
    assert list(tmp_path.iterdir()) == [wheel]


def test_with_an_address_all_links_follow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://github.com/someone/course")
    path = colab.copies(tmp_path)[1]
    copy = nbformat.read(path, as_version=4)
    assert '"git+https://github.com/someone/course"' in copy.cells[0].source
    assert "among its files" not in copy.cells[0].source
    text = "\n".join(cell.source for cell in copy.cells if cell.cell_type == "markdown")
    assert "](https://colab.research.google.com/github/someone/course/blob/colab/00_start_here.ipynb)" in text
    assert "](00_start_here.ipynb)" not in text


def third_party(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"nonlin", ""}


@folded("path", [path for path in HERE.rglob("*.py") if path.relative_to(HERE).parts[0] not in NOT_THERE])
def test_what_the_lessons_import_is_installed(path: Path) -> None:
    optional = {"nbclient", "distributed", "sympy", "triton"}  # for authors; clusters; the site's formulas; a GPU
    brought_along = {"mpl_toolkits": "matplotlib", "IPython": "ipywidgets"}
    for module in third_party(path.read_text(encoding="utf-8")) - optional:
        assert brought_along.get(module, module) in colab.NEEDED, module


def test_what_is_needed_bears_the_names_that_pip_knows() -> None:
    known = packages_distributions()
    for module, package in colab.NEEDED.items():
        assert package in {name.casefold() for name in known[module]}
