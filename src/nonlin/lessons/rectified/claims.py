"""Claims about ReLU: zeros, gradients, units that die."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.images import sources
from nonlin.images.dataset import Split
from nonlin.intervals import Estimate, Family, above, below, crossing_of, exact, mean_crossing, within
from nonlin.lab import training
from nonlin.lab.internals import Internals, held_out
from nonlin.lab.networks import mlp
from nonlin.ledger import (
    AtMost,
    Case,
    Claim,
    Compared,
    Dependence,
    Measurement,
    Never,
    Part,
    Usually,
    literature,
    margins,
    reference,
)
from nonlin.lessons.rectified.experiments import (
    alive_after,
    fates_by_layer,
    generalisation,
    shares_while_learning,
    watch,
)
from nonlin.toys.race import adam
from nonlin.toys.stacks import propagation

RELU = ACTIVATIONS["relu"]


# 9: half of the outputs are zero, and that helps

ABOUT_HALF = (0.4, 0.6)  # what passes for "about half"
RING_SEEDS = 40
THRESHOLDS = {50: 0.0, 83: 1.0, 93: 1.5}  # the share of zeros, in %, that a threshold gives to ReLU


def _sparsity() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 256, 128, generator=generator, dtype=torch.float64)
    weight = math.sqrt(2 / 128) * torch.randn(10, 128, 128, generator=generator, dtype=torch.float64)
    measured = {"zeros, at the start": (RELU.function(x @ weight) == 0).double().mean(dim=(1, 2)).tolist()}
    shapes = sources.load("shapes10")
    measured["zeros, shapes10, three hidden layers, trained"] = [
        1 - shares_while_learning(nn.ReLU, shapes, seed=seed)[1].mean().item() for seed in range(3)
    ]
    for network, runs in reference.runs().items():
        zeros = [row.observed["zeros"] for row in runs.get("relu", {}).values() if "zeros" in row.observed]
        if len(zeros) > 1:
            measured[f"zeros, {network}"] = zeros
    for share, height in THRESHOLDS.items():
        ours, twin = (generalisation(f, threshold=height, seeds=RING_SEEDS).test for f in (torch.relu, F.leaky_relu))
        measured[f"twin, hidden rings, {share} % zeros"] = (ours - twin).tolist()
    return measured


def _judge_about_half(measured: Measurement) -> Sequence[Case]:
    counted = {name.removeprefix("zeros, "): values for name, values in measured.items() if name.startswith("zeros, ")}
    family = Family(len(counted))
    cases = []
    for where, values in counted.items():
        share = family.mean(values)
        said = f"{100 * share.mean:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}] %"
        cases.append(Case(where, within(share, *ABOUT_HALF), said, (share,)))
    return cases


def _judge_sparser_is_better(measured: Measurement) -> Sequence[Case]:
    """ReLU against LeakyReLU, which has the same curve but for the zeros, at the same thresholds."""
    twins = {name.removeprefix("twin, "): values for name, values in measured.items() if name.startswith("twin, ")}
    family = Family(len(twins) + 1)  # the networks of the course share the rest of the error
    gains = {where: family.mean(values) for where, values in twins.items()}
    for network, compared in reference.differences(reference="leaky_relu").items():
        if "relu" in compared and compared["relu"].together:
            gains[network] = compared["relu"].together
    return [
        Case(
            where,
            margins.ACCURACY.more(gain),
            f"{gain.mean:+z.2f} [{gain.low:+z.2f}, {gain.high:+z.2f}] points against LeakyReLU, which has no zeros",
            (gain,),
        )
        for where, gain in gains.items()
    ]


SPARSITY = Claim(
    number=9,
    statement="About half of ReLU's outputs are zero, and this sparsity improves generalisation.",
    lesson="04",
    said_by=(literature.GLOROT.on("a"), literature.LEAKY_OR_NOT.on("b")),
    measure=_sparsity,
    parts=(
        Part(
            statement="About half of ReLU's outputs are zero.",
            quantifier=Usually("networks in which they were counted"),
            judge=_judge_about_half,
        ),
        Part(
            statement="This sparsity improves generalisation.",
            quantifier=Compared("the same threshold, with zeros and without", margins.ACCURACY),
            judge=_judge_sparser_is_better,
            would_take="More seeds without batch norm, and what puts ReLU ahead in one network and not in another.",
        ),
    ),
    limits="About half means 40 to 60 %. The rings are a synthetic problem with one hidden layer; that a higher "
    "threshold helps there is no effect of the zeros, since LeakyReLU gains as much by it.",
)


# 10: no vanishing gradients

ARRIVES = 0.01  # of the gradient's norm at the top
STACKS = {  # gain of the weights, and depth
    "He's weights, 30 layers of 128": (math.sqrt(2), 30),
    "He's weights, 100 layers of 128": (math.sqrt(2), 100),
    "Xavier's, 30 layers of 128": (1.0, 30),
    "torch's default weights, 10 layers of 128": (3**-0.5, 10),
}
NARROW = "lost: He's weights, 50 layers of 4"
GAINS = (0.8, 1.0, 1.1, 1.2, 1.3, 1.4)  # at 30 layers; each multiplies the gradient by gain / √2


def _arrived() -> Measurement:
    def arrived(gain: float, depth: int) -> list[float]:
        gradient = propagation(RELU.function, gain=gain, depth=depth, batch=16).gradient
        return (0.5 * (gradient[:, 0] / gradient[:, -1]).log()).tolist()

    # One number for each of ten lots of 200 networks: the share of inputs whose gradient is exactly 0.
    lots = alive_after(4, 50)[:, -1].view(10, -1)
    return {
        **{name: arrived(*stack) for name, stack in STACKS.items()},
        NARROW: (~lots).double().mean(dim=1).tolist(),
        **{f"gain {gain:g}": arrived(gain, 30) for gain in GAINS},
    }


def _judge_arrived(measured: Measurement) -> Sequence[Case]:
    family = Family(len(STACKS) + 1)
    cases = []
    for name in STACKS:
        found = family.mean(measured[name])
        shown = replace(found, **{end: math.exp(getattr(found, end)) for end in ("mean", "low", "high")})
        cases.append(Case(name, above(found, math.log(ARRIVES)), f"{shown} of the gradient arrives", (found,)))
    lost = family.mean(measured[NARROW])
    said = f"the gradient is exactly 0 for {100 * lost.mean:.0f} % of the inputs"
    return [*cases, Case(NARROW.removeprefix("lost: "), below(lost, ARRIVES), said, (lost,))]


def _gain_at_which_it_arrives(measured: Measurement) -> Dependence | None:
    by_seed = zip(*(measured[f"gain {gain:g}"] for gain in GAINS), strict=True)
    at = mean_crossing(GAINS, by_seed, math.log(ARRIVES))
    return at and Dependence(factor="the gain of the weights, at 30 layers", holds="above", at=at)


NOT_VANISHING = Claim(
    number=10,
    statement="ReLU does not cause vanishing gradients, whatever the depth.",
    lesson="04",
    said_by=(literature.VANISHING_RELU, literature.NEURAL_BASE_SIGMOID),
    measure=_arrived,
    parts=(
        Part(
            quantifier=Never("depths, widths and weights"),
            judge=_judge_arrived,
            depends_on=_gain_at_which_it_arrives,
        ),
    ),
    limits="Random weights, before training. Vanished: below 1 % at the first layer, or 0 for over 1 % of the "
    "inputs. A layer multiplies the gradient by g/√2 for weights of gain g, and L layers of n units lose a share of "
    "1 − (1 − 2⁻ⁿ)ᴸ of the inputs.",
)


# 11: off once, off for good


def _come_back() -> Measurement:
    plain = watch(RELU.function, learning_rate=0.1, steps=150, seeds=10)
    seen_off = (~plain.on).cummax(dim=0).values[:-1]  # off now or at an earlier step, for one point
    again = (seen_off & plain.on[1:]).any(dim=0)
    moved = watch(RELU.function, learning_rate=0.1, steps=150, seeds=10, optimizer=adam)
    fast = watch(RELU.function, learning_rate=0.3, steps=150, seeds=10)
    deep = fates_by_layer(RELU.function, learning_rate=0.2, steps=150, seeds=6)
    return {
        "off for one input": [seen_off.any(dim=0).sum().item(), again.sum().item()],
        "off for all inputs, first layer, plain gradient descent": [fast.deaths, fast.revivals],
        "off for all inputs, first layer, Adam": [moved.deaths, moved.revivals],
        "off for all inputs, third layer, plain gradient descent": [deep.died[-1], deep.revived[-1]],
    }


def _judge_come_back(measured: Measurement) -> Sequence[Case]:
    return [
        Case(name, None if not off else back == 0, f"off: {off:.0f}, on again: {back:.0f}", (exact(back),))
        for name, (off, back) in measured.items()
    ]


NEVER_AGAIN = Claim(
    number=11,
    statement="A unit whose input is once negative never activates again.",
    lesson="04",
    said_by=(literature.GOOGLE,),
    measure=_come_back,
    parts=(Part(quantifier=Never("units that went off"), judge=_judge_come_back),),
    limits="Small networks on one curve of 64 points. It is true of a unit that is off for all inputs, in the first "
    "layer, under plain gradient descent.",
)


# 12 and 13: what prevents dead units, and who has them

RATES = (0.004, 0.01, 0.02, 0.05, 0.1)
NORMALISED_RATES = (0.1, 0.2, 0.4, 0.7, 1.0)
SEEDS = 10


def _dead_units(
    activation: Callable[[], nn.Module], scheme: str, rate: float, *, batch_norm: bool = False, seeds: int = SEEDS
) -> tuple[list[float], list[float]]:
    """Share of dead units before and after a short training of four hidden layers of 32 units, one number a seed."""
    shapes = sources.load("shapes10")
    few = replace(
        shapes,
        train=Split(images=shapes.train.images[:2048], labels=shapes.train.labels[:2048]),
        test=Split(images=shapes.test.images[:100], labels=shapes.test.labels[:100]),
    )
    start, end = [], []
    for seed in range(seeds):
        observer = _FirstLook(held_out(shapes), every=1)
        training.train(
            activation,
            few,
            training.Recipe(epochs=2, batch_size=128, seed=seed, learning_rate=rate),
            network=partial(mlp, depth=4, width=32, batch_norm=batch_norm),
            initialisation=scheme,
            observer=observer,
            progress=False,
        )
        start.append(observer.first)
        end.append(_dead(observer))
    return start, end


class _FirstLook(Internals):
    def start(self, model: nn.Module) -> None:
        super().start(model)
        self.first = _dead(self)


def _dead(observer: Internals) -> float:
    summary = observer.summary()
    return summary["units died"] + summary["units never alive"]


def _prevented() -> Measurement:
    """Shares of dead units by seed: before training, after it at each rate, and after it with batch normalisation."""
    measured: dict[str, list[float]] = {}
    for name, scheme in {"He": "he", "torch": "torch"}.items():
        for rate in RATES:
            start, measured[f"{name}, rate {rate:g}"] = _dead_units(nn.ReLU, scheme, rate)
        measured[f"{name}, before training"] = start
    for rate in NORMALISED_RATES:
        measured[f"batch norm, rate {rate:g}"] = _dead_units(nn.ReLU, "he", rate, batch_norm=True)[1]
    return measured


def _he_minus_torch(measured: Measurement) -> dict[str, Estimate]:
    conditions = ["before training", *(f"rate {rate:g}" for rate in RATES)]
    family = Family(len(conditions))
    return {
        condition: family.mean(_minus(measured[f"He, {condition}"], measured[f"torch, {condition}"]))
        for condition in conditions
    }


def _minus(these: Sequence[float], those: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(these, those, strict=True)]


def _judge_he(measured: Measurement) -> Sequence[Case]:
    cases = []
    for condition, difference in _he_minus_torch(measured).items():
        he, torchs = (100 * sum(values) / len(values) for values in _both(measured, condition))
        said = f"{he:.1f} % dead, with torch's weights {torchs:.1f} %: {_percent(difference)} more"
        cases.append(Case(condition, margins.DEAD.less(difference), said, (difference,)))
    return cases


def _both(measured: Measurement, condition: str) -> tuple[Sequence[float], Sequence[float]]:
    return measured[f"He, {condition}"], measured[f"torch, {condition}"]


def _rate_for_he(measured: Measurement) -> Dependence | None:
    differences = _he_minus_torch(measured)
    at = crossing_of(RATES, [differences[f"rate {rate:g}"] for rate in RATES], 0)
    return at and Dependence(factor="the learning rate", holds="below", at=at)


def _normalised(measured: Measurement) -> dict[str, Estimate]:
    family = Family(len(NORMALISED_RATES) + 1)  # the networks of the course share the rest of the error
    return {f"rate {rate:g}": family.mean(measured[f"batch norm, rate {rate:g}"]) for rate in NORMALISED_RATES}


def _judge_batch_norm(measured: Measurement) -> Sequence[Case]:
    found = _normalised(measured)
    own = {network: runs["relu"] for network, runs in reference.runs().items() if ", batch norm" in network}
    family = Family((len(NORMALISED_RATES) + 1) * max(1, len(own)))
    for network, by_seed in own.items():
        shares = [row.dead_units for row in by_seed.values() if row.dead_units is not None]
        if len(shares) > 1:
            found[network] = family.mean(shares)
    return [
        Case(condition, below(share, margins.DEAD.size), f"{_percent(share)} dead", (share,))
        for condition, share in found.items()
    ]


def _rate_for_batch_norm(measured: Measurement) -> Dependence | None:
    at = crossing_of(NORMALISED_RATES, [*_normalised(measured).values()], margins.DEAD.size)
    return at and Dependence(factor="the learning rate", holds="below", at=at)


def _judge_rates(measured: Measurement) -> Sequence[Case]:
    """Against the largest rate, with He's weights."""
    family = Family(len(RATES) - 1)
    cases = []
    for rate in RATES[:-1]:
        fewer = family.mean(_minus(measured[f"He, rate {rate:g}"], measured[f"He, rate {RATES[-1]:g}"]))
        said = f"{_percent(fewer)} of the units, against rate {RATES[-1]:g}"
        cases.append(Case(f"rate {rate:g}", margins.DEAD.less(fewer), said, (fewer,)))
    return cases


