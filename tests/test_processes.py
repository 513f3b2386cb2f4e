"""Processes: no child outlives its parent, SIGTERM stops a command as Ctrl-C does, time runs out in time."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nonlin.errors import ReaderError
from nonlin.processes import deadline, stops_noted, switched_on, terminable

PARENT = """
import sys, time, joblib
from nonlin.processes import terminable, workers
with terminable(), workers(2):
    print("ready", flush=True)
    list(joblib.Parallel(return_as="generator_unordered")(joblib.delayed(time.sleep)(60) for _ in range(2)))
"""


COMMAND = """
import runpy, sys, time
sys.argv = ["nonlin", "refresh", "nosuch"]
try:
    runpy.run_module("nonlin", run_name="__main__")
except SystemExit:
    print("ready", flush=True)
    time.sleep(60)
"""
STARTER = f"""
import os, subprocess, sys
environment = os.environ | {{"NONLIN_PARENT": str(os.getpid())}}
subprocess.run([sys.executable, "-c", {COMMAND!r}], env=environment, stderr=subprocess.DEVNULL)
"""
PACKER = """
import os, subprocess
from nonlin.desk.pack import _pip
pip, ends = _pip(), os.pipe()
print("ready", flush=True)
subprocess.run([*pip, "hash", f"/dev/fd/{ends[0]}"], pass_fds=ends)  # has both ends, and waits for ever
"""
PARENTS = {"workers": PARENT, "start.py": STARTER, "pack": PACKER}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes as Linux shows them")
@pytest.mark.parametrize(
    ("parent", "number", "after"),
    [
        ("workers", "SIGKILL", 0.0),
        ("workers", "SIGKILL", 1.0),
        ("workers", "SIGTERM", 1.0),
        ("start.py", "SIGKILL", 0.0),
        ("pack", "SIGKILL", 1.0),
    ],
)
def test_no_child_outlives_its_parent(parent, number, after):
    words = [sys.executable, "-c", PARENTS[parent]]
    with subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        try:
            parent.stdout.readline()
            wait_until(lambda: len(session(parent.pid)) > 1)
            time.sleep(after)
            parent.send_signal(getattr(signal, number))
            wait_until(lambda: parent.poll() is not None and not session(parent.pid), seconds=10)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
        said = parent.stderr.read().decode()
    assert "leaked" not in said
    assert said.count("Error") == 0


def session(number: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of_session, *_ = stat.read_text().rpartition(")")[2].split()
            found += [stat.parent.name] if int(of_session) == number and state != "Z" else []
    return found


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# Signals, in this process


def test_sigterm_stops_as_ctrl_c_does_and_is_remembered():
    before = signal.getsignal(signal.SIGTERM)
    with terminable() as termination, suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("went on")
    assert termination.asked
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_stops(number):
    with terminable() as termination:
        usual = signal.getsignal(number)
        with stops_noted() as asked:
            assert not asked.is_set()
            signal.raise_signal(number)
            assert asked.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is usual
        assert termination.asked == (number == signal.SIGTERM)


def test_sigterm_is_left_to_the_system_where_it_was_and_can_act_at_once():
    with stops_noted():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with terminable() as termination, stops_noted(terminations=False) as asked:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert (termination.asked, asked.is_set()) == (True, False)


def test_a_thread_changes_no_handler():
    def enter() -> None:
        with terminable(), stops_noted() as asked:
            seen.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), asked.is_set()))

    seen, before = [], (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(*before, False)]


@pytest.mark.parametrize(("seconds", "stops"), [(0.05, True), (-1.0, True), (60.0, False), (math.inf, False)])
def test_time_runs_out_in_time(seconds, stops):
    begun = time.monotonic()
    reached = []
    with suppress(KeyboardInterrupt), deadline(begun + seconds):
        time.sleep(10 if stops else 0.1)
        reached.append(1)
    assert (bool(reached), time.monotonic() - begun < 5) == (not stops, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [*dict.fromkeys(("off", "OFF", " 0", "no", "False"), False).items(), ("", True), ("On", True)],
)
def test_a_switch_in_the_environment_is_read_in_any_usual_form(monkeypatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("NONLIN_KERNELS", value)
    assert switched_on("NONLIN_KERNELS") is expected


def test_a_switch_that_is_neither_on_nor_off_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("NONLIN_KERNELS", "of")
    with pytest.raises(ReaderError, match="NONLIN_KERNELS is set to 'of': set it to on or off"):
        switched_on("NONLIN_KERNELS")
