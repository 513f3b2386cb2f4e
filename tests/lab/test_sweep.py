"""Sweeps: paired seeds, what is finished is skipped, what fails is told, what is stopped or killed goes on."""

import gc
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from joblib.externals.loky import BrokenProcessPool
from small_data import bright
from torch import nn

from nonlin import __main__ as command_line
from nonlin.activations import ACTIVATIONS
from nonlin.commands import common
from nonlin.errors import ReaderError
from nonlin.files import FileError
from nonlin.images import sources
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import report, runs, tracking
from nonlin.lab import sweep as sweeps
from nonlin.lab.report import read_sweep
from nonlin.lab.runs import Stopped
from nonlin.lab.sweep import Grid, SweepError, sweep

squares = partial(bright, 40)


def dark() -> Dataset:
    """Other images."""
    split = Split(images=DATASET.train.images // 2, labels=DATASET.train.labels)
    return replace(DATASET, train=split, test=split)


DATASET = squares()


def grid(*activations: str, **changes) -> Grid:
    return Grid(**{"activations": activations, "networks": ["mlp"], "seeds": range(2), "epochs": 2} | changes)


def in_process(folder: Path, *names: str, load=squares, grid_changes: dict | None = None, **makers) -> list:
    """A sweep in this process, of nn.ReLU under some names, and of other makers."""
    activations = dict.fromkeys(names, nn.ReLU) | makers
    cells = grid(*activations, **grid_changes or {}).cells(DATASET)
    return sweep(cells, activations, load, folder, jobs=1, progress=False)


def results(folder: Path) -> dict[str, bytes]:
    return {file.parent.name: file.read_bytes() for file in Path(folder).glob("*/result.json")}


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch) -> None:
    monkeypatch.setattr(sweeps, "_datasets", {})


def fail(*arguments):
    raise ZeroDivisionError("planted")


class Once(nn.ReLU):
    """Does something at the first forward pass of any process, and never again."""

    def __init__(self, mark: Path, act) -> None:
        super().__init__()
        self.mark, self.act = mark, act

    def forward(self, x):
        if self.training and not self.mark.exists():
            self.mark.touch()
            self.act()
        return super().forward(x)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_grid_has_a_cell_for_every_combination_and_the_first_seeds_come_first():
    axes = {"networks": ["mlp", "cnn"], "batch_norm": [True, False], "depths": [1, 2], "learning_rates": [None, 0.02]}
    cells = grid("relu", "tanh", initialisations=["torch", "he"], **axes).cells(DATASET)
    assert len(cells) == 2**7
    assert [c.recipe.seed for c in cells.values()] == [0] * 64 + [1] * 64
    assert len(set(cells.values())) == len(cells)
    assert cells["tanh-cnn-depth2-no_bn-he-rate0.1-seed1"].recipe.learning_rate == 0.1
    assert cells["tanh-cnn-depth2-bn-he-rate0.3-seed1"].recipe.learning_rate == 0.3
    assert all(c.threads == 1 and c.fingerprint == runs.fingerprint(DATASET) for c in cells.values())


def test_seeds_are_paired(tmp_path):
    assert in_process(tmp_path, "one", "other") == []
    found = {name: json.loads(content) for name, content in results(tmp_path).items()}
    for content in found.values():
        del content["configuration"]
    end = "-mlp-depth1-bn-torch-rate0.3-seed"
    assert found[f"one{end}0"] == found[f"other{end}0"]
    assert found[f"one{end}0"] != found[f"one{end}1"]


def test_the_data_are_loaded_once_and_what_is_finished_is_not_trained_again(tmp_path):
    loads = []

    def load():
        loads.append(1)
        return squares()

    in_process(tmp_path, "relu", load=load)
    assert len(loads) == 1
    before = results(tmp_path)
    in_process(tmp_path, "relu", load=fail)
    assert results(tmp_path) == before
    in_process(tmp_path, "relu", "again", load=squares)
    assert len(results(tmp_path)) == 4
    noted = read_sweep(tmp_path).cells
    assert sorted(noted) == sorted(results(tmp_path))


