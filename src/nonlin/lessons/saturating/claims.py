"""Claims about sigmoid and tanh."""

from collections.abc import Sequence

import torch

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import Estimate, above, below, mean_interval, ratio_interval
from nonlin.lab.networks import threads
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement, all_hold
from nonlin.toys.race import adam, race, sgd, steps_to_learn
from nonlin.toys.stacks import factor_per_layer, gradient_norms


def _largest_slopes() -> Measurement:
    x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)  # holds 0
    return {name: [ACTIVATIONS[name].derivative(x).max().item()] for name in ("sigmoid", "tanh")}


def _judge_largest_slopes(measured: Measurement) -> Sequence[Case]:
    bounds = {"sigmoid": 0.25, "tanh": 1.0}
    return [Case(f"{name}, at most {bounds[name]:g}", m <= bounds[name], f"{m:.4g}") for name, [m] in measured.items()]


LARGEST_SLOPES = Claim(
    number=1,
    statement="Sigmoid's slope is at most ¼, tanh's at most 1.",
    lesson="02",
    measure=_largest_slopes,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_largest_slopes, would_take="TODO"),),
)


def _factors_per_layer() -> Measurement:
    default = {"weight_std": lambda fan_in: (3 * fan_in) ** -0.5}
    stacks = {
        "sigmoid, Xavier's weights": gradient_norms(ACTIVATIONS["sigmoid"].function, depth=20),
        "tanh, Xavier's weights": gradient_norms(ACTIVATIONS["tanh"].function, depth=20),
        "tanh, torch's default weights": gradient_norms(ACTIVATIONS["tanh"].function, depth=20, **default),
    }
    return {name: factor_per_layer(norms).tolist() for name, norms in stacks.items()}


def _judge_factors_per_layer(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, factors in measured.items():
        factor = mean_interval(torch.tensor(factors))
        # 0.8 per layer leaves 1 % after 20 layers.
        vanishes = below(factor, 0.8)
        cases.append(Case(name, vanishes, f"each of 20 layers multiplies the gradient by {factor}"))
    return cases


NEITHER_IS_SAFE = Claim(
    number=2,
    statement="Neither sigmoid nor tanh is safe from vanishing gradients.",
    lesson="02",
    measure=_factors_per_layer,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_factors_per_layer, would_take="TODO"),),
    limits="Vanishing here means below 0.8 per layer, which leaves less than 1 % after 20.",
)


# 3: the race of the lesson once more, at the learning rates that draw 0 has chosen, on other draws

CONTENDERS = {
    "sigmoid": torch.sigmoid,
    "sigmoid − ½": lambda x: torch.sigmoid(x) - 0.5,
    "tanh + 1": lambda x: torch.tanh(x) + 1,
    "tanh": torch.tanh,
}
OPTIMIZERS = {
    "Adam": (adam, (0.01, 0.03, 0.1, 0.3)),
    "SGD with momentum": (sgd, (0.03, 0.1, 0.3, 1, 3, 10)),
}
FRESH_DRAWS = (1, 2, 3)
FASTER = 1.5  # by this factor at least, as the lesson says of its own draw


def _fresh_races() -> Measurement:
    measured = {f"mean, {name}": [ACTIVATIONS[name].mean_under_normal] for name in ("sigmoid", "tanh")}
    for optimizer, (make, rates) in OPTIMIZERS.items():
        chosen = {name: finish.learning_rate for name, finish in race(CONTENDERS, make, rates).items()}
        for name, activation in CONTENDERS.items():
            measured[f"{optimizer}, {name}, rate"] = [chosen[name]]
            for draw in FRESH_DRAWS:
                with threads(1):
                    steps = steps_to_learn(activation, make, chosen[name], draw=draw)
                measured[f"{optimizer}, {name}, draw {draw}"] = steps.tolist()
    return measured


def _judge_fresh_races(measured: Measurement) -> Sequence[Case]:
    means = {name: measured[f"mean, {name}"][0] for name in ("sigmoid", "tanh")}
    cases = [
        Case("sigmoid is not zero-centred", abs(means["sigmoid"]) > 0.1, f"mean {means['sigmoid']:.2f} for N(0, 1)"),
        Case("tanh is", abs(means["tanh"]) < 0.01, f"mean {abs(means['tanh']):.2f}"),
    ]
    comparisons = {
        "tanh against sigmoid": ("sigmoid", "tanh"),
        "the centre alone, both as flat as sigmoid": ("sigmoid", "sigmoid − ½"),
        "the centre alone, both as steep as tanh": ("tanh + 1", "tanh"),
    }
    for what, (other, centred) in comparisons.items():
        for optimizer in OPTIMIZERS:
            cases.append(_faster(f"{what}, {optimizer}", _fresh_ratios(measured, optimizer, other, centred)))
    return cases


def _fresh_ratios(measured: Measurement, optimizer: str, slower: str, faster: str) -> list[Estimate]:
    """Steps of one over steps of the other, paired by seed: one estimate for each fresh draw."""
    return [
        ratio_interval(*(torch.tensor(measured[f"{optimizer}, {name}, draw {draw}"]) for name in (slower, faster)))
        for draw in FRESH_DRAWS
    ]


def _faster(condition: str, ratios: Sequence[Estimate]) -> Case:
    """Faster only if it is in every draw."""
    holds = all_hold([above(ratio, FASTER) for ratio in ratios])
    return Case(
        condition, holds, f"the other needs {', '.join(map(str, ratios))} times as many steps, in {len(ratios)} draws"
    )


CENTRED_IS_FASTER = Claim(
    number=3,
    statement="Sigmoid is not zero-centred, tanh is, and that makes tanh train faster.",
    lesson="02",
    measure=_fresh_races,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_fresh_races, would_take="TODO"),),
    kept=True,
    limits="One problem, two rings, and one network without normalisation. Faster means that the other needs at least "
    "1.5 times as many steps, in each of three draws of points and first weights that had no part in choosing rate or "
    "bound, 20 networks each. The centre is not the only cause: the slope has its part, which lesson 02 measures.",
)


def _saturated_outputs() -> Measurement:
    x, sigmoid = torch.tensor([100.0, 10_000.0]), ACTIVATIONS["sigmoid"].function
    dtypes = {"float32": torch.float32, "float64": torch.float64}
    return {name: sigmoid(x.to(dtype)).tolist() for name, dtype in dtypes.items()}


def _judge_saturated_outputs(measured: Measurement) -> Sequence[Case]:
    return [Case(name, a == b, f"outputs {a:g} and {b:g}") for name, [a, b] in measured.items()]


TOLD_APART = Claim(
    number=4,
    statement="Sigmoid(100) and sigmoid(10000) cannot be told apart.",
    lesson="02",
    measure=_saturated_outputs,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_saturated_outputs, would_take="TODO"),),
)
