"""Claims about LeakyReLU, PReLU and slopes below zero."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.activations.learned import PReLU
from nonlin.bench.cost import WARM_UP, kept_bytes, rounds, settle_allocator
from nonlin.intervals import Estimate, above, below, mean_interval, median_interval, ratio_interval
from nonlin.lab.networks import threads
from nonlin.lab.report import REFERENCE, RUNS, Row, groups, read_runs
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.paths import results_folder
from nonlin.toys.race import adam, race, sgd

# Points of test accuracy. A smaller gain than this is no reason to change an activation: seeds alone differ by as much.
MARGIN = 1.0
AS_MUCH = 1.25  # times as long: what still counts as "about as much"


# 15


def _maximum_and_leaky_relu() -> Measurement:
    """Largest differences of values over [-8, 8], and the slopes at 0, by the slope a."""
    x = torch.arange(-800, 801, dtype=torch.float64) / 100  # holds 0
    leaky_relu = ACTIVATIONS["leaky_relu"]
    found = {}
    for a in (0.0, 0.01, 0.5, 1.0, -0.5, -1.0, 1.5, 3.0):
        difference = torch.maximum(a * x, x) - leaky_relu.function(x, a)
        found[f"values, a = {a:g}"] = [difference.abs().max().item()]
    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for a in (0.01, 0.5):
        slope = torch.autograd.grad(torch.maximum(a * zero, zero), zero)[0]
        found[f"slope at 0, a = {a:g}"] = [(slope - leaky_relu.derivative(zero.detach(), a)).abs().item()]
    return found


def _judge_maximum(measured: Measurement) -> Sequence[Case]:
    return [Case(condition, m == 0, f"they differ by up to {m:g}") for condition, [m] in measured.items()]


MAXIMUM = Claim(
    number=15,
    statement="LeakyReLU is max(ax, x).",
    lesson="04",
    measure=_maximum_and_leaky_relu,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_maximum, would_take="TODO"),),
    limits="Slopes are compared as autograd returns them, at exactly 0.",
)


# 16, 17 and the first half of 18: what the course's training runs say


def _runs_by_group() -> dict[str, list[Row]]:
    return groups(read_runs(results_folder() / "activations" / RUNS))


def _paired(rows: Iterable[Row], name: str, other: str, value: Callable[[Row], float]) -> list[float]:
    """``value`` of one activation minus that of another, for runs that agree in all else.

    By seed if none agree and each was run with one initialisation and rate of its own.
    """
    rows = list(rows)
    for alike in (lambda c: (c.recipe.seed, c.initialisation, c.recipe.learning_rate), lambda c: c.recipe.seed):
        sides = [
            {alike(row.configuration): value(row) for row in rows if row.configuration.activation == activation}
            for activation in (name, other)
        ]
        once = sum(map(len, sides)) == sum(row.configuration.activation in (name, other) for row in rows)
        if once and (shared := [key for key in sides[0] if key in sides[1]]):
            return [sides[0][key] - sides[1][key] for key in shared]
    return []


def _differences(names: Sequence[str], value: Callable[[Row], float]) -> Measurement:
    """Paired differences to ReLU, in points, by activation and group of runs."""
    found = {
        f"{ACTIVATIONS[name].title}, {title}": _paired(rows, name, REFERENCE, value)
        for title, rows in _runs_by_group().items()
        for name in names
    }
    return {condition: differences for condition, differences in found.items() if differences}


def _intervals(measured: Measurement) -> Iterable[tuple[str, Estimate | None]]:
    """An interval for each condition, so wide that with a probability of 95 % all of them hold together."""
    confidence = 1 - 0.05 / max(1, sum(len(values) > 1 for values in measured.values()))
    for condition, values in measured.items():
        yield condition, mean_interval(torch.tensor(values), confidence=confidence) if len(values) > 1 else None


def _in_points(interval: Estimate | None, what: str) -> str:
    if interval is None:
        return "one pair of runs tells nothing about spread"
    return f"{what} {interval.mean:+.2f} points [{interval.low:+.2f}, {interval.high:+.2f}], {interval.n} paired seeds"


def _judge_better(measured: Measurement) -> Sequence[Case]:
    cases = []
    for condition, gain in _intervals(measured):
        better = None if gain is None else above(gain, 0, refuted_below=MARGIN)
        cases.append(Case(condition, better, _in_points(gain, "minus ReLU")))
    return cases


USUALLY_BETTER = Claim(
    number=16,
    statement="LeakyReLU usually beats ReLU.",
    lesson="04",
    measure=lambda: _differences(["leaky_relu"], lambda row: row.test_accuracy),
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_better, would_take="TODO"),),
    limits=(
        "One slope, 0.01, small networks on small photographs, trained briefly. It counts as not better where a gain "
        f"of {MARGIN:g} point is excluded, and as not decided where it is neither above 0 nor excluded."
    ),
)


def _while_learning(row: Row) -> float:
    """Mean test accuracy after all epochs but the last, in %: lower if a network gets there later."""
    early = row.test_accuracies[:-1] or row.test_accuracies
    return sum(early) / len(early)


def _judge_slower(measured: Measurement) -> Sequence[Case]:
    cases = []
    for condition, lead in _intervals(measured):
        slower = None if lead is None else below(lead, 0, refuted_above=-MARGIN)
        cases.append(Case(condition, slower, _in_points(lead, "on the way, minus ReLU")))
    return cases


# Steps of full-batch training until two rings are told apart: how much longer still counts as "not slower".
STEPS_MARGIN = 1.1


def _steps_to_learn() -> Measurement:
    """Steps by seed, each activation at the learning rate that suits it best."""
    optimizers = {"Adam": (adam, (0.01, 0.03, 0.1)), "SGD": (sgd, (0.03, 0.1, 0.3))}
    contenders = {name: ACTIVATIONS[name].function for name in ("relu", "leaky_relu", "relu6")}
    return {
        f"{ACTIVATIONS[name].title}, two rings, {optimizer}": finish.steps.tolist()
        for optimizer, (make, rates) in optimizers.items()
        for name, finish in race(contenders, make, rates).items()
    }


def _judge_steps(measured: Measurement) -> list[Case]:
    cases = []
    for condition, steps in measured.items():
        name, _, where = condition.partition(", ")
        if name == "ReLU":
            continue
        ratio = ratio_interval(torch.tensor(steps), torch.tensor(measured[f"ReLU, {where}"]))
        slower = above(ratio, 1, refuted_below=STEPS_MARGIN)
        figures = f"{ratio} times ReLU's steps, {ratio.n} paired seeds"
        if list(steps) == list(measured[f"ReLU, {where}"]):  # ReLU6 whose inputs never exceed 6 is ReLU
            slower, figures = None, f"the very steps of ReLU for all {ratio.n} seeds: its inputs never come to the bend"
        cases.append(Case(condition, slower, figures))
    return cases


SLOWER = Claim(
    number=17,
    statement="LeakyReLU and ReLU6 converge more slowly than ReLU.",
    lesson="04",
    measure=_steps_to_learn,
    parts=(
        Part(
            quantifier=Compared("TODO", margins.ACCURACY),
            judge=lambda measured: [
                *_judge_steps(measured),
                *_judge_slower(_differences(["leaky_relu", "relu6"], _while_learning)),
            ],
            would_take="TODO",
        ),
    ),
    kept=True,
    limits=(
        "In training, compared is the mean test accuracy after all epochs but the last, at equal updates. Not slower "
        f"means that a delay worth {MARGIN:g} point, or {STEPS_MARGIN:g} times the steps, is excluded."
    ),
)


# 18, with the time that it takes

SHAPES = {"0.5 MiB": (256, 512), "4 MiB": (16, 64, 32, 32)}


def _time(layer: nn.Module, x: Tensor, gradient: Tensor) -> tuple[float, float]:
    """Seconds of forward, and of forward and backward, the slope's gradient included."""
    start = perf_counter()
    y = layer(x)
    middle = perf_counter()
    torch.autograd.grad(y, [x, *layer.parameters()], gradient)
    return middle - start, perf_counter() - start


