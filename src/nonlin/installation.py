"""Install a checkout of the course into its folder .venv; for ``start.py``, so that it needs the standard library only.

From top to bottom: which PyTorch, what is in .venv, installing, running.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote
from urllib.request import urlopen

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"  # to delete it is safe: the next start makes it again
STAMP = VENV / "start.json"  # what was installed
UNFINISHED = {"state": "unfinished"}
WHEELS = ROOT / "wheels"  # of a copy that was packed for a room without a network: nothing else is installed from
STICK = "stick.json"  # in it: for which Python and systems it was packed
SETTING = ROOT / ".torch"  # what --torch said last
LINUX = sys.platform.startswith("linux")
PYPI, CPU = "requirements.txt", "requirements-cpu.txt"  # one lock for each build of PyTorch
GIGABYTES = {PYPI: 6 if LINUX else 1.5, CPU: 1.5}
CPU_INDEX = os.environ.get("NONLIN_CPU_INDEX") or "https://download.pytorch.org/whl/cpu"
PATIENCE = 5  # seconds
# What makes Python look, and pip install, elsewhere; the modules of clusters and robots set such.
ELSEWHERE = {"PYTHONPATH", "PYTHONHOME", "PIP_PREFIX", "PIP_TARGET", "PIP_ROOT", "PIP_USER"}


class Problem(Exception):
    """Why there is no start, in one sentence for the reader."""


class Misuse(Problem):
    """What was typed, or set, means nothing."""


def say(sentence: str) -> None:
    """To stderr, so that what a command prints can be piped on."""
    print(sentence, file=sys.stderr, flush=True)


# Which PyTorch


def take_torch(args: list[str]) -> tuple[str, list[str]]:
    """The wanted build, from --torch, NONLIN_TORCH or the last --torch, and the other arguments."""
    stored = SETTING.read_text(errors="replace").strip() if SETTING.exists() else "auto"
    choice, others, words = os.environ.get("NONLIN_TORCH") or stored, [], iter(args)
    for word in words:
        if word.split("=")[0] == "--torch":
            choice = word[8:] if "=" in word else next(words, "nothing")
        else:
            others.append(word)
    if choice not in ("auto", "cpu", "gpu"):
        raise Misuse(f"--torch, NONLIN_TORCH and the file .torch take auto, cpu or gpu, not {choice}.")
    if others != args and choice != stored:
        SETTING.write_text(choice + "\n")
    return choice, others


def fits(choice: str, lock: str) -> bool:
    return not LINUX or {"cpu": CPU, "gpu": PYPI}.get(choice, lock) == lock


def choose_lock(choice: str) -> str:
    """The lock to install from; says which build of PyTorch that is, and how large."""
    if WHEELS.is_dir():
        return packed_lock(choice)
    lock, build = PYPI, "PyTorch from PyPI"
    if LINUX and (choice == "cpu" or (choice == "auto" and not has_nvidia_driver())):
        if offers(torch_lines()[0].split()[0].replace("==", "-")):
            lock, build = CPU, "PyTorch's own build without GPU libraries"
        elif choice == "cpu":
            raise Problem(f"{CPU_INDEX} does not offer PyTorch's CPU build now: try later, or --torch auto.")
        else:
            build = f"PyTorch from PyPI, with GPU libraries (its CPU build is not to be had from {CPU_INDEX} now)"
    say(f"Installing {build}: {GIGABYTES[lock]} GB with everything else.")
    return lock


def offers(wheel: str) -> bool:
    """Whether PyTorch's CPU index can be reached, and has a wheel whose name begins so."""
    return wheel in unquote(fetch(CPU_INDEX + "/torch/"))


