"""The course's program as children that start quickly: each forked from a server that has imported everything."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nonlin import paths
from nonlin.__main__ import main

processes = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
# torch imports torch._dynamo in the middle of the first training, which takes seconds.
PRELOADED = ["pytest", "torch._dynamo", "torchvision.datasets", "matplotlib.pyplot", "nonlin.plots", "nonlin.lessons"]


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, None if it had to be killed, and what it printed."""

    code: int | None
    out: str
    err: str


NEVER = 300.0  # seconds


def start(function: Callable[[Path], None], folder: Path) -> multiprocessing.Process:
    """Call a function in a child of its own."""
    processes.set_forkserver_preload(PRELOADED)
    process = processes.Process(target=function, args=(folder,))
    process.start()
    return process


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str], *, seconds: float) -> Ended:
    """Run one command line in a folder; kill it after a time."""
    out, err = folder / "stdout", folder / "stderr"
    process = start(partial(_child, list(argv), dict(environment)), folder)
    process.join(seconds)
    hung = process.is_alive()
    if hung:
        process.kill()
        process.join()
    said = [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in (out, err)]
    out.unlink(missing_ok=True)
    err.unlink(missing_ok=True)
    return Ended(None if hung else process.exitcode, *said)


def _child(argv: list[str], environment: dict[str, str], folder: Path) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    paths.project_root = lambda: None  # as if the package was installed alone: all that is written lies below HOME
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, for as long as the process lives
    sys.exit(main(argv))
