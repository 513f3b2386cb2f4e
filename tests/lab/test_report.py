"""Reports: rows survive a table, only what is comparable is compared, intervals are those of paired seeds."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import nn

from nonlin import __main__ as command_line
from nonlin.files import FileError
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import report, runs
from nonlin.lab.comparisons import compare
from nonlin.lab.report import ReportError, Row, groups, read_runs, summary, table
from nonlin.lab.runs import Configuration
from nonlin.lab.sweep import Grid, sweep
from nonlin.lab.training import Recipe


def row(activation: str, seed: int, *accuracies: float, diverged: bool = False, **changes) -> Row:
    recipe = Recipe(epochs=changes.pop("epochs", 2), seed=seed, learning_rate=changes.pop("rate", 0.3))
    observed, device = changes.pop("observed", {}), changes.pop("device", "cpu, 1 thread")
    return Row(
        configuration=Configuration(activation=activation, data="squares", fingerprint="f00", recipe=recipe, **changes),
        test_accuracies=accuracies,
        diverged=diverged,
        parameters=7,
        device=device,
        observed=observed,
    )


RELU = [row("relu", seed, 50.0, accuracy) for seed, accuracy in enumerate((70.0, 71.0, 72.0))]
TANH = [row("tanh", seed, 40.0, accuracy) for seed, accuracy in enumerate((71.0, 71.5, 74.0))]


def two_classes() -> Dataset:
    images = torch.arange(12 * 3072).remainder(251).to(torch.uint8).reshape(12, 3, 32, 32)
    split = Split(images=images, labels=torch.arange(12) % 2)
    return Dataset(name="squares", title="squares", classes=("a", "b"), train=split, test=split)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A sweep of two activations, two seeds, and one that fails."""
    place = tmp_path_factory.mktemp("runs")
    grid = Grid(
        activations=["relu", "tanh", "softmax"], networks=["mlp"], initialisations=["he"], seeds=[0, 1], epochs=2
    )
    makers = {"relu": nn.ReLU, "tanh": nn.Tanh, "softmax": lambda: nn.Softmax(dim=-1)}
    sweep(grid.cells(two_classes()), makers, two_classes, place, jobs=1, observe=True, command="the command")
    return place


def test_rows_hold_what_the_runs_have_written(folder):
    rows = read_runs(folder)
    assert [(r.configuration.activation, r.seed) for r in rows] == [("relu", 0), ("relu", 1), ("tanh", 0), ("tanh", 1)]
    stored = runs.read_result(folder / "tanh-mlp-depth1-bn-he-rate0.3-seed1")
    assert rows[3].test_accuracies == tuple(epoch.test_accuracy for epoch in stored.epochs)
    assert rows[3].test_accuracy == stored.test_accuracy
    assert rows[3].dead_units == stored.observed["units died"] + stored.observed["units never alive"]
    assert rows[3].parameters == stored.parameters
    (session,) = runs.read_sessions(folder / "tanh-mlp-depth1-bn-he-rate0.3-seed1")
    assert rows[3].made_with == {
        "torch": torch.__version__,
        "python": session.versions["python"],
        "revision": session.revision,
        "processor": session.hardware["processor"],
    }


