"""Claims about ReLU: zeros, gradients, units that die."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.images import sources
from nonlin.images.dataset import Split
from nonlin.intervals import Estimate, above, below, mean_interval
from nonlin.lab import report, training
from nonlin.lab.internals import Internals, held_out
from nonlin.lab.networks import mlp
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.lessons.rectified.experiments import (
    alive_after,
    fates_by_layer,
    generalisation,
    shares_while_learning,
    watch,
)
from nonlin.paths import results_folder
from nonlin.toys.stacks import propagation

RELU, LEAKY = ACTIVATIONS["relu"], ACTIVATIONS["leaky_relu"]


def _cifar10() -> dict[str, dict[str, list[report.Row]]]:
    """The reference runs: a group in words, then an activation, then its runs, at its best rate and initialisation."""
    rows = report.read_runs(results_folder() / "activations" / report.RUNS)
    return {group: _best_variants(members) for group, members in report.groups(rows).items()}


def _best_variants(rows: list[report.Row]) -> dict[str, list[report.Row]]:
    found: dict[str, list[report.Row]] = {}
    for (activation, _, _), runs in report.variants(rows).items():
        if activation not in found or _accuracy(runs) > _accuracy(found[activation]):
            found[activation] = runs
    return found


def _accuracy(runs: list[report.Row]) -> float:
    return sum(row.test_accuracy for row in runs) / len(runs)


def _interval(values: Sequence[float]) -> Estimate | None:
    """None for fewer than two values."""
    return mean_interval(torch.tensor(values)) if len(values) > 1 else None


# 9: half of the outputs are zero, and that helps

ABOUT_HALF = (0.4, 0.6)  # what passes for "about half"
WORTH = 0.5  # points of accuracy: less is no improvement worth the name
THRESHOLDS = {"50": 0.0, "83": 1.0, "93": 1.5}  # the share of zeros, in %, that a threshold makes


def _sparsity() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 256, 128, generator=generator, dtype=torch.float64)
    weight = math.sqrt(2 / 128) * torch.randn(10, 128, 128, generator=generator, dtype=torch.float64)
    measured = {"zeros, at the start": (RELU.function(x @ weight) == 0).double().mean(dim=(1, 2)).tolist()}
    shapes = sources.load("shapes10")
    measured["zeros, shapes10, three hidden layers, trained"] = [
        1 - shares_while_learning(nn.ReLU, shapes, seed=seed)[1].mean().item() for seed in range(3)
    ]
    for group, runs in _cifar10().items():
        zeros = [row.observed["zeros"] for row in runs.get("relu", []) if "zeros" in row.observed]
        if zeros:
            measured[f"zeros, {group}"] = zeros
        pairs = {row.seed: row.test_accuracy for row in runs.get("leaky_relu", [])}
        gains = [row.test_accuracy - pairs[row.seed] for row in runs.get("relu", []) if row.seed in pairs]
        if len(gains) > 1:
            measured[f"twin, {group}"] = gains
    at = {share: generalisation(torch.relu, threshold=height) for share, height in THRESHOLDS.items()}
    twin = generalisation(F.leaky_relu, threshold=THRESHOLDS["83"])
    measured["twin, hidden rings"] = (at["83"].test - twin.test).tolist()
    measured["more, from 50 to 83 % zeros, hidden rings"] = (at["83"].test - at["50"].test).tolist()
    measured["more, from 83 to 93 % zeros, hidden rings"] = (at["93"].test - at["83"].test).tolist()
    return measured


def _judge_sparsity(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        what, _, where = name.partition(", ")
        if what == "zeros":
            low, high = min(values), max(values)
            half = ABOUT_HALF[0] < low and high < ABOUT_HALF[1]
            cases.append(Case(f"about half are zero, {where}", half, f"{100 * low:.0f} to {100 * high:.0f} %"))
            continue
        gain = mean_interval(torch.tensor(values))
        better = above(gain, 0, refuted_below=WORTH)
        says = "zeros help, against LeakyReLU, which has none" if what == "twin" else "more zeros help"
        cases.append(Case(f"{says}, {where}", better, f"{gain} points of test accuracy"))
    return cases


SPARSITY = Claim(
    number=9,
    statement="About half of ReLU's outputs are zero, and this sparsity improves generalisation.",
    lesson="03",
    measure=_sparsity,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_sparsity, would_take="TODO"),),
    limits="About half means 40 to 60 %. The rings are a synthetic problem with one hidden layer.",
)


# 10: no vanishing gradients

ARRIVES = 0.01  # of the gradient's norm at the top


def _arrived() -> Measurement:
    gains = {"He's weights": math.sqrt(2), "Xavier's": 1.0, "torch's default weights": 3**-0.5}
    settings = [("He's weights", 30), ("He's weights", 100), ("Xavier's", 30), ("torch's default weights", 10)]
    measured = {}
    for weights, depth in settings:
        gradient = propagation(RELU.function, gain=gains[weights], depth=depth, batch=16).gradient
        measured[f"{weights}, {depth} layers of 128"] = (0.5 * (gradient[:, 0] / gradient[:, -1]).log()).tolist()
    # One number for each of ten lots of 200 networks: the share of inputs whose gradient is exactly 0.
    lots = alive_after(4, 50)[:, -1].view(10, -1)
    measured["lost: He's weights, 50 layers of 4"] = (~lots).double().mean(dim=1).tolist()
    return measured


def _judge_arrived(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        found = mean_interval(torch.tensor(values))
        if name.startswith("lost: "):
            lost = f"the gradient is exactly 0 for {100 * found.mean:.0f} % of the inputs"
            holds = below(found, ARRIVES)
            cases.append(Case(name.removeprefix("lost: "), holds, lost))
            continue
        shown = Estimate(*(math.exp(value) for value in (found.mean, found.low, found.high)), found.n)
        cases.append(Case(name, above(found, math.log(ARRIVES)), f"{shown} of the gradient arrives"))
    return cases


NOT_VANISHING = Claim(
    number=10,
    statement="ReLU does not cause vanishing gradients, whatever the depth.",
    lesson="03",
    measure=_arrived,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_arrived, would_take="TODO"),),
    limits="Random weights, before training. Vanished: below 1 % at the first layer, or 0 for over 1 % of the inputs.",
)


# 11: off once, off for good


def _come_back() -> Measurement:
    plain = watch(RELU.function, learning_rate=0.1, steps=150, seeds=10)
    seen_off = (~plain.on).cummax(dim=0).values[:-1]  # off now or at an earlier step, for one point
    again = (seen_off & plain.on[1:]).any(dim=0)
    moved = watch(RELU.function, learning_rate=0.1, steps=150, seeds=10, optimizer=_adam)
    fast = watch(RELU.function, learning_rate=0.3, steps=150, seeds=10)
    deep = fates_by_layer(RELU.function, learning_rate=0.2, steps=150, seeds=6)
    return {
        "off for one input": [seen_off.any(dim=0).sum().item(), again.sum().item()],
        "off for all inputs, first layer, plain gradient descent": [fast.deaths, fast.revivals],
        "off for all inputs, first layer, Adam": [moved.deaths, moved.revivals],
        "off for all inputs, third layer, plain gradient descent": [deep.died[-1], deep.revived[-1]],
    }


def _adam(parameters: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=learning_rate)


def _judge_come_back(measured: Measurement) -> Sequence[Case]:
    return [
        Case(name, None if not off else back == 0, f"{off:.0f} went off, {back:.0f} came back")
        for name, (off, back) in measured.items()
    ]


NEVER_AGAIN = Claim(
    number=11,
    statement="A unit whose input is once negative never activates again.",
    lesson="03",
    measure=_come_back,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_come_back, would_take="TODO"),),
    limits="Small networks on one curve of 64 points.",
)


# 12 and 13: what prevents dead units, and who has them

FREE = 0.01  # of the units may be dead: that passes for "prevented"


def _dead_units(
    activation: Callable[[], nn.Module], scheme: str, rate: float, *, batch_norm: bool = False, seeds: int = 5
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
    measured = {}
    start, measured["He's weights, rate 0.1"] = _dead_units(nn.ReLU, "he", 0.1)
    measured = {"He's weights, before training": start, **measured}
    measured["torch's weights, before training"], measured["torch's weights, rate 0.1"] = _dead_units(
        nn.ReLU, "torch", 0.1
    )
    for rate in (0.02, 0.004):
        measured[f"He's weights, rate {rate}"] = _dead_units(nn.ReLU, "he", rate)[1]
    for rate in (0.1, 1.0):
        measured[f"He's weights, batch norm, rate {rate:g}"] = _dead_units(nn.ReLU, "he", rate, batch_norm=True)[1]
    return measured


def _judge_prevented(measured: Measurement) -> Sequence[Case]:
    """Only what holds one of the three remedies is a case; torch's weights at the full rate are there to compare."""
    cases = []
    for name, shares in measured.items():
        found = mean_interval(torch.tensor(shares))
        holds = below(found, FREE)
        if not name.startswith("torch"):
            cases.append(Case(name, holds, f"{_percent(found)} dead"))
    for group, runs in _cifar10().items():
        shares = [row.dead_units for row in runs.get("relu", []) if row.dead_units is not None]
        if found := _interval(shares):
            holds = below(found, FREE)
            cases.append(Case(group, holds, f"{_percent(found)} dead"))
    return cases


