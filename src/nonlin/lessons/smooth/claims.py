"""Claims about Swish, GELU and Mish.

What decides, chosen before the measurements were looked at: an accuracy is better if the 95 % interval of the paired
difference lies above 0, and it is not if the interval lies below WORTH; where it does neither, nothing is decided. A
time is more if the lower quartile of its ratio lies above MORE, and it is not if the upper quartile lies below it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.bench.cost import WARM_UP, Spread, margin, rounds, settle_allocator, spread
from nonlin.intervals import Estimate, above, below, mean_interval, ratio_interval
from nonlin.lab import report
from nonlin.lab.networks import small_cnn, threads
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.lessons.smooth.experiments import best_rate, in_pieces, random_gates, restlessness, steps_in_depth
from nonlin.paths import results_folder

WORTH = 0.5  # points of accuracy; less is not worth a change
MORE = 1.1  # a time, as a multiple
LESS = 0.9  # a fluctuation or a number of steps, as a multiple
SMOOTH = {"silu": F.silu, "gelu": F.gelu, "mish": F.mish}
TITLES = {name: ACTIVATIONS[name].title for name in ("relu", *SMOOTH)}


def _paired(group: Sequence[report.Row], name: str, rival: str, what: Callable[[report.Row], float]) -> Tensor | None:
    """What two activations give, one minus the other, by seed; each at the rate with its most runs, then its best."""
    mine, theirs = (_of_best_rate(group, each) for each in (name, rival))
    seeds = sorted(set(mine) & set(theirs))
    if len(seeds) < 2:
        return None
    return torch.tensor([what(mine[seed]) - what(theirs[seed]) for seed in seeds], dtype=torch.float64)


def _of_best_rate(group: Sequence[report.Row], name: str) -> dict[int, report.Row]:
    found = [rows for (activation, _, _), rows in report.variants(group).items() if activation == name]
    best = max(found, key=lambda rows: (len(rows), fmean(row.test_accuracy for row in rows)), default=[])
    return {row.seed: row for row in best}


def _groups() -> Mapping[str, list[report.Row]]:
    return report.groups(report.read_runs(results_folder() / "activations" / "runs.csv"))


def _short(title: str, group: Sequence[report.Row]) -> str:
    """A group in words, with the number of its activations, one for each layer but the last."""
    configuration = group[0].configuration
    layers = {"cnn": 1 + 3 * (1 + configuration.depth), "resnet": 4 + 6 * configuration.depth}
    count = layers.get(configuration.network, configuration.depth)
    return f"{title.removesuffix(', ' + configuration.precision)} ({count} activations deep)"


def _better(difference: Estimate) -> bool | None:
    return above(difference, 0, refuted_below=WORTH)


def _points(difference: Estimate) -> str:
    return f"{difference.mean:+.2f} points [{difference.low:+.2f}, {difference.high:+.2f}], {difference.n} pairs"


def _accuracy_cases(name: str, rival: str) -> list[Case]:
    """One case for each group of the course's results that holds both."""
    cases = []
    for title, group in _groups().items():
        values = _paired(group, name, rival, lambda row: row.test_accuracy)
        if values is not None:
            difference = mean_interval(values)
            cases.append(
                Case(f"{_short(title, group)}, against {TITLES[rival]}", _better(difference), _points(difference))
            )
    return cases


def _of(measured: Measurement, name: str) -> Tensor:
    return torch.tensor(measured[name], dtype=torch.float64)


# 28

DEPTHS = (3, 10, 30)
DEEP_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


def _steps_by_depth() -> Measurement:
    measured = {}
    for depth in DEPTHS:
        for name, activation in {"relu": torch.relu, "silu": F.silu}.items():

            def run(rate: float, seeds: Sequence[int], activation: Callable = activation, depth: int = depth) -> Tensor:
                return steps_in_depth(activation, depth, rate, seeds=seeds)

            rate = best_rate(lambda rate, run=run: run(rate, range(100, 105)), DEEP_RATES)
            measured[f"{depth}, {name}"] = run(rate, range(15)).tolist()
            measured[f"{depth}, {name}, rate"] = [rate]
    return measured


def _judge_swish(measured: Measurement) -> Sequence[Case]:
    cases = _accuracy_cases("silu", "relu")
    for depth in DEPTHS:
        ratio = ratio_interval(_of(measured, f"{depth}, silu"), _of(measured, f"{depth}, relu"))
        faster = below(ratio, 1, refuted_above=LESS)
        said = f"{ratio} times ReLU's steps, {ratio.n} pairs"
        cases.append(Case(f"two rings, plain network of {depth} hidden layers, each at its best rate", faster, said))
    return cases


