"""Run by test_sandbox.py as a process of its own: some code in the sandbox, which tells what it could read."""

import importlib.util
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

place, system = Path(sys.argv[2]), sys.argv[3]
spec = importlib.util.spec_from_file_location("sandbox", sys.argv[1])
sandbox = sys.modules["sandbox"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sandbox)
os.__file__ = "/"  # root's Python may be one that no other user can read
if system == "a container" and not os.geteuid():  # whose root has not all capabilities
    status = Path("/proc/self/status").read_text()
    has = int(status.partition("CapPrm:")[2].split()[0], 16) & ~(1 << sandbox.DAC_READ_SEARCH)
    low, high = has & 0xFFFFFFFF, has >> 32
    head = sandbox.struct.pack("Ii", sandbox.CAPABILITY_VERSION_3, 0)
    assert sandbox.LIBC.capset(head, sandbox.struct.pack("IIIIII", low, low, 0, high, high, 0)) == 0
if system == "an old kernel":  # the system call that asks for its version fails
    sandbox._prctl(sandbox.NO_NEW_PRIVS, 1)
    program = [(sandbox.LOAD, 0, 0, 0), (sandbox.EQUAL, 0, 1, 444)]
    assert sandbox._filtered([*program, (sandbox.RETURN, 0, 0, sandbox.DENY), (sandbox.RETURN, 0, 0, sandbox.ALLOW)])


def body(writing: int) -> None:
    if system == "killed":
        time.sleep(1e6)
    for path in ("work/marks.csv", "work/in/a.ipynb", "work/kept/a.py", "work/kept/sealed.py"):
        with suppress(OSError):
            os.write(writing, (path + " ").encode() if (place / path).read_bytes() else b"")


readable = (str(place / "work/kept"), sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64")
hidden = (str(place / "work"), str(place / "work/kept/sealed.py"))
runs = place / ("gone" if system == "a lost folder" else "runs")
room = sandbox.Room(place=str(runs), readable=readable, hidden=hidden)
outcome = sandbox.contained(body, room, sandbox.Limits(wall=10), sandbox.FIRST_USER)
print(outcome.ended, outcome.words, ",".join(outcome.denied), outcome.output.decode(), sep="|")
