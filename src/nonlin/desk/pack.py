"""Everything for a room without a network, in one folder: the course, its packages as wheels, images, one start."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nonlin import installation
from nonlin.desk.hand_out import PARTS, files_of
from nonlin.desk.new_folder import new_folder
from nonlin.errors import ReaderError

PACKED = (*PARTS, "notebooks", "docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md")
LINUX_TAGS = [f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)]
# By system: what markers of a lock see there, and the platforms that pip is asked for.
SYSTEMS = {
    "windows": (("win32", "nt", "Windows", "AMD64"), ["win_amd64"]),
    "macos": (("darwin", "posix", "Darwin", "arm64"), ["macosx_14_0_arm64"]),
    "linux": (("linux", "posix", "Linux", "x86_64"), [*LINUX_TAGS, "manylinux2014_x86_64", "linux_x86_64"]),
}
PATCH = 9  # of the room's Python; some packages refuse the first few
GIGABYTES = {"windows": 0.4, "macos": 0.4, "linux": 1.0}
WITH_GPU = 3.5  # for Linux, where PyTorch's CPU build is not to be had
PIP = """\
import runpy, sys
sys.path.append(sys.argv[2])
from nonlin.processes import end_with
end_with(int(sys.argv[1]))
sys.argv[:3] = ["pip"]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
START = """\
Copy this whole folder from the stick to your disk. Then, in a terminal in the copied folder:

    python3 start.py        (on Windows: py start.py)

It installs from the folder wheels, without a network, and opens the lessons. You need Python {python}, 64 bits, on
{systems}.
"""


def pack(
    folder: Path, systems: Sequence[str], python: str, images: Path | None = None, course: Path | None = None
) -> None:
    """Fill a new folder with everything that a room without a network needs.

    Args:
        folder: a new one, on a stick for instance.
        systems: of `SYSTEMS`.
        python: the version that the room has, ``"3.12"``.
        images: a folder with ``train/CLASS/*`` and ``test/CLASS/*``; without one, the computer draws shapes10.
        course: a folder of the course or of a hand-out; by default the course that this is run from.

    Raises:
        ReaderError: if a folder will not do, there is no room, or a wheel cannot be had; then nothing is left.
    """
    root = (course or installation.ROOT).absolute()
    if not (root / "start.py").is_file() or not (root / "notebooks").is_dir():
        raise ReaderError(f"{root} is no folder of the course: it has no start.py, or no notebooks")
    if images and not all((images / part).is_dir() for part in ("train", "test")):
        raise ReaderError(f"{images} holds no images: it needs the folders train/CLASS/ and test/CLASS/")
    with new_folder(folder) as part:
        locks = {system: lock_for(system, root) for system in systems}
        _check_room(part, locks)
        for name, path in files_of(root, PACKED).items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, part / name)
        if images:
            shutil.copytree(images, part / "images")
        for system, lock in locks.items():
            download(part / "wheels", system, python, (root / lock).read_text(encoding="utf-8"))
        stick = {"python": python, "systems": list(systems), "images": "images" if images else "shapes10"}
        (part / "wheels" / installation.STICK).write_text(json.dumps(stick), encoding="utf-8")
        text = START.format(python=python, systems=", ".join(systems))
        (part / "START HERE.txt").write_text(text, encoding="utf-8")


def lock_for(system: str, root: Path) -> str:
    """Name of the lock whose packages a system gets; for Linux, PyTorch's CPU build where that is to be had."""
    if system != "linux":
        return installation.PYPI
    lines = (root / installation.CPU).read_text(encoding="utf-8").splitlines()
    wanted = next(line for line in lines if line.startswith("torch==")).split()[0].replace("==", "-")
    if installation.offers(wanted):
        return installation.CPU
    installation.say(
        f"PyTorch's CPU build is not to be had from {installation.CPU_INDEX} now: Linux gets PyPI's, whose GPU"
        f" libraries make the folder {WITH_GPU:.1f} GB larger."
    )
    return installation.PYPI


def _check_room(folder: Path, locks: dict[str, str]) -> None:
    heavy = locks.get("linux") == installation.PYPI
    needed = sum(GIGABYTES[system] for system in locks) + (WITH_GPU if heavy else 0)
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise ReaderError(
            f"the disk has {free:.1f} GB free, and this needs {needed:.1f} GB: make room, or name fewer systems"
        )


def requirements(lock: str, system: str, python: str) -> list[str]:
    """What of a lock a system installs, ``"numpy==2.4.1"``: pip would look at the markers with this system's eyes."""
    from packaging.requirements import Requirement

    names = ("sys_platform", "os_name", "platform_system", "platform_machine")
    sees = dict(zip(names, SYSTEMS[system][0], strict=True))
    sees |= {"python_version": python, "python_full_version": f"{python}.{PATCH}"}
    sees |= {"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}
    lines = (line.partition(" #")[0].strip() for line in lock.splitlines())
    wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    return [f"{each.name}{each.specifier}" for each in wanted if not each.marker or each.marker.evaluate(sees)]


def download(folder: Path, system: str, python: str, lock: str) -> None:
    """Put the wheels of a system into a folder.

    Raises:
        ReaderError: if there is no pip here, or one cannot be had.
    """
    folder.mkdir(exist_ok=True)
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), "--python-version", f"{python}.{PATCH}"]
    options += [word for tag in SYSTEMS[system][1] for word in ("--platform", tag)]
    wanted = requirements(lock, system, python)
    from_torch = [each for each in wanted if "+cpu" in each]
    for index, names in (([installation.CPU_INDEX], from_torch), ([], [w for w in wanted if w not in from_torch])):
        where = ["--index-url", *index] if index else []
        command = [*_pip(), "download", "--quiet", "--disable-pip-version-check", *options, *where, *names]
        if names and subprocess.run(command, stdout=2, env=installation.environment(), check=False).returncode:
            raise ReaderError(f"pip cannot get all wheels for {system} and Python {python}, see above: try again")


def _pip() -> list[str]:
    """A command for the pip of this Python, or of the one that its environment was made from; it ends with us."""
    for python in (sys.executable, getattr(sys, "_base_executable", None) or sys.executable):
        if not subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
            return [python, "-c", PIP, str(os.getpid()), str(Path(__file__).parents[2])]
    raise ReaderError(f"there is no pip, which fetches the wheels: {sys.executable} -m ensurepip installs it")
