#!/usr/bin/env python3
"""Set up the course in .venv and start it, with Python's standard library alone.

The file has to parse and to refuse politely on Python 3.6: an old Python gets a sentence, not a SyntaxError.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 14)
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
UNFINISHED = {"state": "unfinished"}

OWN_HELP = """\
usage: python3 start.py [COMMAND] [ARGUMENTS]

The first start installs everything into the folder .venv; later starts need no network.

  lab [OPTIONS]    open the course in JupyterLab (this is what happens without a command);
                   OPTIONS are JupyterLab's, for example --no-browser or --port 9999
  test [ARGS]      check the code with ruff, then run the unit tests and every notebook;
                   ARGS are pytest's, for example tests/test_start.py or -k relu
  setup            install, and start nothing
"""


class Problem(Exception):
    """Why there is no start, in one sentence for the reader."""


class Room(NamedTuple):
    """Disk space in bytes: what .venv takes, and what pip downloads to the temporary folder beforehand."""

    installed: float
    downloaded: float


def room_needed(system: str) -> Room:
    """Measured with the locked versions and rounded up; on Linux torch brings the CUDA libraries along."""
    return Room(6.5e9, 3.0e9) if system == "Linux" else Room(1.2e9, 0.5e9)


def say(sentence: str) -> None:
    """To stderr, so that what a command prints can be piped on."""
    print(sentence, file=sys.stderr, flush=True)


# Which Python


def is_supported(version: Tuple[int, ...]) -> bool:
    return OLDEST <= tuple(version[:2]) <= NEWEST


def check_python(args: List[str]) -> None:
    """Raise Problem on a Python that the locked packages do not support."""
    if is_supported(sys.version_info):
        if sys.maxsize < 2**32:
            raise Problem("PyTorch needs a 64-bit Python, and this is a 32-bit one.")
        return
    supported = f"{dotted(OLDEST)} to {dotted(NEWEST)}"
    sentence = f"The course needs Python {supported}, and this is Python {platform.python_version()}"
    other = find_supported_python()
    if other is None:
        raise Problem(f"{sentence}.")
    words = other + [sys.argv[0]] + args
    raise Problem(f"{sentence}; type: {' '.join(shlex.quote(word) for word in words)}")


def dotted(version: Tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version[:2])


def find_supported_python() -> Optional[List[str]]:
    """The command of a supported Python that really runs here and can make a venv, or None."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        version = f"3.{minor}"
        command = ["py", "-" + version] if os.name == "nt" else ["python" + version]
        # A name on PATH proves little: pyenv and the Windows store put stubs there that only print an error.
        probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
        if shutil.which(command[0]) and output_of(command + ["-c", probe]) == version:
            return command
    return None


