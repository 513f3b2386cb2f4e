"""Claims about LeakyReLU, PReLU and slopes below zero."""

import inspect
from collections.abc import Callable, Sequence
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.activations.learned import PReLU
from nonlin.bench.cost import WARM_UP, kept_bytes, rounds, settle_allocator
from nonlin.intervals import Estimate, Family, above, below, crossing, exact, mean_crossing
from nonlin.lab.networks import threads
from nonlin.lab.report import Row
from nonlin.ledger import (
    Always,
    Case,
    Claim,
    Compared,
    Dependence,
    Exists,
    Measurement,
    Part,
    Usually,
    literature,
    margins,
    reference,
)
from nonlin.toys.race import adam, race, sgd

# 15

SLOPES = (-1.0, -0.5, 0.0, 0.01, 0.5, 0.9, 1.0, 1.1, 1.5, 3.0)


def _maximum_and_leaky_relu() -> Measurement:
    """Largest differences of values over [-8, 8], and the slopes at 0, by the slope a."""
    x = torch.arange(-800, 801, dtype=torch.float64) / 100  # holds 0
    leaky_relu = ACTIVATIONS["leaky_relu"]
    found = {}
    for a in SLOPES:
        difference = torch.maximum(a * x, x) - leaky_relu.function(x, a)
        found[f"values, a = {a:g}"] = [difference.abs().max().item()]
    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for a in (0.01, 0.5):
        slope = torch.autograd.grad(torch.maximum(a * zero, zero), zero)[0]
        found[f"slope at 0, a = {a:g}"] = [(slope - leaky_relu.derivative(zero.detach(), a)).abs().item()]
    return found


def _judge_maximum(what: str) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        own = {name.removeprefix(f"{what}, "): m for name, [m] in measured.items() if name.startswith(what)}
        return [Case(where, m == 0, f"they differ by up to {m:g}", (exact(m),)) for where, m in own.items()]

    return judge


def _slope_from_which_they_part(measured: Measurement) -> Dependence | None:
    at = crossing(SLOPES, [measured[f"values, a = {a:g}"][0] for a in SLOPES], 1e-9)
    return at and Dependence(factor="the slope a", holds="up to", at=exact(at))


MAXIMUM = Claim(
    number=15,
    statement="LeakyReLU is max(ax, x).",
    lesson="05",
    said_by=(literature.RUNEBOOK, literature.ANDROIDKT),
    measure=_maximum_and_leaky_relu,
    parts=(
        Part(
            statement="Its values are.",
            quantifier=Always("slopes a"),
            judge=_judge_maximum("values"),
            depends_on=_slope_from_which_they_part,
        ),
        Part(statement="Its slope at 0 is.", quantifier=Always("slopes a"), judge=_judge_maximum("slope at 0")),
    ),
    limits="Slopes are compared as autograd returns them, at exactly 0.",
)


# 16, 17 and the first half of 18: what the course's training runs say


def _in_points(interval: Estimate, what: str) -> str:
    return f"{what} {interval.mean:+.2f} points [{interval.low:+.2f}, {interval.high:+.2f}], {interval.n} paired seeds"


def _by_network(name: str, value: Callable[[Row], float | None] = reference.accuracy) -> dict[str, Estimate]:
    """An activation minus ReLU, in points, for each network of the course that has both."""
    found = {network: compared.get(name) for network, compared in reference.differences(value).items()}
    return {network: compared.together for network, compared in found.items() if compared and compared.together}


MORE_SEEDS = "More seeds than the protocol of the reference runs plans."

USUALLY_BETTER = Claim(
    number=16,
    statement="LeakyReLU usually beats ReLU.",
    lesson="05",
    said_by=(literature.XU, literature.DEEPLEARNING_AI),
    measure=dict,
    parts=(
        Part(
            quantifier=Usually("the course's networks, each at four epochs"),
            judge=lambda measured: [
                Case(network, margins.ACCURACY.more(gain), _in_points(gain, "minus ReLU"), (gain,))
                for network, gain in _by_network("leaky_relu").items()
            ],
            would_take=MORE_SEEDS,
        ),
    ),
    limits="One slope, 0.01, small networks on small photographs, trained briefly.",
)


