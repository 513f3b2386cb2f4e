"""The reference runs: what comes next follows from the tables, a kill changes no digit, wrong tables are told."""

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_reference
import torch

from nonlin import __main__ as command_line
from nonlin.files import FileError
from nonlin.images import sources
from nonlin.images.dataset import DataError, Dataset, Split, hold_out
from nonlin.intervals import mean_interval
from nonlin.lab import reference, report, runs
from nonlin.lab.protocol import PROTOCOL, Network, Protocol, in_words
from nonlin.lab.reference import (
    FLOAT32,
    LONGER,
    REPORTED,
    SEARCH,
    ReferenceRunError,
    Results,
    Task,
    chosen_rate,
    next_rates,
)
from nonlin.lab.report import Row, read_runs
from nonlin.lab.runs import Configuration, Stopped
from nonlin.lab.sweep import SweepError, cell_name
from nonlin.paths import project_root, results_folder
from nonlin.plots.reference import rate_curves
from nonlin.typography import true_minus

BN, PLAIN = PROTOCOL.networks[0], PROTOCOL.networks[2]
SMALL = replace(
    PROTOCOL, activations=("relu", "gelu"), networks=(BN, PLAIN), longer=("relu",), other_precision=("gelu",)
)


def row(task: Task, accuracy: float, *, diverged: bool = False, protocol: Protocol = SMALL) -> Row:
    """A finished run of a task, on images that nobody has."""
    recipe = replace(protocol.recipe, epochs=task.epochs, seed=task.seed, learning_rate=task.rate)
    configuration = Configuration(
        activation=task.activation,
        data="nothing",
        fingerprint=(task.stage == SEARCH and "held out") or "all",
        depth=task.network.depth,
        batch_norm=task.network.batch_norm,
        initialisation=task.initialisation,
        precision=task.precision,
        recipe=recipe,
    )
    return Row(
        configuration=configuration,
        test_accuracies=(accuracy,) * (1 if diverged else task.epochs),
        diverged=diverged,
        parameters=1,
        device="cpu, 1 thread",
        made_with={"protocol": str(protocol.version)},
    )


def tried(means: dict[float, float], network: Network = BN, seeds: Sequence[int] = (0, 1)) -> dict[float, list[Row]]:
    """A curve with these means; 0 stands for runs that diverged."""
    return {
        rate: [
            row(reference._task(SMALL, SEARCH, network, "relu", rate, seed), mean or 55.0, diverged=not mean)
            for seed in seeds
        ]
        for rate, mean in means.items()
    }


def hill(peak: float, rates: Sequence[float], *, diverges_from: float = 1e9) -> dict[float, float]:
    """Means that fall on both sides of a peak by 5 points for each doubling."""
    return {
        rate: 0.0 if rate >= diverges_from else 75 - 5 * abs(torch.tensor(rate / peak).log2().item()) for rate in rates
    }


# The search


def test_the_search_begins_with_the_common_grid_and_waits_for_all_seeds():
    assert next_rates(PROTOCOL, BN, {}) == list(BN.rates)
    half = tried(hill(0.45, BN.rates), seeds=(0,))
    assert next_rates(PROTOCOL, BN, half) == list(BN.rates)
    assert next_rates(PROTOCOL, BN, tried(hill(0.45, BN.rates))) == []


@pytest.mark.parametrize(("peak", "expected"), [(7.2, [7.2]), (0.05, [0.05]), (3.6, [7.2]), (1.8, [])])
def test_the_grid_grows_while_the_best_stands_at_an_edge(peak: float, expected: list[float]):
    assert next_rates(PROTOCOL, BN, tried(hill(peak, BN.rates))) == expected


def test_the_grid_ends_where_the_runs_diverge_or_it_has_grown_enough():
    rates = [*BN.rates, 7.2]
    assert next_rates(PROTOCOL, BN, tried(hill(7.2, rates, diverges_from=7.0))) == []
    endless = dict.fromkeys([*BN.rates, 7.2, 14.0, 28.0], 0.0) | {28.0: 70.0}
    assert next_rates(PROTOCOL, BN, tried(endless)) == []
    level = tried(dict.fromkeys(BN.rates, 10.0))  # nothing learns anywhere: the lowest is as good as any
    assert next_rates(PROTOCOL, BN, level) == [0.05]


