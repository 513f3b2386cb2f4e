"""Claims about sigmoid and tanh."""

from collections.abc import Sequence

import torch

from nonlinear.activations import ACTIVATIONS
from nonlinear.claims.claim import Case, Claim, Measurement
from nonlinear.experiments.probes import factor_per_layer, gradient_norms
from nonlinear.experiments.statistics import mean_interval


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
    judge=_judge_largest_slopes,
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
        vanishes = True if factor.high < 0.8 else False if factor.low > 0.8 else None
        cases.append(Case(name, vanishes, f"each of 20 layers multiplies the gradient by {factor}"))
    return cases


NEITHER_IS_SAFE = Claim(
    number=2,
    statement="Neither sigmoid nor tanh is safe from vanishing gradients.",
    lesson="02",
    measure=_factors_per_layer,
    judge=_judge_factors_per_layer,
    thin="Vanishing here means below 0.8 per layer, which leaves less than 1 % after 20.",
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
    judge=_judge_saturated_outputs,
)
