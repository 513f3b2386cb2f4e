"""start.py: the decisions, the stamp and the messages, without a network and without installing anything."""

import ast
import importlib.util
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[1]
Call = Callable[..., object]
PYPROJECT = """
build-system.requires = ["setuptools"]
project.name = "nonlin"
tool.setuptools.packages.find.where = ["src"]
tool.ruff.line-length = 120
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """start.py, at work in an empty project."""
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("requirements.txt", "start.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY", "NONLIN_RUNS", "JUPYTER_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    return module


@pytest.fixture
def pip(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A .venv whose Python is an empty file, and a pip that only counts, or does what `effect` says."""
    fake = SimpleNamespace(calls=0, effect=lambda: None)

    def output_of(command: list[str]) -> str | None:
        return "3.12" if Path(command[0]).exists() else None

    def make_venv(lock_file: object) -> None:
        start.venv_python().parent.mkdir(parents=True)
        start.venv_python().touch()
        start.write_stamp(start.UNFINISHED)

    def pip_install(lock_file: object, cached: bool) -> None:
        fake.calls += 1
        (start.VENV / f"package{fake.calls}").touch()
        fake.effect()

    monkeypatch.setattr(start, "output_of", output_of)
    monkeypatch.setattr(start, "make_venv", make_venv)
    monkeypatch.setattr(start, "pip_install", pip_install)
    return fake


def fail_with(error: BaseException) -> Callable[[], None]:
    def effect() -> None:
        raise error

    return effect


def record(calls: list, code: int = 0) -> Call:
    def call(*args: object, **options: object) -> int:
        calls.append((args, options))
        return code

    return call


def test_it_parses_on_python_3_6() -> None:
    source = (ROOT / "start.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source  # 3.7, but grammar says nothing about it


# What is in .venv


def test_second_start_installs_nothing(start: ModuleType, pip: SimpleNamespace) -> None:
    start.prepare()
    start.prepare()
    assert pip.calls == 1
    assert start.read_stamp()["folder"] == str(start.ROOT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "torch==99"),
        ("pyproject.toml", PYPROJECT.replace('"nonlin"', '"other"')),
        ("pyproject.toml", PYPROJECT.replace('"src"', '"lib"')),
        ("pyproject.toml", PYPROJECT.replace('["setuptools"]', '["hatchling"]')),
    ],
)
def test_changed_lock_installs_again_into_the_same_venv(
    start: ModuleType, pip: SimpleNamespace, name: str, text: str
) -> None:
    start.prepare()
    (start.ROOT / name).write_text(text)
    assert not start.is_ready()
    start.prepare()
    assert pip.calls == 2
    assert (start.VENV / "package1").exists()
    assert start.is_ready()


def test_a_new_rule_for_the_linter_installs_nothing(start: ModuleType, pip: SimpleNamespace) -> None:
    start.prepare()
    (start.ROOT / "pyproject.toml").write_text(PYPROJECT.replace("120", "100"))
    start.prepare()
    assert pip.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError("gone")])
def test_interrupted_installation_is_begun_again(start: ModuleType, pip: SimpleNamespace, error: BaseException) -> None:
    pip.effect = fail_with(error)
    with pytest.raises(type(error)):
        start.prepare()
    assert start.read_stamp() == start.UNFINISHED
    pip.effect = lambda: None
    start.prepare()
    assert start.is_ready()
    assert not (start.VENV / "package1").exists()


def test_interrupted_update_is_begun_again(start: ModuleType, pip: SimpleNamespace) -> None:
    start.prepare()
    (start.ROOT / "requirements.txt").write_text("changed")
    pip.effect = fail_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        start.prepare()
    pip.effect = lambda: None
    start.prepare()
    assert not (start.VENV / "package1").exists()
    assert start.is_ready()