def test_near_divergence_half_steps_are_tried_and_a_distance_is_kept():
    curve = tried(hill(0.2, PLAIN.rates, diverges_from=0.15), PLAIN)
    assert chosen_rate(curve) == 0.05  # 0.1 is better, and the next rate diverges
    assert next_rates(PROTOCOL, PLAIN, curve) == [0.035, 0.071, 0.14]
    curve |= tried({0.035: 62.5, 0.071: 67.5, 0.14: 72.5}, PLAIN)
    assert chosen_rate(curve) == 0.1
    assert next_rates(PROTOCOL, PLAIN, curve) == []


def test_one_run_that_diverges_rules_a_rate_out_and_counts_as_chance():
    curve = tried(hill(0.9, BN.rates))
    curve[1.8][1] = replace(curve[1.8][1], diverged=True)
    assert reference.score(curve[1.8][1]) == 10
    assert chosen_rate(curve) == 0.45
    everywhere = tried(dict.fromkeys(BN.rates, 0.0))
    assert chosen_rate(everywhere) == 0.1


def search_rows(protocol: Protocol = SMALL, missing: int = 0) -> list[Row]:
    """A complete search, or one without its last runs."""
    found: list[Row] = []
    while tasks := [
        t for t in reference._search_tasks(protocol, found) if reference._key(t) not in reference._keys(found)
    ]:
        for task in tasks:
            peak = 0.9 if task.network.batch_norm else 0.1
            value = hill(peak, [task.rate])[task.rate] + 0.3 * (-1) ** task.seed * (
                1 + 0.1 * (task.activation == "gelu")
            )
            found.append(row(task, value))
    return found[: len(found) - missing]


def test_the_reported_runs_wait_for_the_search_and_come_in_balanced_rounds():
    unfinished = Results(search=tuple(search_rows(missing=1)))
    assert {task.stage for task in reference.planned(SMALL, unfinished)} == {SEARCH}
    assert len(reference.left(SMALL, unfinished)) == 1
    search = search_rows()
    tasks = reference.left(SMALL, Results(search=tuple(search)))
    n = {network: reference.seeds_to_report(SMALL, network, search) for network in SMALL.networks}
    assert all(SMALL.fewest <= count <= SMALL.most for count in n.values())
    rounds = [tasks[start : start + 4] for start in range(0, 4 * min(n.values()), 4)]
    for number, members in enumerate(rounds):
        assert {(t.stage, t.seed) for t in members} == {(REPORTED, SMALL.first_seed + number)}
        assert len({(t.activation, t.network) for t in members}) == 4
    counts = {stage: sum(task.stage == stage for task in tasks) for stage in (REPORTED, LONGER, FLOAT32)}
    assert counts == {REPORTED: 2 * sum(n.values()), LONGER: 6, FLOAT32: 6}
    assert {t.rate for t in tasks if t.network == BN} == {0.9}
    assert all(t.epochs == 16 and t.network.batch_norm for t in tasks if t.stage == LONGER)
    assert [t.stage for t in tasks] == sorted((t.stage for t in tasks), key=[REPORTED, LONGER, FLOAT32].index)
    assert {t.seed for t in tasks}.isdisjoint(SMALL.search_seeds)


def test_what_is_stored_is_not_planned_again():
    search = search_rows()
    tasks = reference.left(SMALL, Results(search=tuple(search)))
    done = [row(task, 70.0) for task in tasks[:7]]
    assert reference.left(SMALL, Results(search=tuple(search), runs=tuple(done))) == tasks[7:]


def test_the_figure_of_the_search_says_what_was_chosen_and_what_diverged():
    search = search_rows()
    lost = reference._task(SMALL, SEARCH, PLAIN, "gelu", 0.4, 0)
    search = [row(lost, 10.0, diverged=True) if reference._keys([r]) == {reference._key(lost)} else r for r in search]
    picture = rate_curves(SMALL, PLAIN, search)
    assert [axes.get_title() for axes in picture.figure.axes if axes.get_visible()] == ["relu", "gelu"]
    assert "chosen 0.1; diverged, counted as 10 %: 1 of 2 at 0.4." in picture.text
    assert "the search is not complete" in rate_curves(SMALL, PLAIN, search[:-4]).text
    with pytest.raises(ValueError, match="no run in cnn-depth1-bn"):
        rate_curves(SMALL, BN, [])


# The images of the search