def test_a_failure_is_told_and_stops_nothing_else(tmp_path):
    failed = in_process(tmp_path, "relu", bad=partial(Once, tmp_path / "absent" / "mark", None), load=squares)
    assert [(o.name, o.folder) for o in failed] == [
        (name, tmp_path / name) for name in (f"bad-mlp-depth1-bn-torch-rate0.3-seed{seed}" for seed in (0, 1))
    ]
    assert "FileNotFoundError" in failed[0].failure
    assert "Traceback" in (failed[0].folder / "failure.txt").read_text()
    assert len(results(tmp_path)) == 2
    assert in_process(tmp_path, "relu", "bad") == []
    assert list(tmp_path.glob("*/failure.txt")) == []


def test_other_images_than_those_asked_for_are_a_failure(tmp_path):
    failed = in_process(tmp_path, "relu", load=dark)
    assert len(failed) == 2
    assert "for other images" in failed[0].failure


def test_a_diverged_run_is_a_result(tmp_path):
    assert in_process(tmp_path, "relu", grid_changes={"learning_rates": [1e30]}) == []
    assert {json.loads(content)["diverged"] for content in results(tmp_path).values()} == {True}


def test_ctrl_c_keeps_a_checkpoint_and_the_same_call_goes_on(tmp_path):
    in_process(tmp_path / "whole", "relu")
    once = partial(Once, tmp_path / "mark", press_ctrl_c)
    with pytest.raises(Stopped, match="0 of 2 runs finished"):
        in_process(tmp_path / "stopped", relu=once)
    assert len(list((tmp_path / "stopped").glob("*/checkpoint.pt"))) == 1
    assert results(tmp_path / "stopped") == {}
    assert in_process(tmp_path / "stopped", "relu") == []
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


def test_a_sweep_that_is_aborted_says_nothing_of_the_processes(tmp_path, recwarn):
    def aborted(outcome):
        raise KeyboardInterrupt

    cells = grid("relu", "tanh", epochs=1).cells(DATASET)
    with suppress(KeyboardInterrupt):
        sweep(cells, {"relu": nn.ReLU, "tanh": nn.Tanh}, squares, tmp_path, jobs=2, progress=False, finished=aborted)
    gc.collect()
    assert [str(each.message) for each in recwarn] == []


def breaking(monkeypatch, *ends_after: int) -> None:
    """From now on a process is killed after so many outcomes, then after so many more, and then none."""
    left = list(ends_after)

    def outcomes(tasks, asked_to_stop, until):
        number = left.pop(0) if left else len(tasks)
        for function, positional, named in list(tasks)[:number]:
            yield function(*positional, **named)
        if number < len(tasks):
            raise BrokenProcessPool

    monkeypatch.setattr(sweeps, "_outcomes", outcomes)


def test_a_killed_process_does_not_end_the_sweep(tmp_path, monkeypatch):
    breaking(monkeypatch, 1, 2)
    cells = grid("relu", "tanh").cells(DATASET)
    assert sweep(cells, {"relu": nn.ReLU, "tanh": nn.Tanh}, squares, tmp_path, jobs=2, progress=False) == []
    assert results(tmp_path).keys() == cells.keys()


def test_processes_that_are_killed_again_and_again_end_it(tmp_path, monkeypatch):
    breaking(monkeypatch, 1, 0)
    with pytest.raises(SweepError, match="A process was killed before any run ended"):
        sweep(grid("relu", "tanh").cells(DATASET), {"relu": nn.ReLU, "tanh": nn.Tanh}, squares, tmp_path, jobs=2)


def test_a_folder_with_other_runs_is_refused(tmp_path):
    in_process(tmp_path, "relu")
    before = results(tmp_path)
    with pytest.raises(SweepError, match="another configuration"):
        in_process(tmp_path, "relu", grid_changes={"epochs": 1})
    assert results(tmp_path) == before


