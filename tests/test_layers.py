"""Imports run downward only: __main__ and commands, then plots and their kin, then experiments, then activations."""

import ast
from pathlib import Path

import pytest

import nonlinear

ROOT = Path(nonlinear.__file__).parent
ORDER = (
    "typography",
    "activations",
    "experiments",
    ("claims", "plots", "tables", "exercises", "benchmark", "guide", "notebooks"),
    "commands",
    "__main__",
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in ([names] if isinstance(names, str) else names)}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms of the package that a file imports from, wherever in the file."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("nonlinear.")}


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_run_downward(path: Path) -> None:
    own = LEVEL[room(path)]
    for other in imported_rooms(path) - {room(path)}:
        assert LEVEL[other] <= own, f"{path.name} imports {other}"


def test_models_know_no_record() -> None:
    assert "activations" not in imported_rooms(ROOT / "experiments" / "models.py")


def test_the_check_sees_imports() -> None:
    assert {"activations", "experiments"} <= imported_rooms(ROOT / "plots" / "images.py")
