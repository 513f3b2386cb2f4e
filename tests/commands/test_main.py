"""The command line: what it prints, writes and returns, and one sentence for every wrong input."""

import argparse
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from functools import cache as cache_of_one
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small_data
from torch.optim.optimizer import register_optimizer_step_pre_hook

from nonlin import __main__ as command_line
from nonlin import commands, files, paths
from nonlin.activations import ACTIVATIONS
from nonlin.bench import cost
from nonlin.commands import common, tensorboard
from nonlin.images import cache, image_folder, sources
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import initialisation, networks, precision, tracking
from nonlin.lab import runs as survivors
from nonlin.lab.training import Recipe
from nonlin.plots.picture import Picture, subplots


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "runs"
    monkeypatch.setenv("NONLIN_RUNS", str(folder))
    monkeypatch.delenv("NONLIN_PROG", raising=False)
    return folder


@pytest.fixture
def bright(monkeypatch) -> Dataset:
    """Two classes that differ in brightness, under every name that a data set can have."""
    dataset = small_data.bright(title="bright squares")
    monkeypatch.setattr(sources, "load", lambda source: dataset)
    return dataset


def _run(capsys, *argv: str) -> tuple[int, str, str]:
    try:
        code = command_line.main(argv)
    except SystemExit as stop:  # argparse's way to end
        code = stop.code
    return code, *capsys.readouterr()


def _process(*argv: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "nonlin", *argv],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_before_after_logs_a_run_for_each_activation_and_one_to_compare(capsys, bright, runs):
    code, out, err = _run(capsys, "before-after", "--activation", "tanh", "relu", "tanh", "--batch-size", "2")
    group = runs / "before-after" / "bright"
    assert (code, err) == (0, "")
    assert sorted(folder.name for folder in group.iterdir()) == ["ReLU", "Tanh", "compare"]
    assert [step for step, _ in tracking.read_images(group / "ReLU", "normalised/after")] == [0, 20]
    assert "ReLU, of all 64 images of bright squares" in out
    assert "all equal their inputs exactly" in out
    lines = out.splitlines()
    assert re.fullmatch(r"Computation \d+\.\d s, logging \d+\.\d s, \d+\.\d MiB written\.", lines[-3])
    assert lines[-2] == f"Run: {group}"
    assert lines[-1].startswith("To look: nonlin tensorboard ")
    assert _run(capsys, "before-after", "--activation", "relu")[0] == 0
    assert (runs / "before-after" / "bright-2").is_dir()


def test_all_means_every_record(capsys, bright, runs, monkeypatch):
    records = {name: ACTIVATIONS[name] for name in ("relu", "gelu", "selu")}
    monkeypatch.setattr("nonlin.activations.ACTIVATIONS", records)
    assert _run(capsys, "before-after", "--activation", "all")[0] == 0
    names = {folder.name for folder in (runs / "before-after" / "bright").iterdir()}
    assert names == {"compare", *(record.title for record in records.values())}


def test_train_ends_with_accuracy_seed_time_and_where_to_look(capsys, bright, runs, monkeypatch):
    monkeypatch.setenv("NONLIN_PROG", "1")
    options = ["--epochs", "2", "--seed", "3", "--batch-size", "16", "--log-dir", str(runs / "mine")]
    code, out, _ = _run(capsys, "train", "--activation", "tanh", *options)
    run = runs / "mine" / "train" / "tanh-bright-seed3"
    assert code == 0
    accuracy = tracking.read_scalars(run)["accuracy/test"][-1][1]
    assert re.match(rf"Tanh on bright squares: test accuracy {accuracy:.1f} % after 2 epochs, seed 3, \d+ s \(", out)
    assert f"Run: {run}\nTo look: python3 start.py tensorboard --log-dir {runs / 'mine'} " in out


def test_a_diverged_training_ends_with_one_line(capsys, bright):
    code, out, err = _run(capsys, "train", "--learning-rate", "1e6", "--batch-size", "8", "--no-batch-norm")
    assert (code, out) == (1, "")
    assert re.search(r"^Diverged: the training loss of ReLU became infinite or NaN in epoch 1; try .*\.$", err, re.M)


def test_data_describes(capsys, bright):
    code, out, _ = _run(capsys, "data", "shapes10")
    assert code == 0
    assert out.startswith(
        "bright squares\n  64 training images, 64 test images, 32x32, colour\n  2 classes: dark, bright"
    )
    assert f"{bright.mean[0]:.4f}" in out