@pytest.mark.parametrize("name", ["result.json", "run.json"])
@pytest.mark.parametrize("damage", ["", '{"epochs"', "{}", "[]", "folder"])
def test_a_damaged_cell_is_named_and_blocks_no_other(tmp_path, capsys, damage, name):
    in_process(tmp_path, "relu", grid_changes={"epochs": 1})
    bad = tmp_path / "relu-mlp-depth1-bn-torch-rate0.3-seed1" / name
    bad.unlink()
    bad.mkdir() if damage == "folder" else bad.write_text(damage)
    (outcome,) = in_process(tmp_path, "relu", grid_changes={"epochs": 1, "seeds": range(3)})
    assert (outcome.folder, len(results_that_are_whole(tmp_path))) == (bad.parent, 2)
    assert outcome.failure.startswith(f"{bad} ")
    assert command_line.main(["report", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "relu" in said.splitlines()[2] + said.splitlines()[3]
    assert f"Missing ({bad} " in " ".join(said.split())
    if damage != "folder" and name == "result.json":
        bad.unlink()
        assert in_process(tmp_path, "relu", grid_changes={"epochs": 1}) == []


def results_that_are_whole(folder: Path) -> list[Path]:
    found = []
    for path in folder.glob("*/result.json"):
        with suppress(ReaderError):
            found.append(runs.read_result(path.parent) and path)
    return found


def test_rates_that_look_alike_are_cells_of_their_own():
    rates = (0.1, 0.1000001, 0.10000012, 1.0, 100000.0, 1e-05, 0.3)
    names = list(grid("relu", seeds=[0], learning_rates=rates).cells(DATASET))
    assert len(names) == len(rates)
    shown = [name.split("-rate")[1].removesuffix("-seed0") for name in names]
    assert shown == ["0.1", "0.1000001", "0.10000012", "1", "100000", "1e-05", "0.3"]


def test_sweeps_that_begin_at_once_lose_no_cell(tmp_path):
    cells = grid("relu", seeds=range(40)).cells(DATASET)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: sweeps._note(tmp_path, {name: cells[name]}, f"sweep {name}"), cells))
    noted = read_sweep(tmp_path)
    assert (set(noted.cells), len(noted.commands)) == (set(cells), 40)


@pytest.mark.parametrize(("jobs", "tasks", "expected"), [(12, 2, 2), (1, 2, 1), (2, 4, 2)])
def test_no_process_is_begun_that_has_nothing_to_do(tmp_path, monkeypatch, jobs, tasks, expected):
    asked = []
    monkeypatch.setattr(sweeps, "_processes", lambda jobs, scheduler: asked.append(jobs) or nullcontext())
    breaking(monkeypatch)
    sweep(grid("relu", seeds=range(tasks)).cells(DATASET), {"relu": nn.ReLU}, squares, tmp_path, jobs=jobs)
    assert asked == [expected]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"cells": 3}', '{"cells": ["../up"]}', '{"new": []}'])
def test_a_damaged_list_of_cells_is_one_sentence(tmp_path, text):
    in_process(tmp_path, "relu")
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(FileError, match=rf"^{tmp_path}/sweep.json is damaged \(.*\): remove that file; the same sweep"):
        in_process(tmp_path, "relu")
    assert list(report.missing(tmp_path)) == ["sweep.json"]
    assert len(report.read_runs(tmp_path)) == 2
    assert report.about([], tmp_path)["commands"] == []


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", None])
def test_a_failure_without_words_is_missing_all_the_same(tmp_path, content):
    (tmp_path / "sweep.json").write_text('{"commands": [], "cells": ["a"]}')
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "failure.txt").mkdir() if content is None else (tmp_path / "a" / "failure.txt").write_bytes(
        content
    )
    assert report.missing(tmp_path) == {"a": "not begun"}


def test_tensorboard_has_one_run_per_cell_with_its_hyperparameters(tmp_path):
    in_process(tmp_path, "relu")
    cells = set(grid("relu").cells(DATASET))
    assert {str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob(tracking.EVENTS)} == cells
    for cell in cells:
        assert [step for step, _ in tracking.read_scalars(tmp_path / cell)["accuracy/test"]] == [1, 2]
        (file,) = (tmp_path / cell).glob("*.hparams")
        assert b"initialisation" in file.read_bytes()


def test_units_are_observed_on_demand(tmp_path):
    cells = grid("relu", seeds=[0]).cells(DATASET)
    sweep(cells, {"relu": nn.ReLU}, squares, tmp_path, jobs=1, observe=True, progress=False)
    (content,) = results(tmp_path).values()
    assert "units died" in json.loads(content)["observed"]


@pytest.mark.parametrize("error", [OSError("timed out"), ValueError("scheme"), TypeError("no ssl_context")])
def test_an_address_that_leads_nowhere_is_one_sentence(tmp_path, monkeypatch, error):
    def client(address: str, timeout: float) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=client))
    with pytest.raises(SweepError, match=r"no Dask scheduler at tls:.*: check the address"):
        sweep(grid("relu").cells(DATASET), {"relu": nn.ReLU}, squares, tmp_path / "s", scheduler="tls://127.0.0.1:1")
    assert not (tmp_path / "s").exists()


