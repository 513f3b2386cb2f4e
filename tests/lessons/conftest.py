"""Training runs with made-up accuracies, in place of the course's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from nonlin.lab import report
from nonlin.lab.report import Row
from nonlin.ledger import reference
from nonlin.paths import results_folder


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the course's runs by one network for each mapping of an activation to accuracies by seed, in %."""
    pattern = report.read_runs(results_folder() / "reference" / report.RUNS)[0]

    def row(name: str, seed: int, accuracy: float) -> Row:
        recipe = replace(pattern.configuration.recipe, seed=seed)
        configuration = replace(pattern.configuration, activation=name, recipe=recipe)
        return replace(pattern, configuration=configuration, test_accuracies=(accuracy - 5, accuracy))

    def use(*networks: Mapping[str, Sequence[float]]) -> None:
        made = {
            f"network {number}": {
                name: {seed: row(name, seed, accuracy) for seed, accuracy in enumerate(accuracies)}
                for name, accuracies in by_name.items()
            }
            for number, by_name in enumerate(networks)
        }
        monkeypatch.setattr(reference, "runs", lambda: made)

    return use