def test_killed_while_emptying_venv(start: ModuleType, pip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    start.prepare()
    monkeypatch.setattr(start.shutil, "rmtree", lambda path: fail_with(KeyboardInterrupt())())
    with pytest.raises(KeyboardInterrupt):
        start.discard_venv()
    assert start.read_stamp() == start.UNFINISHED


def test_failed_first_installation_leaves_nothing(start: ModuleType, pip: SimpleNamespace) -> None:
    pip.effect = fail_with(start.Problem("no network"))
    with pytest.raises(start.Problem):
        start.prepare()
    assert not start.VENV.exists()


def test_full_disk_is_tidied_up(start: ModuleType, pip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_the_disk() -> None:
        monkeypatch.setattr(start, "write_stamp", lambda stamp: fail_with(OSError(28, "No space left on device"))())
        raise start.Problem("The disk is full")

    pip.effect = fill_the_disk
    with pytest.raises(start.Problem, match="disk is full"):
        start.prepare()
    assert not start.VENV.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to end by")
def test_killed_pip_is_no_orderly_failure(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], stderr=subprocess.PIPE)
    monkeypatch.setattr(start.subprocess, "Popen", lambda *_, **__: killed)
    with start.lock() as file, pytest.raises(OSError, match="signal 9"):
        start.pip_install(file, cached=True)


def test_failed_update_leaves_what_was_there(start: ModuleType, pip: SimpleNamespace) -> None:
    start.prepare()
    before = start.read_stamp()
    (start.ROOT / "requirements.txt").write_text("changed")
    pip.effect = fail_with(start.Problem("no network"))
    with pytest.raises(start.Problem):
        start.prepare()
    assert start.read_stamp() == before
    assert (start.VENV / "package1").exists()


@pytest.mark.parametrize(
    ("change", "notice"),
    [({"folder": "/elsewhere"}, "made in another folder, /elsewhere"), ({"python": "3.99"}, "changed from 3.99 to")],
)
def test_unusable_venv_is_rebuilt_with_a_notice(
    start: ModuleType, pip: SimpleNamespace, capsys: pytest.CaptureFixture, change: dict, notice: str
) -> None:
    start.prepare()
    start.write_stamp({**start.read_stamp(), **change})
    start.prepare()
    assert notice in capsys.readouterr().err
    assert not (start.VENV / "package1").exists()
    assert start.is_ready()


def test_vanished_python_is_noticed(start: ModuleType, pip: SimpleNamespace, capsys: pytest.CaptureFixture) -> None:
    start.prepare()
    start.venv_python().unlink()
    start.prepare()
    assert "its Python has vanished" in capsys.readouterr().err
    assert start.is_ready()


def test_venv_of_somebody_else_is_kept(start: ModuleType, pip: SimpleNamespace) -> None:
    start.make_venv(None)
    start.stamp_path().unlink()
    (start.VENV / "theirs").touch()
    start.prepare()
    assert (start.VENV / "theirs").exists()
    assert start.is_ready()


@pytest.mark.parametrize("text", ["", "{", "[]", '"installed"'])
def test_damaged_stamp_does_not_count(start: ModuleType, pip: SimpleNamespace, text: str) -> None:
    start.prepare()
    start.stamp_path().write_text(text)
    assert not start.is_ready()


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_stamp_is_replaced_in_one_step(start: ModuleType, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    start.VENV.mkdir()
    start.write_stamp({"state": "old"})
    monkeypatch.setattr(start.os, moment, lambda *_: fail_with(KeyboardInterrupt())())
    with pytest.raises(KeyboardInterrupt):
        start.write_stamp({"state": "new"})
    assert start.read_stamp() == {"state": "old"}


def test_second_start_at_once_waits(start: ModuleType, capsys: pytest.CaptureFixture) -> None:
    entered = threading.Event()

    def second() -> None:
        with start.lock():
            entered.set()

    with start.lock():
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
    thread.join(timeout=10)
    assert entered.is_set()
    assert capsys.readouterr().err.count("waiting until it is done") == 1


# What is said


def refusal(start: ModuleType, capsys: pytest.CaptureFixture, *args: str) -> str:
    """The one line on stderr of a start that fails."""
    assert start.main(list(args)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 15, 0)])
def test_unsupported_python(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, version: tuple
) -> None:
    monkeypatch.setattr(start.sys, "version_info", version)
    monkeypatch.setattr(start.platform, "python_version", lambda: ".".join(map(str, version)))
    monkeypatch.setattr(start.shutil, "which", lambda name: "/bin/" + name if name == "python3.12" else None)
    monkeypatch.setattr(start, "output_of", lambda command: "3.12")
    monkeypatch.setattr(start.sys, "argv", ["start.py"])
    message = refusal(start, capsys, "test", "-k", "a b")
    assert "needs Python 3.11 to 3.14, and this is Python " + ".".join(map(str, version)) in message
    assert message.endswith("type: python3.12 start.py test -k 'a b'")


def test_python_that_does_not_run_is_not_recommended(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.shutil, "which", lambda name: name)
    monkeypatch.setattr(start, "output_of", lambda command: None)
    assert start.find_supported_python() is None


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 9)])
def test_supported_python(start: ModuleType, version: tuple) -> None:
    assert start.is_supported(version)