def _percent(found: Estimate) -> str:
    return f"{100 * found.mean:.1f} % [{100 * max(0.0, found.low):.1f}, {100 * found.high:.1f}]"


PREVENTED = Claim(
    number=12,
    statement="He initialisation, batch normalisation and a smaller learning rate prevent dead units.",
    lesson="03",
    measure=_prevented,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_prevented, would_take="TODO"),),
    kept=True,
    limits="Prevented means that at most 1 % of the units are dead. Where no data are named: four layers of 32 units, "
    "2,048 images of shapes10, 32 updates, five seeds, 256 images to judge by.",
)


def _who_is_dead() -> Measurement:
    relu = _dead_units(nn.ReLU, "he", 0.1)[1]
    others = {"tanh": (nn.Tanh, "he"), "sigmoid": (nn.Sigmoid, "he_centred")}
    measured = {}
    for name, (activation, scheme) in others.items():
        dead = _dead_units(activation, scheme, 0.1)[1]
        measured[f"dead, {name}"] = [theirs - ours for theirs, ours in zip(dead, relu, strict=True)]
    z = torch.special.ndtri(torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64))  # quantiles of N(0, 1)
    for size in (1, 30):
        lost = {name: _lost(name, size * z) for name in ("relu", *others)}
        for name in others:
            measured[f"flat, {name}, inputs from N(0, {size}²)"] = [lost[name] - lost["relu"]]
    return measured