def _while_learning(row: Row) -> float:
    """Mean test accuracy after all epochs but the last, in %: lower if a network gets there later."""
    early = row.test_accuracies[:-1] or row.test_accuracies
    return sum(early) / len(early)


OPTIMIZERS = {"Adam": (adam, (0.01, 0.03, 0.1)), "SGD": (sgd, (0.03, 0.1, 0.3))}


def _steps_to_learn() -> Measurement:
    """Steps by seed, each activation at the learning rate that suits it best."""
    contenders = {name: ACTIVATIONS[name].function for name in ("relu", "leaky_relu", "relu6")}
    return {
        f"{ACTIVATIONS[name].title}, two rings, {optimizer}": finish.steps.tolist()
        for optimizer, (make, rates) in OPTIMIZERS.items()
        for name, finish in race(contenders, make, rates).items()
    }


def _slower(name: str) -> Part:
    title = ACTIVATIONS[name].title

    def judge(measured: Measurement) -> list[Case]:
        family = Family(len(OPTIMIZERS) + 1)  # the course's networks share the rest of the error
        cases = []
        for optimizer in OPTIMIZERS:
            own, relus = (list(measured[f"{each}, two rings, {optimizer}"]) for each in (title, "ReLU"))
            ratio = family.ratio(own, relus)
            slower, figures = margins.STEPS.more(ratio), f"{ratio} times ReLU's steps, {ratio.n} paired seeds"
            if own == relus:  # ReLU6 whose inputs never exceed 6 is ReLU
                slower, figures = None, "the very steps of ReLU for all seeds: its inputs never come to the bend"
            cases.append(Case(f"two rings, {optimizer}", slower, figures, (ratio,)))
        for network, lead in _by_network(name, _while_learning).items():
            said = _in_points(lead, "on the way, minus ReLU")
            cases.append(Case(network, margins.ACCURACY.less(lead), said, (lead,)))
        return cases

    return Part(
        statement=f"{title} does.",
        quantifier=Compared("two rings, and on the way in the course's networks", margins.STEPS),
        judge=judge,
        would_take="More seeds, and what makes it slower in one network and faster in another.",
    )