SWISH_BEATS_RELU = Claim(
    number=28,
    statement="Swish beats ReLU in deep networks.",
    lesson="06",
    measure=_steps_by_depth,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_swish, would_take="TODO"),),
    kept=True,
    limits="β is 1. The photographs were learned by small networks in a few epochs; the rings are a toy, where beating "
    "means fewer steps to a loss of 0.2. Swish's paper speaks of networks with tens of layers on ImageNet, which were "
    "not trained here. Each interval stands alone and is not corrected for the other comparisons.",
)


# 29

RESTLESS_RATES = (0.03, 0.1, 0.3)
OWN_RATES = (0.01, *RESTLESS_RATES)
PIECES = "SiLU in straight pieces"


def _restlessness() -> Measurement:
    activations = {"relu": torch.relu, **SMOOTH, PIECES: in_pieces(F.silu)}
    measured = {
        f"rate {rate:g}, {name}": restlessness(activation, rate, seeds=40)[0].tolist()
        for rate in RESTLESS_RATES
        for name, activation in activations.items()
    }
    for name, activation in activations.items():
        # By the mean loss, and on other seeds than those that are reported.
        rate = best_rate(lambda rate, f=activation: restlessness(f, rate, first_seed=100, seeds=10)[1], OWN_RATES)
        measured[f"own best rate, {name}"] = restlessness(activation, rate, seeds=40)[0].tolist()
        measured[f"own best rate, {name}, the rate"] = [rate]
    return measured


def _judge_restlessness(measured: Measurement) -> Sequence[Case]:
    cases = []
    for condition in (*(f"rate {rate:g}" for rate in RESTLESS_RATES), "own best rate"):
        for name in SMOOTH:
            own, relus = (measured.get(f"{condition}, {each}, the rate") for each in (name, "relu"))
            if own and own == relus and own[0] in RESTLESS_RATES:
                continue  # the same runs as above
            ratio = ratio_interval(_of(measured, f"{condition}, {name}"), _of(measured, f"{condition}, relu"))
            calmer = below(ratio, LESS)
            cases.append(
                Case(f"two rings, {condition}, {TITLES[name]}", calmer, f"{ratio} times ReLU's, {ratio.n} pairs")
            )
    for condition in (f"rate {rate:g}" for rate in RESTLESS_RATES):  # its own best rate is another than SiLU's
        ratio = ratio_interval(_of(measured, f"{condition}, silu"), _of(measured, f"{condition}, {PIECES}"))
        calmer = below(ratio, LESS)
        said = f"{ratio} times the fluctuation of {PIECES}"
        cases.append(Case(f"two rings, {condition}, SiLU against itself with kinks", calmer, said))
    for title, group in _groups().items():
        for name in SMOOTH:
            cases += _falls(title, group, name)
    return cases


def _falls(title: str, group: Sequence[report.Row], name: str) -> list[Case]:
    """Whether the test accuracy falls less from epoch to epoch than with ReLU."""
    values = _paired(group, name, "relu", _lost_on_the_way)
    if values is None:
        return []
    difference, of_relu = mean_interval(values), fmean(map(_lost_on_the_way, _of_best_rate(group, "relu").values()))
    if of_relu == 0 and not values.any():
        return []  # no accuracy ever fell, so that there is nothing to compare
    said = f"{_points(difference)}; ReLU's falls add up to {of_relu:.2f}"
    condition = f"{_short(title, group)}, falls of the accuracy between epochs, {TITLES[name]}"
    return [Case(condition, _calmer(difference, of_relu), said)]


def _calmer(difference: Estimate, of_relu: float) -> bool | None:
    """Less if the interval lies below 0; not less if it lies above 0, or above -WORTH where ReLU falls by more.

    Where they do not, there is nothing to save, and a small difference decides nothing.
    """
    if difference.high < 0:
        return True
    return False if difference.low > 0 or (difference.low > -WORTH and of_relu > WORTH) else None


def _lost_on_the_way(row: report.Row) -> float:
    """By how many points the test accuracy has fallen from one epoch to the next, all falls together."""
    accuracies = row.test_accuracies
    return sum(max(0.0, before - after) for before, after in pairwise(accuracies))


