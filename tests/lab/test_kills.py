"""Killed at random moments, again and again: what comes out is what an undisturbed run gives, and nobody survives."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import children
import psutil
import pytest
import tiny_reference
from joblib.externals.loky import get_reusable_executor
from small_data import bright
from torch import nn

from nonlin.lab import runs
from nonlin.lab.report import read_runs
from nonlin.lab.runs import Configuration
from nonlin.lab.sweep import Grid, sweep
from nonlin.lab.training import Recipe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts many processes, which takes a fork to be quick")

IMAGES = partial(bright, 90)
SURVIVAL = 5.0  # seconds that a child may need to notice that its parent is gone


def train(folder: Path, jobs: int) -> None:
    images = IMAGES()
    data = {"data": images.title, "fingerprint": runs.fingerprint(images)}
    recipe = Recipe(epochs=5, batch_size=16, learning_rate=0.1)
    runs.run(Configuration(activation="rrelu", recipe=recipe, **data), nn.RReLU, images, folder, every_updates=1)


def train_several(folder: Path, jobs: int) -> None:
    cells = Grid(activations=("relu", "tanh"), networks=["cnn"], seeds=range(2), epochs=2).cells(IMAGES())
    assert sweep(cells, {"relu": nn.ReLU, "tanh": nn.Tanh}, IMAGES, folder, jobs=jobs, progress=False) == []
    get_reusable_executor().shutdown()  # as a program does at its end, and a forked child does not


def reference(folder: Path, jobs: int) -> None:
    assert tiny_reference.go_on(folder / "results", folder / "scratch", jobs=jobs) == []
    get_reusable_executor().shutdown()


def outcome(folder: Path) -> dict[str, object]:
    """What a run leaves that counts, by file; rows without the revision of the code, which may change meanwhile."""
    found: dict[str, object] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("result.json")
        if "scratch" not in path.parts
    }
    for path in folder.glob("results/*.csv"):
        found[path.name] = [replace(row, made_with={**row.made_with, "revision": ""}) for row in read_runs(path)]
    return found


@pytest.mark.parametrize("job", [train, train_several, reference], ids=lambda job: job.__name__)
def test_kills_change_no_digit(
    job: Callable[[Path], None], tmp_path: Path, amount: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    name, chance, kills, ended = job.__name__, random.Random(job.__name__), 0, 0
    alone, several = partial(job, jobs=1), partial(job, jobs=amount(2 if job is train_several else 1, 2))
    began = time.monotonic()
    assert run(alone, tmp_path / "calm", children.NEVER) == 0
    duration = time.monotonic() - began
    calm = outcome(tmp_path / "calm")
    assert calm
    folder = tmp_path / "killed-0"
    while kills < amount(1, 34):
        if run(several, folder, chance.uniform(0, duration), chance.choice([signal.SIGKILL, signal.SIGTERM])) != 0:
            kills += 1
        else:
            assert outcome(folder) == calm
            ended += 1
            folder = tmp_path / f"killed-{ended}"
    assert run(alone, folder, children.NEVER) == 0
    assert outcome(folder) == calm
    assert not [path for path in tmp_path.rglob("*.part*") if path.is_file()]
    tell(f"{name}: {kills} kills, {ended + 1} ends, each with the bytes of an undisturbed run")


def run(job: Callable[[Path], None], folder: Path, seconds: float, number: int = signal.SIGKILL) -> int | None:
    """Run a job, and end it by a signal after a time; returns its exit code."""
    process = children.start(job, folder)
    process.join(seconds)
    family = psutil.Process(process.pid).children(recursive=True) if process.is_alive() else []
    if process.is_alive():
        os.kill(process.pid, number)
    process.join(SURVIVAL)
    assert not process.is_alive(), "it takes no notice of SIGTERM"
    _, alive = psutil.wait_procs(family, timeout=SURVIVAL)
    assert not alive, "children outlive their parent"
    return process.exitcode