SLOWER = Claim(
    number=17,
    statement="LeakyReLU and ReLU6 converge more slowly than ReLU.",
    lesson="05",
    measure=_steps_to_learn,
    parts=(_slower("leaky_relu"), _slower("relu6")),
    kept=True,
    limits="In the course's networks, compared is the mean test accuracy after all epochs but the last, at equal "
    f"updates, with a margin of {margins.ACCURACY}.",
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
    family = Family(len(measured))
    cases = []
    for condition, ratios in measured.items():
        ratio = family.median(ratios)
        as_much = below(ratio, margins.NOTABLE_TIME.size)
        cases.append(Case(condition, as_much, f"{ratio} times LeakyReLU's time", (ratio,)))
    return cases


def _judge_among_the_best(measured: Measurement) -> list[Case]:
    """Not among the best if another is reliably ahead; among them if nobody can be ahead by the margin."""
    cases = []
    for network, compared in reference.differences(reference="prelu").items():
        leads = {name: each.together for name, each in compared.items() if each.together}
        ahead = [name for name, lead in leads.items() if lead.low > 0]
        near = all(lead.high < margins.ACCURACY.size for lead in leads.values())
        first = max(ahead or leads, key=lambda name: leads[name].mean)
        said = f"{ACTIVATIONS[first].title}, {'reliably' if ahead else 'on average'} ahead:"
        best = False if ahead else True if near else None
        cases.append(Case(network, best, _in_points(leads[first], said), tuple(leads.values())))
    return cases


AMONG_THE_BEST = Claim(
    number=18,
    statement="PReLU is among the best and costs about as much as LeakyReLU.",
    lesson="05",
    said_by=(literature.HE,),
    measure=_cost,
    parts=(
        Part(
            statement="It is among the best.",
            quantifier=Always("the course's networks"),
            judge=_judge_among_the_best,
            would_take=MORE_SEEDS,
        ),
        Part(
            statement="It costs about as much as LeakyReLU.",
            quantifier=Always("sizes and passes, torch's layers and ours"),
            judge=_judge_cost,
        ),
    ),
    kept=True,
    limits=f"About as much: at most {margins.NOTABLE_TIME}; one thread of one processor. Not among the best: another "
    f"is reliably ahead; among them: nobody can be ahead by {margins.ACCURACY}.",
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
    lesson="05",
    said_by=(literature.PASZKE,),
    measure=_in_place,
    parts=(Part(quantifier=Exists("ways to do it, in training"), judge=_judge_in_place),),
    limits="This is about training with torch as it is: once a slope is fixed, PReLU is LeakyReLU, which can.",
)


# 20

SCALES = (1.0, 10.0, 30.0, 40.0, 50.0, 100.0, 300.0)  # of the inputs, for ELU, whose slope rounds to 0 far out


def _zeros_in_gradients(seeds: int = 5) -> Measurement:
    """Shares of exactly zero gradients, behind the activations and at the weights of a random network, by seed."""
    settings: dict[str, tuple[Callable[[], nn.Module], float]] = {
        "ReLU": (nn.ReLU, 1.0),
        "LeakyReLU": (nn.LeakyReLU, 1.0),
        **{f"ELU, inputs {scale:g}": (nn.ELU, scale) for scale in SCALES},
    }
    found = {}
    for condition, (make, scale) in settings.items():
        behind, at_weights = zip(*(_zeros(make, scale, seed) for seed in range(seeds)), strict=True)
        found |= {f"{condition}: behind": behind, f"{condition}: at the weights": at_weights}
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


CURED = 0.1  # of ReLU's zeros may be left


def _judge_cure(start: str) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        own = [name for name in measured if name.startswith(start) and name.endswith(": behind")]
        family = Family(2 * len(own))
        relu = family.mean(measured["ReLU: behind"])
        cases = []
        for name in own:
            share = family.mean(measured[name])
            # As many as half of ReLU's zeros count as no cure.
            cured = below(share, CURED * relu.low, refuted_above=relu.high / 2)
            said = f"{100 * share.mean:.1f} % are exactly 0; ReLU {100 * relu.mean:.1f} %"
            cases.append(Case(name.removesuffix(": behind"), cured, said, (share, relu)))
        return cases

    return judge


def _scale_from_which_it_fails(measured: Measurement) -> Dependence | None:
    relu = sum(measured["ReLU: behind"]) / len(measured["ReLU: behind"])
    curves = zip(*(measured[f"ELU, inputs {scale:g}: behind"] for scale in SCALES), strict=True)
    at = mean_crossing(SCALES, curves, CURED * relu)
    return at and Dependence(factor="the standard deviation of the network's inputs", holds="below", at=at)


def _judge_zeros_at_the_weights(measured: Measurement) -> Sequence[Case]:
    share = Family(1).mean(measured["ReLU: at the weights"])
    return [Case("random networks", above(share, 0.1), f"{100 * share.mean:.1f} % are exactly 0", (share,))]


SPARSE = Claim(
    number=20,
    statement="Against sparse gradients use LeakyReLU or ELU.",
    lesson="05",
    said_by=(literature.GANHACKS.on("a"), literature.GANS_IN_ACTION),
    measure=_zeros_in_gradients,
    parts=(
        Part(
            statement="LeakyReLU leaves hardly any zeros in the gradient behind it.",
            quantifier=Always("random networks"),
            judge=_judge_cure("LeakyReLU"),
        ),
        Part(
            statement="ELU leaves hardly any.",
            quantifier=Always("sizes of the inputs"),
            judge=_judge_cure("ELU"),
            depends_on=_scale_from_which_it_fails,
        ),
        Part(
            statement="With ReLU the gradient of the weights is sparse.",
            quantifier=Always("random networks"),
            judge=_judge_zeros_at_the_weights,
        ),
    ),
    limits="Often said as “for sparse gradients”, and meant for the two networks of a GAN, which were not trained "
    "here: counted are zeros in random networks with He's weights, before any training; a unit that has died adds "
    "zeros at its own weights. The layers are torch's; the course's ELU has its slope from its output: "
    "0 already below −17.",
)

__all__ = ["AMONG_THE_BEST", "IN_PLACE", "MAXIMUM", "SLOWER", "SPARSE", "USUALLY_BETTER"]
