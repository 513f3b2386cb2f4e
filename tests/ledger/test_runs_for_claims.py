"""Which of the course's runs claims rest on, and how their differences hold together."""

from dataclasses import replace

import pytest

from nonlin.lab.protocol import PROTOCOL
from nonlin.ledger import reference


def test_all_activations_run_with_the_same_seeds_in_all_four_networks() -> None:
    found = reference.runs()
    assert len(found) == len(PROTOCOL.networks)
    assert all(", 4 epochs, bfloat16" in network for network in found)
    for by_name in found.values():
        assert {*by_name} == {*PROTOCOL.activations}
        assert len({tuple(by_seed) for by_seed in by_name.values()}) == 1


def test_a_run_that_diverged_counts_as_guessing() -> None:
    rows = [row for by_name in reference.runs().values() for by_seed in by_name.values() for row in by_seed.values()]
    diverged = [row for row in rows if row.diverged]
    assert diverged
    assert {reference.accuracy(replace(row, test_accuracies=(50.0,))) for row in diverged} == {10}
    assert all(reference.accuracy(row) == row.test_accuracy for row in rows if not row.diverged)


def test_all_differences_of_all_networks_hold_together() -> None:
    compared = reference.differences()
    error = sum(each.together.error for network in compared.values() for each in network.values())
    assert len(compared) > 1
    assert error == pytest.approx(0.05)
    for network in compared.values():
        assert all(each.together.low < each.alone.low for each in network.values())