LESS_FLUCTUATION = Claim(
    number=29,
    statement="Smooth activations train with less fluctuation than ReLU.",
    lesson="06",
    measure=_restlessness,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_restlessness, would_take="TODO"),),
    kept=True,
    limits="Fluctuation on the rings is the step-to-step change of the loss over its mean, in mini-batch training at a "
    "constant rate; less means at least 10 % less. The pieces have SiLU's shape and a kink at every whole number: that "
    "comparison asks whether it is the smoothness. It was added, and the seeds were doubled, after a first look. In "
    "the training runs on photographs no accuracy ever fell from one epoch to the next, with ReLU or without: they say "
    "nothing here.",
)


# 30


def _two_passes() -> Measurement:
    """The share of outputs that differ when the same inputs go through a layer twice, in training mode."""
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    layers = {"GELU": nn.GELU(), "GELU, tanh form": nn.GELU(approximate="tanh"), "dropout": nn.Dropout(0.5)}
    measured: dict[str, list[float]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, layer in layers.items():
            layer.train()
            measured[name] = [(layer(x) != layer(x)).double().mean().item()]
    line = torch.linspace(-3, 3, 13, dtype=torch.float64)
    draws = random_gates(line, torch.special.ndtr, 20_000)
    measured["largest distance of the mean of its coins, in standard errors"] = [
        ((draws.mean(dim=0) - F.gelu(line)) / draws.std(dim=0).clamp(min=1e-9) * len(draws) ** 0.5).abs().max().item()
    ]
    return measured


def _judge_two_passes(measured: Measurement) -> Sequence[Case]:
    [dropout], [distance] = (
        measured["dropout"],
        measured["largest distance of the mean of its coins, in standard errors"],
    )
    return [
        Case(
            f"{name}, two passes in training mode",
            measured[name][0] > 0,
            f"{100 * measured[name][0]:.0f} % of the outputs differ; with dropout {100 * dropout:.0f} %; the mean of "
            f"random gates agrees with GELU within {distance:.1f} standard errors",
        )
        for name in ("GELU", "GELU, tanh form")
    ]


STOCHASTIC = Claim(
    number=30,
    statement="GELU is stochastic, like dropout.",
    lesson="06",
    measure=_two_passes,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_two_passes, would_take="TODO"),),
    limits="GELU was derived as the mean of a random gate; the layer computes the mean and draws nothing.",
)


# 31


def _interleaved(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each function, on one thread, in rounds that rotate."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    settle_allocator()
    with threads(1):
        for order in rounds(list(functions), WARM_UP + repeats):
            for name in order:
                start = perf_counter()
                functions[name]()
                seconds[name].append(perf_counter() - start)
    return {name: times[WARM_UP:] for name, times in seconds.items()}


def _step(network: nn.Module, x: Tensor) -> Callable[[], object]:
    """Forward and backward, the gradient of the input included."""
    x = x.clone().requires_grad_()
    gradient = torch.ones_like(network(x))
    inputs = [x, *network.parameters()]
    return lambda: torch.autograd.grad(network(x), inputs, gradient)


def _feed_forward(activation: nn.Module, width: int = 256) -> nn.Module:
    """The feed-forward block of a transformer: up to four times the width, and down again."""
    return nn.Sequential(nn.Linear(width, 4 * width), activation, nn.Linear(4 * width, width))


FORMS = {"exact": lambda: nn.GELU(), "tanh": lambda: nn.GELU(approximate="tanh"), "relu": nn.ReLU}


def _gelu_times() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    small, large = torch.randn(256, 512, generator=generator), torch.randn(64, 64, 32, 32, generator=generator)
    places = {
        "alone, 0.5 MiB": (lambda form: form, small, 60),
        "alone, 16 MiB": (lambda form: form, large, 20),
        "in a feed-forward block of width 256": (_feed_forward, torch.randn(512, 256, generator=generator), 40),
    }
    measured = {}
    for place, (build, x, repeats) in places.items():
        functions = {name: _step(build(make()), x) for name, make in FORMS.items()}
        for name, seconds in _interleaved(functions, repeats).items():
            measured[f"{place}, {name}"] = seconds
    return measured


def _ratio(measured: Measurement, name: str, base: str) -> Spread:
    return spread([a / b for a, b in zip(measured[name], measured[base], strict=True)])


def _more(ratio: Spread) -> bool | None:
    return above(ratio, MORE)


def _judge_gelu_times(measured: Measurement) -> Sequence[Case]:
    cases = []
    for place in dict.fromkeys(name.rsplit(", ", 1)[0] for name in measured):
        exact = _ratio(measured, f"{place}, exact", f"{place}, tanh")
        relu = _ratio(measured, f"{place}, exact", f"{place}, relu")
        said = f"the exact form takes {exact} times the time of the tanh form, {relu} times ReLU's"
        cases.append(Case(f"{place}, forward and backward", _more(exact), said))
    return cases


MUST_BE_APPROXIMATED = Claim(
    number=31,
    statement="GELU must be approximated to be affordable.",
    lesson="06",
    measure=_gelu_times,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_gelu_times, would_take="TODO"),),
    kept=True,
    limits="torch's own forms on one thread of one processor; median and quartiles. Affordable: at most 10 % dearer "
    "than the tanh form. A graphics processor, or a chip without an error function, may differ.",
)