def test_plot_writes_a_picture_and_describes_it(capsys, tmp_path, runs):
    code, out, _ = _run(capsys, "plot", "relu", "tanh", "--output", str(tmp_path / "new" / "both.png"))
    assert code == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["both.png"]
    assert (tmp_path / "new" / "both.png").read_bytes().startswith(b"\x89PNG")
    assert out.startswith(str(tmp_path / "new" / "both.png"))
    assert "ReLU: " in out
    assert _run(capsys, "plot", "relu")[0] == 0
    assert (runs / "plots" / "relu.png").is_file()
    code, out, err = _run(capsys, "plot", "all", "--output", str(tmp_path / "all.png"))
    assert (code, err) == (0, "")
    assert all(f"{record.title}: f(" in out for record in ACTIVATIONS.values())


def test_plot_shows_a_photograph(capsys, tmp_path):
    code, out, _ = _run(capsys, "plot", "relu", "--photograph", "--output", str(tmp_path / "portrait.png"))
    assert code == 0
    assert "After ReLU: values from 0.00 to" in out
    assert (tmp_path / "portrait.png").stat().st_size > 50_000


def test_table_compares_all_or_those_named(capsys):
    _, everything, _ = _run(capsys, "table")
    assert all(f"| {name} " in everything for name in ACTIVATIONS)
    _, one, _ = _run(capsys, "table", "tanh")
    assert "| tanh " in one
    assert "| relu " not in one
    assert _run(capsys, "table", "tahn")[0] == 2
    assert "| swiglu " in everything
    _, of_a_vector, _ = _run(capsys, "table", "softmax")
    assert "| a vector " in of_a_vector
    assert "gain" not in of_a_vector


def test_train_takes_one_activation(capsys, bright, runs):
    code, _, err = _run(capsys, "train", "--activation", "all")
    assert (code, err.count("\n")) == (2, 1)
    assert "one activation at a time" in err
    assert not runs.exists()


def test_a_run_that_is_stopped_before_its_first_point_leaves_nothing(capsys, bright, monkeypatch, runs):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(survivors, "run", stop)
    assert _run(capsys, "train", "--epochs", "1")[0] == 130
    assert list((runs / "train").iterdir()) == []


def test_train_is_stopped_by_ctrl_c_and_goes_on_with_the_command_that_it_prints(capsys, bright, runs):
    updates = []

    def interrupt_at_the_third(*step):
        updates.append(step)
        if len(updates) == 3:
            signal.raise_signal(signal.SIGINT)

    with register_optimizer_step_pre_hook(interrupt_at_the_third):
        code, out, err = _run(capsys, "train", "--epochs", "2", "--batch-size", "16", "--data", "my photographs")
    assert (code, out, len(updates)) == (130, "", 3)
    run = runs / "train" / "relu-bright-seed0"
    command = f"nonlin train --resume {run} --data 'my photographs'"
    assert err.splitlines()[-1] == f"Stopped; to go on: {command}"
    with register_optimizer_step_pre_hook(lambda *step: updates.append(step)):
        code, out, _ = _run(capsys, *shlex.split(command)[1:])
    assert code == 0
    assert len(updates) == 8  # in all: what was done is not done again
    assert out.startswith("ReLU on bright squares: test accuracy ")
    assert _run(capsys, "train", "--resume", str(run))[:2] == (0, out)


