"""A process for code that nobody vouches for: what the system can deny it is denied before the code begins.

`contained` forks twice. The outer process, the keeper, runs nothing of the stranger's: it counts the time, reads what
comes back, up to a limit, and ends everything that was begun. The inner one gives up what it does not need, and then
runs the stranger's code. Linux alone forks safely after torch was imported, so that this module is for Linux.

Only the standard library is imported: it is loaded by a process that holds nothing of the course's solutions.
"""

import ctypes
import errno
import os
import platform
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LIBC = ctypes.CDLL(None, use_errno=True)
MEBIBYTE = 2**20
LOOK_EVERY = 0.02  # seconds from one look at the child to the next
FIRST_USER, USERS = 61184, 4336  # the numbers that systemd hands out to services, too, each for a while

# From <linux/prctl.h>, <linux/sched.h>, <linux/mount.h>, <linux/capability.h>
PDEATHSIG, KEEPCAPS, SECCOMP, SUBREAPER, NO_NEW_PRIVS = 1, 8, 22, 36, 38
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES = 0x00020000, 0x08000000, 0x10000000, 0x20000000
READ_ONLY, NOSUID, NODEV, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 0x1000, 0x4000, 1 << 18
CAPABILITY_VERSION_3, DAC_READ_SEARCH = 0x20080522, 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use.

    Args:
        cpu: seconds of a processor, of each process.
        wall: seconds by the clock, of all.
        memory: bytes beyond what it begins with, of each process.
        processes: processes and threads at one time.
        disk: bytes in its own folder.
        output: bytes of what it gives back.
    """

    cpu: int = 20
    wall: float = 60.0
    memory: int = 2048 * MEBIBYTE
    processes: int = 32
    disk: int = 256 * MEBIBYTE
    output: int = 16 * MEBIBYTE


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: ``"finished"``, ``"slow"``, ``"flooded"`` (too much given back), ``"died"``, or ``"unable"``.

    The last says that the system failed before anything of the stranger's ran.
    """

    ended: str
    output: bytes
    denied: tuple[str, ...]  # what the system denied it: "network", "files", ...
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a run happens.

    Args:
        place: a folder in which each run gets one of its own, removed behind it.
        readable: files and folders that it may read.
        hidden: what lies in one of those and is not to be read.
    """

    place: str
    readable: tuple[str, ...]
    hidden: tuple[str, ...] = ()


def contained(body: Callable[[int], object], room: Room, limits: Limits, user: int) -> Outcome:
    """Run ``body`` in a process that the system confines as far as it can.

    Args:
        body: takes the file number to which it writes what it gives back.
        room: where.
        limits: what it may use.
        user: number of the user that it becomes, where this process is root's.
    """
    reading, writing = os.pipe()
    keeper = os.fork()
    if not keeper:
        os.close(reading)
        _keep(body, room, limits, user, writing)
    os.close(writing)
    with open(reading, "rb") as file:
        report = file.read()
    os.waitpid(keeper, 0)
    if len(report) < _HEAD.size:
        return Outcome(ended="died", output=b"", denied=(), words="its keeper ended")
    ended, denied, words, output = _HEAD.unpack_from(report), *report[_HEAD.size :].split(b"\n", 2)
    names = tuple(filter(None, denied.decode().split(",")))
    return Outcome(ended=_ENDS[ended[0]], output=output, denied=names, words=words.decode())


_HEAD = struct.Struct("B")
_ENDS = ("finished", "slow", "flooded", "died", "unable")


def end_with_parent() -> None:
    """From now on this process is killed when the one that began it ends."""
    _prctl(PDEATHSIG, signal.SIGKILL)


# The keeper


def _keep(body: Callable[[int], object], room: Room, limits: Limits, user: int, report: int) -> NoReturn:
    home, child = "", 0
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, _leave)
        _prctl(PDEATHSIG, signal.SIGTERM)
        _prctl(SUBREAPER, 1)
        home = tempfile.mkdtemp(dir=room.place)
        denied = _own_spaces(room, home, limits, user)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            _confined(body, room, limits, user, home, writing, denied)
        os.close(writing)
        ended, output, words = _watched(child, reading, limits, home)
        child = _end_all(child)
        first, _, output = output.partition(b"\n")
        if not first.startswith(b"denied:"):
            ended, words, first, output = "unable", first.decode(errors="replace")[:200] or words, b"", b""
        denied_in_all = first.removeprefix(b"denied:")
        words = " ".join(words.split())
        whole = _HEAD.pack(_ENDS.index(ended)) + denied_in_all + b"\n" + words.encode() + b"\n" + output
        view = memoryview(whole)
        while view:
            view = view[os.write(report, view) :]
    except OSError as error:
        os.write(report, _HEAD.pack(_ENDS.index("unable")) + f"\n{error}\n".encode())
    finally:
        try:
            if child:
                _end_all(child)
            if home:
                _remove(home)
        finally:
            os._exit(0)


def _leave(*_: object) -> NoReturn:
    raise SystemExit


def _own_spaces(room: Room, home: str, limits: Limits, user: int) -> list[str]:
    """Give this process, or the next it begins, processes and mounts of its own; returns what that denies.

    What is hidden in the room is covered by an empty mount where the kernel has no Landlock, which denies more.
    """
    root = os.geteuid() == 0
    number, group = (user, user) if root else (os.geteuid(), os.getegid())
    if not root and _tried(LIBC.unshare, NEW_USER):
        for name, text in ("setgroups", "deny"), ("uid_map", f"{number} {number} 1"), ("gid_map", f"{group} {group} 1"):
            Path(f"/proc/self/{name}").write_text(text)
    denied = []
    _tried(LIBC.unshare, NEW_IPC)
    if _tried(LIBC.unshare, NEW_MOUNTS) and _tried(LIBC.mount, b"none", b"/", None, RECURSIVE | PRIVATE, None):
        what = f"size={limits.disk},nr_inodes=20000,mode=0700,uid={number},gid={group}".encode()
        if _tried(LIBC.mount, b"tmpfs", os.fsencode(home), b"tmpfs", NOSUID | NODEV, what):
            denied.append("disk")
        kept = [os.path.realpath(each) for each in (*room.readable, room.place)]
        if not _landlock_version() and all(map(_covered, to_cover(room.hidden, kept))):
            denied.append("hidden")
    elif root:
        os.chown(home, number, group)
    if _tried(LIBC.unshare, NEW_PROCESSES):
        denied.append("processes")
    return denied


def to_cover(hidden: Iterable[str], kept: Sequence[str]) -> Iterator[str]:
    """What to cover so that nothing ``hidden`` can be seen but what is to be ``kept`` in it."""
    for path in hidden:
        below = [each for each in kept if each.startswith(os.path.join(path, ""))]
        if path in kept or not os.path.lexists(path):
            continue
        if below:
            yield from to_cover((entry.path for entry in os.scandir(path) if not entry.is_symlink()), kept)
        else:
            yield path


def _covered(path: str) -> bool:
    if os.path.isdir(path):
        return _tried(LIBC.mount, b"tmpfs", os.fsencode(path), b"tmpfs", READ_ONLY | NOSUID | NODEV, b"mode=0")
    return _tried(LIBC.mount, b"/dev/null", os.fsencode(path), None, BIND, None)


def _watched(child: int, reading: int, limits: Limits, home: str) -> tuple[str, bytes, str]:
    """How the child ended, what it wrote, and words for the rest; it may still be running."""
    until, parts, size = time.monotonic() + limits.wall, [], 0
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    os.set_blocking(reading, False)
    status, closed = None, False
    while True:
        over = status is not None
        if time.monotonic() > until:
            return "slow", b"".join(parts), f"stopped after {limits.wall:g} s"
        if not closed and poll.poll(0 if over else LOOK_EVERY * 1000):
            part = os.read(reading, MEBIBYTE)
            parts.append(part)
            size += len(part)
            closed = not part
            if size > limits.output:
                return "flooded", b"".join(parts)[: limits.output], "it gave back too much"
            if part:
                continue
        if over:
            break
        if closed:
            time.sleep(LOOK_EVERY)
        if _bytes_in(home, limits.disk) > limits.disk:
            return "died", b"".join(parts), "it filled its disk"
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
    output = b"".join(parts)
    if status == 0:
        return "finished", output, ""
    if status in (-signal.SIGXCPU, -signal.SIGKILL) and _used(resource.RUSAGE_CHILDREN) >= limits.cpu:
        return "slow", output, f"stopped after {limits.cpu} s of computing"
    why = f"killed by {signal.Signals(-status).name}" if status < 0 else f"it ended with code {status}"
    return "died", output, why


def _used(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime + 0.5  # the kernel counts in ticks


_LAST_LOOK = 0.0


def _bytes_in(home: str, enough: int) -> int:
    """Bytes in a folder, counted until there are more than enough; once a second, for that takes time."""
    global _LAST_LOOK
    if time.monotonic() < _LAST_LOOK + 0.5 or os.path.ismount(home):
        return 0
    _LAST_LOOK = time.monotonic()
    total = 0
    for folder, _, names in os.walk(home):
        for name in names:
            with suppress(OSError):
                total += max(os.lstat(os.path.join(folder, name)).st_blocks * 512, 4096)
        if total > enough:
            break
    return total


def _end_all(child: int) -> int:
    """Kill the child and all that came of it; what left its group and its parent has come to this process by now.

    In a process space of its own all end with the child, and it is gone only when they are. Returns 0, no child.
    """
    with suppress(ChildProcessError, ProcessLookupError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for pid in children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        time.sleep(0.001)
    return 0


def children() -> list[int]:
    """The numbers of this process's children."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _remove(home: str) -> None:
    if os.path.ismount(home):
        LIBC.umount2(os.fsencode(home), 2)
        os.rmdir(home)
        return
    # Python's own rmtree fails in very deep folders, and in those without rights.
    for command in (["chmod", "-R", "u+rwx", home], ["rm", "-rf", home]):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(home, ignore_errors=True)


