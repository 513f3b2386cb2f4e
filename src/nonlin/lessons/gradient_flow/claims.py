"""Claims about signals and gradients on a long way, before any training."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import Estimate, Family, below, mean_crossing, within
from nonlin.ledger import Always, Case, Claim, Dependence, Measurement, Part, all_hold, literature
from nonlin.toys.stacks import recurrent_norms

# 7: recurrent layers

EXPLODES = 3.0  # powers of ten, of the state, which the inputs of 0.1 start, or of the gradient
ARRIVES = 2.0  # powers of ten by which the gradient may shrink or grow over the steps
GAINS = (0.58, 0.8, 0.9, 0.95, 1.0, 1.2, 1.41, 1.6, 1.7)  # of random weights; nn.RNN draws with 3^-1/2 = 0.58


def _random(gain: float) -> Callable[[int, torch.Generator], Tensor]:
    return lambda n, generator: gain / math.sqrt(n) * torch.randn(n, n, generator=generator, dtype=torch.float64)


def _orthogonal(n: int, generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q


def _identity(n: int, generator: torch.Generator) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


RECURRENT = {
    **{f"random weights with gain {gain:g}": (_random(gain), 0.1) for gain in GAINS},
    "orthogonal weights": (_orthogonal, 0.1),
    "the identity": (_identity, 0.1),
    "the identity, inputs ten times as large": (_identity, 1.0),
}


def _recurrent() -> Measurement:
    """Size of the last state and what arrives of its gradient at the first step, as powers of ten, one a seed."""
    measured = {}
    for name in ("tanh", "relu"):
        for weights, (make, size) in RECURRENT.items():
            state, gradient = recurrent_norms(ACTIVATIONS[name].function, make, input_std=size)
            measured[f"{name}, state: {weights}"] = state[:, -1].log10().tolist()
            measured[f"{name}, gradient: {weights}"] = gradient[:, 0].log10().tolist()
    return measured


def _weights(measured: Measurement) -> list[str]:
    return list(dict.fromkeys(key.partition(": ")[2] for key in measured))


def _judge_passing(measured: Measurement) -> Sequence[Case]:
    family = Family(len(_weights(measured)))
    cases = []
    for weights in _weights(measured):
        gradient = family.mean(measured[f"tanh, gradient: {weights}"])
        said = f"of the gradient of step 100, {_power(gradient)} arrives at step 1"
        cases.append(Case(weights, within(gradient, -ARRIVES, ARRIVES), said, (gradient,)))
    return cases


def _judge_exploding(measured: Measurement) -> Sequence[Case]:
    family = Family(2 * len(_weights(measured)))
    cases = []
    for weights in _weights(measured):
        state, gradient = (family.mean(measured[f"relu, {what}: {weights}"]) for what in ("state", "gradient"))
        stays = all_hold([below(state, EXPLODES), below(gradient, EXPLODES)])
        said = f"state {_power(state)}, {_power(gradient)} of the gradient arrives"
        cases.append(Case(weights, None if stays is None else not stays, said, (state, gradient)))
    return cases


def _gain(name: str, level: float) -> Callable[[Measurement], Dependence | None]:
    """The gain of random weights from which more than a power of ten of the gradient arrives."""

    def turns(measured: Measurement) -> Dependence | None:
        curves = zip(*(measured[f"{name}, gradient: random weights with gain {gain:g}"] for gain in GAINS), strict=True)
        at = mean_crossing(GAINS, curves, level)
        return at and Dependence(factor="the gain of random weights", holds="above", at=at)

    return turns


def _power(value: Estimate) -> str:
    return f"{10**value.mean:.1g} [{10**value.low:.1g}, {10**value.high:.1g}]"


TANH_FOR_RECURRENT = Claim(
    number=7,
    statement="Tanh suits the hidden layers of recurrent networks; ReLU explodes there.",
    lesson="06",
    said_by=(literature.RECURRENT, literature.TUTORIAL_EXAMPLE),
    measure=_recurrent,
    parts=(
        Part(
            statement="Tanh passes the gradient on.",
            quantifier=Always("recurrent weights"),
            judge=_judge_passing,
            depends_on=_gain("tanh", -ARRIVES),
        ),
        Part(
            statement="ReLU explodes.",
            quantifier=Always("recurrent weights"),
            judge=_judge_exploding,
            depends_on=_gain("relu", EXPLODES),
        ),
    ),
    limits="100 steps, 64 units, inputs of standard deviation 0.1 (larger ones saturate tanh; its gradient then needs "
    "a larger gain), ten sets of weights, before training. Passed on: within a factor of 100 (the place is where that "
    "begins; at a gain of 1.7 it is more); exploded: state or gradient above 1000. ReLU multiplies both by about g/√2 "
    "a step for weights of gain g, so that g = √2 is neutral. Trained networks were not measured, nor the other merits "
    "of a bounded state.",
)
