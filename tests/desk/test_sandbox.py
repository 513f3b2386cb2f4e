"""What confines students' code, on systems that offer less than this one, and when its keeper is killed."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import nonlin
from nonlin.desk.mark_box import protections

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what confines the code is Linux's")
SANDBOX = Path(nonlin.__file__).parent / "desk" / "sandbox.py"
HIDDEN, KEPT, SEALED = ("work/marks.csv", "work/in/a.ipynb"), "work/kept/a.py", "work/kept/sealed.py"


@pytest.fixture
def place() -> Iterator[Path]:
    """Files to be hidden and to be kept, and a folder for runs; the code may run as another user."""
    with tempfile.TemporaryDirectory() as name:
        for file in (*HIDDEN, KEPT, SEALED, "runs/x"):
            Path(name, file).parent.mkdir(parents=True, exist_ok=True)
            Path(name, file).write_text("something")
        for each in (Path(name), *Path(name).rglob("*")):
            each.chmod(0o755)
        yield Path(name)


def command(place: Path, system: str) -> list[str]:
    return [sys.executable, "-I", str(Path(__file__).with_name("sandboxed.py")), str(SANDBOX), str(place), system]


@pytest.mark.parametrize("system", ["this", "a container", "an old kernel"])
def test_what_is_said_to_be_hidden_is_hidden(system: str, place: Path) -> None:
    done = subprocess.run(command(place, system), capture_output=True, text=True, check=False)
    assert [each.name for each in (place / "runs").iterdir()] == ["x"]
    ended, why, names, read = done.stdout.strip("\n").split("|")
    assert (ended, why) == ("finished", ""), done
    denied = tuple(names.split(","))
    hidden = {"files", "hidden"} & {*denied}
    assert system != "an old kernel" or "files" not in hidden
    assert hidden or "disk" not in denied  # where mounts can be made, they hide
    assert read.split() == ([KEPT] if hidden else [*HIDDEN, KEPT, SEALED])
    said = protections(SimpleNamespace(denied=denied))[0]
    assert ("is not denied files" in said) == ("files" not in hidden)


def test_where_the_system_fails_no_mark_comes_of_it(place: Path) -> None:
    done = subprocess.run(command(place, "a lost folder"), capture_output=True, text=True, check=False)
    ended, why, *_ = done.stdout.split("|")
    assert ended == "unable"
    assert "gone" in why


def test_what_runs_is_removed_when_its_parent_is_killed(place: Path) -> None:
    def until(names: int) -> None:
        late = time.monotonic() + 20
        while len(list((place / "runs").iterdir())) != names and time.monotonic() < late:
            time.sleep(0.02)
        assert len(list((place / "runs").iterdir())) == names

    process = subprocess.Popen(command(place, "killed"))
    until(2)
    process.kill()
    process.wait()
    until(1)


def test_only_what_is_hidden_is_covered(tmp_path: Path) -> None:
    from nonlin.desk.sandbox import to_cover  # Linux's alone

    for file in ("course/src/a.py", "course/.venv/lib/b.py", "course/in/c", "tmp/run/d", "tmp/marks.csv"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    paths = {
        name: str(tmp_path / name)
        for name in ("course", "course/.venv", "course/.venv/lib/b.py", "tmp", "tmp/run", "no")
    }
    hidden = [paths[name] for name in ("course", "course/.venv/lib/b.py", "tmp", "no", "tmp/run")]
    found = set(to_cover(hidden, [paths["course/.venv"], paths["tmp/run"], paths["no"]]))
    expected = ("course/src", "course/in", "course/.venv/lib/b.py", "tmp/marks.csv")
    assert found == {str(tmp_path / name) for name in expected}
