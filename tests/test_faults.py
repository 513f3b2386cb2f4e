"""Faults that were planted in what the course computes, each with the test that has to notice it.

``python3 start.py test --faults`` plants them one by one in a copy of the package, runs the test that is named beside
each, and prints which survived. The ordinary tests only look whether the list still fits the code.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A change to one place that changes a number which a reader sees.

    Args:
        file: in the folder src/nonlin.
        old, new: the text there, which occurs once, and what takes its place.
        test: what pytest is told to run, a file and perhaps ``-k`` with a part of a name; it has to fail.
    """

    file: str
    old: str
    new: str
    test: str


FAULTS = [Fault(**each) for each in tomllib.loads((TESTS / "faults.toml").read_text(encoding="utf-8"))["fault"]]
NAMES = [f"{number} {fault.file}" for number, fault in enumerate(FAULTS, 1)]


def test_the_list_fits_the_code() -> None:
    assert len(FAULTS) >= 60
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        text = (ROOT / "src" / "nonlin" / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, f"{fault.file} no longer holds this once: {fault.old}"
        assert fault.old != fault.new
        assert (ROOT / shlex.split(fault.test)[0]).is_file(), fault.test


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_a_planted_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    copy = tmp_path / "course"  # whole, so that stored measurements are found
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "runs", "work"))
    path = copy / "src" / "nonlin" / fault.file
    path.write_text(path.read_text(encoding="utf-8").replace(fault.old, fault.new), encoding="utf-8")
    told = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *shlex.split(fault.test)]
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "NONLIN_DATA": "shapes10", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(told, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, (
        f"survived: in {fault.file}, {fault.new!r} instead of {fault.old!r}\n{done.stdout[-800:]}"
    )