def test_a_cluster_needs_a_package_and_a_scheduler(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SweepError, match="needs the package distributed, which is not installed"):
        sweep(grid("relu").cells(DATASET), {"relu": nn.ReLU}, squares, tmp_path / "s", scheduler="tcp://127.0.0.1:9")
    assert not (tmp_path / "s").exists()


# The command


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs ``nonlin sweep`` on one network, in this process."""
    monkeypatch.setenv("NONLIN_RUNS", str(tmp_path))
    monkeypatch.delenv("NONLIN_PROG", raising=False)
    monkeypatch.setattr(sources, "load", lambda source, notice=None: squares())

    def run(*words: str) -> tuple[int, str, str]:
        options = ["--networks", "mlp", "--epochs", "1", "--jobs", "1"]
        return command_line.main(["sweep", *words, *options]), *capsys.readouterr()

    return run


def test_the_command_passes_its_options_on(command, tmp_path):
    line = "--activations relu prelu swish_learned --batch-norm yes no --depths 1 2 --initialisations he --seeds 1"
    code, out, _ = command(*line.split(), "--learning-rate", "0.05", "--precision", "bfloat16", "--data", "shapes10")
    folder = tmp_path / "sweep" / "bright-1epochs-bfloat16"
    assert code == 0
    assert f"Run: {folder}\nTo look: nonlin tensorboard " in out
    assert len(results(folder)) == 3 * 2 * 2
    configuration = runs.read_configuration(folder / "prelu-mlp-depth2-no_bn-he-rate0.05-seed0")
    assert (configuration.precision, configuration.threads, configuration.batch_norm) == ("bfloat16", 1, False)
    assert read_sweep(folder).commands[0].startswith(f"nonlin sweep {line} --learning-rate 0.05")


def test_what_learns_is_learned(command, tmp_path):
    assert command("--activations", "leaky_relu", "prelu", "swish", "swish_learned", "--seeds", "1")[0] == 0
    found = {}
    for name, content in results(tmp_path / "sweep" / "bright-1epochs-float32").items():
        found[name.split("-")[0]] = json.loads(content)["parameters"]
    assert found["prelu"] == found["leaky_relu"] + 1
    assert found["swish_learned"] == found["swish"] + 1


def test_the_command_reports_failures_at_the_end(command, tmp_path, monkeypatch):
    monkeypatch.setattr("nonlin.activations.ActivationModule", fail)
    code, _, err = command("--activations", "relu", "prelu", "--seeds", "1")
    folder = tmp_path / "sweep" / "bright-1epochs-float32"
    last = err.splitlines()[-1]
    assert code == 1
    assert last == f"Failed: {folder / 'relu-mlp-depth1-bn-torch-rate0.3-seed0'}: ZeroDivisionError: planted."
    assert len(results(folder)) == 1


def test_the_command_says_how_to_go_on_after_ctrl_c(command, monkeypatch):
    def stopped(*arguments, **options):
        raise Stopped("Stopped with 1 of 3 runs finished in x.")

    monkeypatch.setattr(sweeps, "sweep", stopped)
    assert command() == (130, "", "\nStopped with 1 of 3 runs finished in x. The same command goes on.\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--activations relu nope", "no activation 'nope'"),
        ("--seeds 0", "--seeds: must be a whole number from 1"),
        ("--precision auto", "invalid choice: 'auto'"),
        ("--networks vgg", "invalid choice: 'vgg'"),
        ("--learning-rate 0.1 0", "must be a number above 0"),
    ],
)
def test_wrong_input_gives_one_sentence_and_writes_nothing(capsys, tmp_path, monkeypatch, words, says):
    monkeypatch.setenv("NONLIN_RUNS", str(tmp_path / "runs"))
    try:
        code = command_line.main(["sweep", *words.split()])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert says in err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_every_name_makes_a_module():
    makers = common.makers_named(["all"])
    assert set(makers) == {*ACTIVATIONS, "swish_learned"}
    assert all(isinstance(make(), nn.Module) for make in makers.values())