def test_held_out_images_are_training_images_of_every_class_that_are_not_trained_on():
    labels = torch.arange(60) % 3
    train = Split(images=torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 3, 32, 32), labels=labels)
    test = Split(images=train.images[:3] + 100, labels=labels[:3])
    dataset = Dataset(name="d", title="D", classes=("a", "b", "c"), train=train, test=test)
    first, again, other = (hold_out(dataset, per_class=5, seed=seed) for seed in (1, 1, 2))
    numbers = [split.images[:, 0, 0, 0].tolist() for split in (first.train, first.test)]
    assert sorted(numbers[0] + numbers[1]) == list(range(60))
    assert numbers == [sorted(part) for part in numbers]
    assert first.test.labels.bincount().tolist() == [5, 5, 5]
    assert runs.fingerprint(first) == runs.fingerprint(again) != runs.fingerprint(other)
    assert first.title == "D, 15 training images held out"
    with pytest.raises(DataError, match="20 training images of a, too few to hold 20 out"):
        hold_out(dataset, per_class=20, seed=1)


# Going on


def _results(folder: Path) -> dict[str, list[Row]]:
    """All rows, but for the code revision, which may change between two starts."""
    return {
        path.name: [replace(row, made_with={**row.made_with, "revision": ""}) for row in read_runs(path)]
        for path in (folder / "results").glob("*.csv")
    }


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Path:
    """Tiny reference runs that nothing disturbed."""
    place = tmp_path_factory.mktemp("calm")
    assert tiny_reference.go_on(place / "results", place / "scratch", jobs=1) == []
    return place


def test_nothing_is_left_to_do_at_the_end(tmp_path: Path, calm: Path):
    assert tiny_reference.go_on(calm / "results", tmp_path / "none", jobs=1) == []
    assert not (tmp_path / "none").exists()


def test_it_stops_in_time_and_goes_on(tmp_path: Path, calm: Path):
    place = (tmp_path / "results", tmp_path / "scratch")
    with pytest.raises(Stopped, match="Stopped with 0 of 2 runs finished"):
        tiny_reference.go_on(*place, jobs=1, until=time.monotonic())
    protocol = tiny_reference.PROTOCOL
    dataset = hold_out(tiny_reference.few_shapes(), per_class=protocol.held_out, seed=protocol.split_seed)
    configuration = reference.planned(protocol, Results())[0].configuration(protocol, dataset)
    cell = place[1] / "search" / cell_name(configuration)
    with pytest.raises(Stopped, match="Stopped after 1 of"):
        runs.run(configuration, torch.nn.ReLU, dataset, cell, until=time.monotonic())
    assert (cell / "checkpoint.pt").exists()
    assert not list(tmp_path.glob("results/*.csv"))
    assert tiny_reference.go_on(*place, jobs=1) == []
    assert _results(tmp_path) == _results(calm)


def test_what_ended_before_it_was_stored_is_stored_and_not_run_again(tmp_path: Path, calm: Path):
    shutil.copytree(calm, tmp_path, dirs_exist_ok=True)
    place = (tmp_path / "results", tmp_path / "scratch")
    before = _results(tmp_path)
    (place[0] / "search.csv").unlink()
    times = {path: path.stat().st_mtime_ns for path in place[1].rglob("result.json")}
    assert tiny_reference.go_on(*place, jobs=1) == []
    assert _results(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in place[1].rglob("result.json")} == times


def test_rows_are_added_sorted_whatever_their_order(tmp_path: Path):
    rows = search_rows()
    for name, order in (("a", rows), ("b", rows[::-1])):
        for start in range(0, len(order), 7):
            reference.add(SMALL, tmp_path / name, "search.csv", order[start : start + 7])
    assert (tmp_path / "a" / "search.csv").read_bytes() == (tmp_path / "b" / "search.csv").read_bytes()
    assert set(reference._keys(reference.read(SMALL, tmp_path / "a").search)) == reference._keys(rows)


# Wrong tables, in one sentence


def test_a_damaged_table_is_told_and_left_as_it_is(tmp_path: Path):
    reference.add(SMALL, tmp_path, "search.csv", search_rows()[:3])
    path = tmp_path / "search.csv"
    damaged = path.read_bytes()[:-40]
    path.write_bytes(damaged)
    for attempt in (
        lambda: reference.read(SMALL, tmp_path),
        lambda: reference.add(SMALL, tmp_path, "search.csv", search_rows()[4:5]),
    ):
        with pytest.raises(ReferenceRunError, match=r"search\.csv is damaged \(.*\): restore it, or"):
            attempt()
    assert path.read_bytes() == damaged


def _changed(old: str, new: str, count: int = -1):
    return lambda text: text.replace(old, new, count)