def test_train_on_a_full_disk_says_how_to_go_on(capsys, bright, runs, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise files.unwritable(runs, OSError(28, "No space left on device"))

    monkeypatch.setattr(survivors, "_store", full)
    code, _, err = _run(capsys, "train", "--epochs", "1")
    run = runs / "train" / "relu-bright-seed0"
    words = "(No space left on device): make room and start again; to go on: nonlin train --resume"
    assert (code, err.splitlines()[-1]) == (1, f"Error: {runs} cannot be written {words} {run}")


def test_train_passes_its_options_on(capsys, bright, runs):
    line = "train --activation tanh --network mlp --depth 3 --no-batch-norm --initialisation he --precision bfloat16"
    code, out, _ = _run(capsys, *line.split(), "--epochs", "1", "--batch-size", "32", "--threads", "1")
    assert code == 0
    assert "bfloat16)" in out
    configuration = survivors.read_configuration(runs / "train" / "tanh-bright-seed0")
    assert (configuration.network, configuration.depth, configuration.batch_norm) == ("mlp", 3, False)
    assert (configuration.initialisation, configuration.recipe.learning_rate) == ("he", 0.1)


def test_train_says_that_siren_is_for_sines_and_leaves_nothing_behind(capsys, bright, runs):
    code, out, err = _run(capsys, "train", "--initialisation", "siren")
    assert (code, out) == (1, "")
    assert err == "Error: the initialisation siren is made for a sine: choose another, he for instance.\n"
    assert not list((runs / "train").iterdir())


def test_the_names_that_help_offers_are_those_that_there_are():
    assert tuple(networks.NETWORKS) == common.NETWORKS
    assert initialisation.SCHEMES == common.INITIALISATIONS
    assert precision.PRECISIONS == common.PRECISIONS


def test_resume_refuses_other_options_and_other_images(capsys, bright, runs, monkeypatch):
    assert _run(capsys, "train", "--epochs", "1")[0] == 0
    run = str(runs / "train" / "relu-bright-seed0")
    code, out, err = _run(capsys, "train", "--resume", run, "--epochs", "2")
    assert (code, out, err) == (2, "", "Error: --resume goes on with a run as it was started: leave out --epochs.\n")
    darker = Split(images=bright.train.images // 2, labels=bright.train.labels)
    monkeypatch.setattr(sources, "load", lambda source: dataclasses.replace(bright, train=darker, title="dark squares"))
    code, out, err = _run(capsys, "train", "--resume", run)
    assert (code, out) == (2, "")
    assert "trained on other images, bright squares, than those of dark squares: name them with --data" in err


def test_bench_prints_ratios_means_and_targets(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cost, "SHAPES", {"cpu": ((4, 4),)})
    monkeypatch.setattr(cost, "TARGET", 1.15)
    code, out, _ = _run(capsys, "bench", "relu", "silu", "swish", "--repeats", "2", "--output", str(tmp_path))
    assert code == 0
    assert "float32\n(4, 4): ours / torch.nn" in out
    assert "target: at most 1.15" in out
    assert re.search(r"^silu +4 +4 +4 +4$", out, flags=re.MULTILINE)
    assert "swish" not in out
    pictures = {f"bench_4x4_float32_{threads}_threads.png" for threads in (1, 2)}
    assert {file.name for file in tmp_path.iterdir()} == {*pictures, "speed.csv", "about.json"}
    command = "python3 start.py bench relu silu swish --threads 1 2 --dtype float32 --repeats 2 --output FOLDER"
    assert json.loads((tmp_path / "about.json").read_text())["command"] == command
    assert "| forward and backward, float32, 2 threads | **" in out
    assert _run(capsys, "bench", "swish")[0] == 2
    assert _run(capsys, "bench", "--repeats", "1")[0] == 2


def test_bench_without_a_card_is_told_in_a_sentence(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = _run(capsys, "bench", "relu", "--device", "cuda")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "CUDA finds no graphics processor here" in err


def test_bench_training_prints_speeds_and_then_accuracies(capsys, bright, monkeypatch):
    from nonlin.bench import loop

    asked = {}

    def throughput(dataset, **options):
        asked.update(options)
        return "measured"

    monkeypatch.setattr(loop, "throughput", throughput)
    monkeypatch.setattr(loop, "accuracies", lambda dataset, measured, seconds: {"ours": seconds})
    monkeypatch.setattr(loop, "report", lambda measured, reached=None: f"{measured} {reached}")
    code, out, _ = _run(capsys, "bench-training", "--rounds", "3", "--threads", "2", "--seconds", "7")
    assert (code, out.splitlines()) == (0, ["measured None", "measured {'ours': 7.0}"])
    assert asked == {"rounds": 3, "convolutions": 2, "number_of_threads": 2}


def test_refresh_passes_the_lessons_on(capsys, monkeypatch):
    notebooks = pytest.importorskip("nonlin.notebooks")
    seen = []
    monkeypatch.setattr(notebooks, "refresh", seen.append)
    assert _run(capsys, "refresh", "02", "03")[0] == 0
    assert seen == [["02", "03"]]


WRONG = {
    "train --activation rleu": "no activation 'rleu'; did you mean relu",
    "train --activation zzz": "known are: sigmoid, ",
    "before-after --activation relu nope": "no activation 'nope'",
    "plot nope": "no activation 'nope'",
    "plot relu --output x.jpg": "must end in .png",
    "plot relu --output {file}/x.png": "{file}",
    f"plot relu --output {'x' * 300}.png": "cannot be written (File name too long): choose another --output",
    f"plot {'relu ' * 100}": "cannot be written (File name too long): choose another --output",
    f"claims --output {'x' * 300}.csv": "cannot be written (File name too long): choose another --output",
    f"guide --cheat-sheet {'x' * 300}.pdf": "cannot be written (File name too long): choose another --cheat-sheet",
    "sweep --scheduler= --data shapes10": "--scheduler: must be an address, tcp://HOST:8786, and is empty",
    "reference --scheduler= --data shapes10": "--scheduler: must be an address, tcp://HOST:8786, and is empty",
    "train --epochs 0": "--epochs: must be a whole number from 1 to 10000, not '0'",
    "train --epochs -1": "not '-1'",
    "train --epochs abc": "not 'abc'",
    "train --epochs 1.5": "not '1.5'",
    "train --epochs 1e9": "not '1e9'",
    "train --seed -1": "--seed: must be a whole number from 0 to",
    "train --seed 99999999999999999999": "to 9223372036854775807, not",
    "train --threads 0": "--threads: must be",
    "train --threads 1000000": f"--threads: must be a whole number from 1 to {common.THREADS.highest}",
    "train --batch-size 0": "--batch-size: must be",
    "train --batch-size 99999999999999999999": "--batch-size: must be",
    "before-after --batch-size 0": "--batch-size: must be",
    "train --learning-rate nan": "--learning-rate: must be a number above 0 and at most 1e+06, not 'nan'",
    "train --learning-rate inf": "not 'inf'",
    "train --learning-rate 0": "not '0'",
    "train --log-dir {file}": "{file}",
    "train --log-dir {file}/below": "{file}/below",
    "before-after --log-dir {file}/below": "{file}/below",
    "train --data {empty}": "{empty}",
    "train --data nowhere": "nowhere",
    "before-after --data {corrupt}": "x.png cannot be read",
    "data {corrupt}": "x.png cannot be read",
    "train --resume {empty}": "{empty} holds no run: check the path",
    "train --precision float16": "--precision: invalid choice: 'float16'",
    "train --network vgg": "--network: invalid choice: 'vgg'",
    "train --unknown": "unrecognised arguments: --unknown",
    "train --epoch 1": "unrecognised arguments: --epoch 1",
    "tensorboard --port 99999": "--port: must be a whole number from 0 to 65535",
    "tensorboard --port {taken}": "port {taken} is taken",
    "tensorboard --bind_all": "bind_all",
    "tensorboard --host 0.0.0.0": "on this machine only",
    "tensorboard --inspect": "leave them out",
    "tensorboard --version_tb": "leave them out",
    "tensorboard --log-dir {file}": "{file} is no folder",
    "tensorboard --log-dir {empty}/none": "{empty}/none is no folder",
    "tensorboard --logdir {empty}/none": "{empty}/none is no folder",
    "bench relu --output {file}/below": "choose another --output",
    "claims --output {empty}": "choose another --output",
    "gradients --output {file}/below": "choose another --output",
    "guide --cheat-sheet {file}/x.pdf": "choose another --cheat-sheet",
    "refresh no-such-lesson": "no-such-lesson",
    "refresh *": "no lesson is called '*'",
    "refresh .": "no lesson is called '.'",
    "train --epochs=--": "--epochs: expected a value, not '--'",
    "train --epochs ٣": "--epochs: must be a whole number from 1",
    "nonsense": "invalid choice: 'nonsense'",
    "": "required: COMMAND",
}


ODD = (
    "0",
    "-1",
    "1",
    "9" * 12,
    "9" * 5000,
    "1e39",
    "1e-400",
    "nan",
    "inf",
    "-inf",
    "",
    " ",
    "--",
    "-",
    "٣",
    "1_0",
    "0x1",
)
ODD += (" 5", "1.5", "null", "\0", "\ud800", "~", "%s", "{}")
NEEDED = {"plot": ["relu"], "report": ["x"]}


OPTIONS = cache_of_one(command_line.all_options)


def options_of_all_commands() -> list:
    """Every option, and every argument without a name, of every command: a new one is tested, too."""
    (commands,) = [action for action in command_line.all_options()._actions if action.choices]
    return [
        pytest.param(name, action, id=f"{name} {action.dest}")
        for name, parser in commands.choices.items()
        for action in parser._actions
        if action.dest != "help"
    ]


@pytest.mark.parametrize(("command", "action"), options_of_all_commands())
def test_every_option_takes_odd_values_or_refuses_them_in_one_sentence(capsys, monkeypatch, command, action):
    monkeypatch.setattr(command_line, "all_options", OPTIONS)
    assert action.type not in (int, float), "has no bounds: use Whole or Above"
    for value in ODD:
        if action.nargs == 0:
            ways = [[f"{action.option_strings[0]}={value}"]]
        elif action.option_strings:
            ways = [[f"{action.option_strings[0]}={value}"], [action.option_strings[0], value]]
        else:
            ways = [[value]]
        for words in ways:
            needed = [] if not action.option_strings and action.nargs != "*" else NEEDED.get(command, [])
            try:
                found = getattr(command_line.parse([command, *needed, *words]), action.dest)
            except SystemExit as stop:
                err = capsys.readouterr().err
                said = (stop.code, bool(re.match(r"nonlin( [a-z-]+)?: error: ", err.splitlines()[-1])))
                if said != (2, True) or err.count("rror: ") != 1:
                    pytest.fail(err)
                continue
            if isinstance(action.type, common.Whole | common.Above):
                for number in [found] if action.nargs is None else found:
                    assert re.fullmatch(r"[0-9.]+", value)
                    assert 0 <= number <= action.type.highest < 2**63


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("train", "learning-rate", "1e39"),
        ("gradients", "depths", "2147483647"),
        ("gradients", "seeds", "2147483647"),
        ("bench", "threads", "100000"),
        ("train", "threads", str(16 * os.cpu_count() + 1)),
        ("sweep", "jobs", "100000"),
        ("train", "epochs", "2147483647"),
    ],
)
def test_what_no_machine_can_do_is_refused(capsys, command, option, value):
    code, out, err = _run(capsys, command, f"--{option}", value)
    assert (code, out) == (2, "")
    assert re.search(rf"--{option}: must be a .* (to|at most) \S+, not '{value}'$", err.splitlines()[-1])


def test_the_bounds_of_options_are_within_those_of_a_recipe():
    Recipe(learning_rate=common.RATE.highest, epochs=common.EPOCHS.highest, batch_size=common.BATCH.highest)
    assert common.DEPTH.highest == 1000
    assert common.THREADS.highest <= 1024
    with pytest.raises(ValueError, match="depth must be from 0 to 1000"):
        survivors.Configuration(activation="relu", data="d", fingerprint="f", depth=1001)


# Output and figures that lead nowhere


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_closed_stream_leads_nowhere(capsys, monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    assert command_line.main(["table", "relu"]) == 0
    assert command_line.main(["table", "nope"]) == 2


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_process_without_streams_ends_as_usual():
    command = f"{shlex.quote(sys.executable)} -m nonlin refresh nosuch <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_output_onto_a_full_disk_is_one_sentence(capsys, monkeypatch):
    with suppress(OSError), Path("/dev/full").open("w") as full:  # closing it fails, too
        monkeypatch.setattr(sys, "stdout", full)
        assert command_line.main(["table", "relu"]) == 1
        assert capsys.readouterr().err == "Error: No space left on device.\n"


@pytest.mark.parametrize("before", ["nosuch", None])
def test_figures_need_no_window_and_the_variable_comes_back(capsys, bright, monkeypatch, before):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    if before:
        monkeypatch.setenv("MPLBACKEND", before)
    seen = []
    monkeypatch.setattr(sources, "load", lambda source: seen.append(os.environ["MPLBACKEND"]) or bright)
    assert _run(capsys, "data")[0] == 0
    assert (seen, os.environ.get("MPLBACKEND")) == (["agg"], before)


def test_a_missing_compiler_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr("torch.compile", lambda function: lambda x: 1 / 0)
    code, out, err = _run(capsys, "bench", "relu", "--compiled")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "torch.compile does not work here (ZeroDivisionError): install a C++ compiler or leave out --compiled" in err


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no SIGTERM from outside")
def test_sigterm_writes_a_checkpoint_and_ends_with_143(capsys, bright, runs):
    with register_optimizer_step_pre_hook(lambda *step: signal.raise_signal(signal.SIGTERM)):
        code, out, err = _run(capsys, "train", "--epochs", "2", "--batch-size", "16")
    assert (code, out) == (143, "")
    assert err.splitlines()[-1].startswith("Stopped; to go on: nonlin train --resume ")
    assert (runs / "train" / "relu-bright-seed0" / "checkpoint.pt").exists()


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")  # within TensorBoard
@pytest.mark.parametrize("line", WRONG)
def test_wrong_input_gives_one_sentence_and_writes_nothing(capsys, tmp_path, runs, monkeypatch, line):
    monkeypatch.setattr(image_folder, "cached", lambda name, key, counts, make: make())  # no cache outside tmp_path
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    for part in ("train", "test"):
        (tmp_path / "corrupt" / part / "cat").mkdir(parents=True)
        (tmp_path / "corrupt" / part / "cat" / "x.png").write_bytes(b"\x89PNG and no more")
    places = {name: str(tmp_path / name) for name in ("file", "empty", "corrupt")}
    before = sorted(tmp_path.rglob("*"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        places["taken"] = str(server.getsockname()[1])
        code, out, err = _run(capsys, *line.format(**places).split())
    assert code in (1, 2)
    assert out == ""
    assert WRONG[line].format(**places) in err
    sentence = err.strip().splitlines()[-1]
    assert re.match(r"Error: |nonlin( [a-z-]+)?: error: ", sentence)
    assert err.count("rror: ") == 1
    assert "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before
    assert not runs.exists()


def _path_options() -> list[tuple[str, list[str], str]]:
    """Every option and argument of every command that is a path, with what else the command demands, and its name."""
    parsers: dict[str, argparse.ArgumentParser] = {}

    class Collector:
        def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
            parsers[name] = argparse.ArgumentParser()
            return parsers[name]

    for command in commands.COMMANDS:
        command.add(Collector())
    first = {"plot": ["relu"], "report": ["."], "pack": ["."], "mark": [".", "--output=x.csv"]}  # before an option
    demanded = {"mark": ["--output=x.csv"]}  # before an argument
    return [
        (
            name,
            [*first.get(name, []), f"{action.option_strings[0]}="]
            if action.option_strings
            else [*demanded.get(name, []), ""],
            action.dest,
        )
        for name, parser in parsers.items()
        for action in parser._actions
        if action.type is common.path
        or action.metavar in ("DIR", "FILE", "FOLDER", "CSV", "RUN")
        or action.dest in ("data", "source")
    ]


PATHS = _path_options()


def test_the_check_sees_paths() -> None:
    seen = {f"{name} {words[-1]}" for name, words, _ in PATHS}
    assert {"plot --output=", "train --resume=", "report ", "data ", "train --data=", "sweep --log-dir="} <= seen
    assert len(seen) > 15


@pytest.mark.parametrize(("name", "words", "key"), PATHS, ids=lambda each: each if isinstance(each, str) else each[-1])
def test_home_is_meant_in_every_path(capsys, tmp_path, monkeypatch, name, words, key):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    *before, option = words
    code, out, err = _run(capsys, name, *before, f"{option}~nosuchuser/x")
    assert (code in (1, 2), out) == (True, "")
    assert err.count("rror: ") == err.count("the home folder ~nosuchuser is not known: write the path in full") == 1
    arguments = command_line.parse([name, *before, f"{option}~/x"])
    named = getattr(arguments, key)
    if isinstance(named, str):  # the name of a source, or a folder
        named = Path(*common.loader(named).args)
    assert named == tmp_path / "x"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no file can be called so")
def test_no_name_reaches_the_terminal_as_it_is(capsys, tmp_path, runs, monkeypatch):
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "cache")
    strange = tmp_path / "\x1b]0;owned\x07\n\udce9"
    folder = small_data.image_folder(strange, ("a\x1b[31m", "b\x9b31m"))
    lines = [
        ["data", str(folder)],
        ["data", str(folder / "gone")],
        ["train", f"--data={folder}", f"--log-dir={strange}"],
        ["train", f"--data={folder}", "--epochs=1", f"--log-dir={tmp_path / strange.name[:-2]}"],
        ["train", f"--data={folder}", "--epochs=1"],
        ["train", f"--resume={folder}"],
        ["before-after", f"--data={folder}", f"--log-dir={strange}"],
        ["report", str(folder)],
        ["plot", "relu", f"--output={folder}"],
        ["plot", "relu", f"--output={folder / 'x.png'}"],
        ["plot", str(folder)],
        ["guide", f"--cheat-sheet={folder}"],
        ["table", f"--{folder}"],
        [str(folder)],
    ]
    for line in lines:
        _, out, err = _run(capsys, *line)
        assert re.search(r"\\x1b", out + err), line
        assert all(part.isprintable() for part in (out + err).split("\n")), line
        assert "Traceback" not in err


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here to type it in")
def test_a_command_with_a_strange_path_can_be_typed_again(tmp_path):
    name = "it's a\\ \x1b[31m \udce9 \x9b \n path"
    typed = subprocess.run(["bash", "-c", f"printf %s {common.quoted(name)}"], capture_output=True, check=True)
    assert typed.stdout == os.fsencode(name)


def test_on_windows_a_path_is_quoted_as_there(monkeypatch):
    monkeypatch.setattr(common, "os", SimpleNamespace(name="nt"))
    assert common.quoted("C:\\Users\\ann's\\my runs") == '"C:\\Users\\ann\'s\\my runs"'


def test_no_name_is_no_lesson(capsys):
    code, _, err = _run(capsys, "refresh", "")
    assert (code, err.count("\n")) == (1, 1)
    assert "no lesson is called ''" in err


def test_a_full_disk_keeps_the_old_cheat_sheet(capsys, tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    page = tmp_path / "page.png"
    page.write_bytes(b"old")
    monkeypatch.setattr("nonlin.lessons.choosing.cheat_sheet.cheat_sheet", lambda: Picture(subplots()[0], "a page"))
    monkeypatch.setattr(os, "fsync", full)
    code, out, err = _run(capsys, "guide", "--cheat-sheet", str(page))
    assert (code, out) == (1, "")
    assert err == f"Error: {page} cannot be written (No space left on device): make room and start again.\n"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("page.png", b"old")]


def test_guide_writes_all_that_it_is_asked_for(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("nonlin.lessons.choosing.cheat_sheet.cheat_sheet", lambda: Picture(subplots()[0], "a page"))
    monkeypatch.setattr("nonlin.desk.instructor.guide", lambda: "a guide")
    files = [tmp_path / "guide.md", tmp_path / "page.png"]
    code, out, _ = _run(capsys, "guide", "--cheat-sheet", str(files[1]), "--instructor", str(files[0]))
    assert (code, out.split()) == (0, [str(file) for file in files])
    assert all(file.stat().st_size for file in files)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_before_after_leaves_no_half_of_its_pictures(capsys, bright, runs, monkeypatch, stop):
    def stopped(*arguments: object, **options: object) -> None:
        raise stop

    monkeypatch.setattr("nonlin.lab.before_after.compare", stopped)
    assert _run(capsys, "before-after", "--activation", "relu")[0] in (1, 130)
    assert not list((runs / "before-after").iterdir())


def test_a_warning_is_one_line(bright, monkeypatch):
    said = []
    monkeypatch.setattr(
        sources, "load", lambda source: said.append(warnings.formatwarning("no\nroom", UserWarning, "f", 1))
    )
    usual = warnings.formatwarning
    with pytest.raises(AttributeError):
        command_line.main(["data"])
    assert said == ["Warning: no\\x0aroom.\n"]
    assert warnings.formatwarning is usual


def test_more_threads_than_any_machine_has_are_not_taken_from_the_environment(capsys, bright, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 5000)
    seen = []
    monkeypatch.setattr(survivors, "run", lambda configuration, *rest, **options: seen.append(configuration) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command_line.main(["train"])
    assert [each.threads for each in seen] == [common.THREADS.highest]


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'x'", name="x"), ImportError("x needs y")])
def test_a_package_that_is_gone_or_damaged_is_one_sentence(capsys, monkeypatch, error):
    def load(source: str) -> None:
        raise error

    monkeypatch.setattr(sources, "load", load)
    code, out, err = _run(capsys, "data")
    assert (code, out) == (1, "")
    assert err == f"Error: {error}; python3 start.py setup --again installs everything anew.\n"


def test_a_fault_of_the_program_is_not_hidden(monkeypatch):
    monkeypatch.setattr(sources, "load", lambda source: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command_line.main(["data"])


def test_output_that_nobody_reads_any_more_ends_the_command_without_a_word() -> None:
    with _process("table") as process:
        process.stdout.close()  # as `| head` does when it has seen enough
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize("closed", [("stdout",), ("stdout", "stderr")])
def test_output_that_was_closed_is_no_fault(bright, monkeypatch, closed: tuple[str, ...]) -> None:
    for name in closed:  # as by a shell's `>&-`
        monkeypatch.setattr(sys, name, None)
    assert command_line.main(["data"]) == 0
    monkeypatch.setattr(sources, "load", lambda source: (_ for _ in ()).throw(sources.DataError("none")))
    assert command_line.main(["data"]) == 1


def test_another_broken_pipe_is_an_error(capsys, monkeypatch) -> None:
    def lose_a_worker(source: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sources, "load", lose_a_worker)
    assert _run(capsys, "data") == (1, "\n", "Error: Broken pipe.\n")


def test_ctrl_c_ends_with_one_line(capsys, monkeypatch):
    def interrupt(source: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "load", interrupt)
    assert _run(capsys, "data") == (130, "", "\nStopped.\n")


def test_a_new_record_is_offered_by_itself(capsys, monkeypatch):
    monkeypatch.setattr("nonlin.activations.ACTIVATIONS", dict(ACTIVATIONS) | {"mine": ACTIVATIONS["tanh"]})
    assert "mine" in _run(capsys, "plot", "nope")[2]


def test_help_needs_nothing_but_the_standard_library():
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] not in {*sys.stdlib_module_names, 'nonlin'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from nonlin.__main__ import main\n"
        "for command in sys.argv[1:]:\n"
        "    try:\n"
        "        main([*command.split(), '--help'])\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code == 0\n"
        "from nonlin.__main__ import parse\n"
        "parse(['train', '--log-dir', 'x', '--data=y'])\n"
    )
    names = [module.__name__.rpartition(".")[2].replace("_", "-") for module in commands.COMMANDS]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, "", *names],
        env=os.environ | {"PYTHONPATH": str(Path(command_line.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("usage: nonlin") == 1 + len(names)
    for default in ("(default: 64)", "(default: 4)", "(default: 0.3)", "(default: 6006)"):
        assert default in " ".join(done.stdout.split())


def test_usage_names_the_script_that_started_it(capsys, monkeypatch):
    monkeypatch.setenv("NONLIN_PROG", "start.py")
    assert _run(capsys, "train", "--help")[1].startswith("usage: start.py train ")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no files, whatever its permissions say")
@pytest.mark.parametrize(
    "line",
    [
        "gradients --output /proc/x",
        "bench relu --output /proc/x",
        "claims --output /proc/x.csv",
        "plot relu --output /proc/x.png",
        "guide --cheat-sheet /proc/x.pdf",
        "train --log-dir /proc/x",
        "before-after --log-dir /proc/x",
        "report {tmp_path} --output /proc/x",
    ],
)
def test_whether_the_output_can_be_written_is_asked_before_the_work(capsys, tmp_path, line):
    begin = time.monotonic()
    code, out, err = _run(capsys, *line.format(tmp_path=tmp_path).split())
    assert (code, out) == (2, "")
    assert re.fullmatch(r"Error: .*/proc/x.*\.\n", err)
    assert time.monotonic() - begin < 5


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")  # within TensorBoard
def test_tensorboard_shows_what_it_may_only_read(capsys, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(paths, "is_writable", lambda folder: False)
    monkeypatch.setattr(tensorboard, "_serve", lambda server, asked: shown.append(Path(server.flags.logdir)))
    assert _run(capsys, "tensorboard", "--port", "0", "--log-dir", str(tmp_path))[0] == 0
    assert shown == [tmp_path]


def test_tensorboard_serves_the_runs_on_this_machine_until_it_is_stopped(runs):
    with tracking.open_run(runs / "first") as writer:
        writer.add_scalar("loss", 1.0, 0)
    process = _process("tensorboard", "--port", "0", "--load_fast", "false")
    try:
        line = process.stdout.readline()
        assert re.fullmatch(rf"{runs} in TensorBoard: http://127\.0\.0\.1:\d+/\n", line)
        port = int(re.search(r":(\d+)/", line)[1])
        assert _answers(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    """Whether something listens on a port of this machine within ten seconds."""
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False