def _cost(repeats: int = 30) -> Measurement:
    """Time of PReLU over that of LeakyReLU, round by round; every round starts with another layer."""
    found = {}
    settle_allocator()
    with threads(1):
        for size, shape in SHAPES.items():
            x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
            gradient = torch.ones(shape)
            layers = {
                "torch LeakyReLU": nn.LeakyReLU(),
                "torch PReLU": nn.PReLU(),
                "our LeakyReLU": ActivationModule(ACTIVATIONS["leaky_relu"]),
                "our PReLU": PReLU(),
            }
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}
            for order in rounds(list(layers), WARM_UP + repeats):
                for name in order:
                    times[name].append(_time(layers[name], x, gradient))
            for whose in ("torch", "our"):
                for place, passes in enumerate(("forward", "forward and backward")):
                    pairs = zip(times[f"{whose} PReLU"], times[f"{whose} LeakyReLU"], strict=True)
                    ratios = [ours[place] / theirs[place] for ours, theirs in pairs]
                    found[f"{whose} module, {passes}, {size}"] = ratios[WARM_UP:]
    return found


def _judge_cost(measured: Measurement) -> list[Case]:
    cases = []
    for condition, ratios in measured.items():
        ratio = median_interval(ratios)
        cases.append(Case(f"costs as much, {condition}", below(ratio, AS_MUCH), f"{ratio} times LeakyReLU's time"))
    return cases


