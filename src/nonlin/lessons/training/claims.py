"""Claims about the choice of an activation, put to real runs."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean

import torch
from scipy import stats
from torch import Tensor

from nonlin.intervals import Estimate, above, mean_interval
from nonlin.lab import report
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.paths import results_folder

# 51: does the choice matter?

EXTREMES = ("sigmoid", "tanh")  # lesson 02 has the reasons; the question is about the others


def _accuracies() -> Measurement:
    """Test accuracies by seed, of the seeds that all of a group have; each activation as it did best."""
    measured: dict[str, Sequence[float]] = {}
    for title, rows in report.groups(report.read_runs(results_folder() / "activations" / report.RUNS)).items():
        best: dict[str, dict[int, float]] = {}
        for (activation, _, _), runs in report.variants(rows).items():
            own = {row.seed: row.test_accuracy for row in runs}
            if any(row.diverged for row in runs):
                continue
            known = best.get(activation, {})
            if (len(own), fmean(own.values())) > (len(known), fmean(known.values()) if known else 0):
                best[activation] = own
        seeds = sorted(set.intersection(*map(set, best.values()))) if best else []
        if len(seeds) > 1 and len(best) > 2:
            measured |= {f"{title}: {name}": [own[seed] for seed in seeds] for name, own in best.items()}
    return measured


def _judge_accuracies(measured: Measurement) -> Sequence[Case]:
    by_group: dict[str, dict[str, Tensor]] = {}
    for key, values in measured.items():
        title, _, name = key.rpartition(": ")
        by_group.setdefault(title, {})[name] = torch.tensor(values, dtype=torch.float64)
    cases = []
    for title, runs in by_group.items():
        others = {name: values for name, values in runs.items() if name not in EXTREMES}
        if len(others) < len(runs):
            cases.append(_apart(f"the choice matters, all {len(runs)}, {title}", runs))
        if len(others) > 2:
            cases.append(_apart(f"the choice matters, without sigmoid and tanh, {title}", others))
        cases.append(_named(f"the experiment names the best, {title}", runs))
    cases += [_changes(pair, *(by_group[title] for title in pair)) for pair in combinations(by_group, 2)]
    return [case for case in cases if case]


def _apart(condition: str, runs: Mapping[str, Tensor]) -> Case:
    """Whether activations differ more than the seeds of one, by a one-way analysis of variance."""
    values = torch.stack(list(runs.values()))  # (activations, seeds)
    m, n = values.shape
    variance = values.var(dim=1).mean().item()
    ratio = n * values.mean(dim=1).var().item() / variance
    # (ratio / quantile - 1) / n bounds the variance between activations, in units of that between seeds.
    low, high = ((ratio / stats.f.ppf(p, m - 1, m * (n - 1)) - 1) / n for p in (0.975, 0.025))
    times = Estimate(*(math.sqrt(max(0.0, each)) for each in ((ratio - 1) / n, low, high)), n)
    means = values.mean(dim=1)
    said = (
        f"from best to worst {means.max() - means.min():.1f} points; the standard deviation between activations is "
        f"{times.mean:.1f} [{times.low:.1f}, {times.high:.1f}] times the {math.sqrt(variance):.2f} points between seeds"
    )
    return Case(condition, above(times, 1), said)


def _named(condition: str, runs: Mapping[str, Tensor]) -> Case:
    """Whether the best is told apart from every other, in pairs, all comparisons together."""
    best = max(runs, key=lambda name: runs[name].mean().item())
    rivals = [name for name in runs if name != best]
    level = [
        name for name in rivals if mean_interval(runs[best] - runs[name], confidence=1 - 0.05 / len(rivals)).low <= 0
    ]
    said = f"{len(runs[best])} seeds; {best} is ahead and not told apart from {', '.join(level) or 'none'}"
    return Case(condition, not level, said)


def _changes(titles: tuple[str, str], first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Case | None:
    """Whether what an activation gains over ReLU is another number in another setting."""
    names = [name for name in first if name in second and name != report.REFERENCE]
    if not names or report.REFERENCE not in first or report.REFERENCE not in second:
        return None
    moved = []
    for name in names:
        a, b = (runs[name] - runs[report.REFERENCE] for runs in (first, second))
        interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - 0.05 / len(names))
        if interval.low > 0 or interval.high < 0:
            moved.append(name)
    shared = [part for part in titles[0].split(", ") if part in titles[1].split(", ")]
    words = " and ".join(", ".join(part for part in title.split(", ") if part not in shared) for title in titles)
    said = f"the difference to ReLU changes for {', '.join(moved) or 'none'} of {len(names)}"
    return Case(f"another setting, another order: {words}", True if moved else None, said)


CHOSEN_BY_EXPERIMENT = Claim(
    number=51,
    statement="The best activation has to be chosen by experiment, for each task.",
    lesson="12",
    measure=_accuracies,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_accuracies, would_take="TODO"),),
    limits="Small networks and four epochs on one set of images; other data sets were not tried. A difference that is "
    "not told apart may still be there. Activations with a run that diverged are left out.",
)
