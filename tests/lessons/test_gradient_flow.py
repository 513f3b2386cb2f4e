"""Signal and gradient at the first step of a training, against what theory says, and read back from a table."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from nonlin.__main__ import main
from nonlin.images import shapes10
from nonlin.images.dataset import Dataset, Split
from nonlin.intervals import mean_interval
from nonlin.lessons import CLAIMS
from nonlin.lessons.gradient_flow.claims import RECURRENT
from nonlin.lessons.gradient_flow.experiments import ABOUT, TABLE, Start, pairs, read, study, table, write
from nonlin.lessons.gradient_flow.figures import first_step_map


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    split = Split(images=torch.from_numpy(shapes10.draw(64, seed=1)), labels=torch.from_numpy(shapes10.labels(64)))
    return Dataset(name="shapes10", title="shapes10", classes=shapes10.CLASSES, train=split, test=split)


def factors(dataset: Dataset, scheme: str, activation: type, **options: int) -> list[Start]:
    return list(study({"f": activation}, dataset, initialisations=[scheme], images=64, **options))


def test_he_keeps_the_gradient_of_relu_and_torchs_default_does_not(dataset: Dataset) -> None:
    he, default = (factors(dataset, scheme, nn.ReLU, depths=[10], seeds=4) for scheme in ("he", "torch"))
    assert mean_interval(torch.tensor([start.gradient for start in he])).mean == pytest.approx(1, abs=0.06)
    # Uniform with variance 1 / (3 n), and half of the slopes are 1: a factor of sqrt(1 / 6).
    assert mean_interval(torch.tensor([start.gradient for start in default])).mean == pytest.approx(6**-0.5, abs=0.03)


def test_without_an_activation_orthogonal_weights_keep_everything(dataset: Dataset) -> None:
    for start in factors(dataset, "orthogonal", nn.Identity, depths=[6], seeds=2):
        assert start.gradient == pytest.approx(1, abs=1e-5)
        assert start.signal == pytest.approx(1, abs=1e-5)


def test_sigmoid_loses_what_tells_images_apart_unless_it_is_centred(dataset: Dataset) -> None:
    he, centred = (factors(dataset, scheme, nn.Sigmoid, depths=[10], seeds=2) for scheme in ("he", "he_centred"))
    assert all(start.distinct < 1e-3 for start in he)
    assert all(start.distinct > 0.3 for start in centred)


def test_nothing_that_arrives_is_0(dataset: Dataset) -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0 * x

    [start] = factors(dataset, "xavier", Nothing, depths=[3], seeds=1)
    assert (start.gradient, start.signal, start.distinct) == (0, 0, 0)


def test_a_table_is_read_back(dataset: Dataset, tmp_path: Path) -> None:
    starts = factors(dataset, "he", nn.ReLU, depths=[3, 4], seeds=2)
    write(starts, dataset, "nonlin gradients", tmp_path)
    again = read(tmp_path)
    assert [(start.depth, start.seed) for start in again] == [(3, 0), (3, 1), (4, 0), (4, 1)]
    assert again[0].gradient == pytest.approx(starts[0].gradient, rel=1e-5)
    assert json.loads((tmp_path / ABOUT).read_text(encoding="utf-8"))["command"] == "nonlin gradients"


def test_a_row_per_activation_and_depth() -> None:
    names = {"signal": 1.0, "distinct": 1.0}
    starts = [
        Start(activation="relu", initialisation=scheme, depth=4, seed=seed, gradient=value, **names)
        for scheme, values in {"he": (1.0, 1.2), "torch": (0.4,)}.items()
        for seed, value in enumerate(values)
    ]
    head, row = table(starts).splitlines()
    assert head.split() == ["activation", "depth", "he", "torch"]
    assert row.split() == ["relu", "4", "1.100", "±1.271", "0.4"]


def test_the_command_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--activations",
        "relu",
        "--depths",
        "2",
        "--seeds",
        "2",
        "--data",
        "shapes10",
        "--output",
        str(tmp_path),
    ]
    assert main(["gradients", *options, "--output", str(tmp_path)]) == 0
    assert "Written" in capsys.readouterr().out
    with (tmp_path / TABLE).open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6 * 2  # initialisations, seeds


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["gradients", "--data", "shapes10", "--output", str(tmp_path / "file")]) == 2
    assert "choose another --output" in capsys.readouterr().err


def powers(tanh: float, relu: float) -> dict[str, list[float]]:
    """Gradients that arrive, as powers of ten, with every weight; states stay as they are."""
    measured = {}
    for weights in RECURRENT:
        for name, power in {"tanh": tanh, "relu": relu}.items():
            measured[f"{name}, gradient: {weights}"] = [power - 0.01, power + 0.01, power]
            measured[f"{name}, state: {weights}"] = [-0.01, 0.01, 0.0]
    return measured


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (powers(0, 4), "a confirmed, b confirmed"),
        (powers(-3, 0), "a refuted, b refuted"),
        (powers(3, 4) | {"relu, gradient: the identity": [2.9, 3.1]}, "a refuted, b open"),
        (
            powers(0, 0) | {f"relu, state: {weights}": [4, 4.01, 4.02] for weights in RECURRENT},
            "a confirmed, b confirmed",
        ),
    ],
    ids=range(4),
)
def test_recurrent_layers_are_judged_by_what_arrives_and_what_explodes(measured: dict, expected: str) -> None:
    assert CLAIMS[7].judge(measured).verdicts == expected


STARTS = [
    Start(activation=name, initialisation=scheme, depth=5, seed=seed, signal=1.0, distinct=0.5 + seed, gradient=factor)
    for name, scheme, factors in (("relu", "he", (0.5, 2.0)), ("relu", "torch", (0.4, 0.4)), ("tanh", "he", (1.2, 1.2)))
    for seed, factor in enumerate(factors)
]


def test_pairs_are_geometric_means_over_seeds_and_all_layers() -> None:
    found = pairs([*STARTS, Start(**{**vars(STARTS[0]), "depth": 9, "gradient": 7.0})], depth=5)
    assert list(found) == [("relu", "he"), ("relu", "torch"), ("tanh", "he")]
    assert found["relu", "he"].gradient_per_layer == pytest.approx(1)
    assert found["relu", "torch"].gradient == pytest.approx(0.4**4)
    assert found["relu", "he"].distinct == 1.0


def test_where_nothing_arrives_the_factor_is_zero() -> None:
    nothing = [Start(**{**vars(STARTS[0]), "gradient": 0.0})]
    [pair] = pairs(nothing, depth=5).values()
    assert pair.gradient == pair.gradient_per_layer == 0
    assert "0.00 ↓" in first_step_map({("relu", "he"): pair}).text


def test_the_map_has_a_number_in_each_cell_says_what_is_kept_and_frames_what_keeps_all() -> None:
    kept = {("relu", "he"): (True, True, True), ("tanh", "he"): (True, False, True)}
    picture = first_step_map(pairs(STARTS, depth=5), kept)
    [axes] = picture.figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.40 ↓", "1.00\nS G I", "1.20 ↑\nS I"]
    assert len(axes.patches) == 1
    assert axes.patches[0].get_xy() == pytest.approx((-0.46, -0.44))
    said = ["relu: he 1.00 S G I, torch 0.40 ↓.", "tanh: he 1.20 ↑ S I.", "All three kept: relu with he."]
    assert picture.text.splitlines() == said
    assert math.isnan(axes.images[0].get_array().filled(math.nan)[1, 1])  # no tanh with torch
