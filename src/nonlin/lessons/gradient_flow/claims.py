"""Claims about signals and gradients on a long way, before any training."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import Estimate, below, mean_interval, within
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement, all_hold
from nonlin.toys.stacks import recurrent_norms

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
        said = f"of the gradient of step 100, {_power(gradient)} arrives at step 1"
        cases.append(Case(f"tanh passes the gradient on, {weights}", within(gradient, -ARRIVES, ARRIVES), said))
    for weights in dict.fromkeys(key.partition(": ")[2] for key in measured):
        state, gradient = found[f"relu, state: {weights}"], found[f"relu, gradient: {weights}"]
        explodes = all_hold([below(state, EXPLODES), below(gradient, EXPLODES)])
        said = f"state {_power(state)}, {_power(gradient)} of the gradient arrives"
        cases.append(Case(f"ReLU explodes, {weights}", None if explodes is None else not explodes, said))
    return cases


def _power(value: Estimate) -> str:
    return f"{10**value.mean:.1g} [{10**value.low:.1g}, {10**value.high:.1g}]"


TANH_FOR_RECURRENT = Claim(
    number=7,
    statement="Tanh suits the hidden layers of recurrent networks; ReLU explodes there.",
    lesson="10",
    measure=_recurrent,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_recurrent, would_take="TODO"),),
    limits="100 steps, 64 units, ten sets of weights, before training. Passed on: within a factor of 100; exploded: "
    "state or gradient above 1000. Trained networks were not measured, nor the other merits of a bounded state.",
)
