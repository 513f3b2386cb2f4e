"""Where things live on disk."""

import json
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import platformdirs
import pytest
from IPython.utils.text import DollarFormatter
from tensorboard import manager, notebook

from nonlin import paths
from nonlin.errors import ReaderError

pytestmark = pytest.mark.usefixtures("checkout")


def test_a_checkout_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    module = tmp_path / "src" / "nonlin" / "paths.py"
    assert paths.project_root(module) is None
    (tmp_path / "pyproject.toml").touch()
    assert paths.project_root(module) is None
    (tmp_path / "notebooks").mkdir()
    assert paths.project_root(module) == tmp_path.resolve()
    assert paths.project_root() == Path(__file__).resolve().parents[1]


def test_places_in_a_checkout(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.runs_folder() == checkout / "runs"
    assert paths.data_folder() == checkout / "data"
    assert paths.cache_folder() == checkout / "data" / "cache"
    monkeypatch.setenv("NONLIN_RUNS", str(tmp_path / "elsewhere"))
    assert paths.runs_folder() == tmp_path / "elsewhere"
    assert list(checkout.iterdir()) == []


def test_places_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "project_root", lambda: None)
    for kind in ("data", "cache"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_path", lambda *_, kind=kind, **__: tmp_path / kind)
    assert paths.runs_folder() == tmp_path / "data" / "runs"
    assert paths.data_folder() == tmp_path / "data" / "data"
    assert paths.cache_folder() == tmp_path / "data" / "data" / "cache"
    assert not (tmp_path / "data").exists()


def test_each_user_of_a_shared_checkout_has_work_and_runs_of_his_own(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paths.work_folder() == checkout / "work"
    monkeypatch.setattr(paths, "is_writable", lambda folder: not folder.is_relative_to(checkout))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "users")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    assert paths.work_folder() == tmp_path / "home" / "nonlin"
    assert paths.runs_folder() == tmp_path / "users" / "runs"
    assert paths.data_folder() == checkout / "data"
    monkeypatch.setenv("NONLIN_WORK", "~/mine")
    assert paths.work_folder() == tmp_path / "home" / "mine"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the place of a folder decides who may write")
def test_a_cache_lies_where_nobody_else_can_write(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "users")
    own, users = checkout / "data" / "cache", tmp_path / "users"
    own.mkdir(parents=True)
    users.mkdir()
    for mode, expected in ((0o755, own), (0o775, users), (0o777, users), (0o700, own)):
        own.chmod(mode)
        assert paths.cache_folder() == expected
    own.chmod(0o777)
    users.chmod(0o777)
    assert paths.cache_folder() is None


def test_a_user_without_home_has_no_cache_and_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "project_root", lambda: None)
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda text: text)  # as where the user's number has no entry
    assert paths.cache_folder() is None
    for folder in (paths.data_folder, paths.runs_folder):
        with pytest.raises(ReaderError, match="has no home folder for data and runs: set HOME"):
            folder()


def test_writable_means_that_files_can_be_made(tmp_path: Path) -> None:
    assert paths.is_writable(tmp_path)
    assert paths.is_writable(tmp_path / "not" / "yet")
    (tmp_path / "file").touch()
    assert not paths.is_writable(tmp_path / "file")
    assert not paths.is_writable(tmp_path / "file" / "below")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert not paths.is_writable(tmp_path / "dangling" / "below")
    (tmp_path / "locked").mkdir(mode=0o555)
    assert paths.is_writable(tmp_path / "locked") == os.access(tmp_path / "locked", os.W_OK)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "{home}"),
        ("~/x", "{home}/x"),
        ("x", "{here}/x"),
        ("./~x", "{here}/~x"),
        ("a/~", "{here}/a/~"),
        ("/x", "/x"),
    ],
)
def test_a_path_is_meant_as_in_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert paths.absolute(written) == Path(meant.format(home=tmp_path, here=Path.cwd())).absolute()


def test_the_home_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaderError, match="the home folder ~nosuchuser is not known"):
        paths.absolute("~nosuchuser/x")
    monkeypatch.setenv("NONLIN_RUNS", "~nosuchuser/runs")
    with pytest.raises(ReaderError, match="~nosuchuser"):
        paths.runs_folder()


AWKWARD = (
    r"C:\Users\ann\nonlinear\runs",
    r"C:\Users\Ann O'Hara\my runs #2\runs",
    "C:\\",
    r"\\server\share\runs",
    "/home/ann/{1} $HOME ~ & 100 %/runs",
    '/home/a "b" `c`/{runs_folder()}',
    "/home/ann/ü 中\trun",
)
LINES = sorted(
    {
        line
        for notebook in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb")
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for line in "".join(cell["source"]).splitlines()
        if cell["cell_type"] == "code" and line.startswith(("%tensorboard ", "!"))
    }
)


@pytest.mark.parametrize("path", AWKWARD)
@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_split_carries_any_path(line: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As IPython fills a line in, and as TensorBoard then splits it."""
    runs = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    filled = DollarFormatter().vformat(line, (), {"runs_folder": lambda: runs, "one_word": paths.one_word})
    given: list[list[str]] = []
    monkeypatch.setattr(manager, "start", lambda words: given.append(words) or manager.StartTimedOut(pid=0))
    notebook.start(filled.removeprefix("%tensorboard "))
    folder = runs / "lesson-13" if "lesson-13" in line else runs
    assert given == [["--logdir", str(folder), "--port", "0"]]