def _lost(name: str, z: Tensor) -> float:
    """Share of inputs at which the slope is below 1 % of the largest."""
    record = ACTIVATIONS[name]
    return (record.derivative(z) < 0.01 * record.largest_slope).double().mean().item()


def _judge_who_is_dead(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        what, _, where = name.partition(", ")
        found = _interval(values) or Estimate(values[0], values[0], values[0], 1)
        holds = above(found, 0)
        points = f"{100 * found.mean:+.0f} points against ReLU"
        said = "units dead after training" if what == "dead" else "inputs at which the slope is lost"
        cases.append(Case(f"{said}, {where}", holds, points))
    for group, runs in _cifar10().items():
        for name in ("tanh", "sigmoid"):
            flat = [
                theirs.observed["saturated"] - ours.observed["saturated"]
                for theirs in runs.get(name, [])
                for ours in runs.get("relu", [])
                if theirs.seed == ours.seed and "saturated" in theirs.observed and "saturated" in ours.observed
            ]
            if found := _interval(flat):
                holds = above(found, 0)
                points = f"{100 * found.mean:+.0f} points against ReLU"
                cases.append(Case(f"inputs with a slope below 0.1, {name}, {group}", holds, points))
    return cases


AVOIDED = Claim(
    number=13,
    statement="ReLU avoids the dead neurons of sigmoid and tanh.",
    lesson="03",
    measure=_who_is_dead,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_who_is_dead, would_take="TODO"),),
    kept=True,
    limits="It holds where they have more of them than ReLU. Dead: slope exactly 0 for all of 256 images; lost: below "
    "1 % of the largest slope. The trained networks are those of claim 12, at rate 0.1.",
)