@pytest.mark.parametrize(
    "damage",
    [
        _changed("learning_rate", "lr", 1),  # all rates would be the default, and so the runs one and the same
        _changed("test_accuracy_4", "accuracy_4", 1),
        lambda text: text + text.splitlines()[1] + "\n",
        lambda text: text[:-1],
        lambda text: text[:-3],
        _changed(",55.0,", ",nan,", 1),
        _changed(",55.0,", ",5500,", 1),
        _changed(",55.0,", ",,", 1),
        _changed("True", "TRUE"),
        lambda text: text.splitlines()[0] + "\n",
        lambda text: "",
        lambda text: text + '"' + "x" * 200_000 + '"\n',
    ],
)
def test_no_damage_of_a_table_passes_or_costs_a_row(tmp_path: Path, damage):
    rows = [row(task, 55.0) for task in reference.planned(SMALL, Results())[:4]]
    reference.add(SMALL, tmp_path, "search.csv", rows[:3])
    path = tmp_path / "search.csv"
    damaged = damage(path.read_text())
    path.write_text(damaged)
    for attempt in (
        lambda: reference.read(SMALL, tmp_path),
        lambda: reference.add(SMALL, tmp_path, "search.csv", rows[3:]),
    ):
        with pytest.raises(ReferenceRunError, match=r"search\.csv is damaged \(.*\): restore it") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert path.read_text() == damaged


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "mlp"},
        {"threads": 8},
        {"precision": "float32"},
        {"initialisation": "xavier"},
        {"seed": 7},
        {"epochs": 16},
    ],
)
def test_a_run_that_the_protocol_does_not_ask_for_is_refused(tmp_path: Path, changes: dict):
    [first, *_] = search_rows()
    c = first.configuration
    of_recipe = {name: changes[name] for name in changes if name in ("seed", "epochs")}
    others = {name: value for name, value in changes.items() if name not in of_recipe}
    other = replace(c, recipe=replace(c.recipe, **of_recipe), **others)
    accuracies = (50.0,) * other.recipe.epochs
    reference.add(SMALL, tmp_path, "search.csv", [replace(first, configuration=other, test_accuracies=accuracies)])
    with pytest.raises(ReferenceRunError, match="runs of another protocol"):
        reference.read(SMALL, tmp_path)