def stick() -> dict[str, Any]:
    """What a packed copy says of itself; nothing if it is not one."""
    try:
        return json.loads((WHEELS / STICK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def packed_lock(choice: str) -> str:
    """The lock whose wheels a packed copy holds."""
    packed, here = stick(), ".".join(map(str, sys.version_info[:2]))
    if packed.get("python", here) != here:
        raise Problem(
            f"The folder wheels holds packages for Python {packed['python']}, and this is {here}: start it with"
            f" python{packed['python']}, or remove the folder and install from the network."
        )
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    if system not in packed.get("systems", [system]):
        raise Problem(
            f"The folder wheels holds packages for {' and '.join(packed['systems'])}, not for {system}: ask whoever"
            " packed it, or remove the folder and install from the network."
        )
    lock = CPU if LINUX and any(WHEELS.glob("torch-*+cpu-*")) else PYPI
    if not fits(choice, lock):
        raise Problem(f"The folder wheels holds the other build of PyTorch than --torch {choice}: use --torch auto.")
    say("Installing from the folder wheels, without a network.")
    return lock


def has_nvidia_driver() -> bool:
    return bool(shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia") or find_library("cuda"))


def torch_lines() -> list[str]:
    """The two packages of the CPU lock that come from PyTorch's index."""
    lines = (ROOT / CPU).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("torch==", "torchvision=="))]


def fetch(url: str) -> str:
    """The page, or nothing if it does not come soon."""
    with contextlib.suppress(Exception), urlopen(url, timeout=PATIENCE) as page:
        return page.read().decode("utf-8", "replace")
    return ""


# What is in .venv


def python(*words: str) -> list[str]:
    """A command for the Python of .venv."""
    return [str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")), *words]


def look() -> dict[str, Any]:
    """What the Python of .venv says of itself; nothing if it does not run, or is not at home in .venv any more."""
    code = (
        "import json, os, sys, sysconfig; names = os.listdir(sysconfig.get_path('purelib'));"
        "print(json.dumps({'prefix': sys.prefix, 'python': '%d.%d' % sys.version_info[:2], 'names': names}))"
    )
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        seen = json.loads(subprocess.check_output(python("-I", "-c", code), stderr=subprocess.DEVNULL))
        if os.path.samefile(seen["prefix"], VENV):
            return seen
    return {}


def read_stamp() -> dict[str, Any]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, Any]) -> None:
    """Whole or not at all: a half-written stamp could vouch for a half-finished installation."""
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps(stamp), encoding="utf-8")
    partial.replace(STAMP)


def facts(lock: str, seen: dict[str, Any]) -> dict[str, Any]:
    """What the stamp has to say, if .venv is to be used as it is; beside it, the stamp names what was installed."""
    # The rest of pyproject.toml is about tests and the linter: no reason to install, which needs a network.
    packaging = (ROOT / lock).read_bytes() + (ROOT / "pyproject.toml").read_bytes().partition(b"[tool.pytest")[0]
    if b"<<<<<<<" in packaging:
        raise Problem(f"There is a merge conflict in pyproject.toml or {lock}: resolve it, then start again.")
    digest = hashlib.sha256(packaging).hexdigest()
    now = {"state": "installed", "folder": str(ROOT), "python": seen.get("python", "gone")}
    return {**now, "torch": lock, "hash": digest}


def is_ready(choice: str) -> bool:
    stamp = read_stamp()
    names, lock = stamp.pop("names", []), stamp.get("torch")
    if lock not in (PYPI, CPU) or not fits(choice, lock):
        return False
    seen = look()
    if stamp != facts(lock, seen):
        return False
    missing = sorted(set(names) - set(seen["names"]))
    if missing:
        raise Problem(f"{missing[0]} is missing from .venv; this puts it right: python3 start.py setup --again")
    return True


def refuse_foreign() -> None:
    """Only what is empty, or our own, or an environment that stands here may be changed."""
    empty = not os.path.lexists(VENV) or (VENV.is_dir() and not any(VENV.iterdir()))
    stamp = read_stamp()
    owner = Path(stamp.get("folder", ROOT)) / ".venv"
    borrowed = owner != VENV and owner.exists() and VENV.exists() and owner.samefile(VENV)
    environment_here = (VENV / "pyvenv.cfg").exists() and not VENV.is_symlink()
    if borrowed or not (empty or "state" in stamp or environment_here):
        raise Problem(f"{VENV.resolve()} was not made by this course and stays as it is: rename or remove {VENV}.")