def _leads(by_group: Mapping[str, Sequence[Row]]) -> dict[str, dict[str, list[float]]]:
    """By how much each other activation is ahead of PReLU, in points by seed, for each group of runs."""
    found = {}
    for title, rows in by_group.items():
        others = sorted({row.configuration.activation for row in rows} - {"prelu"})
        leads = {name: _paired(rows, name, "prelu", lambda row: row.test_accuracy) for name in others}
        found[title] = {name: values for name, values in leads.items() if len(values) > 1}
    return {title: leads for title, leads in found.items() if leads}


def _judge_among_the_best(leads: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Case]:
    """Not among the best if another is reliably ahead; among them if nobody can be ahead by the margin."""
    cases = []
    for title, by_name in leads.items():
        intervals = dict(_intervals(by_name))
        ahead = [name for name, lead in intervals.items() if lead and lead.low > 0]
        near = all(lead.high < MARGIN for lead in intervals.values() if lead)
        first = max(ahead or intervals, key=lambda name: intervals[name].mean)
        best = False if ahead else True if near else None
        figures = _in_points(
            intervals[first], f"{ACTIVATIONS[first].title}, {'reliably' if ahead else 'on average'} ahead:"
        )
        cases.append(Case(f"among the best, {title}", best, figures))
    return cases


AMONG_THE_BEST = Claim(
    number=18,
    statement="PReLU is among the best and costs about as much as LeakyReLU.",
    lesson="04",
    measure=_cost,
    parts=(
        Part(
            quantifier=Compared("TODO", margins.ACCURACY),
            judge=lambda measured: [*_judge_among_the_best(_leads(_runs_by_group())), *_judge_cost(measured)],
            would_take="TODO",
        ),
    ),
    kept=True,
    limits=(
        f"About as much: at most {AS_MUCH:g} times; one thread of one processor. Not among the best: another is "
        f"reliably ahead; among them: nobody can be ahead by {MARGIN:g} point."
    ),
)


# 19


