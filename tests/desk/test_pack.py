"""A folder for a room without a network. That start.py installs from it is tested in test_start.py."""

import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from nonlin import installation
from nonlin.__main__ import main
from nonlin.desk import pack as module
from nonlin.desk.hand_out import files_of
from nonlin.desk.pack import lock_for, requirements

LOCK = """\
# by uv
-e .
appnope==1.0.0 ; sys_platform == 'darwin'
    # via ipykernel
colorama==0.4.6 ; sys_platform == 'win32'
triton==3.9 ; platform_machine == 'x86_64' and sys_platform == 'linux'
older==1 ; python_full_version < '3.12'
torch==2.15.0+cpu  # ours
"""

# Takes the place of pip: makes an empty wheel for each requirement, or fails where one is called "missing".
PIP = """\
#!{python}
import pathlib, sys
words = sys.argv[1:]
if "--version" in words:
    sys.exit()
assert words[2] == "download" and "--no-deps" in words, words
folder = pathlib.Path(words[words.index("--dest") + 1])
for word in words:
    if "==" in word:
        name = word.replace("==", "-")
        if name.startswith("missing"):
            sys.exit(1)
        (folder / f"{{name}}-py3-none-any.whl").touch()
"""


@pytest.mark.parametrize(
    ("system", "python", "expected"),
    [
        ("windows", "3.12", ["colorama==0.4.6", "torch==2.15.0+cpu"]),
        ("macos", "3.11", ["appnope==1.0.0", "older==1", "torch==2.15.0+cpu"]),
        ("linux", "3.13", ["triton==3.9", "torch==2.15.0+cpu"]),
    ],
)
def test_markers_are_read_for_the_system_that_installs(system: str, python: str, expected: list[str]) -> None:
    assert requirements(LOCK, system, python) == expected


def test_linux_gets_the_cpu_build_where_it_is_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / installation.CPU).write_text("-e .\ntorch==9.0+cpu\n")
    page = "torch-9.0%2Bcpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    monkeypatch.setattr(installation, "fetch", lambda url: page)
    assert lock_for("linux", tmp_path) == installation.CPU
    monkeypatch.setattr(installation, "fetch", lambda url: "")
    assert lock_for("linux", tmp_path) == lock_for("windows", tmp_path) == installation.PYPI
    assert capsys.readouterr().err.count("PyTorch's CPU build is not to be had") == 1


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course, and no real pip."""
    root = tmp_path / "course"
    for name in ("start.py", "notebooks/00_a.ipynb", "src/nonlin/a.py", "tests/test_a.py", ".git/x", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "requirements.txt").write_text("-e .\nhelper==1.0\ncolorama==0.4 ; sys_platform == 'win32'\n")
    (root / "requirements-cpu.txt").write_text("-e .\ntorch==9.0+cpu\n")
    pip = tmp_path / "pip"
    pip.write_text(PIP.format(python=sys.executable))
    pip.chmod(pip.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(module, "_pip", lambda: [str(pip), "-m", "pip"])
    monkeypatch.setattr(installation, "fetch", lambda url: "")
    return root


def test_what_the_readme_leads_to_is_packed() -> None:
    text = (installation.ROOT / "README.md").read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    assert len(links) > 20
    assert links <= files_of(installation.ROOT, module.PACKED).keys()


@pytest.mark.skipif(os.name != "posix", reason="pip's place is taken by a script")
def test_it_holds_everything_and_nothing_else(course: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for part in ("train/a", "test/a"):
        (tmp_path / "photographs" / part).mkdir(parents=True)
        (tmp_path / "photographs" / part / "1.png").touch()
    stick = tmp_path / "stick"
    words = [
        "--systems",
        "windows",
        "macos",
        "windows",
        "--images",
        str(tmp_path / "photographs"),
        "--course",
        str(course),
    ]
    assert main(["pack", str(stick), "--course", str(course), *words]) == 0
    names = {path.relative_to(stick).as_posix() for path in stick.rglob("*") if path.is_file()}
    assert names == {
        *("start.py", "README.md", "START HERE.txt", "requirements.txt", "requirements-cpu.txt"),
        *("notebooks/00_a.ipynb", "src/nonlin/a.py", "images/train/a/1.png", "images/test/a/1.png"),
        *("wheels/helper-1.0-py3-none-any.whl", "wheels/colorama-0.4-py3-none-any.whl", "wheels/stick.json"),
    }
    told = json.loads((stick / "wheels" / installation.STICK).read_text())
    assert told == {"python": "3.12", "systems": ["windows", "macos"], "images": "images"}
    assert "START HERE.txt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--course", "{here}"], "is no folder of the course"),
        (["--images", "{here}"], "holds no images"),
        (["--images", "shape10"], "holds no images"),
        (["--systems", "solaris"], "invalid choice"),
        (["--python", "3.9"], "invalid choice"),
        (["--systems", "linux"], "GB free"),
        (["--systems", "macos"], "pip cannot get all wheels for macos"),
    ],
)
def test_what_cannot_be_packed_is_told_and_leaves_nothing(
    words: list[str],
    sentence: str,
    course: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    if "linux" in words:
        monkeypatch.setitem(module.GIGABYTES, "linux", 10**9)
    (course / "requirements.txt").write_text("-e .\nmissing==1.0\n")
    (tmp_path / "empty").mkdir()
    words = [word.format(here=tmp_path / "empty") for word in words]
    try:
        code = main(["pack", str(tmp_path / "stick"), "--course", str(course), *words])
    except SystemExit as end:
        code = end.code
    assert code in (1, 2)
    assert sentence in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"course", "pip", "empty"}
