"""Claims about the choice of an activation, put to real runs."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import scipy
import torch
from torch import Tensor

from nonlin.intervals import SURE, Estimate, Family, above, below
from nonlin.lab.comparisons import compare
from nonlin.lab.report import REFERENCE
from nonlin.ledger import Always, AtMost, Case, Claim, Exists, Measurement, Part, literature, margins, reference

# 51: does the choice matter?

EXTREMES = ("sigmoid", "tanh")  # lesson 03 has the reasons; the question is about the others

Accuracies = dict[str, dict[int, float]]  # in %, by activation and by seed


def _by_network() -> dict[str, Accuracies]:
    """Over the seeds that all activations of a network have; networks with fewer than two, or than three names, not."""
    found = {}
    for network, runs in reference.runs().items():
        seeds = sorted(set.intersection(*map(set, runs.values())))
        if len(seeds) > 1 and len(runs) > 2:
            found[network] = {
                name: {seed: reference.accuracy(by_seed[seed]) for seed in seeds} for name, by_seed in runs.items()
            }
    return found


def _judge_matters(measured: Measurement) -> Sequence[Case]:
    networks = _by_network()
    cases = []
    for network, runs in networks.items():
        others = {name: by_seed for name, by_seed in runs.items() if name not in EXTREMES}
        cases.append(_apart(f"all {len(runs)}, {network}", runs, 2 * len(networks)))
        cases.append(_apart(f"without sigmoid and tanh, {network}", others, 2 * len(networks)))
    return cases


def _apart(condition: str, runs: Accuracies, comparisons: int) -> Case:
    """Whether activations differ more than the seeds of one, by a one-way analysis of variance."""
    values = torch.tensor([[*by_seed.values()] for by_seed in runs.values()], dtype=torch.float64)
    m, n = values.shape  # activations, seeds
    variance, error = values.var(dim=1).mean().item(), (1 - SURE) / comparisons
    ratio = n * values.mean(dim=1).var().item() / variance
    # (ratio / quantile - 1) / n bounds the variance between activations, in units of that between seeds.
    bounds = ((ratio / scipy.stats.f.ppf(p, m - 1, m * (n - 1)) - 1) / n for p in (1 - error / 2, error / 2))
    mean, low, high = (math.sqrt(max(0.0, each)) for each in ((ratio - 1) / n, *bounds))
    times = Estimate(mean, low, high, n, error)
    means = values.mean(dim=1)
    said = (
        f"from best to worst {means.max() - means.min():.1f} points; the standard deviation between activations is "
        f"{times} times the {math.sqrt(variance):.2f} points between seeds"
    )
    return Case(condition, above(times, 1), said, (times,))


def _judge_named(measured: Measurement) -> Sequence[Case]:
    networks = _by_network()
    return [_named(network, runs, len(networks)) for network, runs in networks.items()]


def _named(condition: str, runs: Accuracies, networks: int) -> Case:
    """Whether the best is told apart from every other."""
    best = max(runs, key=lambda name: sum(runs[name].values()))
    compared = compare(runs, best, confidence=1 - (1 - SURE) / networks)[0]
    level = [name for name, each in compared.items() if each.together.high >= 0]
    said = f"{len(runs[best])} seeds; {best} is ahead and not told apart from {', '.join(level) or 'none'}"
    return Case(condition, not level, said, tuple(each.together for each in compared.values()))


def _judge_changes(measured: Measurement) -> Sequence[Case]:
    networks = {network: runs for network, runs in _by_network().items() if REFERENCE in runs}
    parts = {network: network.split(", ") for network in networks}
    common = set.intersection(*map(set, parts.values())) if parts else set()
    words = {network: ", ".join(part for part in own if part not in common) for network, own in parts.items()}
    pairs = list(combinations(networks, 2))
    return [
        _changes(f"{words[one]}, against {words[other]}", networks[one], networks[other], len(pairs))
        for one, other in pairs
    ]


def _changes(condition: str, first: Accuracies, second: Accuracies, pairs: int) -> Case:
    """Whether what an activation gains over ReLU is another number in another network."""
    names = [name for name in first if name in second and name != REFERENCE]
    intervals = {name: _change(_gains(first, name), _gains(second, name), pairs * len(names)) for name in names}
    moved = [name for name, each in intervals.items() if each.low > 0 or each.high < 0]
    same = all(margins.ACCURACY.same(each) for each in intervals.values())
    said = f"the difference to ReLU changes for {', '.join(moved) or 'none'} of {len(names)}"
    return Case(condition, True if moved else False if same else None, said, tuple(intervals.values()))


def _gains(runs: Accuracies, name: str) -> list[float]:
    return [runs[name][seed] - runs[REFERENCE][seed] for seed in runs[REFERENCE]]


def _change(first: Sequence[float], second: Sequence[float], comparisons: int) -> Estimate:
    """By how much the means of two samples with variances of their own differ, by Welch's t."""
    found = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(1 - (1 - SURE) / comparisons)
    mean = sum(first) / len(first) - sum(second) / len(second)
    return Estimate(mean, found.low, found.high, min(len(first), len(second)), (1 - SURE) / comparisons)


