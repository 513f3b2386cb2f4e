"""Claims about practice: speed, memory, recurrent layers, and whether the choice matters at all.

What decides, chosen before the measurements were looked at. A time is the processor's, as a ratio within a round; its
figure is the median over the rounds with the 95 % interval of that median, which the order of the values gives for any
distribution: an interval above a bound decides for, one below it against, one around it not at all.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from time import get_clock_info, perf_counter, process_time

import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from nonlinear.activations import ACTIVATIONS
from nonlinear.benchmark import WARM_UP, margin
from nonlinear.claims.claim import Case, Claim, Measurement
from nonlinear.experiments import report
from nonlinear.experiments.folders import results_folder
from nonlinear.experiments.models import threads
from nonlinear.experiments.probes import recurrent_norms
from nonlinear.experiments.statistics import Estimate, mean_interval

# Times


@dataclass(frozen=True)
class Median:
    """A median with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def median_interval(values: Sequence[float]) -> Median:
    """The median with its distribution-free interval: between the k-th smallest and the k-th largest value.

    Args:
        values: independent repeats, at least six, as fewer have no such interval at 95 %.

    Raises:
        ValueError: for fewer than six values.
    """
    n, ordered = len(values), sorted(values)
    if n < 6:
        raise ValueError(f"the interval of a median needs at least six values, not {n}.")
    k = int(stats.binom.ppf(0.025, n, 0.5)) - 1  # as an index from 0, so that each side is missed in at most 2.5 %
    return Median((ordered[(n - 1) // 2] + ordered[n // 2]) / 2, ordered[k], ordered[-1 - k])


# On one thread the processor's time is that of the clock on the wall, less what other programs take in between.
_clock = process_time if get_clock_info("process_time").resolution < 1e-5 else perf_counter


def _ratios(functions: Mapping[str, Callable[[], object]], base: str, repeats: int) -> dict[str, list[float]]:
    """Time of each function over that of the base in the same round, on one thread.

    The order is drawn anew for each round: nobody is always first, and nobody always follows the same other, whose
    memory it would get.
    """
    draw = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    spare = torch.empty(30 * 2**20, dtype=torch.uint8)  # lets the C library keep what is freed, as in the benchmark
    del spare
    with threads(1):
        for _ in range(WARM_UP + repeats):
            for name in draw.sample(list(functions), len(functions)):
                start = _clock()
                functions[name]()
                seconds[name].append(_clock() - start)
    return {
        name: [float(f"{a / b:.4g}") for a, b in zip(times[WARM_UP:], seconds[base][WARM_UP:], strict=True)]
        for name, times in seconds.items()
        if name != base
    }


def _forward(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    return lambda: layer(x)


def _step(network: nn.Module, x: Tensor) -> Callable[[], object]:
    """Forward and backward, with the gradients of the input and of all parameters."""
    x = x.clone().requires_grad_()
    gradient, inputs = torch.ones_like(network(x)), [x, *network.parameters()]
    return lambda: torch.autograd.grad(network(x), inputs, gradient)


def _numbers(mebibytes: float) -> Tensor:
    return torch.randn(int(mebibytes * 2**18), generator=torch.Generator().manual_seed(0))


def _between_convolutions(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), activation, nn.Conv2d(16, 16, 3, padding=1))


def _places(layers: Mapping[str, Callable[[], nn.Module]]) -> dict[str, dict[str, Callable[[], object]]]:
    """What is timed, by place and activation: alone, where all that counts is itself, and in a small network."""
    large, small = _numbers(4), _numbers(1 / 8)
    images = torch.randn(8, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    return {
        "forward, 4 MiB": {name: _forward(make(), large) for name, make in layers.items()},
        "forward, ⅛ MiB": {name: _forward(make(), small) for name, make in layers.items()},
        "forward and backward, 4 MiB": {name: _step(make(), large) for name, make in layers.items()},
        "forward and backward, ⅛ MiB": {name: _step(make(), small) for name, make in layers.items()},
        "forward and backward, between two small convolutions": {
            name: _step(_between_convolutions(make()), images) for name, make in layers.items()
        },
    }


def _timed(
    layers: Mapping[str, Callable[[], nn.Module]], base: str, places: Sequence[str], repeats: int
) -> Measurement:
    functions = _places(layers)
    return {
        f"{place}: {name}": ratios
        for place in places
        for name, ratios in _ratios(functions[place], base, repeats).items()
    }


def _by_place(measured: Measurement) -> dict[str, dict[str, Median]]:
    found: dict[str, dict[str, Median]] = {}
    for key, ratios in measured.items():
        place, _, name = key.partition(": ")
        found.setdefault(place, {})[name] = median_interval(ratios)
    return found


# 5: the exponential

NOTABLY = 1.25  # times ReLU's time


def _exponential_times() -> Measurement:
    layers = {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
    return _timed(layers, "ReLU", list(_places({})), repeats=150)


def _judge_exponential_times(measured: Measurement) -> Sequence[Case]:
    return [
        Case(f"{name}, {place}", _above(ratio, NOTABLY), f"{ratio} times ReLU's time")
        for place, ratios in _by_place(measured).items()
        for name, ratio in ratios.items()
    ]


def _above(ratio: Median, bound: float) -> bool | None:
    return True if ratio.low > bound else False if ratio.high < bound else None


EXPONENTIAL_IS_SLOW = Claim(
    number=5,
    statement="The exponential makes sigmoid and tanh notably slower than ReLU.",
    lesson="13",
    measure=_exponential_times,
    judge=_judge_exponential_times,
    kept=True,
    thin="Notably means by a quarter or more. One thread of one x86 processor with vector instructions, float32; the "
    "intervals are of the median.",
)


# 8: the cheapest

CLEARLY = 0.1  # cheaper or dearer by this share
CHEAPEST_PLACES = ("forward, 4 MiB", "forward and backward, 4 MiB", "forward and backward, ⅛ MiB")


def _all_times() -> Measurement:
    layers = {
        record.title: lambda r=record: r.torch_module(**r.parameters)
        for record in ACTIVATIONS.values()
        if record.torch_module
    }
    return _timed(layers, ACTIVATIONS["relu"].title, CHEAPEST_PLACES, repeats=50)


def _judge_all_times(measured: Measurement) -> Sequence[Case]:
    cases = []
    for place, ratios in _by_place(measured).items():
        least = min(ratios, key=lambda name: ratios[name].value)
        cheaper = [_above(ratio, 1 - CLEARLY) for ratio in ratios.values()]
        dearer = [_above(ratio, 1 + CLEARLY) for ratio in ratios.values()]
        level = sum(each is False for each in dearer)
        said = f"the least of the {len(ratios)} others is {least} with {ratios[least]} times ReLU's time"
        cases.append(Case(f"none is clearly cheaper, {place}", _all(cheaper), said))
        said = f"{sum(each is True for each in dearer)} of {len(ratios)} are clearly dearer, {level} are not"
        cases.append(Case(f"all others are clearly dearer, {place}", _all(dearer), said))
    return cases


def _all(answers: Sequence[bool | None]) -> bool | None:
    """One no decides against all; without a no, all must be a yes."""
    return False if False in answers else None if None in answers else True


CHEAPEST = Claim(
    number=8,
    statement="ReLU is the cheapest activation.",
    lesson="13",
    measure=_all_times,
    judge=_judge_all_times,
    kept=True,
    thin="Clearly means by a tenth or more. torch's own layers on one thread of one x86 processor, float32; memory is "
    "not part of it.",
)


# 49: four published times

PUBLISHED = {"ReLU": 94, "ReLU6": 97, "LeakyReLU": 106, "PReLU": 106}  # milliseconds
LEVEL = 1.05  # PReLU and LeakyReLU, published as equal, may differ by this factor
FOUR_PLACES = ("forward, 4 MiB", "forward and backward, 4 MiB", "forward and backward, between two small convolutions")


def _four_times() -> Measurement:
    layers = {name: getattr(nn, name) for name in PUBLISHED}
    measured: dict[str, Sequence[float]] = {}
    for place in FOUR_PLACES:
        over_relu = _ratios(_places(layers)[place], "ReLU", 100)
        pairs = {
            "ReLU6 over ReLU": over_relu["ReLU6"],
            "LeakyReLU over ReLU6": _over(over_relu["LeakyReLU"], over_relu["ReLU6"]),
            "PReLU over LeakyReLU": _over(over_relu["PReLU"], over_relu["LeakyReLU"]),
        }
        measured |= {f"{place}: {name}": ratios for name, ratios in pairs.items()}
    return measured


def _over(these: Sequence[float], those: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(these, those, strict=True)]


def _judge_four_times(measured: Measurement) -> Sequence[Case]:
    """Each place is one case: an order of four stands or falls as a whole."""
    cases = []
    for place, ratios in _by_place(measured).items():
        answers, said = [], []
        for pair, ratio in ratios.items():
            above, below = pair.split(" over ")
            published = PUBLISHED[above] / PUBLISHED[below]
            answers.append(_above(ratio, (1 + published) / 2) if published > 1 else _level(ratio))
            said.append(f"{pair} {ratio}, published {published:.2f}")
        cases.append(Case(place, _all(answers), ", ".join(said)))
    return cases


def _level(ratio: Median) -> bool | None:
    if ratio.low > 1 / LEVEL and ratio.high < LEVEL:
        return True
    return False if ratio.low > LEVEL or ratio.high < 1 / LEVEL else None


FOUR_TIMES = Claim(
    number=49,
    statement="The published times ReLU 94, ReLU6 97, LeakyReLU 106, PReLU 106 ms order the four.",
    lesson="13",
    measure=_four_times,
    judge=_judge_four_times,
    kept=True,
    thin="A step of the order stands if at least half of the published difference is there; the two that are level, if "
    "they differ by less than 5 %. One thread of one x86 processor, float32.",
)


# 7: recurrent layers

EXPLODES = 3.0  # powers of ten, of the state, which the inputs of 0.1 start, or of the gradient
ARRIVES = 2.0  # powers of ten by which the gradient may shrink or grow over the steps


def _random(gain: float) -> Callable[[int, torch.Generator], Tensor]:
    return lambda n, generator: gain / math.sqrt(n) * torch.randn(n, n, generator=generator, dtype=torch.float64)


def _orthogonal(n: int, generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q


def _identity(n: int, generator: torch.Generator) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


RECURRENT = {
    "nn.RNN's default weights": (_random(3**-0.5), 0.1),
    "random weights with gain 1.7": (_random(1.7), 0.1),
    "orthogonal weights": (_orthogonal, 0.1),
    "the identity": (_identity, 0.1),
    "the identity, inputs ten times as large": (_identity, 1.0),
}


def _recurrent() -> Measurement:
    measured = {}
    for name in ("tanh", "relu"):
        for weights, (make, size) in RECURRENT.items():
            state, gradient = recurrent_norms(ACTIVATIONS[name].function, make, input_std=size)
            measured[f"{name}, state: {weights}"] = state[:, -1].log10().tolist()
            measured[f"{name}, gradient: {weights}"] = gradient[:, 0].log10().tolist()
    return measured


def _judge_recurrent(measured: Measurement) -> Sequence[Case]:
    found = {key: mean_interval(torch.tensor(values)) for key, values in measured.items()}
    cases = []
    for weights in dict.fromkeys(key.partition(": ")[2] for key in measured):
        gradient = found[f"tanh, gradient: {weights}"]
        inside = gradient.low > -ARRIVES and gradient.high < ARRIVES
        outside = gradient.high < -ARRIVES or gradient.low > ARRIVES
        holds = True if inside else False if outside else None
        said = f"of the gradient of step 100, {_power(gradient)} arrives at step 1"
        cases.append(Case(f"tanh passes the gradient on, {weights}", holds, said))
    for weights in dict.fromkeys(key.partition(": ")[2] for key in measured):
        state, gradient = found[f"relu, state: {weights}"], found[f"relu, gradient: {weights}"]
        explodes = _all([_below(state), _below(gradient)])
        said = f"state {_power(state)}, {_power(gradient)} of the gradient arrives"
        cases.append(Case(f"ReLU explodes, {weights}", None if explodes is None else not explodes, said))
    return cases


def _below(value: Estimate) -> bool | None:
    return True if value.high < EXPLODES else False if value.low > EXPLODES else None


def _power(value: Estimate) -> str:
    return f"{10**value.mean:.1g} [{10**value.low:.1g}, {10**value.high:.1g}]"


TANH_FOR_RECURRENT = Claim(
    number=7,
    statement="Tanh suits the hidden layers of recurrent networks; ReLU explodes there.",
    lesson="10",
    measure=_recurrent,
    judge=_judge_recurrent,
    thin="100 steps, 64 units, ten sets of weights, before training. Passed on: within a factor of 100; exploded: "
    "state or gradient above 1000. Trained networks were not measured, nor the other merits of a bounded state.",
)


# 50: in place


def _in_place() -> Measurement:
    measured: dict[str, Sequence[float]] = {}
    for record in ACTIVATIONS.values():
        if record.takes_inplace:
            saved = margin(_torch(record, False)) - margin(_torch(record, True))
            measured[f"saved: {record.title}"] = [saved]
            measured[f"same memory: {record.title}"] = [_overwrites(_torch(record, True)())]
    measured["gradients: chain"] = [_largest_difference_in_a_chain()]
    measured |= {f"refused: {what}": [_refused(program)] for what, program in PROGRAMS.items()}
    measured["residual"] = _residual(inplace=True) + _residual(inplace=False)
    return measured


def _torch(record: object, inplace: bool) -> Callable[[], nn.Module]:
    return lambda: record.torch_module(**record.parameters, inplace=inplace)


@torch.no_grad()
def _overwrites(layer: nn.Module) -> float:
    """Whether the output lies where the input was, so that the call needs no second tensor."""
    x = torch.randn(8)
    return float(layer.eval()(x).data_ptr() == x.data_ptr())


def _largest_difference_in_a_chain() -> float:
    """Of outputs and gradients of linear, ReLU, linear, with the activation in place and not."""
    found = []
    for inplace in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(inplace=inplace), nn.Linear(16, 4))
            y = network(torch.randn(32, 8))
        found.append([y, *torch.autograd.grad(y.square().sum(), list(network.parameters()))])
    return max((a - b).abs().max().item() for a, b in zip(*found, strict=True))


def _leaf() -> Tensor:
    return torch.tensor([-1.0, 2.0], requires_grad=True)


def _after_exp() -> None:
    F.relu(_leaf().exp(), inplace=True).sum().backward()


def _used_before() -> None:
    h = 1 * _leaf()
    square = h**2
    (square + F.relu(h, inplace=True)).sum().backward()


PROGRAMS = {
    "on a weight or an input": lambda: F.relu(_leaf(), inplace=True),
    "after an operation that keeps its output": _after_exp,
    "after another operation has kept the input": _used_before,
}


def _refused(program: Callable[[], object]) -> float:
    try:
        program()
    except RuntimeError:
        return 1.0
    return 0.0


def _residual(*, inplace: bool) -> list[float]:
    h = 1 * _leaf()
    return (h + F.relu(h, inplace=inplace)).tolist()


def _judge_in_place(measured: Measurement) -> Sequence[Case]:
    saved = _titles(measured, "saved: ")
    some, none = ([title for title, bytes_ in saved.items() if (bytes_ > 0) == wanted] for wanted in (True, False))
    cases = [
        Case(f"it saves what is kept for backward: {', '.join(some)}", True, _bytes(saved, some)),
        Case(f"it saves what is kept for backward: {', '.join(none)}", False, _bytes(saved, none)),
    ]
    cases = [case for case, titles in zip(cases, (some, none), strict=True) if titles]
    over = _titles(measured, "same memory: ")
    count = f"the output lies where the input was, for {sum(over.values()):.0f} of {len(over)}"
    cases.append(Case("it needs no second tensor during the call, without autograd", all(over.values()), count))
    [difference] = measured["gradients: chain"]
    said = f"outputs and gradients differ by {difference:g}"
    cases.append(Case("it is free in a chain of linear, ReLU, linear", difference == 0, said))
    for what, refused in _titles(measured, "refused: ").items():
        cases.append(Case(f"it is free {what}", not refused, "autograd refuses" if refused else "accepted"))
    first, plain = measured["residual"][:2], measured["residual"][2:]
    said = f"h + relu(h) gives {first} instead of {plain} for h = [-1, 2], without an error"
    cases.append(Case("it is free in a residual branch", first == plain, said))
    return cases


def _titles(measured: Measurement, start: str) -> dict[str, float]:
    return {key.removeprefix(start): values[0] for key, values in measured.items() if key.startswith(start)}


def _bytes(saved: Mapping[str, float], titles: Sequence[str]) -> str:
    return f"{' or '.join(sorted({f'{saved[title]:g}' for title in titles}))} bytes a number, between two convolutions"


IN_PLACE = Claim(
    number=50,
    statement="`inplace=True` saves memory and is free.",
    lesson="13",
    measure=_in_place,
    judge=_judge_in_place,
    thin="torch's 13 layers that have the option, float32. Time is not judged here; lesson 13 measures it.",
)


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
    within = values.var(dim=1).mean().item()
    ratio = n * values.mean(dim=1).var().item() / within
    # (ratio / quantile - 1) / n bounds the variance between activations, in units of that between seeds.
    low, high = ((ratio / stats.f.ppf(p, m - 1, m * (n - 1)) - 1) / n for p in (0.975, 0.025))
    times = [math.sqrt(max(0.0, each)) for each in ((ratio - 1) / n, low, high)]
    holds = True if times[1] > 1 else False if times[2] < 1 else None
    means = values.mean(dim=1)
    said = (
        f"from best to worst {means.max() - means.min():.1f} points; the standard deviation between activations is "
        f"{times[0]:.1f} [{times[1]:.1f}, {times[2]:.1f}] times the {math.sqrt(within):.2f} points between seeds"
    )
    return Case(condition, holds, said)


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
    judge=_judge_accuracies,
    thin="Small networks and four epochs on one set of images; other data sets were not tried. A difference that is "
    "not told apart may still be there. Activations with a run that diverged are left out.",
)
