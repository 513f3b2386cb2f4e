"""Processes that end when they should: no child outlives its parent, and SIGTERM ends a command as cleanly as Ctrl-C.

Only the standard library is imported at once: a new process can watch its parent before it imports anything slow.
"""

import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

LOOK_EVERY = 0.2  # seconds from one look at the parent to the next


@lru_cache
def end_with(parent: int) -> None:
    """End this process at once when its parent has ended, however that came about, or had ended before.

    A worker whose parent was killed would train on, and a new start would find its run in use. The abrupt end costs
    what was done since the last checkpoint. On Windows, where an orphan keeps its parent's number, nothing happens.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os._exit(1)

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def switched_on(variable: str) -> bool:
    """Whether a switch in the environment is on, as it is where it is not set.

    Raises:
        ReaderError: for a value that is neither on nor off.
    """
    from nonlin.errors import ReaderError

    value = os.environ.get(variable, "").strip().lower()
    if value in ("off", "0", "no", "false"):
        return False
    if value not in ("", "on", "1", "yes", "true"):
        raise ReaderError(f"{variable} is set to {value!r}: set it to on or off")
    return True


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Within the block the environment, also of new processes, has these values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def workers(number: int) -> Iterator[None]:
    """Within the block joblib uses so many processes of one thread each, none of which outlives this one."""
    import joblib

    # Besides, joblib begins a process that cleans up after killed ones. It is to do so without a word.
    silent = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning")))
    watching = {"initializer": end_with, "initargs": (os.getpid(),)}
    options = {"n_jobs": number, "inner_max_num_threads": 1, **watching}
    with (
        variables(PYTHONWARNINGS=silent),
        warnings.catch_warnings(),
        joblib.parallel_config("loky", **options),
    ):
        warnings.filterwarnings("ignore", ".*You could benefit from", UserWarning)  # joblib's advice on an abort
        yield


class Terminated:
    """A handler of SIGTERM that raises KeyboardInterrupt, as Ctrl-C does, and remembers that it was not Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: Any) -> None:
        self.asked = True
        raise KeyboardInterrupt


@contextmanager
def terminable() -> Iterator[Terminated]:
    """Within the block SIGTERM acts as Ctrl-C does, where the system's own handler stood before, in the main thread."""
    handler = Terminated()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield handler
        return
    signal.signal(signal.SIGTERM, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def stops_noted(*, terminations: bool = True) -> Iterator[threading.Event]:
    """Within the block the first Ctrl-C or SIGTERM sets the event and does nothing else; the second acts as usual.

    A signal that is not handled in the usual way keeps its handler, and all do outside the main thread.

    Args:
        terminations: whether SIGTERM is noted, too, or acts as usual at once.
    """
    event, usual = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {
        number: handler
        for number, handler in usual.items()
        if handler is signal.default_int_handler or (terminations and isinstance(handler, Terminated))
    }

    def ask(number: int, frame: Any) -> None:
        event.set()
        signal.signal(number, ours[number])
        if isinstance(ours[number], Terminated):
            ours[number].asked = True

    for number in ours:
        signal.signal(number, ask)
    try:
        yield event
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


@contextmanager
def deadline(until: float) -> Iterator[None]:
    """Within the block KeyboardInterrupt is raised in the main thread when `time.monotonic` reaches ``until``."""
    if until == math.inf:
        yield
        return
    timer = threading.Timer(min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX), _interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _interrupt() -> None:
    if os.name == "posix":  # a waiting system call ends, too
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