CHOSEN_BY_EXPERIMENT = Claim(
    number=51,
    statement="The best activation has to be chosen by experiment, for each task.",
    lesson="13",
    said_by=(literature.BOARD_INFINITY,),
    measure=dict,
    parts=(
        Part(
            statement="The choice moves accuracy by more than the seed does.",
            quantifier=Always("the course's networks"),
            judge=_judge_matters,
            would_take="Rates at which no run fails: one makes the seeds scatter as far as the activations.",
        ),
        Part(
            statement="An experiment of this size names the best.",
            quantifier=Always("the course's networks"),
            judge=_judge_named,
        ),
        Part(
            statement="In another network the gains over ReLU are others.",
            quantifier=Exists("pairs of networks"),
            judge=_judge_changes,
            would_take="More seeds in both networks of a pair.",
        ),
    ),
    limits="Small networks and four epochs on one set of images; other data sets were not tried. A difference that is "
    "not told apart may still be there. A run that diverged counts as guessing, 10 %.",
)


# 67: and with batch normalisation?

NORMALISED, PLAIN = ", batch norm", ", no batch norm"


def _judge_close(names: Callable[[str], bool]) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        return [
            Case(
                f"{name}, {network}",
                margins.ACCURACY.same(each.together),
                f"{each.together} points from ReLU",
                (each.together,),
            )
            for network, compared in reference.differences().items()
            for name, each in compared.items()
            if NORMALISED in network and names(name) and each.together
        ]

    return judge


def _judge_spread(measured: Measurement) -> Sequence[Case]:
    networks = _by_network()
    pairs = {network: network.replace(NORMALISED, PLAIN) for network in networks if NORMALISED in network}
    pairs = {network: plain for network, plain in pairs.items() if plain in networks}
    family = Family(len(pairs))
    cases = []
    for network, plain in pairs.items():
        names = sorted({*networks[network]} & {*networks[plain]} - {*EXTREMES})
        own, theirs = (_spreads(networks[each], names) for each in (network, plain))
        n = min(len(own), len(theirs))
        ratio = family.ratio(own[:n], theirs[:n])
        said = f"the standard deviation of {len(names)} activations is {ratio} times that without"
        cases.append(Case(network, below(ratio, 1), said, (ratio,)))
    return cases


def _spreads(runs: Accuracies, names: Sequence[str]) -> Tensor:
    """The standard deviation between activations, for each seed."""
    return torch.tensor([[*runs[name].values()] for name in names], dtype=torch.float64).std(dim=0)


NORMALISATION_LEVELS = Claim(
    number=67,
    statement="With batch normalisation the choice of activation hardly matters.",
    lesson="13",
    said_by=(literature.CAFFENET.on("bc"),),
    measure=dict,
    parts=(
        Part(
            statement="No activation is further from ReLU than half a point.",
            quantifier=AtMost("activations, networks with batch normalisation", str(margins.ACCURACY)),
            judge=_judge_close(lambda name: True),
        ),
        Part(
            statement="None but sigmoid and tanh is.",
            quantifier=AtMost("activations, networks with batch normalisation", str(margins.ACCURACY)),
            judge=_judge_close(lambda name: name not in EXTREMES),
            would_take="More seeds: the intervals are wider than the margin.",
        ),
        Part(
            statement="Without sigmoid and tanh, they differ less than in the same network without it.",
            quantifier=Always("depths"),
            judge=_judge_spread,
            would_take="More seeds at both depths.",
        ),
    ),
    limits="Two small networks, four epochs, one set of images.",
)