class _WrittenOver(nn.Module):
    """PReLU by multiplying its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.25))

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(torch.where(x > 0, 1.0, self.weight))


def _in_place() -> Measurement:
    """1 for yes, 0 for no; and the bytes that are kept for each number of the input."""
    x = torch.linspace(-2, 2, 512).requires_grad_()
    layers = {"nn.PReLU": nn.PReLU(), "x.mul_(slopes)": _WrittenOver()}
    kept = {f"kept by {name}": [kept_bytes(layer, 1 * x) / len(x)] for name, layer in layers.items()}
    return {
        "nn.PReLU has an argument inplace": ["inplace" in inspect.signature(nn.PReLU).parameters],
        "torch has a prelu_": [hasattr(torch, "prelu_") or hasattr(F, "prelu_")],
        **kept,
    }


def _judge_in_place(measured: Measurement) -> Sequence[Case]:
    kept = {name.removeprefix("kept by "): m for name, [m] in measured.items() if name.startswith("kept by ")}
    by_hand, plain = kept["x.mul_(slopes)"], kept["nn.PReLU"]
    answers = [(name, m) for name, [m] in measured.items() if not name.startswith("kept by ")]
    cases = [Case(name, bool(m), "yes" if m else "no") for name, m in answers]
    figures = f"keeps {by_hand:g} bytes per number, nn.PReLU {plain:g}: autograd copies the input first"
    return [*cases, Case("written over by hand with x.mul_(slopes), it saves memory", by_hand < plain, figures)]


IN_PLACE = Claim(
    number=19,
    statement="PReLU can be run in place.",
    lesson="04",
    measure=_in_place,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_in_place, would_take="TODO"),),
    limits="This is about training with torch as it is: once a slope is fixed, PReLU is LeakyReLU, which can.",
)


# 20


TIMES_100 = "inputs 100 times as large"


def _zeros_in_gradients(seeds: int = 5) -> Measurement:
    """Shares of exactly zero gradients, behind the activations and at the weights of a random network, by seed."""
    ours = {name: partial(ActivationModule, ACTIVATIONS[name]) for name in ("relu", "leaky_relu", "elu")}
    settings: dict[str, tuple[Callable[[], nn.Module], float]] = {
        "ReLU": (ours["relu"], 1.0),
        "LeakyReLU": (ours["leaky_relu"], 1.0),
        "ELU": (ours["elu"], 1.0),
        f"ELU, slope from its output, {TIMES_100}": (ours["elu"], 100.0),
        f"ELU, slope from its input as in torch, {TIMES_100}": (nn.ELU, 100.0),
    }
    found = {}
    for condition, (make, scale) in settings.items():
        behind, at_weights = zip(*(_zeros(make, scale, seed) for seed in range(seeds)), strict=True)
        found |= {f"{condition}: behind the activation": behind, f"{condition}: at the weights": at_weights}
    return found


def _zeros(make_activation: Callable[[], nn.Module], scale: float, seed: int) -> tuple[float, float]:
    """Three hidden layers of 64 units with He's weights, 256 inputs from N(0, scale^2), a random gradient on top."""
    generator = torch.Generator().manual_seed(seed)
    h, inputs, weights = scale * torch.randn(256, 64, generator=generator), [], []
    for _ in range(3):
        weights.append((torch.randn(64, 64, generator=generator) / 8 * 2**0.5).requires_grad_())
        inputs.append(h @ weights[-1])
        h = make_activation()(inputs[-1])
    gradients = torch.autograd.grad(h, [*inputs, *weights], torch.randn(256, 64, generator=generator))
    behind, at_weights = torch.stack(gradients[:3]), torch.stack(gradients[3:])
    return (behind == 0).float().mean().item(), (at_weights == 0).float().mean().item()


def _judge_zeros(measured: Measurement) -> Sequence[Case]:
    shares = {condition: mean_interval(torch.tensor(values)) for condition, values in measured.items()}
    behind = {name.split(": ")[0]: share for name, share in shares.items() if name.endswith("behind the activation")}
    relu = behind.pop("ReLU")
    cases = [
        # Fewer than a tenth of ReLU's zeros count as a cure; as many as half of them as none.
        Case(
            f"against zeros in the gradient, {name}",
            below(share, relu.low / 10, refuted_above=relu.high / 2),
            f"{100 * share.mean:.1f} % are exactly 0; ReLU {100 * relu.mean:.1f} %",
        )
        for name, share in behind.items()
    ]
    cases.append(
        Case(
            "to obtain a sparse gradient, LeakyReLU",
            behind["LeakyReLU"].low > relu.high,
            f"{100 * behind['LeakyReLU'].mean:.1f} % are exactly 0; ReLU {100 * relu.mean:.1f} %",
        )
    )
    at_weights = shares["ReLU: at the weights"]
    cases.append(
        Case(
            "there are zeros to be cured at ReLU's weights",
            at_weights.low > 0.1,
            f"{100 * at_weights.mean:.1f} % are exactly 0",
        )
    )
    return cases


SPARSE = Claim(
    number=20,
    statement="For sparse gradients use LeakyReLU or ELU.",
    lesson="04",
    measure=_zeros_in_gradients,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_zeros, would_take="TODO"),),
    limits="Random networks with He's weights, before any training; a unit that has died adds zeros at its own "
    "weights.",
)

__all__ = ["AMONG_THE_BEST", "IN_PLACE", "MAXIMUM", "SLOWER", "SPARSE", "USUALLY_BETTER"]
