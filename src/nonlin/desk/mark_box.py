"""Where the marker has students' code run: a process that holds the hand-out alone, and begins one for each answer.

On Linux that process forks, so that a run costs a fraction of a second, and each run is confined by `sandbox`.
Elsewhere each run is a process that is started anew, which takes seconds, and is protected against accidents only.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from nonlin.desk.new_folder import scratch_folder
from nonlin.errors import ReaderError
from nonlin.notebooks import REPRODUCIBLE
from nonlin.paths import project_root

INSIDE = Path(__file__).with_name("mark_inside.py")
SANDBOX = Path(__file__).with_name("sandbox.py")
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/etc", "/sys/devices/system/cpu", "/proc/cpuinfo")
DENIALS = {
    "network": "the network",
    "files": "files other than the hand-out, Python and its own folder",
    "hidden": "the submissions, the marks and the solutions",
    "processes": "processes other than its own",
    "disk": "more disk than a small folder of its own",
    "user": "the rights of this user",
}
STARTING = 600  # seconds for Python and its imports, which are no fault of the answer
FORKS = sys.platform.startswith("linux")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use; as in `sandbox`, which explains them."""

    cpu: int = 20
    wall: float = 60.0
    memory: int = 2**31
    processes: int = 32
    disk: int = 2**28
    output: int = 2**24


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: ``"finished"``, ``"slow"``, ``"flooded"`` (too much given back) or ``"died"``.

    Args:
        lines: what it wrote, one JSON object a line; a stranger's data.
        denied: what the system denied it, some of `DENIALS`.
        words: why it did not finish.
    """

    ended: str
    lines: tuple[dict[str, Any], ...]
    denied: tuple[str, ...] = ()
    words: str = ""


class Box(Protocol):
    """Runs jobs, several at a time."""

    denied: tuple[str, ...]

    def run(self, job: dict[str, Any], limits: Limits) -> Outcome:
        """Run one job, a dictionary as ``mark_inside`` takes it."""

    def stop(self) -> None:
        """End what runs, at once; whoever waits for it gets a `BoxError`."""


def protections(where: Box) -> list[str]:
    """What is protected here: one line, and what remains."""
    told = [name for name in DENIALS if name != "hidden" or "files" not in where.denied]
    denied = [DENIALS[name] for name in told if name in where.denied]
    missing = [DENIALS[name] for name in told if name not in where.denied]
    if not FORKS:
        return [
            "Protected here: time, and what one process writes; nothing keeps students' code from this user's files or "
            "from the network, so mark only what you would run yourself, or in a container, as docs/teaching.md says."
        ]
    first = f"Students' code is denied here {_listed(denied)}" if denied else "Students' code is denied nothing here"
    left = f"; it is not denied {_listed(missing)}: docs/teaching.md says what to do" if missing else ""
    return [
        f"{first}; its time, memory, processes and output are bounded{left}.",
        "It never decides a mark: what an answer gives is compared with the key in another process. But what it gives, "
        "and whether it was written by hand, is told by the process in which it runs: code that was written to deceive "
        "can say of itself that it used nothing forbidden, and for an answer that is one value, or whose inputs are "
        "always the same, it can give back what it was told by others.",
    ]


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


class BoxError(ReaderError):
    """The process in which students' code runs cannot be started, or ended."""


def _unable(words: str) -> BoxError:
    return BoxError(
        f"students' code cannot be run here ({words}): make room, or try another computer, or a Python that every user "
        "can read."
    )


@contextmanager
def box(package: Path, jobs: int, hidden: list[Path]) -> Iterator[Box]:
    """Where code runs within the block.

    Args:
        package: the folder that holds a ``nonlin`` without solutions, and is made readable for all.
        jobs: runs at one time.
        hidden: what no run may read, wherever it lies.
    """
    with scratch_folder("mark") as place:
        os.chmod(place, 0o711)  # each run has a folder in it, which may be another user's
        readable = [package, sys.prefix, sys.base_prefix, *SYSTEM, *filter(os.path.isdir, sys.path)]
        known = [each for each in (project_root(), Path(__file__).parents[1]) if each]
        os.chmod(package.parent, 0o711)
        sealed = package.glob("nonlin/lessons/*/exercises.py")  # imported by now, and not to be opened
        settings = {
            "package": str(package),
            "sandbox": str(SANDBOX),
            "environment": _environment(),
            "room": {
                "place": str(place),
                "readable": [str(each) for each in readable if not _holds_the_course(Path(each))],
                "hidden": [os.path.realpath(each) for each in (*hidden, *known, *sealed)],
            },
        }
        make = _Forking if FORKS else _Starting
        with make(settings, jobs) as made:
            yield made