def test_rows_survive_a_table(folder, tmp_path):
    rows = read_runs(folder)
    rows.append(row("relu", 5, 10.0, diverged=True, batch_norm=False, network="resnet", rate=1e-3))
    report.write(rows, folder, tmp_path)
    found = read_runs(tmp_path / "runs.csv")
    assert len(found) == len(rows)
    assert all(each in found for each in rows)
    with (tmp_path / "runs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    assert float(lines[0]["test_accuracy"]) == rows[0].test_accuracy
    assert lines[4]["test_accuracy_2"] == ""


def test_an_older_table_without_a_column_takes_the_default(tmp_path):
    report.write(RELU, tmp_path, tmp_path)
    lines = [line.split(",") for line in (tmp_path / "runs.csv").read_text().replace('"cpu, 1 thread"', "cpu").split()]
    place = lines[0].index("momentum")
    (tmp_path / "old.csv").write_text("\n".join(",".join(line[:place] + line[place + 1 :]) for line in lines))
    assert [r.configuration for r in read_runs(tmp_path / "old.csv")] == [r.configuration for r in RELU]


def test_a_run_that_is_there_twice_counts_once(folder, tmp_path):
    for name in ("first", "second"):
        shutil.copytree(folder / "relu-mlp-depth1-bn-he-rate0.3-seed0", tmp_path / name)
    assert len(read_runs(tmp_path)) == 1


def test_the_companion_names_versions_hardware_commands_and_what_is_missing(folder, tmp_path):
    report.write(read_runs(folder), folder, tmp_path, command="nonlin report x")
    about = json.loads((tmp_path / "about.json").read_text())
    assert about["commands"] == ["the command"]
    assert about["report"]["command"] == "nonlin report x"
    (session,) = about["sessions"]
    assert session["versions"]["torch"] == torch.__version__
    assert {"revision", "hardware"} <= session.keys()
    assert session["number"] == 4
    name = "softmax-mlp-depth1-bn-he-rate0.3-seed"
    assert sorted(about["missing"]) == [f"{name}0", f"{name}1"]
    assert about["missing"][f"{name}0"].startswith(
        "nonlin.lab.initialisation.InitialisationError: the gain of this activation cannot be measured"
    )
    words = report.missing_in_words(folder)
    assert max(map(len, words)) <= 100
    assert words[0].startswith("Missing (nonlin.lab.initialisation.InitialisationError: ")


def test_cells_that_were_not_begun_or_not_finished_are_missing(tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").touch()
    (tmp_path / "sweep.json").write_text('{"commands": [], "cells": ["begun", "waiting"]}')
    assert report.missing(tmp_path) == {"begun": "not finished", "waiting": "not begun"}


def test_only_runs_of_one_setting_are_compared():
    others = [
        row("relu", 0, 1.0, 2.0, network="mlp"),
        row("relu", 0, 1.0, 2.0, depth=2),
        row("relu", 0, 1.0, 2.0, batch_norm=False),
        row("relu", 0, 1.0, 2.0, epochs=3),
        row("relu", 0, 1.0, 2.0, precision="bfloat16"),
        row("relu", 0, 1.0, 2.0, threads=2),
    ]
    found = groups([*RELU, *TANH, row("relu", 0, 1.0, 2.0, initialisation="he", rate=0.1), *others])
    assert [len(members) for members in found.values()] == [7, 1, 1, 1, 1, 1, 1]
    assert len(found) == 7  # titles that would be equal, one and two threads, say more
    assert "squares, cnn, depth 2, batch norm, 2 epochs, float32" in found
    assert len(report.by_file_name([*RELU, *others])) == 7


def test_runs_of_a_graphics_processor_are_a_group_of_their_own():
    found = groups([*RELU, row("tanh", 0, 1.0, 2.0, device="NVIDIA H100")])
    assert [len(members) for members in found.values()] == [3, 1]
    assert list(found)[1] == "squares, cnn, depth 1, batch norm, 2 epochs, float32, graphics processor"


def test_differences_are_paired_and_intervals_are_students():
    other, relu = summary([*RELU, *TANH])
    assert (other.activation, relu.activation) == ("tanh", "relu")
    differences = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    assert other.difference == pytest.approx(differences.mean().item())
    half = stats.t.ppf(0.975, 2) * differences.std().item() / 3**0.5
    assert other.interval.high - other.difference == pytest.approx(half)
    assert (relu.difference, relu.interval, other.comparisons) == (None, None, 1)
    assert (other.mean, other.lowest, other.highest) == (pytest.approx(216.5 / 3), 71.0, 74.0)


def test_intervals_rest_on_the_pooled_variance_and_hold_together():
    accuracies = {"relu": (70.0, 71.0, 72.3), "tanh": (71.0, 71.5, 74.0), "elu": (69.0, 70.9, 71.0)}
    accuracies["gelu"] = (71.2, 71.3, 73.5)
    entries = summary(row(name, seed, 4.0, a) for name, values in accuracies.items() for seed, a in enumerate(values))
    found = compare({name: dict(enumerate(values)) for name, values in accuracies.items()}, "relu")[0]
    entry = next(e for e in entries if e.activation == "tanh")
    assert (entry.comparisons, entry.spread.degrees, entry.comparison) == (3, 6, found["tanh"])


def test_only_common_seeds_are_paired_and_settings_are_not_mixed():
    other = [row("tanh", 2, 1.0, 75.0), row("tanh", 9, 1.0, 99.0), row("tanh", 0, 1.0, 50.0, initialisation="he")]
    xavier = row("relu", 0, 1.0, 50.0, initialisation="xavier")  # a second ReLU: now only the like are compared
    entries = {entry.label: entry for entry in summary([*RELU, xavier, *other])}
    assert entries["tanh, torch"].pairs == 1
    assert entries["tanh, torch"].difference == 3.0
    assert entries["tanh, torch"].interval is None
    assert entries["tanh, he"].difference is None


def test_each_activation_at_its_best_rate_is_compared_with_the_only_relu():
    tanh = [row("tanh", seed, 1.0, accuracy, rate=0.1) for seed, accuracy in enumerate((71.0, 71.5, 74.0))]
    (entry,) = [entry for entry in summary([*RELU, *tanh]) if entry.activation == "tanh"]
    assert (entry.pairs, entry.difference) == (3, pytest.approx(3.5 / 3))


def test_a_diverged_run_counts_with_its_last_accuracy_and_is_marked():
    diverged = row("tanh", 2, 10.0, diverged=True)
    entries = summary([*RELU, *TANH[:2], diverged])
    other = next(e for e in entries if e.activation == "tanh")
    assert other.mean == pytest.approx((71.0 + 71.5 + 10.0) / 3)
    words = table(entries)
    assert "50.83†" in words
    assert "† Diverged, and counted with the last accuracy: 1 of 3 runs of tanh." in words


def test_a_table_says_what_it_compares():
    observed = {"units died": 0.25, "units never alive": 0.05}
    lines = table(summary([*RELU, *(row("tanh", s, 4.0, 70.5 + s, observed=observed) for s in (0, 1))])).splitlines()
    assert lines[0] == "squares, cnn, depth 1, batch norm, 2 epochs, float32"
    assert lines[1].split() == ["activation", "runs", "mean", "range", "minus", "relu", "dead"]
    tanh = next(line for line in lines if line.startswith("tanh"))
    assert tanh.split() == ["tanh", "2", "71.00", "70.5–71.5", "+0.50", "[+0.50,", "+0.50]", "30.0%"]
    assert "an interval that holds at 95 %" in lines[-1]


def test_a_table_says_what_its_intervals_rest_on():
    lines = table(summary([*RELU, *TANH])).splitlines()
    assert lines[-1] == "  A run scatters by 0.54 points around its activation and its seed (2 degrees of freedom)."
    steady = [row(name, seed, 40.0, 70.0 + seed % 3) for name in ("relu", "tanh") for seed in range(8)]
    odd = [row("elu", seed, 40.0, 70.0 + 20 * (seed % 2)) for seed in range(8)]
    uneven = [row("gelu", seed, 40.0, 70.0 + (seed + 1) % 3) for seed in range(8)]
    lines = table(summary([*steady, *odd, *uneven])).splitlines()
    assert lines[-1] == "  With a variance of their own: elu."


def test_a_table_has_true_minus_signs():
    worse = [row("tanh", seed, 40.0, 60.0) for seed in range(3)]
    line = next(line for line in table(summary([*RELU, *worse])).splitlines() if line.startswith("tanh"))
    assert "−11.0 [−13.5, −8.52]" in line
    assert "-" not in line


def test_one_seed_gives_no_interval_and_the_table_says_so():
    words = table(summary([RELU[0], TANH[0]]))
    assert "[" not in words
    assert "one seed tells nothing about spread" in words
    assert "nothing to compare with" in table(summary(TANH))


def test_tables_fit_into_100_columns():
    observed = {"units died": 1.0, "units never alive": 0.0}
    names = ("log_sigmoid", "swish_learned", "relu")
    rows = [
        row(name, seed, 10.0, 100.0 * ((seed + place) % 2), initialisation=scheme, rate=rate, observed=observed)
        for place, name in enumerate(names)
        for seed in range(3)
        for scheme in ("lecun_normal", "orthogonal")
        for rate in (0.3, 0.05)
    ]
    assert max(len(line) for line in table(summary(rows)).splitlines()) <= 100


def _run(capsys, *words) -> tuple[int, str, str]:
    return command_line.main(["report", *map(str, words)]), *capsys.readouterr()


def test_the_command_prints_and_writes_everything(folder, tmp_path, capsys):
    code, out, err = _run(capsys, folder, "--output", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("squares, mlp, depth 1, batch norm, 2 epochs, float32\n")
    assert "Missing (nonlin.lab.initialisation.InitialisationError: " in out
    assert out.endswith(f"{tmp_path / 'out'}\n")
    pictures = {f"mlp-depth1-bn-{end}.png" for end in ("epochs", "differences")}
    assert {file.name for file in (tmp_path / "out").iterdir()} == (
        {"runs.csv", "summary.csv", "about.json", "figures.txt"} | pictures
    )
    words = (tmp_path / "out" / "figures.txt").read_text()
    assert all(f"{name}\n" in words for name in pictures)
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["activation"] for line in lines] == [entry.activation for entry in summary(read_runs(folder))]


def test_a_report_over_a_reference(folder, tmp_path, capsys):
    assert _run(capsys, folder, "--output", tmp_path / "ours")[0] == 0
    reference = tmp_path / "ours" / "runs.csv"
    assert _run(capsys, folder, "--output", tmp_path / "mine", "--reference", reference)[0] == 0
    assert (tmp_path / "mine" / "reference.png").exists()
    assert re.search(r"relu, mlp, depth 1.*2 of yours are within", (tmp_path / "mine" / "figures.txt").read_text())
    report.write(RELU, tmp_path, tmp_path / "else")
    code, _, err = _run(capsys, folder, "--output", tmp_path / "x", "--reference", tmp_path / "else" / "runs.csv")
    assert code == 2
    assert "--reference: none of the reference runs has the setting" in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("place", ["empty", "absent", "table.csv"])
def test_nothing_to_report_is_one_sentence(tmp_path, capsys, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    code, out, err = _run(capsys, tmp_path / place)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert str(tmp_path / place) in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "table.csv"]


TABLES = {
    "": "holds no finished run",
    "\0\n\0": "cannot be read as a table",
    "a,b\n1,2\n": "a row has no 'activation'",
    "a,a\n1\n": "a row has more or fewer values than there are columns",
    "a\n1,2,3\n": "a row has more or fewer values than there are columns",
    "no device": "a row has no 'device'",
    "seed x": "'x'",
    "diverged maybe": "diverged should be True or False, not 'maybe'",
    "data \x1b[2J": "data holds signs that would steer a terminal",
    "network vgg": "there is no network 'vgg'",
    "learning_rate -1": "learning_rate must be",
    "parameters 1.5": "'1.5'",
    "test_accuracy_1 high": "'high'",
    "test_accuracy_1 nan": "an accuracy must be from 0 to 100 %, not nan",
    "test_accuracy_2 1e308": "an accuracy must be from 0 to 100 %, not 1e+308",
    "test_accuracy_1 -5": "an accuracy must be from 0 to 100 %, not -5",
    "activation;seed\nrelu;0\n": "its columns are parted by ';', not by commas",
    "activation\tseed\nrelu\t0,5\n": r"its columns are parted by '\t', not by commas",
}


@pytest.mark.parametrize("change", TABLES)
def test_a_wrong_table_is_one_sentence(tmp_path, capsys, change):
    report.write(RELU, tmp_path, tmp_path)
    with (tmp_path / "runs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    name, value = change.split(" ") if " " in change else ("", "")
    if name == "no":
        lines = [{key: each for key, each in line.items() if key != value} for line in lines]
    text = report._csv([line | {name: value} if name not in ("", "no") else line for line in lines])
    (tmp_path / "wrong.csv").write_text(text if name else change)
    code, out, err = _run(capsys, tmp_path / "wrong.csv", "--output", tmp_path / "out")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{tmp_path / 'wrong.csv'}" in err
    assert TABLES[change] in err
    assert "__init__" not in err
    assert not (tmp_path / "out").exists()


def test_a_table_that_a_spreadsheet_has_saved_is_read(tmp_path):
    report.write(RELU, tmp_path, tmp_path)
    text = (tmp_path / "runs.csv").read_text().replace("True", "TRUE").replace("False", "FALSE")
    (tmp_path / "saved.csv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_runs(tmp_path / "saved.csv") == read_runs(tmp_path / "runs.csv")
    (tmp_path / "saved.csv").write_text(text, encoding="utf-16")
    with pytest.raises(ReportError, match="it is no text in UTF-8"):
        read_runs(tmp_path / "saved.csv")


def test_an_impossible_accuracy_is_no_result(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    file = next((tmp_path / "copy").rglob("result.json"))
    file.write_text(re.sub(r'"test_accuracy": [0-9.]+', '"test_accuracy": 1e308', file.read_text()))
    assert len(read_runs(tmp_path / "copy")) == len(read_runs(folder)) - 1
    assert "an accuracy must be from 0 to 100 %" in " ".join(report.missing(tmp_path / "copy").values())


def test_what_a_stranger_wrote_does_not_steer_the_terminal(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "copy")
    for file in (tmp_path / "copy").rglob("failure.txt"):
        file.write_text("\x1b[2J")
    _, out, err = _run(capsys, tmp_path / "copy")
    assert r"Missing (\x1b[2J)" in out
    assert "\x1b" not in out + err


def test_an_unwritable_place_is_one_sentence(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    code, _, err = _run(capsys, folder, "--output", tmp_path / "file" / "below")
    assert code == 2
    assert "cannot be written into" in err
    with pytest.raises(FileError, match="choose another place"):
        report.write(RELU, folder, tmp_path / "file")