def discard_venv() -> None:
    """Empty .venv. The stamp says "unfinished" first and goes last, because this too can be interrupted."""
    if read_stamp() != UNFINISHED:  # on a full disk there would be no room to say it again
        write_stamp(UNFINISHED)
    for entry in sorted(VENV.iterdir(), key=STAMP.__eq__):
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if not VENV.is_symlink():  # a link to another disk was somebody's choice: keep it
        VENV.rmdir()


# Installing


def prepare(choice: str, again: bool = False) -> None:
    """Bring .venv up to date; takes a fraction of a second when it already is."""
    if not again and is_ready(choice):
        return
    if set(str(ROOT)) & set("\r\n{}$"):
        raise Problem(f"Nothing can be installed in a path with a line break, a brace or $: rename {str(ROOT)!r}.")
    with only_one() as file:
        refuse_foreign()
        if again or not is_ready(choice):  # another start may have done it in the meantime
            # A child holds the lock too: if start.py is killed, the next start waits for the orphan to end.
            install(choice, again, {"pass_fds": [file.fileno()]} if os.name == "posix" else {})


@contextlib.contextmanager
def only_one() -> Iterator[BinaryIO]:
    """One start at a time. The lock is on start.py itself, so that a refused start leaves no file behind."""
    with (ROOT / "start.py").open("r+b") as file:
        if not try_lock(file):
            say("Another start is installing in this folder; waiting until it is done ...")
            while not try_lock(file):
                time.sleep(0.2)
        yield file  # closing the file releases the lock


def try_lock(file: BinaryIO) -> bool:
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(2**30)  # locked bytes cannot be read on Windows, so lock one far behind the end
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as error:  # some network drives have no locks: installing without one is better than not at all
        return not isinstance(error, (BlockingIOError, PermissionError))
    return True


def install(choice: str, again: bool, inherited: dict[str, Any]) -> None:
    """Make or mend .venv, install what the lock names, see that it works, and only then write the stamp."""
    stamp = read_stamp()
    lock = stamp.get("torch", PYPI)
    if again or stamp.get("state") != "installed" or not fits(choice, lock):  # an update keeps the build of PyTorch
        lock = choose_lock(choice)
    now = facts(lock, look())  # which refuses a merge conflict while nothing is lost yet
    reason = "you asked for it" if again else why_anew(stamp, now)
    if reason:
        make_venv(reason, GIGABYTES[lock], inherited)
    write_stamp(UNFINISHED)
    started = time.time()
    for command in install_commands(lock):
        code = run(command, cwd=ROOT, stdout=2, **inherited)
        if code >= 128:  # anything may be half written: the stamp goes on saying so
            say("The installation was stopped; the next start begins it anew.")
            sys.exit(code)
        if code:  # in good order: leave what was there before
            discard_venv() if reason else write_stamp(stamp)
            needs = "a wheel is missing" if WHEELS.is_dir() else "it needs a network, and later starts need none"
            raise Problem(f"The installation failed, see above; {needs}.")
    check_imports()
    seen = look()
    names = [name for name in seen["names"] if not name.endswith(("dist-info", "pycache__"))]
    write_stamp({**facts(lock, seen), "names": names})
    say(f"Installed in {time.time() - started:.0f} s.")


def why_anew(stamp: dict[str, Any], now: dict[str, Any]) -> str:
    """The reason why what is in .venv is of no use any more, or nothing."""
    if stamp == UNFINISHED:
        return "the last installation was not finished"
    if now["python"] == "gone":
        return "its Python does not run, or its packages are gone"
    changed = [fact for fact in ("folder", "python", "torch") if stamp.get(fact, now[fact]) != now[fact]]
    return f"its {changed[0]} was {stamp[changed[0]]} and is now {now[changed[0]]}" if changed else ""


