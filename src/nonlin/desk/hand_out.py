"""The course for a class: lessons without outputs, exercises without solutions, as files and as one zip."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from nonlin.desk.new_folder import new_folder, scratch_folder
from nonlin.errors import ReaderError
from nonlin.files import unwritable
from nonlin.notebooks import lessons
from nonlin.paths import project_root

NAME = "nonlinear"  # of the folder that students get, and of the zip
PARTS = (  # of the course; what is not named is of no use to a learner: tests, pages, tools of the authors
    *("start.py", "pyproject.toml", "setup.py", "requirements.in", "requirements.txt", "requirements-cpu.txt"),
    *("LICENSE", "CITATION.cff", ".gitignore", "jupyter", "src/nonlin"),
    *("data/README.md", "data/results", "docs/cheat_sheet.png"),
)
LEFT_OUT = re.compile(
    r"(^|/)(\.ipynb_checkpoints|__pycache__|teaching\.py|[^/]*\.(pyc|pyo|egg-info|orig|rej|swp|bak)|[^/]*~)(/|$)"
)
LINK = re.compile(r"\[([^][]*)\]\((\d\d_\w+\.ipynb)(?:#[^)]*)?\)")
YEAR_OF_ZIP = (1980, 1, 1, 0, 0, 0)  # the same in each: a zip tells when its files were written


def course() -> Path:
    """The folder of the course.

    Raises:
        ReaderError: if there is none, or if it is a hand-out.
    """
    root = project_root()
    if root is None:
        raise ReaderError("this is made from a whole copy of the course, and here only its package is installed")
    if not list(root.glob("src/nonlin/lessons/*/exercises.py")) or _is_hand_out(root):
        raise ReaderError(f"{root} is a hand-out, which holds no solutions: start from the course itself")
    return root


def _is_hand_out(root: Path) -> bool:
    return any("sealed=" in path.read_text(encoding="utf-8") for path in root.glob("src/nonlin/lessons/*/exercises.py"))


def files_of(root: Path, parts: Iterable[str] = PARTS) -> dict[str, Path]:
    """The files of the course that belong to a learner's copy, beside the lessons, by their place in it."""
    found: dict[str, Path] = {}
    for part in parts:
        place = root / part
        each = sorted(place.rglob("*")) if place.is_dir() else [place]
        found |= {path.relative_to(root).as_posix(): path for path in each if path.is_file()}
    return {name: path for name, path in found.items() if not LEFT_OUT.search(name)}


def hand_out(folder: Path, names: Sequence[str] = (), after: date | None = None) -> list[str]:
    """Make a hand-out: the folder ``nonlinear`` and the same as ``nonlinear.zip``, byte for byte the same each time.

    Args:
        folder: a new one, which will hold both.
        names: beginnings of the lessons' file names ("03"); none for all.
        after: from which day on a check shows the solution, by the clock of the student's machine; None for never.

    Returns:
        The names of the lessons' files.

    Raises:
        ReaderError: if a lesson is not known, or the folder cannot be made; then nothing is left of it.
    """
    root, chosen = course(), sorted(set(lessons(list(names))))
    with new_folder(folder) as part:
        write_hand_out(part / NAME, root, chosen, after)
        _zip(part / NAME, part / f"{NAME}.zip")
    return [path.name for path in chosen]


def write_hand_out(folder: Path, root: Path, chosen: Sequence[Path], after: date | None) -> None:
    """Write the files of a hand-out into a folder."""
    numbers = {path.stem[:2] for path in chosen}
    for name, path in files_of(root).items():
        if not name.endswith("/exercises.py"):
            _copy(path, folder / name)
    _write(
        folder / "pyproject.toml", (root / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.pytest")[0]
    )
    for number, source in sources_without_solutions(after).items():
        if number in numbers:
            _write(folder / _place(number), source)
    for path in chosen:
        _write(folder / "notebooks" / path.name, blank(path.read_text(encoding="utf-8"), {p.name for p in chosen}))
    _write(folder / "README.md", readme([path.name for path in chosen], after))


def _place(number: str) -> str:
    from nonlin.lessons import TOPICS

    return f"src/nonlin/lessons/{TOPICS[number]}/exercises.py"


def sources_without_solutions(after: date | None = None, only: Iterable[str] | None = None) -> dict[str, str]:
    """The source of each lesson's exercises, or of some lessons', as students get it, by the number of the lesson."""
    from nonlin.desk.without_solutions import without_solutions
    from nonlin.lessons import EXERCISES, QUIZZES, parts

    return {
        number: without_solutions(Path(module.__file__).read_text(encoding="utf-8"), EXERCISES, QUIZZES[number], after)
        for number, module in parts("exercises").items()
        if only is None or number in only
    }


@contextmanager
def package_without_solutions(only: Iterable[str] | None = None) -> Iterator[Path]:
    """A folder that holds the package ``nonlin`` as students get it, for as long as the block runs.

    Args:
        only: numbers of the lessons whose exercises it holds; None for all.
    """
    root = course()
    with scratch_folder("package") as made:
        try:
            for name, path in files_of(root, ["src/nonlin"]).items():
                if not name.endswith("/exercises.py"):
                    _copy(path, made / name)
            for number, source in sources_without_solutions(only=only).items():
                _write(made / _place(number), source)
        except OSError as error:
            raise unwritable(made, error) from error
        yield made / "src"


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)
    if path.name == "start.py":
        to.chmod(0o755)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def blank(text: str, there: Iterable[str]) -> str:
    """A notebook without outputs, as text.

    Args:
        text: of the notebook's file.
        there: names of the notebooks that lie beside it; links to others become plain words.
    """
    notebook, there = json.loads(text), set(there)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        else:
            source = "".join(cell["source"])
            plain = LINK.sub(lambda link: link[0] if link[2] in there else link[1], source)
            cell["source"] = plain.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def readme(names: Sequence[str], after: date | None) -> str:
    """What students read first."""
    from nonlin.notebooks import lesson_file

    rows = "\n".join(f"- [{' · '.join([name[:2], lesson_file(name[:2])[1]])}](notebooks/{name})" for name in names)
    solutions = f"shown below each check from {after} on" if after else "not part of this copy"
    return f"""\
# Nonlinear, lessons for you

Lessons on the activation functions of PyTorch, as notebooks in which you predict, try and measure.

```
python3 start.py          # install once (a minute or two on a fast line), then open the lessons in JupyterLab
```

On Windows write `py` instead of `python3`. You need Python 3.11 to 3.14 and 1.5 GB on disk (6 GB on Linux with an
NVIDIA card). Everything is installed into the folder `.venv`, which you can delete at any time; later starts need no
network.

{rows}

Each exercise has a check that tells what is likely wrong with your answer, and hints to unfold. The solutions are
{solutions}.
"""


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), YEAR_OF_ZIP)
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED  # 3 is Unix, whatever it is made on
            entry.external_attr = (0o100755 if path.name == "start.py" else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())
