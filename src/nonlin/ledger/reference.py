"""The course's own training runs, as claims need them: every activation as it did best, compared seed by seed.

All claims about accuracy rest on what is here, so that they use the same runs, the same choice of rate and the same
statistics.
"""

from collections.abc import Callable, Hashable
from functools import cache
from statistics import fmean

from nonlin.intervals import SURE
from nonlin.lab import report
from nonlin.lab.comparisons import Comparison, compare
from nonlin.lab.report import Row
from nonlin.paths import results_folder

Runs = dict[str, dict[int, Row]]  # by activation, and by seed


def accuracy(row: Row) -> float:
    """After the last epoch, in %."""
    return row.test_accuracy


@cache
def runs() -> dict[str, Runs]:
    """By network in words: the runs of each activation at the rate with the most runs, then the best mean.

    An activation of which a run diverged is left out of that network.
    """
    rows = report.read_runs(results_folder() / "activations" / report.RUNS)
    return {network: _best(members) for network, members in report.groups(rows).items()}


def _best(rows: list[Row]) -> Runs:
    found: dict[str, list[Row]] = {}
    for (activation, _, _), members in report.variants(rows).items():
        known = found.get(activation, [])
        if not any(row.diverged for row in members) and _rank(members) > _rank(known):
            found[activation] = members
    return {activation: {row.seed: row for row in members} for activation, members in found.items()}


def _rank(rows: list[Row]) -> tuple[int, float]:
    return len(rows), fmean(map(accuracy, rows)) if rows else 0.0


def differences(
    value: Callable[[Row], float | None] = accuracy, *, reference: Hashable = report.REFERENCE
) -> dict[str, dict[str, Comparison]]:
    """By network in words and by activation: the difference from a reference, over the seeds that both have.

    The intervals ``together`` of all activations and all networks hold together with 95 %.

    Args:
        value: of a run; a run without one is left out.
        reference: an activation; networks without it are left out.
    """
    networks = {
        network: {
            name: {seed: number for seed, row in by_seed.items() if (number := value(row)) is not None}
            for name, by_seed in members.items()
        }
        for network, members in runs().items()
        if reference in members
    }
    confidence = 1 - (1 - SURE) / max(1, len(networks))
    return {network: compare(values, reference, confidence=confidence)[0] for network, values in networks.items()}