def output_of(command: List[str]) -> Optional[str]:
    """What the command prints, or None if it cannot be run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# What is in .venv


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def venv_version() -> Optional[str]:
    """Version of the Python in .venv, for example "3.12"; None if it does not run (any more)."""
    return output_of([str(venv_python()), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])


def stamp_path() -> Path:
    return VENV / "start.json"


def current_stamp(version: str) -> Dict[str, str]:
    """What the stamp says when .venv holds exactly what the lock asks for."""
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    digest.update(json.dumps(packaging(), sort_keys=True).encode("utf-8"))
    return {"state": "installed", "folder": str(ROOT), "python": version, "lock": digest.hexdigest()}


def packaging() -> Dict[str, object]:
    """What of pyproject.toml pip reads: a new rule for the linter is no reason to install, which needs a network."""
    import tomllib  # not in the old Pythons that this file refuses

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        "build": project["build-system"],
        "project": project["project"],
        "setuptools": project["tool"]["setuptools"],
    }


def read_stamp() -> Optional[Dict[str, str]]:
    try:
        stamp = json.loads(stamp_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def write_stamp(stamp: Dict[str, str]) -> None:
    """Whole or not at all: a half-written stamp could vouch for a half-finished installation."""
    partial = VENV / "start.json.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(stamp, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(partial), str(stamp_path()))


def is_ready() -> bool:
    version = venv_version()
    return version is not None and read_stamp() == current_stamp(version)


def why_rebuild() -> Optional[str]:
    """The reason why an existing .venv cannot be used any more, or None."""
    stamp, version = read_stamp() or {}, venv_version()
    if stamp == UNFINISHED:
        return "the last installation was interrupted"
    if "folder" in stamp and stamp["folder"] != str(ROOT):
        return f"it was made in another folder, {stamp['folder']}"
    if version is None:
        return "its Python has vanished or does not run"
    if stamp.get("python", version) != version:
        return f"its Python changed from {stamp['python']} to {version}"
    if not is_supported(tuple(int(part) for part in version.split("."))):
        return f"its Python is {version}"
    return None


# Installing


def prepare() -> None:
    """Bring .venv up to date; takes a fraction of a second when it already is."""
    if is_ready():
        return
    check_able_to_install()
    with lock() as file:
        if not is_ready():  # another start may have done it in the meantime
            install(file)


def check_able_to_install() -> None:
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        package = f"python{dotted(sys.version_info)}-venv"
        raise Problem(
            "This Python cannot make virtual environments, because its module ensurepip is missing;"
            " on Debian and Ubuntu install it with: sudo apt install " + package
        )
    if not os.access(str(ROOT), os.W_OK):
        raise Problem(f"The folder {ROOT} is read-only: copy the course to a folder that you can write to.")


@contextlib.contextmanager
def lock() -> Iterator[BinaryIO]:
    """Held by one start at a time. The lock is on start.py itself, so that a refused start leaves no file behind."""
    with open(str(ROOT / "start.py"), "r+b") as file:
        waiting = False
        while not try_lock(file):
            if not waiting:
                say("Another start is installing in this folder; waiting until it is done ...")
                waiting = True
            time.sleep(0.2)
        yield file  # closing the file releases the lock


def try_lock(file: BinaryIO) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(2**30)  # locked bytes cannot be read on Windows, so lock one far behind the end
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network drives have no locks at all; installing without one is better than not at all.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def inherited(lock_file: BinaryIO) -> Tuple[int, ...]:
    """A child that holds the lock too: if start.py is killed, the next start waits for the orphan to end."""
    return (lock_file.fileno(),) if os.name == "posix" else ()


def install(lock_file: BinaryIO) -> None:
    """Make or repair .venv, install the lock with pip, and only then write the stamp."""
    if VENV.exists() or VENV.is_symlink():
        reason = why_rebuild()
        if reason:
            say(f"Building the folder .venv again: {reason}.")
            discard_venv()
    earlier = read_stamp()
    fresh = not venv_python().exists()
    if fresh:
        make_venv(lock_file)
    elif output_of([str(venv_python()), "-m", "pip", "--version"]) is None:  # for example a .venv made by uv
        subprocess.call([str(venv_python()), "-m", "ensurepip"], stdout=subprocess.DEVNULL)
    write_stamp(UNFINISHED)
    say("Installing the locked packages with pip; its last step is quiet for about a minute ...")
    started = time.time()
    try:
        pip_install(lock_file, cached=not fresh or pip_can_keep_downloads(room_needed(platform.system())))
    except Problem:
        # pip itself gave up, so nothing is half written: leave what was there before.
        if fresh:
            discard_venv()
        elif earlier:
            write_stamp(earlier)
        else:
            stamp_path().unlink()
        raise
    write_stamp(current_stamp(venv_version() or ""))
    say(f"Installed in {time.time() - started:.0f} s.")


def discard_venv() -> None:
    """Empty .venv. The stamp says "unfinished" first and goes last, because this too can be interrupted."""
    if VENV.is_dir():
        if read_stamp() != UNFINISHED:  # on a full disk there would be no room to say it again
            write_stamp(UNFINISHED)
        for entry in VENV.iterdir():
            if entry == stamp_path():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(str(entry))
            else:
                entry.unlink()
        stamp_path().unlink()
    if VENV.is_dir() and not VENV.is_symlink():  # a link to another disk was somebody's choice: keep it
        VENV.rmdir()


def make_venv(lock_file: BinaryIO) -> None:
    room = room_needed(platform.system())
    check_disk(room)
    say(
        f"Setting up the course in {VENV}, once: up to {room.downloaded / 1e9:.1f} GB to download,"
        f" {room.installed / 1e9:.1f} GB on disk, about two minutes on a fast line."
    )
    VENV.mkdir(exist_ok=True)
    write_stamp(UNFINISHED)
    # When .venv's own Python runs this file, it has just been deleted; the one that it was made from is still there.
    base = getattr(sys, "_base_executable", None) or sys.executable
    done = subprocess.run(
        [base, "-m", "venv", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        pass_fds=inherited(lock_file),
    )
    if done.returncode != 0:
        discard_venv()
        lines = done.stdout.strip().splitlines() or ["no message"]
        raise Problem(f"Python could not make the virtual environment {VENV}: {lines[-1]}")


def check_disk(room: Room) -> None:
    """Raise Problem if .venv and what pip downloads beforehand would not fit."""
    lack = lacking_disk([(venv_home(), room.installed), (Path(tempfile.gettempdir()), room.downloaded)])
    if lack:
        folder, needed, free = lack
        raise Problem(
            f"There is too little room on the disk of {folder}: the installation needs {needed / 1e9:.1f} GB"
            f" and {free / 1e9:.1f} GB are free."
        )


def pip_can_keep_downloads(room: Room) -> bool:
    """Whether pip's cache, which speeds up a second attempt, fits beside everything else."""
    places = [(venv_home(), room.installed), (Path(tempfile.gettempdir()), room.downloaded)]
    return lacking_disk(places + [(Path.home(), room.downloaded)]) is None


