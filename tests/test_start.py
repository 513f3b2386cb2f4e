"""start.py at work: real virtual environments, with wheels and an index of a few lines in place of gigabytes."""

import ast
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[1]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere PyPI's PyTorch is the CPU build")
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals or links")

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "nonlin"
version = "1"

[tool.pytest.ini_options]
"""

BACKEND = """\
import os, pathlib, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("reached").touch()
    while os.path.exists("hold"):
        time.sleep(0.05)
    with zipfile.ZipFile(os.path.join(folder, "nonlin-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("nonlin.pth", os.path.abspath("src"))
        wheel.writestr("nonlin-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: nonlin\\nVersion: 1\\n")
        wheel.writestr("nonlin-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
        wheel.writestr("nonlin-1.dist-info/RECORD", "")
    return "nonlin-1-py3-none-any.whl"
"""

# Stands for the package and for JupyterLab, ruff and pytest: prints how it was called, and does what it is told.
COMMAND = """\
import json, os, sys, time
name = __spec__.name.split(".")[0]
def parse(args):
    sys.exit(2 if args in (["trian"], ["train", "--activation"]) else 0)
if __name__ == "__main__":
    print(json.dumps({"name": name, "args": sys.argv[1:], "env": dict(os.environ)}), flush=True)
    if "wait" in sys.argv:
        time.sleep(60)
    sys.exit(json.loads(os.environ.get("CODES", "{}")).get(name, 0))
"""

# uv is not a dependency of the course; its place is taken by the pip of these tests, run by the Python that uv is told.
UV = """\
#!{python}
import os, pip, sys
assert sys.argv[1:4] == ["pip", "install", "--python"], sys.argv
runner = os.path.join(os.path.dirname(pip.__file__), "__pip-runner__.py")  # as pip --python does it
os.execv(sys.argv[4], [sys.argv[4], runner, "install", *sys.argv[5:]])
"""


def make_wheel(folder: Path, name: str, version: str, text: str = "") -> None:
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n{text}")
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with PyPI and PyTorch's CPU index."""
    folder = tmp_path_factory.mktemp("index")
    for name in ("torch", "torchvision"):
        make_wheel(folder / "pypi", name, "9.0")
        make_wheel(folder / "cpu", name, "9.0+cpu")
    make_wheel(folder / "pypi", "torch", "9.1", "raise OSError('libgpu.so is missing')")
    for version in ("1.0", "2.0"):
        make_wheel(folder / "pypi", "helper", version)
        make_wheel(folder / "cpu", "helper", version, "raise ImportError('from the wrong index')")
    (folder / "portal" / "torch").mkdir(parents=True)
    (folder / "portal" / "torch" / "index.html").write_text("Welcome to the airport. Please log in.")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


class Course:
    """A small course with start.py in a folder of its own, and the environment variables to start it with."""

    def __init__(self, folder: Path, index: str) -> None:
        self.folder, self.venv = folder, folder / ".venv"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "NONLIN", "UV_"))}
        self.variables = kept | {
            "PATH": str(folder / "bin"),
            "PIP_INDEX_URL": f"{index}/pypi",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "NONLIN_CPU_INDEX": f"{index}/cpu",
        }

    def fill(self) -> None:
        source = self.folder / "src"
        (source / "nonlin").mkdir(parents=True)
        (self.folder / "tests").mkdir()
        (source / "nonlin" / "__init__.py").touch()
        for name in ("nonlin/__main__.py", "jupyterlab.py", "ruff.py", "pytest.py"):
            (source / name).write_text(COMMAND)
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        (self.folder / "backend.py").write_text(BACKEND)
        (self.folder / "requirements.txt").write_text("-e .\ntorch==9.0\ntorchvision==9.0\nhelper==1.0\n")
        (self.folder / "requirements-cpu.txt").write_text("-e .\ntorch==9.0+cpu\ntorchvision==9.0+cpu\nhelper==1.0\n")
        shutil.copy(ROOT / "start.py", self.folder)
        shutil.copy(ROOT / "src/nonlin/installation.py", source / "nonlin")

    def with_uv(self) -> "Course":
        if importlib.util.find_spec("pip") is None or os.name == "nt":
            pytest.skip("a script that calls pip takes uv's place, and cannot here")
        uv = self.folder / "bin" / "uv"
        uv.parent.mkdir()
        uv.write_text(UV.format(python=sys.executable))
        uv.chmod(0o755)
        return self

    def command(self, *args: str, **variables: str) -> dict:
        command = [sys.executable, str(self.folder / "start.py"), *args]
        return {"args": command, "env": self.variables | variables, "cwd": self.folder.parent, "text": True}

    def start(self, *args: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(**self.command(*args, **variables), capture_output=True)

    def spawn(self, *args: str, **variables: str) -> subprocess.Popen:
        return subprocess.Popen(
            **self.command(*args, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def refusal(self, *args: str, code: int = 1, **variables: str) -> str:
        """The last line on stderr of a start that fails."""
        done = self.start(*args, **variables)
        assert done.returncode == code, done
        assert "is set up" not in done.stderr
        return done.stderr.splitlines()[-1]

    def version(self, name: str) -> str:
        code = f"import {name}; print({name}.__version__)"
        return subprocess.check_output([*self.python(), "-I", "-c", code], text=True).strip()

    def python(self) -> list[str]:
        return [str(self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))]

    def packages(self) -> Path:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(subprocess.check_output([*self.python(), "-I", "-c", code], text=True).strip())

    def stamp(self) -> dict:
        return json.loads((self.venv / "start.json").read_text())

    def module(self, file: str = "src/nonlin/installation.py") -> ModuleType:
        """How it is installed, or start.py itself, to ask its functions."""
        spec = importlib.util.spec_from_file_location(Path(file).stem, self.folder / file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture
def course(tmp_path: Path, index: str) -> Course:
    """Before the first start."""
    made = Course(tmp_path / "the course", index)
    made.fill()
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, index: str) -> tuple[Course, str]:
    """A course after a first start, with pip, that was asked for the CPU build; and what that start said."""
    folder = tmp_path_factory.mktemp("installed")
    made = Course(folder / "the course", index)
    made.fill()
    # As the modules of clusters and robots have it: everything seems to be there already, and is to go elsewhere.
    for name, version in (("torch", "9.0+cpu"), ("torchvision", "9.0+cpu"), ("helper", "1.0"), ("nonlin", "1")):
        make_wheel(folder / "wheels", name, version)
        with zipfile.ZipFile(folder / "wheels" / name / f"{name}-{version}-py3-none-any.whl") as wheel:
            wheel.extractall(folder / "modules")
    places = {"PYTHONPATH": "modules", "PIP_PREFIX": "prefix", "PIP_TARGET": "target", "PIP_ROOT": "root"}
    hostile = {name: str(folder / place) for name, place in places.items()}
    done = made.start("setup", "--torch", "cpu", **hostile, PIP_USER="1", PYTHONHOME=sys.base_prefix)
    assert done.returncode == 0, done.stderr
    return made, done.stderr


@pytest.fixture
def ready(installed: tuple[Course, str], tmp_path: Path, index: str) -> Course:
    """A copy of that one, to damage; without pip, of which copies would take long."""
    made = Course(tmp_path / "the course", index)
    left_out = shutil.ignore_patterns("pip*", "setuptools*", "pkg_resources", "*distutils*", "__pycache__")
    shutil.copytree(installed[0].folder, made.folder, symlinks=True, ignore=left_out)
    (made.packages() / "nonlin.pth").write_text(str(made.folder / "src"))
    stamp = made.stamp()
    names = [name for name in stamp["names"] if (made.packages() / name).exists()]
    (made.venv / "start.json").write_text(json.dumps(stamp | {"folder": str(made.folder), "names": names}))
    return made


# Which Python


def test_it_parses_on_python_3_6() -> None:
    ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.15"])
def test_a_real_python_of_another_version_is_refused(version: str) -> None:
    python = shutil.which(f"python{version}") or "python" + version
    with contextlib.suppress(OSError):
        done = subprocess.run([python, ROOT / "start.py", "setup"], capture_output=True, text=True)
        if done.returncode != 127:  # a stub of pyenv's that only prints an error
            assert done.returncode == 1
            assert re.fullmatch(rf"start\.py: The course needs .* is {version}\.\d+ .*\n", done.stderr)
            return
    pytest.skip("not on this computer")


@pytest.mark.parametrize(("version", "bits"), [((3, 10, 9), 64), ((3, 15, 0), 64), ((3, 12, 1), 32)])
def test_unsupported_python_is_one_sentence(course: Course, version: tuple, bits: int) -> None:
    pretend = f"import sys; sys.version_info = {version}; sys.maxsize = {2 ** (bits - 1) - 1}"
    code = f"{pretend}; import runpy; runpy.run_path('start.py')"
    done = subprocess.run([sys.executable, "-c", code], cwd=course.folder, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "needs a 64-bit Python 3.11 to 3.14, and this is" in line
    assert f"with {bits} bits" in line
    assert not course.venv.exists()


# Which PyTorch


@pytest.mark.parametrize(
    ("args", "choice", "others", "remembered"),
    [
        ([], "gpu", [], "gpu"),
        (["--torch", "cpu"], "cpu", [], "cpu"),
        (["--torch=auto", "test", "-k", "a b"], "auto", ["test", "-k", "a b"], "auto"),
        (["train", "--epochs", "2", "--torch", "cpu"], "cpu", ["train", "--epochs", "2"], "cpu"),
    ],
)
def test_torch_is_taken_from_anywhere_and_remembered(
    course: Course, args: list[str], choice: str, others: list[str], remembered: str
) -> None:
    start = course.module()
    start.SETTING.write_text("gpu\n")
    assert start.take_torch(args) == (choice, others)
    assert start.take_torch([]) == (remembered, [])


def test_torch_in_the_environment_goes_before_what_was_remembered(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = course.module()
    assert start.take_torch(["lab"]) == ("auto", ["lab"])
    start.SETTING.write_text("cpu")
    monkeypatch.setenv("NONLIN_TORCH", "gpu")
    assert start.take_torch(["lab"]) == ("gpu", ["lab"])
    assert start.take_torch(["--torch", "auto", "lab"]) == ("auto", ["lab"])


@pytest.mark.parametrize("words", [["--torch"], ["--torch", "rocm"], ["--torch="]])
def test_unknown_torch_is_refused(course: Course, words: list[str]) -> None:
    assert "take auto, cpu or gpu, not" in course.refusal("setup", *words, code=2)
    assert "take auto, cpu or gpu, not" in course.refusal("setup", code=2, NONLIN_TORCH="cuda")
    assert not (course.folder / ".torch").exists()


@linux
@pytest.mark.parametrize(
    ("choice", "driver", "place", "lock"),
    [
        ("auto", False, "cpu", "requirements-cpu.txt"),
        ("auto", False, "portal", "requirements.txt"),
        ("auto", False, "nowhere", "requirements.txt"),
        ("auto", True, "cpu", "requirements.txt"),
        ("cpu", True, "cpu", "requirements-cpu.txt"),
        ("gpu", False, "cpu", "requirements.txt"),
    ],
)
def test_the_build_of_pytorch_and_what_is_said_about_it(
    course: Course,
    index: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    choice: str,
    driver: bool,
    place: str,
    lock: str,
) -> None:
    start = course.module()
    monkeypatch.setattr(start, "has_nvidia_driver", lambda: driver)
    monkeypatch.setattr(start, "CPU_INDEX", f"{index}/{place}")
    assert start.choose_lock(choice) == lock
    (line,) = capsys.readouterr().err.splitlines()
    assert ("1.5 GB" if lock == start.CPU else "6 GB") in line
    assert ("not to be had" in line) == (place in ("portal", "nowhere"))


@linux
@pytest.mark.parametrize("kind", ["silent", "closed"])
def test_an_index_that_does_not_answer(
    course: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, kind: str
) -> None:
    start = course.module()
    monkeypatch.setattr(start, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(start, "PATIENCE", 0.3)
    began = time.monotonic()
    with silent_server() if kind == "silent" else contextlib.nullcontext(closed()) as address:
        monkeypatch.setattr(start, "CPU_INDEX", address)
        assert start.choose_lock("auto") == start.PYPI
        assert f"not to be had from {address}" in capsys.readouterr().err
        with pytest.raises(start.Problem, match="does not offer PyTorch's CPU build now"):
            start.choose_lock("cpu")
    assert time.monotonic() - began < 5


@posix
def test_a_driver_is_noticed(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    start = course.module()
    program = course.folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert start.has_nvidia_driver()


def test_elsewhere_pypi_has_the_small_build(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    start = course.module()
    monkeypatch.setattr(start, "LINUX", False)
    for choice in ("auto", "cpu", "gpu"):
        assert start.choose_lock(choice) == start.PYPI
        assert start.fits(choice, start.PYPI)


# The locks


def lock(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line[:1].isalnum()]


def test_the_cpu_lock_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("cpu_lock", ROOT / ".ci" / "cpu_lock.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (ROOT / "requirements-cpu.txt").read_text(encoding="utf-8")
    assert text == script.cpu_lock((ROOT / "requirements.txt").read_text(encoding="utf-8")), "run .ci/cpu_lock.py"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.14"])
def test_both_locks_agree_on_everything_but_the_build_of_pytorch(machine: str, python: str) -> None:
    here = {"sys_platform": "linux", "platform_machine": machine, "python_version": python}
    here["python_full_version"] = python + ".9"
    both, small = (
        {one.name: str(one.specifier) for one in lock(name) if one.marker is None or one.marker.evaluate(here)}
        for name in ("requirements.txt", "requirements-cpu.txt")
    )
    gone = both.keys() - small.keys()
    assert gone
    assert all(name.startswith(("nvidia-", "cuda-")) or name == "triton" for name in gone)
    suffixes = {"torch": "+cpu", "torchvision": "+cpu" if machine == "x86_64" else ""}
    assert small == {name: both[name] + suffixes.get(name, "") for name in both.keys() - gone}


def test_start_reads_the_build_from_the_cpu_lock() -> None:
    start = Course(ROOT, "").module()
    assert [re.split("[=+]", line)[0] for line in start.torch_lines()] == ["torch", "torchvision", "torchvision"]
    assert start.torch_lines()[0].endswith("+cpu")


# A first start


@linux
def test_first_start(installed: tuple[Course, str]) -> None:
    course, said = installed
    assert "PyTorch's own build without GPU libraries: 1.5 GB" in said
    assert said.endswith(f"The course is set up in {course.venv}.\n")
    versions = {name: course.version(name) for name in ("torch", "torchvision", "helper")}
    assert versions == {"torch": "9.0+cpu", "torchvision": "9.0+cpu", "helper": "1.0"}
    assert (course.folder / ".torch").read_text() == "cpu\n"


def test_later_starts_are_fast_and_need_no_network(ready: Course) -> None:
    before = os.times()
    done = ready.start("setup", PIP_INDEX_URL=closed(), NONLIN_CPU_INDEX=closed())
    after = os.times()
    assert (done.returncode, done.stderr) == (0, f"The course is set up in {ready.venv}.\n")
    # Of the processor, since other tests keep the machine busy.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1


def test_it_was_installed_nowhere_else(installed: tuple[Course, str]) -> None:
    assert sorted(path.name for path in installed[0].folder.parent.iterdir()) == ["modules", "the course", "wheels"]


@posix
def test_a_link_to_an_empty_folder_is_kept(course: Course, tmp_path: Path) -> None:
    """As one makes it when the other disk is the larger one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    course.with_uv().venv.symlink_to(disk)
    done = course.start("setup", NONLIN_TORCH="auto", NONLIN_CPU_INDEX=closed())
    assert done.returncode == 0, done.stderr
    assert course.version("torch") == "9.0"
    assert course.venv.is_symlink()
    assert course.start("setup").stderr.count("\n") == 1


@pytest.mark.parametrize("trouble", ["closed", "silent"])
def test_no_network_is_told_in_a_sentence_and_leaves_nothing(course: Course, trouble: str) -> None:
    course.with_uv()
    with silent_server() if trouble == "silent" else contextlib.nullcontext(closed()) as address:
        last = course.refusal("setup", "--torch", "gpu", PIP_INDEX_URL=address, PIP_DEFAULT_TIMEOUT="0.5")
    assert "it needs a network, and later starts need none" in last
    assert not course.venv.exists()


def test_a_typing_error_is_told_before_an_installation(course: Course) -> None:
    for mistake in (["trian"], ["train", "--activation"]):
        assert course.start(*mistake).returncode == 2
    done = course.start("train", "--help")
    assert (done.returncode, json.loads(done.stdout)["args"]) == (0, ["train", "--help"])
    assert "setup [--again]" in course.start("--help").stdout
    assert not course.venv.exists()


def test_what_does_not_work_is_not_called_set_up(course: Course) -> None:
    course.with_uv()
    text = (course.folder / "requirements.txt").read_text()
    (course.folder / "requirements.txt").write_text(text.replace("torch==9.0", "torch==9.1"))
    assert "does not work (OSError: libgpu.so is missing)" in course.refusal("--torch", "gpu", "setup")
    (course.folder / "requirements.txt").write_text(text)
    assert "the last installation was not finished" in course.start("setup").stderr
    assert course.version("torch") == "9.0"


@posix
@pytest.mark.parametrize("name", ["the\ncourse", "{course}", "$HOME"])
def test_a_path_in_which_nothing_can_be_installed_is_refused(course: Course, name: str) -> None:
    odd = Course(course.folder.with_name(name), "")
    course.folder.rename(odd.folder)
    assert odd.refusal("setup").endswith(f"rename {str(odd.folder)!r}.")
    assert not odd.venv.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_refused(course: Course) -> None:
    (course.folder / "start.py").chmod(0o444)
    assert "it needs a folder that you can write to" in course.refusal("setup")


def test_too_small_a_disk_is_told_beforehand(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    start = course.module()
    with pytest.raises(start.Problem, match=r"GB free, and the course needs 1500000\.0 GB"):
        start.make_venv("", 1e6, {})
    assert not course.venv.exists()


# What is not ours


LINKS = [pytest.param(kind, marks=posix) for kind in ("link to files", "link to an environment", "dead link")]


@pytest.mark.parametrize("kind", ["folder", "file", *LINKS])
def test_what_is_not_ours_stays(course: Course, tmp_path: Path, kind: str) -> None:
    theirs = tmp_path / "theirs"
    if kind == "file":
        course.venv.write_text("a diary")
    elif kind == "folder":
        course.venv.mkdir()
        (course.venv / "thesis.tex").touch()
    else:
        course.venv.symlink_to(theirs)
    if kind.startswith("link"):
        theirs.mkdir()
        (theirs / ("thesis.tex" if kind == "link to files" else "pyvenv.cfg")).touch()
    before = sorted(tmp_path.rglob("*"))
    for args in (["setup"], ["setup", "--again"]):
        message = course.refusal(*args)
        assert str(course.venv.resolve()) in message
        assert "stays as it is" in message
    assert (
        sorted(path for path in tmp_path.rglob("*") if path.name != "__pycache__" and path.suffix != ".pyc") == before
    )


@posix
def test_the_environment_of_another_copy_stays(ready: Course, tmp_path: Path, index: str) -> None:
    other = Course(tmp_path / "other", index)
    other.fill()
    other.venv.symlink_to(ready.venv)
    assert str(ready.venv) in other.refusal("setup", "--again")
    assert ready.start("setup").returncode == 0


def test_an_environment_that_somebody_made_is_used_as_it_is(course: Course) -> None:
    course.with_uv()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", course.venv], check=True)
    (course.packages() / "theirs.py").touch()
    assert course.start("--torch", "gpu", "setup").returncode == 0
    assert (course.packages() / "theirs.py").exists()


# What has changed


@pytest.mark.parametrize("name", ["torch", "helper", "nonlin.pth"])
def test_what_is_missing_is_noticed_and_nothing_else_is_lost(ready: Course, name: str) -> None:
    path = ready.packages() / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for args in (["setup"], ["train"]):
        message = ready.refusal(*args)
        assert f"{name} is missing from .venv" in message
        assert message.endswith("python3 start.py setup --again")
    assert (ready.packages() / "torchvision").exists()


def test_a_course_without_its_package_is_not_called_set_up(ready: Course) -> None:
    shutil.rmtree(ready.folder / "src" / "nonlin")
    assert f"Of the course in {ready.folder} a part is missing" in ready.refusal("setup")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements-cpu.txt"])
def test_a_merge_conflict_is_told(ready: Course, name: str) -> None:
    file = ready.folder / name
    file.write_text(f"<<<<<<< HEAD\n{file.read_text()}=======\n>>>>>>> theirs\n")
    for args in (["setup"], ["train"], ["setup", "--again"]):
        message = ready.refusal(*args)
        assert "There is a merge conflict in pyproject.toml or requirements-cpu.txt: resolve it" in message
    assert (ready.packages() / "torch").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("lib", "its Python does not run, or its packages are gone"),
        ("pyvenv.cfg", "its Python does not run, or its packages are gone"),
        ("python", "its Python does not run, or its packages are gone"),
        ("folder", "its folder was /elsewhere and is now"),
        ("version", "its python was 3.99 and is now 3."),
        ("garbage", ""),
        ("unfinished", "the last installation was not finished"),
    ],
)
def test_an_unusable_environment_is_made_anew(ready: Course, damage: str, reason: str) -> None:
    start = ready.module()
    stamp = ready.venv / "start.json"
    if damage == "lib":
        shutil.rmtree(ready.packages())
    elif damage == "pyvenv.cfg":
        (ready.venv / "pyvenv.cfg").unlink()
    elif damage == "python":
        Path(ready.python()[0]).unlink()
    elif damage == "folder":
        stamp.write_text(json.dumps(ready.stamp() | {"folder": "/elsewhere"}))
    elif damage == "version":
        stamp.write_text(json.dumps(ready.stamp() | {"python": "3.99"}))
    else:
        stamp.write_text(json.dumps(start.UNFINISHED) if damage == "unfinished" else "[{")
    assert not start.is_ready("auto")
    assert start.why_anew(start.read_stamp(), start.facts(start.CPU, start.look())).startswith(reason)


def test_new_rule_for_the_linter_is_no_reason_to_install(ready: Course) -> None:
    start = ready.module()
    file = ready.folder / "pyproject.toml"
    file.write_text(PYPROJECT + "xfail_strict = true\n")
    assert start.is_ready("auto")
    file.write_text(PYPROJECT.replace('"1"', '"2"'))
    assert not start.is_ready("auto")


def test_packaging_stands_above_the_tests_in_pyproject() -> None:
    above, _, below = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.pytest")
    assert all(part in above for part in ("[build-system]", "[project]", "[project.scripts]", "[tool.setuptools"))
    assert not re.search(r"^\[(build|project|tool\.setuptools)", below, flags=re.MULTILINE)


def test_an_update_keeps_the_environment_and_the_build_of_pytorch(ready: Course) -> None:
    (ready.with_uv().venv / "mine").touch()
    for name in ("requirements.txt", "requirements-cpu.txt"):
        (ready.folder / name).write_text((ready.folder / name).read_text().replace("helper==1.0", "helper==3.0"))
    before = ready.stamp()
    assert "The installation failed" in ready.refusal("setup")
    assert (ready.stamp(), ready.version("helper")) == (before, "1.0")
    for name in ("requirements.txt", "requirements-cpu.txt"):
        (ready.folder / name).write_text((ready.folder / name).read_text().replace("helper==3.0", "helper==2.0"))
    done = ready.start("setup", "--torch", "auto")
    assert done.returncode == 0, done.stderr
    assert "PyTorch" not in done.stderr
    assert ready.version("helper") == "2.0"
    assert ready.version("torch") == ("9.0+cpu" if sys.platform.startswith("linux") else "9.0")
    assert (ready.venv / "mine").exists()


@linux
def test_another_build_of_pytorch_is_installed_anew(ready: Course) -> None:
    ready.with_uv()
    done = ready.start("--torch=gpu", "setup")
    assert done.returncode == 0, done.stderr
    assert "its torch was requirements-cpu.txt and is now requirements.txt" in done.stderr
    assert ready.version("torch") == "9.0"
    assert ready.start("setup").stderr.count("\n") == 1


@posix
def test_killed_installation_is_begun_anew_once_its_orphan_has_ended(course: Course) -> None:
    course.with_uv()
    hold = course.folder / "hold"
    hold.touch()
    first = course.spawn("--torch", "gpu", "setup")
    wait_for(course.folder / "reached")
    first.kill()
    with first.stdout, first.stderr:
        first.wait()
    second = course.spawn("setup")
    assert "Another start is installing in this folder" in second.stderr.readline()
    assert course.stamp() == {"state": "unfinished"}
    hold.unlink()
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 0, said
    assert "the last installation was not finished" in said
    assert said.count("Setting up the course") == 1
    assert course.version("torch") == "9.0"


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_installation_ends_pip(course: Course, number: int, code: int) -> None:
    course.with_uv()
    (course.folder / "hold").touch()
    start = course.spawn("--torch", "gpu", "setup")
    wait_for(course.folder / "reached")
    os.kill(start.pid, number) if number == signal.SIGTERM else os.killpg(start.pid, number)
    said = start.communicate(timeout=20)[1]
    assert start.returncode == code, said
    assert "the next start begins it anew" in said
    assert course.stamp() == {"state": "unfinished"}
    (course.folder / "hold").unlink()  # what pip had started for itself ends, too


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


@posix
def test_killed_while_emptying(ready: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    start = ready.module()
    monkeypatch.setattr(start.shutil, "rmtree", lambda path: os.kill(os.getpid(), signal.SIGINT) or time.sleep(1))
    with pytest.raises(KeyboardInterrupt):
        start.discard_venv()
    assert start.read_stamp() == start.UNFINISHED


# What is started


def calls(done: subprocess.CompletedProcess) -> list[tuple[str, list[str]]]:
    return [(call["name"], call["args"]) for call in map(json.loads, done.stdout.splitlines())]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], ("jupyterlab", [])),
        (["lab", "--port", "9999"], ("jupyterlab", ["--port", "9999"])),
        (["--port", "9999"], ("jupyterlab", ["--port", "9999"])),
        (["--torch", "cpu", "--port=1"], ("jupyterlab", ["--port=1"])),
        (["train", "--epochs", "2"], ("nonlin", ["train", "--epochs", "2"])),
    ],
)
def test_commands(ready: Course, args: list[str], expected: tuple[str, list[str]]) -> None:
    done = ready.start(*args)
    assert calls(done) == [expected]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["lab", "train"])
def test_commands_keep_their_exit_code(ready: Course, command: str) -> None:
    assert ready.start(command, CODES='{"jupyterlab": 5, "nonlin": 5}').returncode == 5


def test_a_module_that_cannot_be_found_is_told_in_a_sentence() -> None:
    code = "import sys; sys.modules['torch'] = None; from nonlin.__main__ import main; sys.exit(main(['table']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .*torch.*; python3 start\.py setup --again installs everything anew\.\n", done.stderr)


def test_setup_takes_no_other_argument(ready: Course) -> None:
    assert ready.refusal("setup", "now", code=2).endswith("takes --again and nothing else, not now.")
    assert ready.start("setup", "--help").stdout.startswith("usage: python3 start.py")


@pytest.mark.parametrize(("codes", "code"), [("{}", 0), ('{"ruff": 2, "pytest": 1}', 2), ('{"pytest": 5}', 5)])
def test_test_runs_everything_and_returns_the_first_failure(ready: Course, codes: str, code: int) -> None:
    done = ready.start("test", "-k", "relu", CODES=codes)
    assert calls(done) == [("ruff", ["check", "."]), ("ruff", ["format", "--check", "."]), ("pytest", ["-k", "relu"])]
    assert done.returncode == code


def test_environment_of_what_is_started(ready: Course, tmp_path: Path) -> None:
    done = ready.start(NONLIN_RUNS="logs", JUPYTER_CONFIG_PATH="/theirs", PYTHONPATH="/modules", LANGUAGE="eo")
    variables = json.loads(done.stdout)["env"]
    assert variables["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(ready.folder / "jupyter"), "/theirs"])
    assert variables["NONLIN_RUNS"] == str(tmp_path / "logs")
    assert variables["NONLIN_PROG"] == "start.py"
    assert variables["NONLIN_PARENT"].isdigit()
    assert variables["LANGUAGE"] == "eo"
    assert "PYTHONPATH" not in variables
    for left in ("~/logs", "~nosuchuser/logs", ""):  # which the package understands, or refuses
        assert json.loads(ready.start(NONLIN_RUNS=left).stdout)["env"]["NONLIN_RUNS"] == left


def test_jupyter_writes_elsewhere_where_home_is_read_only(ready: Course) -> None:
    variables = json.loads(ready.start(HOME="/nowhere", USERPROFILE="/nowhere", JUPYTER_DATA_DIR="/theirs").stdout)[
        "env"
    ]
    assert variables["JUPYTER_RUNTIME_DIR"] == str(ready.venv / "jupyter" / "runtime")
    assert variables["JUPYTER_DATA_DIR"] == "/theirs"


@pytest.mark.parametrize("locked", ["", ".local/share", ".venv"])
def test_jupyter_starts_wherever_something_can_be_written(
    ready: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str
) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    start, seen = ready.module("start.py"), []
    monkeypatch.setattr(start, "VENV", ready.venv)
    (tmp_path / "home" / ".local" / "share").mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("JUPYTER_RUNTIME_DIR", raising=False)
    refused = {str(ready.venv), str(tmp_path / "home")} if locked == ".venv" else {str(tmp_path / "home" / locked)}
    monkeypatch.setattr(start.os, "access", lambda path, mode: str(path) not in refused)
    monkeypatch.setattr(start.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    monkeypatch.setattr(start, "run", lambda command, env: seen.append(env))
    start.lab([])
    expected = tmp_path / "jupyter-" if locked == ".venv" else ready.venv / "jupyter"
    assert seen[0]["JUPYTER_RUNTIME_DIR"] == str(expected / "runtime")


@posix
@pytest.mark.parametrize(
    ("number", "code", "args"), [(signal.SIGTERM, 143, ["test", "wait"]), (signal.SIGINT, 130, ["train", "wait"])]
)
def test_no_child_outlives_the_start(ready: Course, number: int, code: int, args: list[str]) -> None:
    start = ready.spawn(*args)
    while "wait" not in json.loads(start.stdout.readline())["args"]:
        pass
    os.kill(start.pid, number) if number == signal.SIGTERM else os.killpg(start.pid, number)
    start.communicate(timeout=20)
    assert start.returncode == code
    with pytest.raises(ProcessLookupError):  # nobody is left of its group
        os.killpg(start.pid, 0)


@posix
def test_signals_count_as_they_do_in_the_shell(course: Course) -> None:
    start = course.module()
    assert start.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert start.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 137


@posix
def test_a_signal_while_the_child_is_being_started_reaches_it(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    start = course.module()
    popen = subprocess.Popen

    def slow(*args: object, **options: object) -> subprocess.Popen:
        child = popen(*args, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return child

    monkeypatch.setattr(start.subprocess, "Popen", slow)
    assert start.run([sys.executable, "-c", "import time; time.sleep(60)"]) == 143


# The configuration of Jupyter


def jupyter_config(folder: Path = ROOT / "jupyter") -> dict:
    return PyFileConfigLoader("jupyter_server_config.py", str(folder)).load_config()


@pytest.fixture
def by_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONLIN_PROG", "start.py")
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY", "NONLIN_WORK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("by_start")
def test_the_course_opens_at_its_first_lesson_on_this_computer_alone() -> None:
    config = jupyter_config()
    assert config["ServerApp"]["root_dir"] == str(ROOT)
    assert config["ServerApp"]["ip"] == "127.0.0.1"
    folder, _, first = config["LabApp"]["default_url"].removeprefix("/lab/tree/").partition("/")
    assert folder == "work"
    assert (ROOT / "notebooks" / first).exists()


@pytest.mark.usefixtures("by_start")
def test_the_course_opens_in_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONLIN_WORK", str(tmp_path / "my work"))
    config = jupyter_config()
    assert config["ServerApp"]["root_dir"] == str(tmp_path / "my work")
    assert config["LabApp"]["default_url"] == "/lab/tree/00_start_here.ipynb"
    monkeypatch.setenv("NONLIN_WORK", os.devnull)  # where nothing can be written, the lessons can be read
    assert jupyter_config()["LabApp"]["default_url"] == "/lab/tree/notebooks/00_start_here.ipynb"


@pytest.mark.usefixtures("by_start")
@pytest.mark.parametrize(
    ("platform", "variables", "browser"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_no_browser_without_a_display(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], browser: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert jupyter_config()["ServerApp"].get("open_browser", True) is browser


def test_a_hub_keeps_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NONLIN_PROG", raising=False)
    assert "ServerApp" not in jupyter_config()


@pytest.mark.usefixtures("by_start")
def test_jupyter_lab_takes_an_option_of_the_command_line_before_ours(tmp_path: Path) -> None:
    variables = dict(os.environ, JUPYTER_CONFIG_PATH=str(ROOT / "jupyter"), HOME=str(tmp_path))
    variables["NONLIN_WORK"] = str(tmp_path / "work")  # where it makes the copies
    command = [sys.executable, "-m", "jupyterlab", "--notebook-dir=/", "--ip=localhost", "--show-config-json"]
    shown = json.loads(subprocess.check_output(command, env=variables, stderr=subprocess.DEVNULL))
    assert (shown["ServerApp"]["ip"], shown["ServerApp"]["root_dir"]) == ("localhost", "/")
    assert shown["LabApp"]["default_url"] == "/lab/tree/00_start_here.ipynb"
    assert "nonlin.desk.server" in shown["ServerApp"]["jpserver_extensions"]
    assert shown["ServerApp"]["allow_root"] is True


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
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NONLIN_RUNS", "~/logs")
    assert tensorboard_command()[-1] == str(tmp_path / "logs")


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


# A copy that was packed for a room without a network


def packed(course: Course, **stick: object) -> None:
    """Put the wheels beside start.py, and let no address answer."""
    wheels = course.folder / "wheels"
    for name, version in (("torch", "9.0"), ("torchvision", "9.0"), ("helper", "1.0")):
        make_wheel(wheels, name, version)
        (wheels / name / f"{name}-{version}-py3-none-any.whl").replace(wheels / f"{name}-{version}-py3-none-any.whl")
    here = ".".join(map(str, sys.version_info[:2]))
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    (wheels / "stick.json").write_text(json.dumps({"python": here, "systems": [system], "images": "shapes10"} | stick))
    course.variables |= {"NONLIN_CPU_INDEX": closed(), "PIP_INDEX_URL": closed()}


def test_a_packed_copy_is_installed_without_a_network(course: Course) -> None:
    packed(course)
    done = course.start("setup")
    assert done.returncode == 0, done.stderr
    assert "Installing from the folder wheels, without a network." in done.stderr
    assert course.version("helper") == "1.0"
    assert json.loads(course.start("lab").stdout)["env"]["NONLIN_DATA"] == "shapes10"


@pytest.mark.parametrize(
    ("stick", "sentence"),
    [
        ({"python": "3.8"}, "The folder wheels holds packages for Python 3.8, and this is "),
        ({"systems": ["amiga", "atari"]}, "The folder wheels holds packages for amiga and atari, not for "),
    ],
)
def test_a_packed_copy_for_another_machine_says_so(course: Course, stick: dict, sentence: str) -> None:
    packed(course, **stick)
    assert sentence in course.refusal("setup")
    assert not course.venv.exists()


def test_a_copy_without_tests_says_so(ready: Course) -> None:
    (ready.folder / "tests").rmdir()
    assert "This copy of the course holds no tests" in ready.refusal("test")