def _percent(found: Estimate) -> str:
    return f"{100 * found.mean:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


PREVENTED = Claim(
    number=12,
    statement="He initialisation, batch normalisation and a smaller learning rate prevent dead units.",
    lesson="04",
    said_by=(literature.AI_GLOSSARY,),
    measure=_prevented,
    parts=(
        Part(
            statement="He's weights leave fewer dead units than torch's.",
            quantifier=Compared("learning rates", margins.DEAD),
            judge=_judge_he,
            depends_on=_rate_for_he,
            would_take="More rates and seeds around the one at which the two are level.",
        ),
        Part(
            statement="With batch normalisation, hardly any unit is dead.",
            quantifier=AtMost("learning rates and networks", "1 % of the units"),
            judge=_judge_batch_norm,
            depends_on=_rate_for_batch_norm,
        ),
        Part(
            statement="A smaller learning rate leaves fewer dead units.",
            quantifier=Compared("He's weights, rates below 0.1", margins.DEAD),
            judge=_judge_rates,
        ),
    ),
    kept=True,
    limits="Where no data are named: four layers of 32 units, 2,048 images of shapes10, 32 updates, ten seeds, 256 "
    "images to judge by. What is dead before training no smaller rate prevents.",
)


# 13

SIZES = (1, 3, 5, 10, 30)  # standard deviations of the inputs