def venv_home() -> Path:
    """An existing folder on the disk of .venv, which may be a link to another disk."""
    return VENV if VENV.is_dir() else ROOT


def lacking_disk(places: List[Tuple[Path, float]]) -> Optional[Tuple[Path, float, int]]:
    """The first folder whose disk is too small, with the bytes needed there and free; folders may share a disk."""
    needed = {}  # type: Dict[int, float]
    for folder, size in places:
        device = folder.stat().st_dev
        needed[device] = needed.get(device, 0) + size
    for folder, _ in places:
        total, free = needed[folder.stat().st_dev], shutil.disk_usage(str(folder)).free
        if free < total:
            return folder, total, free
    return None


def pip_install(lock_file: BinaryIO, cached: bool) -> None:
    """Install the lock, with pip's progress as usual; Problem says why it failed, where that can be told."""
    command = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--no-user"]
    command += ["--root-user-action=ignore", "-r", "requirements.txt"] + ([] if cached else ["--no-cache-dir"])
    child = subprocess.Popen(command, cwd=str(ROOT), stdout=2, stderr=subprocess.PIPE, pass_fds=inherited(lock_file))
    with stopped_at_exit(child), child.stderr:
        messages = follow_errors(child.stderr)
        child.wait()
    if child.returncode < 0:  # killed, so that anything may be half written: not a Problem, which tidies up
        raise OSError(f"pip was ended by signal {-child.returncode}")
    problem = pip_problem(child.returncode, messages)
    if problem is None or problem.startswith("pip failed"):
        sys.stderr.write(messages)
    if problem:
        raise Problem(problem)


def follow_errors(stream: BinaryIO) -> str:
    """Collect what pip writes to stderr. Its retries are told once instead of five times a package."""
    kept, retrying = [], False
    for raw in stream:
        line = raw.decode("utf-8", "replace")
        kept.append(line)
        if "WARNING: Retrying" in line and not retrying:
            say("The package index does not answer; pip tries again for a while ...")
            retrying = True
    return "".join(kept)


NO_NETWORK = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "ProtocolError",
    "Network is unreachable",
    "getaddrinfo failed",
)


def pip_problem(code: int, messages: str) -> Optional[str]:
    """One sentence on why pip failed, None if it did not."""
    if code == 0:
        return None
    if "No space left on device" in messages or "[Errno 28]" in messages:
        room = room_needed(platform.system())
        return (
            f"The disk is full: the installation needs about {room.installed / 1e9:.1f} GB in {VENV}"
            f" and {room.downloaded / 1e9:.1f} GB in {tempfile.gettempdir()}."
        )
    if any(sign in messages for sign in NO_NETWORK):
        return (
            "The packages cannot be downloaded, because the package index does not answer:"
            " connect to the network for this first start; after that the course works offline."
        )
    if "No matching distribution found for torch" in messages:
        return (
            f"There is no PyTorch package for this computer ({platform.system()} {platform.machine()}):"
            " the course needs Linux, Windows or a Mac with Apple silicon and macOS 14."
        )
    return f"pip failed with exit code {code}; its message is above."


# Starting