def make_venv(reason: str, gigabytes: float, inherited: dict[str, Any]) -> None:
    if VENV.is_dir() and any(VENV.iterdir()):
        say(f"Building the folder .venv again: {reason}.")
        discard_venv()
    free = shutil.disk_usage(VENV if VENV.exists() else ROOT).free / 1e9
    if free < 1.5 * gigabytes:  # what is downloaded has to fit beside what is installed
        raise Problem(f"The disk of {VENV} has {free:.1f} GB free, and the course needs {1.5 * gigabytes:.1f} GB.")
    say(f"Setting up the course in {VENV}, once; this takes about two minutes on a fast line ...")
    VENV.mkdir(exist_ok=True)
    write_stamp(UNFINISHED)
    # When .venv's own Python runs this file, it has just been deleted; the one that it was made from is still there.
    base = getattr(sys, "_base_executable", None) or sys.executable
    options = ["--without-pip"] if shutil.which("uv") else []
    # Its path without links, since the module venv refuses a link, which may lead to another disk.
    if run([base, "-I", "-m", "venv", *options, str(VENV.resolve())], stdout=2, **inherited):
        raise Problem("Python could not make the virtual environment .venv; the reason is above.")


def install_commands(lock: str) -> Iterator[list[str]]:
    """PyTorch's index gives its two packages and nothing else; with these in place, the rest comes from PyPI."""
    uv = shutil.which("uv")
    pip = python("-I", "-m", "pip", "install", "--no-user", "--disable-pip-version-check", "--root-user-action=ignore")
    install = [uv, "pip", "install", "--python", *python()] if uv else pip
    if WHEELS.is_dir():
        offline = ["--offline"] if uv else []
        yield [*install, *offline, "--no-index", "--find-links", str(WHEELS), "-r", lock]
        return
    if lock == CPU:
        yield [*install, "--no-deps", "--index-url", CPU_INDEX, *torch_lines()]
    yield [*install, "-r", lock]


def check_imports() -> None:
    done = subprocess.run(python("-I", "-c", "import torch, torchvision, nonlin"), stderr=subprocess.PIPE, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        ways = "python3 start.py setup --again puts it right, or `pip config list` shows why it is elsewhere"
        raise Problem(f"What is installed does not work ({last}): {ways}.")


# Running


def run(command: list[str], **options: Any) -> int:
    """Run a command to its end; returns its exit code, or 128 and the number of the signal that ended it or us."""
    signals, child = [], None

    def note(number: int, _: Any) -> None:
        signals.append(number)
        if child and number == signal.SIGTERM:  # Ctrl-C reaches the child by itself; JupyterLab asks before it stops
            child.terminate()

    # No KeyboardInterrupt here: between the child's end and its being noted, it would lose the exit code.
    noted = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in noted}
    child = subprocess.Popen(command, **{"env": environment(), **options})
    if signals:  # it came before there was a child to tell
        child.terminate()
    child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    if signals and (child.returncode or signal.SIGTERM in signals):
        return 128 + signals[-1]
    if child.returncode == 0xC000013A:  # how Windows says "ended by Ctrl-C"
        return 130
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def environment() -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    variables["NONLIN_PROG"] = "start.py"  # what the package calls itself in its messages
    variables["NONLIN_PARENT"] = str(os.getpid())  # it ends with this process, even where that is killed
    for name in ("NONLIN_RUNS", "NONLIN_WORK"):  # the same folder to a notebook and to a terminal
        if variables.get(name, "~")[:1] not in ("", "~"):
            variables[name] = os.path.abspath(variables[name])
    if images := stick().get("images"):
        variables.setdefault("NONLIN_DATA", str(ROOT / images) if (ROOT / images).is_dir() else images)
    return variables