def _who_is_dead() -> Measurement:
    relu = _dead_units(nn.ReLU, "he", 0.1)[1]
    others = {"tanh": (nn.Tanh, "he"), "sigmoid": (nn.Sigmoid, "he_centred")}
    dead = {f"dead, {name}": _minus(_dead_units(*each, 0.1)[1], relu) for name, each in others.items()}
    z = torch.special.ndtri(torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64))  # quantiles of N(0, 1)
    lost = {f"lost, {name}, {size}": [_lost(name, size * z)] for size in SIZES for name in ("relu", "tanh", "sigmoid")}
    return dead | lost


def _lost(name: str, z: Tensor) -> float:
    """Share of inputs at which the slope is below 1 % of the largest."""
    record = ACTIVATIONS[name]
    return (record.derivative(z) < 0.01 * record.largest_slope).double().mean().item()


def _judge_who_is_dead(measured: Measurement) -> Sequence[Case]:
    family = Family(2)
    more = {name: family.mean(measured[f"dead, {name}"]) for name in ("tanh", "sigmoid")}
    return [
        Case(name, margins.DEAD.more(share), f"{_percent(share)} more units dead than with ReLU", (share,))
        for name, share in more.items()
    ]


def _judge_lost(measured: Measurement) -> Sequence[Case]:
    cases = []
    for size, name in product(SIZES, ("tanh", "sigmoid")):
        [theirs], [ours] = measured[f"lost, {name}, {size}"], measured[f"lost, relu, {size}"]
        said = f"the slope is lost at {100 * theirs:.0f} % of the inputs, with ReLU at {100 * ours:.0f} %"
        cases.append(Case(f"{name}, inputs from N(0, {size}²)", theirs > ours, said, (exact(theirs - ours),)))
    return cases


def _size_at_which_more_is_lost(measured: Measurement) -> Dependence:
    # 1 - tanh² is 0.01 at artanh √0.99. Half of the inputs, as many as ReLU loses, lie beyond their quartiles.
    at = math.atanh(0.99**0.5) / torch.special.ndtri(torch.tensor(0.75, dtype=torch.float64)).item()
    return Dependence(factor="the standard deviation of the inputs, for tanh", holds="above", at=exact(at))


AVOIDED = Claim(
    number=13,
    statement="ReLU avoids the dead neurons of sigmoid and tanh.",
    lesson="04",
    said_by=(literature.CS231N.on("b"),),
    measure=_who_is_dead,
    parts=(
        Part(
            statement="Fewer of its units are dead.",
            quantifier=Compared("trained networks", margins.DEAD),
            judge=_judge_who_is_dead,
        ),
        Part(
            statement="It loses its slope at fewer inputs.",
            quantifier=Compared("sizes of the inputs", margins.NOTHING),
            judge=_judge_lost,
            depends_on=_size_at_which_more_is_lost,
        ),
    ),
    kept=True,
    limits="Dead: slope exactly 0 for all of 256 images; lost: below 1 % of the largest slope. The trained networks "
    "are those of claim 12, at rate 0.1.",
)