@contextlib.contextmanager
def stopped_at_exit(child: "subprocess.Popen") -> Iterator[None]:
    """No child outlives this process, whichever way the block is left."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def run(command: List[str], folder: Optional[Path] = None, environment: Optional[Dict[str, str]] = None) -> int:
    """Run a command to its end and return its exit code, 130 if Ctrl-C ended it."""
    child = subprocess.Popen(command, cwd=folder and str(folder), env=environment)
    with stopped_at_exit(child):
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                continue  # the child got the Ctrl-C too, and JupyterLab asks a question before it stops
    if code == 0xC000013A:  # how Windows says "ended by Ctrl-C"
        return 130
    return code if code >= 0 else 128 - code


def module(name: str, *args: str) -> List[str]:
    """The command that runs a module with the Python of .venv."""
    return [str(venv_python()), "-m", name] + list(args)


def environment() -> Dict[str, str]:
    """The environment, in which NONLIN_RUNS means the same folder to a notebook and to a terminal."""
    variables = dict(os.environ, NONLIN_PROG="start.py")  # what the package calls itself in its messages
    if variables.get("NONLIN_RUNS"):
        variables["NONLIN_RUNS"] = os.path.abspath(variables["NONLIN_RUNS"])
    return variables


def mentions(args: List[str], *names: str) -> bool:
    return any(arg.split("=")[0].rsplit(".", 1)[-1] in names for arg in args)


def lab_defaults(args: List[str]) -> List[str]:
    """JupyterLab's options for this course, without those that the user has given already."""
    options = []
    if not mentions(args, "root_dir", "--notebook-dir"):
        options.append("--ServerApp.root_dir=" + str(ROOT))
    if not mentions(args, "ip", "--ip", "--sock"):
        options.append("--ServerApp.ip=127.0.0.1")
    if not mentions(args, "default_url"):
        options.append("--LabApp.default_url=/lab/tree/" + FIRST_NOTEBOOK)
    if is_root() and not mentions(args, "--allow-root", "allow_root"):
        say("JupyterLab refuses to run as root, which is usual in a container: adding --allow-root.")
        options.append("--allow-root")
    if not has_display() and not mentions(args, "--no-browser", "open_browser"):
        say("There is no display here: adding --no-browser; open the address below in a browser.")
        options.append("--no-browser")
    return options


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_display() -> bool:
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def lab(args: List[str]) -> int:
    variables = environment()
    # First, because a later file that assigns its tiles would remove ours; ours only adds one.
    paths = [str(ROOT / "jupyter"), variables.get("JUPYTER_CONFIG_PATH")]
    variables["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    return run(module("jupyterlab", *lab_defaults(args) + args), environment=variables)


def test(args: List[str]) -> int:
    """Run all three, and return the exit code of the first that fails."""
    commands = [
        module("ruff", "check", "."),
        module("ruff", "format", "--check", "."),
        module("pytest", *args),
    ]
    codes = []
    for command in commands:
        say("> " + " ".join(["python"] + command[1:]))
        codes.append(run(command, folder=ROOT, environment=environment()))
        if codes[-1] == 130:
            break
    return next((code for code in codes if code), 0)


def course_command(args: List[str]) -> int:
    """Hand over to the command line of the package."""
    if not is_ready():
        # Without this look a typing error would be told after an installation of several gigabytes.
        if "--help" in args or "-h" in args:
            return ask_course(args)
        if ask_course(args[:1] + ["--help"], stdout=subprocess.DEVNULL) == 2:
            return 2
    prepare()
    return run(module("nonlin", *args), environment=environment())


def ask_course(args: List[str], stdout: Optional[int] = None) -> int:
    """Ask the package's command line before anything is installed: it needs nothing but the standard library."""
    variables = dict(environment(), PYTHONPATH=str(ROOT / "src"))
    return subprocess.call([sys.executable, "-m", "nonlin"] + args, env=variables, stdout=stdout)


def show_help() -> int:
    print(OWN_HELP, flush=True)
    check_python(["--help"])
    print("The other commands are those of the course itself:\n", flush=True)
    ask_course(["--help"])
    return 0


def dispatch(args: List[str]) -> int:
    name, rest = (args[0], args[1:]) if args else ("lab", [])
    if name in ("-h", "--help"):
        return show_help()
    check_python(args)
    if name.startswith("-"):
        name, rest = "lab", args
    if name not in ("lab", "test", "setup"):
        return course_command(args)
    prepare()
    if name == "setup":
        say(f"The course is set up in {VENV}.")
        return 0
    return lab(rest) if name == "lab" else test(rest)


def main(args: List[str]) -> int:
    # As an exception a SIGTERM stops the child too; by default it would end this process alone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return dispatch(args)
    except Problem as problem:
        say(f"start.py: {problem}")
    except OSError as error:
        say(f"start.py: The course cannot be set up in {ROOT}: {error}.")
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