def test_missing_ensurepip(start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None if name == "ensurepip" else name)
    package = f"python3.{sys.version_info[1]}-venv"
    assert refusal(start, capsys).endswith(f"sudo apt install {package}")
    assert not start.VENV.exists()


def test_read_only_folder(start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(start.os, "access", lambda *_: False)
    assert f"The folder {start.ROOT} is read-only" in refusal(start, capsys)
    assert not start.VENV.exists()


def free_space(start: ModuleType, monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    usage = SimpleNamespace(free=gigabytes * 1e9)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda folder: usage)


def test_disk_too_small(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.tempfile, "gettempdir", lambda: str(start.ROOT))  # two needs on one disk add up
    room = start.Room(installed=3e9, downloaded=2e9)
    free_space(start, monkeypatch, 4)
    with pytest.raises(start.Problem, match=r"needs 5\.0 GB and 4\.0 GB are free"):
        start.check_disk(room)
    free_space(start, monkeypatch, 5.5)
    start.check_disk(room)


def test_pip_keeps_downloads_only_where_there_is_room(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.tempfile, "gettempdir", lambda: str(start.ROOT))
    monkeypatch.setattr(start.Path, "home", lambda: start.ROOT)
    room = start.Room(installed=3e9, downloaded=2e9)
    free_space(start, monkeypatch, 6.9)
    assert not start.pip_can_keep_downloads(room)
    free_space(start, monkeypatch, 7.1)
    assert start.pip_can_keep_downloads(room)


@pytest.mark.parametrize(
    ("messages", "part"),
    [
        ("WARNING: Retrying (...) after connection broken by 'NewConnectionError(...)'", "connect to the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.15.0", "no PyTorch package for this computer"),
        ("ERROR: something else", "pip failed with exit code 1"),
    ],
)
def test_why_pip_failed(start: ModuleType, messages: str, part: str) -> None:
    assert part in start.pip_problem(1, messages)
    assert start.pip_problem(0, messages) is None


def test_retries_of_pip_are_told_once(start: ModuleType, capsys: pytest.CaptureFixture) -> None:
    text = b"WARNING: Retrying (1)\nWARNING: Retrying (2)\nERROR: caf\xe9\n"
    kept = start.follow_errors(io.BytesIO(text))
    assert kept.count("\n") == 3
    assert capsys.readouterr().err.count("\n") == 1


# What is started


@pytest.mark.parametrize(
    ("args", "target", "passed"),
    [
        ([], "lab", []),
        (["lab", "--port", "9999"], "lab", ["--port", "9999"]),
        (["--port", "9999"], "lab", ["--port", "9999"]),
        (["test", "-k", "relu"], "test", ["-k", "relu"]),
        (["train", "--epochs", "2"], "course_command", ["train", "--epochs", "2"]),
    ],
)
def test_routing(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, args: list[str], target: str, passed: list[str]
) -> None:
    calls = []
    monkeypatch.setattr(start, "prepare", lambda: None)
    for name in ("lab", "test", "course_command"):
        monkeypatch.setattr(start, name, lambda args, name=name: calls.append((name, args)) or 7)
    assert start.main(args) == 7
    assert calls == [(target, passed)]


def test_help_needs_no_installation(start: ModuleType, capfd: pytest.CaptureFixture) -> None:
    assert start.main(["--help"]) == 0
    assert "test [ARGS]" in capfd.readouterr().out
    assert not start.VENV.exists()


def test_unknown_command_is_told_before_an_installation(
    start: ModuleType, pip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start.subprocess, "call", lambda *_, **__: 2)
    assert start.main(["trian"]) == 2
    assert pip.calls == 0


def test_course_command_keeps_arguments_and_exit_code(
    start: ModuleType, pip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.prepare()
    calls = []
    monkeypatch.setattr(start, "run", record(calls, 5))
    assert start.main(["train", "--epochs", "2"]) == 5
    assert calls[0][0][0] == [str(start.venv_python()), "-m", "nonlin", "train", "--epochs", "2"]


@pytest.mark.parametrize(("codes", "expected"), [((0, 0, 0), 0), ((0, 2, 1), 2), ((0, 0, 5), 5)])
def test_test_runs_everything_and_returns_the_first_failure(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], expected: int
) -> None:
    commands, remaining = [], list(codes)
    monkeypatch.setattr(start, "run", lambda command, **_: commands.append(command[2:]) or remaining.pop(0))
    assert start.test(["-k", "relu"]) == expected
    assert commands == [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pytest", "-k", "relu"]]


def test_ctrl_c_stops_the_tests(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(start, "run", record(calls, 130))
    assert start.test([]) == 130
    assert len(calls) == 1


def test_lab_as_root_without_display(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(start, "is_root", lambda: True)
    monkeypatch.setattr(start, "has_display", lambda: False)
    options = start.lab_defaults([])
    assert options[-2:] == ["--allow-root", "--no-browser"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in options
    assert capsys.readouterr().err.count("adding") == 2


@pytest.mark.parametrize(
    "given",
    [
        ["--allow-root", "--no-browser", "--ip=0.0.0.0", "--notebook-dir=x", "--LabApp.default_url=/lab"],
        [
            "--ServerApp.allow_root=True",
            "--ServerApp.open_browser=False",
            "--ServerApp.ip=::",
            "--ServerApp.root_dir=x",
            "--LabApp.default_url",
            "/lab",
        ],
    ],
)
def test_lab_adds_nothing_twice(start: ModuleType, monkeypatch: pytest.MonkeyPatch, given: list[str]) -> None:
    monkeypatch.setattr(start, "is_root", lambda: True)
    monkeypatch.setattr(start, "has_display", lambda: False)
    assert start.lab_defaults(given) == []


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_display(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: bool
) -> None:
    monkeypatch.setattr(start.sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert start.has_display() is expected


def test_lab_keeps_the_configuration_of_the_user(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(start, "run", record(calls))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/theirs")
    monkeypatch.setenv("NONLIN_RUNS", "logs")
    start.lab(["--port", "9999"])
    (command,), options = calls[0]
    assert command[-2:] == ["--port", "9999"]
    assert options["environment"]["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(start.ROOT / "jupyter"), "/theirs"])
    assert options["environment"]["NONLIN_RUNS"] == str(Path.cwd() / "logs")
    assert options["environment"]["NONLIN_PROG"] == "start.py"


@pytest.mark.parametrize("code", [0, 3])
def test_run_returns_the_exit_code(start: ModuleType, code: int) -> None:
    assert start.run([sys.executable, "-c", f"raise SystemExit({code})"]) == code


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to end by")
def test_run_counts_signals_as_the_shell_does(start: ModuleType) -> None:
    assert start.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 2)"]) == 130
    assert start.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 137


def test_no_child_outlives_the_start(start: ModuleType) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(SystemExit), start.stopped_at_exit(child):
        raise SystemExit(143)
    assert child.returncode is not None


# The configuration of Jupyter


def jupyter_config(folder: Path = ROOT / "jupyter") -> dict:
    return PyFileConfigLoader("jupyter_server_config.py", str(folder)).load_config()


def tensorboard_command() -> list[str]:
    tile = jupyter_config()["ServerProxy"]["servers"].get_value({})["tensorboard"]
    return [part.format(port=6006) for part in tile["command"]]


def test_tile_shows_the_runs_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NONLIN_RUNS", raising=False)
    command = tensorboard_command()
    assert command[:3] == [sys.executable, "-m", "tensorboard.main"]
    assert command[3:] == ["--port", "6006", "--logdir", str(ROOT / "runs")]  # above all no --bind_all


def test_tile_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = str(tmp_path / "runs {of} mine")
    monkeypatch.setenv("NONLIN_RUNS", odd)
    assert tensorboard_command()[-1] == odd


@pytest.mark.parametrize(("prefix", "expected"), [("/user/ann/", "/user/ann/proxy/%PORT%/"), ("", None)])
def test_tensorboard_in_a_notebook_behind_a_hub(
    monkeypatch: pytest.MonkeyPatch, prefix: str, expected: str | None
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", prefix)
    monkeypatch.setenv("TENSORBOARD_PROXY_URL", "")  # so that monkeypatch puts it back afterwards
    monkeypatch.delenv("TENSORBOARD_PROXY_URL")
    jupyter_config()
    assert os.environ.get("TENSORBOARD_PROXY_URL") == expected


def test_news_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JupyterLab reads it, from the folder that start.py puts on its path."""
    from jupyterlab_server.settings_utils import _get_overrides

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(ROOT / "jupyter"))
    overrides, error = _get_overrides("/nowhere")
    assert error == ""
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_settings_are_json() -> None:
    for path in (ROOT / "jupyter").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