# The confined process


def _confined(
    body: Callable[[int], object], room: Room, limits: Limits, user: int, home: str, writing: int, denied: list[str]
) -> NoReturn:
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        writing = _streams_closed(writing)
        os.chdir(home)
        os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR", "NONLIN_RUNS"), home))
        tempfile.tempdir = None  # what was found before
        _give_up(room, limits, user, home, denied)
        os.stat(os.__file__)  # Python may lie where root alone can look
        os.write(writing, f"denied:{','.join(denied)}\n".encode())
    except BaseException as error:
        os.write(writing, f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(70)
    with suppress(BaseException):
        body(writing)
    os._exit(0)


def _streams_closed(writing: int) -> int:
    """Close all that the process was born with, but what it writes to; returns the number that this gets."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    if writing != 3:
        os.dup2(writing, 3)
    os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return 3


def _give_up(room: Room, limits: Limits, user: int, home: str, denied: list[str]) -> None:
    root = os.geteuid() == 0
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out, the stranger's code ends first
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    own = 0 if root or "processes" in denied else _threads_of(os.getuid())
    bounds = {
        "AS": size + limits.memory,
        "FSIZE": limits.disk,
        "NOFILE": 256,
        "CORE": 0,
        "CPU": limits.cpu,
        "NPROC": own + limits.processes,
        "MSGQUEUE": 0,
    }
    for name, bound in bounds.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, highest = resource.getrlimit(number)
        bound = bound if highest == resource.RLIM_INFINITY else min(bound, highest)
        resource.setrlimit(number, (bound, bound))
    rules = _landlock(room, home)
    if root:
        # Root's own Python may lie where nobody else can look: reading stays allowed, within what Landlock grants.
        _prctl(KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        denied.append("user")
    if not (root and rules is not None and _capabilities(1 << DAC_READ_SEARCH)):  # a container's root has it not
        _capabilities(0)
    _prctl(PDEATHSIG, signal.SIGKILL)
    _prctl(NO_NEW_PRIVS, 1)
    if rules is not None:
        _checked(LIBC.syscall(446, rules, 0))
        os.close(rules)
        denied.append("files")
    if _no_sockets():
        denied.append("network")


def _threads_of(user: int) -> int:
    """How many threads a user runs in all, which the system counts against him."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == user:
                found += len(os.listdir(folder / "task"))
    return found


def _capabilities(bits: int) -> bool:
    head = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    return _tried(LIBC.capset, head, struct.pack("IIIIII", bits, bits, 0, 0, 0, 0))


# What the kernel is asked


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _tried(call: Callable[..., int], *arguments: object) -> bool:
    return call(*arguments) == 0


def _prctl(*arguments: int) -> None:
    _checked(LIBC.prctl(*arguments, *[0] * (5 - len(arguments))))


# Landlock's rights over files: <linux/landlock.h>
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL = 1, 2, 4, 8, 1 << 14, 1 << 15
RIGHTS = (None, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1)  # by version; from 5 on all 16
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL
READING = EXECUTE | READ_FILE | READ_DIR
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def _landlock_version() -> int:
    return max(0, LIBC.syscall(444, None, ctypes.c_size_t(0), 1))


def _landlock(room: Room, home: str) -> int | None:
    """The file number of a set of rules that grants a room and one's own home, or None where the kernel has none."""
    if not (version := _landlock_version()):
        return None
    files = RIGHTS[version] if version < len(RIGHTS) else (1 << 16) - 1
    network = 3 if version >= 4 else 0
    scope = 3 if version >= 6 else 0  # no signals and no abstract sockets to what runs outside
    handled = struct.pack("QQQ", files, network, scope)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _checked(LIBC.syscall(444, handled, ctypes.c_size_t(len(handled)), 0))
    grants = [(path, READING) for path in granted(room.readable, room.hidden)]
    for path, rights in [*grants, *((device, READ_FILE | WRITE_FILE) for device in DEVICES), (home, files)]:
        with suppress(OSError):  # what is not there need not be granted
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            if not os.path.isdir(path):
                rights &= OF_FILES
            LIBC.syscall(445, rules, 1, struct.pack("=Qi", rights & files, handle), 0)
            os.close(handle)
    return rules


def granted(readable: Iterable[str], hidden: Iterable[str]) -> Iterator[str]:
    """What to grant so that all of ``readable`` can be read but what is ``hidden`` in it."""
    hidden = tuple(hidden)
    for path in map(os.path.realpath, readable):
        below = [each for each in hidden if each.startswith(os.path.join(path, ""))]
        if not below:
            yield path
        elif os.path.isdir(path):
            children = [entry.path for entry in os.scandir(path) if not entry.is_symlink()]
            yield from granted((child for child in children if child not in hidden), below)


# A filter for system calls: <linux/filter.h>, <linux/seccomp.h>
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EACCES
CALLS = {"x86_64": (0xC000003E, 41, 0x40000000 + 41), "aarch64": (0xC00000B7, 198, 198)}  # socket, and as x32 calls it
IO_URING_SETUP = 425


def _no_sockets() -> bool:
    """From now on no socket can be opened but a pair; False where that is not known for this processor."""
    if platform.machine() not in CALLS:
        return False
    architecture, *sockets = CALLS[platform.machine()]
    denied = [*sockets, IO_URING_SETUP, 0x40000000 + IO_URING_SETUP]
    program = [(LOAD, 0, 0, 4), (EQUAL, 0, len(denied) + 2, architecture), (LOAD, 0, 0, 0)]
    program += [(EQUAL, len(denied) - place, 0, call) for place, call in enumerate(denied)]
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, DENY)]
    return _filtered(program)


def _filtered(program: Sequence[tuple[int, int, int, int]]) -> bool:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))

    whole = Program(len(program), ctypes.addressof(code))
    return LIBC.prctl(SECCOMP, 2, ctypes.byref(whole), 0, 0) == 0
