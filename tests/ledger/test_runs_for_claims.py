"""Which of the course's runs claims rest on, and how their differences hold together."""

from dataclasses import replace

import pytest

from nonlin.lab import report
from nonlin.lab.report import Row
from nonlin.ledger import reference
from nonlin.paths import results_folder


@pytest.fixture
def pattern() -> Row:
    return report.read_runs(results_folder() / "activations" / report.RUNS)[0]


def run(pattern: Row, name: str, seed: int, accuracy: float, rate: float = 0.1, **changed: bool) -> Row:
    recipe = replace(pattern.configuration.recipe, seed=seed, learning_rate=rate)
    configuration = replace(pattern.configuration, activation=name, recipe=recipe)
    return replace(pattern, configuration=configuration, test_accuracies=(accuracy,), **changed)


def test_the_rate_with_the_most_runs_counts_and_then_the_best(pattern: Row) -> None:
    rows = [run(pattern, "relu", seed, 60, rate=0.1) for seed in range(3)]
    rows += [run(pattern, "relu", 0, 90, rate=0.2)]
    rows += [run(pattern, "relu", seed, 70, rate=0.3) for seed in range(3)]
    assert [reference.accuracy(row) for row in reference._best(rows)["relu"].values()] == [70] * 3


def test_an_activation_of_which_a_run_diverged_is_left_out(pattern: Row) -> None:
    rows = [run(pattern, "relu", seed, 60) for seed in range(2)]
    rows += [run(pattern, "elu", seed, 60, diverged=seed == 1) for seed in range(2)]
    assert set(reference._best(rows)) == {"relu"}


def test_all_differences_of_all_networks_hold_together() -> None:
    compared = reference.differences()
    error = sum(each.together.error for network in compared.values() for each in network.values())
    assert len(compared) > 1
    assert error == pytest.approx(0.05)
    for network in compared.values():
        assert all(each.together.low < each.alone.low for each in network.values())