def _holds_the_course(folder: Path) -> bool:
    """Whether a folder of Python's path is that of the sources, with solutions."""
    return (folder / "nonlin" / "lessons").is_dir() and (folder.parent / "pyproject.toml").exists()


def _environment() -> dict[str, str]:
    """For code that is marked: nothing of the marker's own, and the same each time."""
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "HOME")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    chosen = {"MPLBACKEND": "agg", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return given | REPRODUCIBLE | chosen


def _lines(output: bytes) -> tuple[dict[str, Any], ...]:
    """The objects among the lines that a run wrote; whatever else it wrote is dropped."""
    found = []
    for line in output.splitlines():
        with suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return tuple(found)


class _Forking:
    """One process that was prepared once, and forks for each run."""

    def __init__(self, settings: dict[str, Any], jobs: int) -> None:
        pairs = [socket.socketpair() for _ in range(jobs)]
        numbers = [there.fileno() for _, there in pairs]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-s", str(INSIDE), json.dumps(settings | {"sockets": numbers})],
            pass_fds=numbers,
            env=settings["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the marker's to handle
        )
        self._free: queue.Queue[BinaryIO] = queue.Queue()
        for here, there in pairs:
            there.close()
            self._free.put(here.makefile("rwb"))
            here.close()
        self._jobs = jobs
        self.denied: tuple[str, ...] = ()

    def __enter__(self) -> "_Forking":
        trial = {"number": "", "seed": "", "cells": [], "lesson": [], "whole": False}
        outcome = self.run(trial, Limits())
        if outcome.ended != "finished":
            raise _unable(outcome.words)
        self.denied = outcome.denied
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(self._jobs):
            with suppress(queue.Empty, OSError):
                self._free.get(timeout=0.1).close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.stop()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def run(self, job: dict[str, Any], limits: Limits) -> Outcome:
        connection = self._free.get()
        try:
            connection.write(json.dumps(job | {"limits": asdict(limits)}).encode() + b"\n")
            connection.flush()
            head = connection.readline()
            if not head:
                raise EOFError
            ended, denied, words, size = json.loads(head)
            output = connection.read(size)
        except (OSError, EOFError) as error:
            raise BoxError(f"the process in which students' code runs has ended{self._why()}: start again.") from error
        finally:
            self._free.put(connection)
        if ended == "unable":
            raise _unable(words)
        if self.denied and not set(self.denied) <= set(denied):
            raise BoxError(f"the system no longer denies students' code {', '.join(set(self.denied) - set(denied))}.")
        return Outcome(ended=ended, lines=_lines(output), denied=tuple(denied), words=words)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what runs ends with the process that began it

    def _why(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
            last = self._process.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            return f" ({last})" if last else ""
        return ""


class _Starting:
    """A process for each run: for systems whose processes cannot be forked once torch was imported."""

    denied: tuple[str, ...] = ()

    def __init__(self, settings: dict[str, Any], jobs: int) -> None:
        self._settings, self._stopped = settings, threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def __enter__(self) -> "_Starting":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, job: dict[str, Any], limits: Limits) -> Outcome:
        place = self._settings["room"]["place"]
        with (
            tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as home,
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as output,
        ):
            given.write(json.dumps(job | {"limits": asdict(limits)}).encode())
            given.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-s", str(INSIDE), json.dumps(self._settings | {"sockets": []})],
                stdin=given,
                stdout=output,
                stderr=subprocess.DEVNULL,
                cwd=home,
                env=self._settings["environment"] | dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), home),
                start_new_session=True,
            )
            try:
                ended, words = _waited_for(process, output, limits, self._stopped)
            finally:
                _end_tree(process)
            output.seek(0)
            return Outcome(ended=ended, lines=_lines(output.read(limits.output)), words=words)


def _waited_for(
    process: subprocess.Popen, output: BinaryIO, limits: Limits, stopped: threading.Event
) -> tuple[str, str]:
    until, begun = time.monotonic() + STARTING, False
    while process.poll() is None:
        if not begun and os.fstat(output.fileno()).st_size:
            until, begun = time.monotonic() + limits.wall, True
        if stopped.is_set():
            raise BoxError("marking was stopped.")
        if time.monotonic() > until and not begun:
            raise _unable(f"Python did not start within {STARTING} s")
        if time.monotonic() > until:
            return "slow", f"stopped after {limits.wall:g} s"
        if os.fstat(output.fileno()).st_size > limits.output:
            return "flooded", "it gave back too much"
        time.sleep(0.05)
    code = process.returncode
    return ("finished", "") if code == 0 else ("died", f"it ended with code {code}")


def _end_tree(process: subprocess.Popen) -> None:
    """Kill the process and those that it began, as far as the system finds them."""
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.wait()