def test_what_fails_ends_it_with_its_reason(tmp_path: Path):
    (tmp_path / "scratch" / "search").mkdir(parents=True)
    (tmp_path / "scratch" / "search" / "relu-cnn-depth1-bn-he-rate0.3-seed0").touch()  # no folder can be made there
    with pytest.raises(ReferenceRunError, match=r"relu-.*-seed0 failed, and nothing more is begun: Cannot write a run"):
        tiny_reference.go_on(tmp_path / "results", tmp_path / "scratch", jobs=1)
    assert not list(tmp_path.glob("results/*.csv"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot bound the size of a file")
def test_a_full_disk_is_told_and_the_table_stays_as_it_was(tmp_path: Path):
    import resource

    rows = search_rows()
    reference.add(SMALL, tmp_path, "search.csv", rows[:3])
    before = (tmp_path / "search.csv").read_bytes()
    ignored, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(FileError, match=r"search\.csv cannot be written \(.*\): make room"):
            reference.add(SMALL, tmp_path, "search.csv", rows[3:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "search.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "search.csv"]


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, version=2),
        replace(SMALL, activations=("relu",)),
        replace(SMALL, networks=(PLAIN,)),
        replace(SMALL, recipe=replace(SMALL.recipe, momentum=0.8)),
    ],
)
def test_a_table_of_another_protocol_is_refused(tmp_path: Path, other: Protocol):
    reference.add(SMALL, tmp_path, "search.csv", search_rows())
    with pytest.raises(ReferenceRunError, match="runs of another protocol"):
        reference.read(other, tmp_path)


def test_other_images_are_refused_before_anything_runs(tmp_path: Path):
    reference.add(tiny_reference.PROTOCOL, tmp_path, "search.csv", [_tiny_row()])
    with pytest.raises(ReferenceRunError, match=r"are of other images \(nothing\) than these \(few shapes, 50"):
        tiny_reference.go_on(tmp_path, tmp_path / "scratch", jobs=1)
    assert not (tmp_path / "scratch").exists()


def _tiny_row() -> Row:
    protocol = tiny_reference.PROTOCOL
    return row(reference.planned(protocol, Results())[0], 50.0, protocol=protocol)


def test_two_data_sets_in_one_table_are_refused(tmp_path: Path):
    first, second = search_rows()[:2]
    second = replace(second, configuration=replace(second.configuration, fingerprint="others"))
    reference.add(SMALL, tmp_path, "search.csv", [first, second])
    with pytest.raises(ReferenceRunError, match="runs on different images or devices"):
        reference.read(SMALL, tmp_path)


def test_runs_of_a_card_and_of_a_processor_do_not_share_a_file(tmp_path: Path):
    one = search_rows()[:1]
    of_a_card = [replace(row, device="NVIDIA H200") for row in one]
    for rows, device in ((one, "cpu"), (of_a_card, "cuda"), ([], "cpu"), ([], "cuda")):
        reference._check_device(rows, device, tmp_path)
    for rows, device in ((one, "cuda"), (of_a_card, "cpu")):
        with pytest.raises(ReferenceRunError, match=r"are of another device .* name another folder with --results"):
            reference._check_device(rows, device, tmp_path)


def test_the_search_may_be_of_another_device_than_the_runs(calm: Path, tmp_path: Path, monkeypatch):
    shutil.copytree(calm / "results", tmp_path / "results")
    search = [replace(row, device="NVIDIA H200") for row in read_runs(tmp_path / "results" / "search.csv")]
    (tmp_path / "results" / "search.csv").write_text(report.table_text(search), encoding="utf-8")
    asked = []
    monkeypatch.setattr(reference, "sweep", lambda *rest, **options: asked.append(options["device"]) or ["stopped"])
    (tmp_path / "results" / "runs.csv").unlink()
    assert tiny_reference.go_on(tmp_path / "results", tmp_path / "scratch") == ["stopped"]
    assert asked == ["cpu"]


def test_the_committed_tables_are_complete_and_a_third_has_a_twin_on_a_processor():
    folder = results_folder() / "reference"
    results = reference.read(PROTOCOL, folder)
    assert reference.left(PROTOCOL, results) == []
    twins = reference._read(PROTOCOL, folder / "processor.csv")
    assert {row.on_processor for row in twins} == {True}
    assert reference._keys(twins) < reference._keys(results.runs)
    said = (folder.parent / "README.md").read_text(encoding="utf-8")
    assert f"{len(results.search)} runs of the search" in said
    assert f"{len(results.runs):,} reported runs" in said
    assert f"{len(twins)} of the reported runs" in said
    for network in PROTOCOL.networks:
        assert _difference(results.runs, twins, network) in said


def _name_of(row: Row) -> tuple:
    (key,) = reference._keys([row])
    return key


def _difference(runs: Sequence[Row], twins: Sequence[Row], network: Network) -> str:
    """By how many points the runs differ from their twins, over the seeds that all twins of a network have."""
    ours = {_name_of(row): reference.score(row) for row in runs}
    by_name: dict[str, dict[int, float]] = {}
    for row in twins:
        c = row.configuration
        if (c.depth, c.batch_norm) == (network.depth, network.batch_norm):
            difference = ours[_name_of(row)] - reference.score(row)
            by_name.setdefault(c.activation, {})[row.seed] = difference
    seeds = sorted(set.intersection(*map(set, by_name.values())))
    table = torch.tensor([[by_seed[seed] for seed in seeds] for by_seed in by_name.values()], dtype=torch.float64)
    found = mean_interval(table.mean(dim=0))
    return true_minus(f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]")


# The command and the documentation


def _run(capsys, *words: object) -> tuple[int, str, str]:
    return command_line.main(["reference", *map(str, words)]), *capsys.readouterr()


def test_status_and_dry_run_say_what_is_left_and_run_nothing(tmp_path: Path, capsys):
    place = ("--results", tmp_path / "results", "--log-dir", tmp_path / "runs")
    code, out, err = _run(capsys, "--status", *place)
    assert (code, err) == (0, "")
    assert "search, cnn-depth3-no_bn     0   144" in out
    assert "all that is known by now     0   576" in out
    code, out, err = _run(capsys, "--dry-run", *place)
    assert (code, err, out.count("\n")) == (0, "", 576)
    assert out.startswith("search: relu, cnn-depth1-bn, rate 0.1, seed 0\n")
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_is_one_sentence(tmp_path: Path, capsys):
    place = ("--results", tmp_path / "results", "--log-dir", tmp_path / "runs")
    (tmp_path / "file").touch()
    for words, expected in (
        (("--data", "nosuch"), "there is no data source or folder 'nosuch'"),
        (("--minutes", "0"), "must be a number above 0"),
        (("--results", tmp_path / "file" / "below"), "results cannot be written into"),
        *([(("--device", "cuda"), "CUDA finds no graphics processor here")] if not torch.cuda.is_available() else []),
    ):
        try:
            code, _, err = _run(capsys, *place, *words)
        except SystemExit as stop:
            code, err = stop.code, capsys.readouterr().err.splitlines()[-1]
        assert (code in (1, 2), err.strip().count("\n")) == (True, 0)
        assert expected in err


@pytest.fixture
def place(tmp_path: Path) -> tuple[object, ...]:
    return ("--results", tmp_path / "results", "--log-dir", tmp_path / "runs")


def test_images_that_nobody_named_do_not_fill_the_tables(capsys, place, monkeypatch):
    shapes = replace(tiny_reference.few_shapes(), name="shapes10")
    monkeypatch.setattr(sources, "load", lambda source, notice=None: shapes)
    monkeypatch.setattr(reference, "go_on", lambda *rest, **options: [])
    code, _, err = _run(capsys, *place)
    assert (code, err.count("\n")) == (2, 1)
    assert "name other images with --data" in err
    assert _run(capsys, *place, "--data", "shapes10")[0] == 0


def test_guessing_is_known_for_ten_classes_only(tmp_path: Path):
    two = replace(tiny_reference.few_shapes(), classes=("a", "b"))
    images = reference.Place(results=tmp_path / "r", scratch=tmp_path / "s", load=lambda: two, activations={})
    with pytest.raises(ReferenceRunError, match="guessing among 10 classes, and few shapes has 2: name other images"):
        reference.go_on(tiny_reference.PROTOCOL, two, images)


def test_the_time_is_up_while_images_load_too(capsys, place, monkeypatch):
    def slow(source: str) -> None:
        time.sleep(20)

    monkeypatch.setattr(sources, "load", slow)
    begun = time.monotonic()
    code, out, _ = _run(capsys, *place, "--minutes", "0.005")
    assert (code, out.startswith("The time is up. 0 runs are stored in ")) == (0, True)
    assert time.monotonic() - begun < 10


def test_the_status_plans_and_measures_once_and_does_without_what_is_damaged(tmp_path: Path, calm: Path, monkeypatch):
    shutil.copytree(calm, tmp_path, dirs_exist_ok=True)
    cell, *_ = sorted((tmp_path / "scratch" / "search").glob("*/result.json"))
    cell.write_text("{")
    calls = []
    for name in ("planned", "_measured_epochs"):
        usual = getattr(reference, name)
        monkeypatch.setattr(reference, name, lambda *given, usual=usual: calls.append(usual) or usual(*given))
    protocol = tiny_reference.PROTOCOL
    found = reference.read(protocol, tmp_path / "results")
    assert "all that is known" in reference.status(protocol, found, tmp_path / "scratch", 1)
    assert len(calls) == len(set(calls)) == 2


def test_what_ended_with_another_configuration_is_not_stored(tmp_path: Path, calm: Path):
    shutil.copytree(calm / "scratch", tmp_path / "scratch")
    for path in (tmp_path / "scratch").rglob("*.json"):
        path.write_text(path.read_text().replace('"momentum": 0.9', '"momentum": 0.8'))
    with pytest.raises(SweepError, match="has another configuration"):
        tiny_reference.go_on(tmp_path / "results", tmp_path / "scratch", jobs=1)
    assert not list(tmp_path.glob("results/*.csv"))


def test_the_search_is_drawn_beside_the_tables(tmp_path: Path, capsys):
    task = reference.planned(PROTOCOL, Results())[0]
    reference.add(PROTOCOL, tmp_path, "search.csv", [row(task, 50.0, protocol=PROTOCOL)])
    code, out, _ = _run(capsys, "--draw", "--results", tmp_path, "--log-dir", tmp_path / "runs")
    assert (code, out.splitlines()[0]) == (0, "cnn-depth1-bn: the search is not complete.")
    assert {path.name for path in tmp_path.iterdir()} >= {"search-cnn-depth1-bn.png", "figures.txt"}


def test_the_protocol_is_printed_where_the_results_are():
    root = project_root()
    assert in_words(PROTOCOL) in (root / "data" / "results" / "README.md").read_text(encoding="utf-8")


def test_the_committed_results_follow_the_protocol():
    found = reference.read(PROTOCOL, project_root() / "data" / "results" / "reference")
    assert found.search
    known = {reference._key(task) for task in reference.planned(PROTOCOL, found)}
    assert reference._keys(found.search) <= known
    assert reference._keys(found.runs) <= known