# 32


def _accepted() -> Measurement:
    calls: dict[str, Callable[[str], object]] = {
        "kaiming_normal_": lambda name: nn.init.kaiming_normal_(torch.empty(8, 8), nonlinearity=name),
        "kaiming_uniform_": lambda name: nn.init.kaiming_uniform_(torch.empty(8, 8), nonlinearity=name),
        "calculate_gain": nn.init.calculate_gain,
    }
    return {
        f"{call}, {name}": [float(_works(lambda f=function, name=name: f(name)))]
        for call, function in calls.items()
        for name in ("gelu", "relu")
    }


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except ValueError:
        return False
    return True


def _judge_accepted(measured: Measurement) -> Sequence[Case]:
    words = {0.0: "ValueError", 1.0: "accepted"}
    return [
        Case(
            f'{call}(nonlinearity="gelu")',
            measured[f"{call}, gelu"][0] == 1,
            f"{words[measured[f'{call}, gelu'][0]]}; for relu {words[measured[f'{call}, relu'][0]]}",
        )
        for call in ("kaiming_normal_", "kaiming_uniform_", "calculate_gain")
    ]


KAIMING_KNOWS_GELU = Claim(
    number=32,
    statement="`kaiming_normal_` knows GELU.",
    lesson="06",
    measure=_accepted,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_accepted, would_take="TODO"),),
)


# 33

LAYERS = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "our mish": lambda: ActivationModule(ACTIVATIONS["mish"]),
}


def _mish_costs() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    large, images = torch.randn(64, 64, 32, 32, generator=generator), torch.randn(64, 3, 32, 32, generator=generator)
    measured = {f"bytes, {name}": [margin(make)] for name, make in LAYERS.items()}
    for place, functions in {
        "alone": {name: _step(make(), large) for name, make in LAYERS.items()},
        "training step": {name: _step(small_cnn(make), images) for name, make in LAYERS.items()},
    }.items():
        for name, seconds in _interleaved(functions, 40).items():
            measured[f"{place}, {name}"] = seconds
    return measured


def _judge_mish(measured: Measurement) -> Sequence[Case]:
    """Against each rival: is there a price in memory, is there one in time, and is there no gain?"""
    cases = []
    for rival in ("relu", "silu", "gelu"):
        theirs, own = measured[f"bytes, {rival}"][0], measured["bytes, mish"][0]
        cases.append(
            Case(f"more memory than {TITLES[rival]}", own > theirs + 0.01, f"{own:.2g} and {theirs:.2g} bytes a number")
        )
        for name, form in (("mish", "torch's form"), ("our mish", "our form")):
            for place in ("alone", "training step"):
                ratio = _ratio(measured, f"{place}, {name}", f"{place}, {rival}")
                cases.append(Case(f"more time than {TITLES[rival]}, {place}, {form}", _more(ratio), f"{ratio} times"))
        for gain in _accuracy_cases("mish", rival):
            holds = None if gain.holds is None else not gain.holds
            cases.append(Case(f"no gain: {gain.condition}", holds, gain.figures))
    return cases


MISH_COSTS_MORE = Claim(
    number=33,
    statement="Mish costs more memory and time than it gains.",
    lesson="06",
    measure=_mish_costs,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_mish, would_take="TODO"),),
    kept=True,
    limits="Time on one thread of one processor; the training step is that of the course's network, batch 64, float32; "
    "bytes are those that an activation adds between two convolutions. Where Mish is both dearer and better, this does "
    "not say whether it pays: seconds and points have no common price.",
)
