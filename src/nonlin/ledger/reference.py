"""The reference runs, as claims need them: every activation at the rate chosen for it, compared seed by seed.

All claims about accuracy rest on what is here, so that they use the same runs and the same statistics.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import cache

from nonlin.intervals import SURE
from nonlin.lab import report
from nonlin.lab.comparisons import Comparison, compare
from nonlin.lab.protocol import PROTOCOL
from nonlin.lab.reference import read, score
from nonlin.lab.report import Row
from nonlin.paths import results_folder

Runs = dict[str, dict[int, Row]]  # by activation, and by seed


def accuracy(row: Row) -> float:
    """After the last epoch, in %; a run that diverged counts as guessing, as the protocol has it."""
    return score(row)


@cache
def runs() -> dict[str, Runs]:
    """By network in words: the runs of each activation, as long and as precise as the protocol's recipe."""
    usual = (PROTOCOL.recipe.epochs, PROTOCOL.precision)
    rows = [row for row in _reported() if (row.configuration.recipe.epochs, row.configuration.precision) == usual]
    found: dict[str, Runs] = {}
    for network, members in report.groups(rows).items():
        for row in members:
            found.setdefault(network, {}).setdefault(row.configuration.activation, {})[row.seed] = row
    return found


def _reported() -> Sequence[Row]:
    return read(PROTOCOL, results_folder() / "reference").runs


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
