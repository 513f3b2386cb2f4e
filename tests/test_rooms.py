"""Every room of the package imports only from rooms below it."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

from folded import folded

import nonlin

ROOT = Path(nonlin.__file__).parent
GROUND = (
    "installation",
    "paths",
    "address",
    "errors",
    "files",
    "processes",
    "typography",
    "signatures",
    "intervals",
    "normal",
    "minutes",
    "notebooks",
    "memory",
)
ORDER = (  # from the ground upwards
    *GROUND,
    "activations",
    "images",
    "lab",
    "toys",
    "bench",
    "plots",
    "exercises",
    "ledger",
    "lessons",
    "desk",
    "site",
    "commands",
    "__main__",
)
LEVEL = {room: 0 if room in GROUND else level for level, room in enumerate(ORDER)}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imported_modules(path: Path) -> set[str]:
    """What of the package a file imports, wherever in the file, without the package's name: ``"lab.runs.run"``."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module.removeprefix("nonlin.") for module in modules if module.startswith("nonlin.")}


def imported_rooms(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imported_modules(path)}


@folded("path", FILES)
def test_imports_run_downward(path: Path) -> None:
    for other in imported_rooms(path) - {room(path)}:
        assert LEVEL[other] < LEVEL[room(path)] or {LEVEL[other], LEVEL[room(path)]} == {0}, f"imports {other}"


@folded("path", sorted((ROOT / "lessons").glob("*/*.py")))
def test_a_lesson_stands_alone(path: Path) -> None:
    """It imports from its own folder, and from what gathers all lessons; only lesson 17, about all of them, does so."""
    own = f"lessons.{path.parent.name}"
    for module in imported_modules(path):
        if module.startswith("lessons."):
            gathered = path.parent.name == "choosing" and module == "lessons.CLAIMS"
            assert module.startswith(own) or gathered, f"{path.name} imports {module}"


@folded("path", sorted((ROOT / "lessons").iterdir()))
def test_a_lessons_files_bear_the_same_names_in_each(path: Path) -> None:
    if not path.is_dir() or path.name == "__pycache__":
        return
    names = {file.name for file in path.glob("*.py")}
    more = {"guide.py", "cheat_sheet.py", "checkup.py"} if path.name == "choosing" else set()
    assert names - more <= {
        "__init__.py",
        "experiments.py",
        "figures.py",
        "claims.py",
        "exercises.py",
        "terms.py",
        "teaching.py",
    }
    assert "exercises.py" in names


def test_networks_know_no_record() -> None:
    assert "activations" not in imported_rooms(ROOT / "lab" / "networks.py")


def test_the_check_sees_imports() -> None:
    assert {"activations", "lab", "images"} <= imported_rooms(ROOT / "plots" / "images.py")


SLOW = ("torch._dynamo", "torchvision", "triton", "sympy", "nbformat")  # each is imported where it is needed


def test_nobody_waits_for_what_a_lesson_may_not_need() -> None:
    code = "import sys, nonlin.plots, nonlin.lessons, nonlin.images.sources, nonlin.ledger; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"nonlin.plots", "torch"} <= set(done.stdout.split())
    assert not set(SLOW) & set(done.stdout.split())
