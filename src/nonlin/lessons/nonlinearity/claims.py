"""Claims about what a non-linearity is needed for, and what it must satisfy."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import above, below, mean_interval, ratio_interval, share_interval, within
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.lessons.nonlinearity.experiments import (
    complete,
    fit_curve,
    identity,
    pieces,
    random_network,
    relu_with_slope_at_zero,
    tents,
    train_xor,
)
from nonlin.toys.race import adam, steps_to_learn

MOST_STEPS = 500


def _steps_with_kinks() -> Measurement:
    kinked = {
        "ReLU (a kink)": ACTIVATIONS["relu"].function,
        "ReLU with slope 1 at the kink": relu_with_slope_at_zero(1.0),
        "Hardtanh (two kinks)": ACTIVATIONS["hardtanh"].function,
        "Hardswish (two kinks)": ACTIVATIONS["hardswish"].function,
        "absolute value (a kink)": torch.abs,
    }
    return {name: steps_to_learn(f, adam, 0.03, most_steps=MOST_STEPS).tolist() for name, f in kinked.items()}


def _judge_steps_with_kinks(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, steps in measured.items():
        learned = share_interval(sum(count < MOST_STEPS for count in steps), len(steps))
        must = below(learned, 0.5)
        mean = sum(steps) / len(steps)
        cases.append(Case(name, must, f"{100 * learned.mean:.0f} % of {learned.n} networks learn, in {mean:.0f} steps"))
    return cases


EVERYWHERE = Claim(
    number=14,
    statement="An activation must be differentiable everywhere.",
    lesson="01",
    measure=_steps_with_kinks,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_steps_with_kinks, would_take="TODO"),),
    limits=(
        f"Two rings, three hidden layers of 16 units, {MOST_STEPS} steps of Adam. The claim would hold for an "
        "activation with which most networks do not learn. Differentiable almost everywhere is not enough either: a "
        "step has the slope 0."
    ),
)


def _xor() -> Measurement:
    def losses(activation: Callable[[Tensor], Tensor], width: int, hidden_layers: int = 1) -> list[float]:
        return train_xor(activation, width=width, hidden_layers=hidden_layers, steps=400).losses.tolist()

    relu, tanh = torch.relu, torch.tanh  # the very functions of the lesson, so that it need not train them twice
    return {
        "without, 16 hidden units": losses(identity, 16),
        "without, 3 hidden layers": losses(identity, 16, 3),
        "with tanh, 16 units": losses(tanh, 16),
        "with ReLU, 16 units": losses(relu, 16),
        "with tanh, 2 units": losses(tanh, 2),
        "with ReLU, 2 units": losses(relu, 2),
    }


def _judge_xor(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, losses in measured.items():
        learned = share_interval(sum(loss < 0.1 for loss in losses), len(losses))
        holds = below(learned, 0.1) if name.startswith("without") else above(learned, 0.9)
        interval = f"[{100 * learned.low:.0f}, {100 * learned.high:.0f}]"
        cases.append(Case(name, holds, f"{100 * learned.mean:.0f} % {interval} of {learned.n} networks learn it"))
    return cases


XOR = Claim(
    number=60,
    statement="XOR cannot be learned without an activation, and is learned with one.",
    lesson="01",
    measure=_xor,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_xor, would_take="TODO"),),
    limits="Learned: a loss below 0.1 after 400 steps of Adam. The first half is proved in the lesson; the second asks "
    "for more than the two units that would do.",
)


def _depth_without_activations() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    differences = []
    for _ in range(5):
        layers = [nn.Linear(64, 64) for _ in range(10)]
        for parameter in (p for layer in layers for p in layer.parameters()):
            nn.init.uniform_(parameter, -1 / 8, 1 / 8, generator=generator)
        inputs = torch.randn(256, 64, generator=generator)
        with torch.no_grad():
            weight, bias, outputs = torch.eye(64), torch.zeros(64), inputs
            for layer in layers:
                weight, bias, outputs = layer.weight @ weight, layer.weight @ bias + layer.bias, layer(outputs)
            collapsed = inputs @ weight.T + bias
            differences.append(((collapsed - outputs).abs().max() / outputs.abs().max()).item())
    errors = {f"{layers}": complete(layers, steps=600, learning_rate=0.02).hidden_errors.tolist() for layers in (1, 3)}
    return {"difference": differences, "one layer": errors["1"], "three layers": errors["3"]}


def _judge_depth_without_activations(measured: Measurement) -> Sequence[Case]:
    difference = max(measured["difference"])
    ratio = ratio_interval(torch.tensor(measured["three layers"]), torch.tensor(measured["one layer"]))
    nothing = within(ratio, 0.5, 2)
    return [
        Case("to what can be computed", difference < 1e-5, f"10 layers and their product differ by {difference:.1g}"),
        Case(
            "to what training finds, in matrix completion",
            nothing,
            f"three layers leave {ratio} of the error of one, on entries not seen",
        ),
    ]


DEPTH = Claim(
    number=61,
    statement="Depth without activations adds nothing.",
    lesson="01",
    measure=_depth_without_activations,
    parts=(
        Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_depth_without_activations, would_take="TODO"),
    ),
    limits="Completion of rank-1 matrices from small weights, where a preference for low rank is just what is needed.",
)


def _pieces_by_depth() -> Measurement:
    def random(layers: int) -> list[float]:
        generators = (torch.Generator().manual_seed(seed) for seed in range(30))
        return [pieces(random_network(8, layers, generator), -3, 3) for generator in generators]

    return {
        "built by folding, 4 layers": [pieces(tents(4), 0, 1)],
        "built by folding, 8 layers": [pieces(tents(8), 0, 1)],
        "random weights, 4 layers": random(4),
        "random weights, 8 layers": random(8),
    }


def _judge_pieces_by_depth(measured: Measurement) -> Sequence[Case]:
    [four], [eight] = measured["built by folding, 4 layers"], measured["built by folding, 8 layers"]
    ratio = ratio_interval(
        torch.tensor(measured["random weights, 8 layers"]), torch.tensor(measured["random weights, 4 layers"])
    )
    grows = above(ratio, 4)
    return [
        Case("built by folding", eight / four > 4, f"{four:g} pieces with 4 layers, {eight:g} with 8"),
        Case("with random weights", grows, f"twice the depth makes {ratio} times the pieces"),
    ]


PIECES = Claim(
    number=62,
    statement="The number of straight pieces of a ReLU network grows exponentially with its depth.",
    lesson="01",
    measure=_pieces_by_depth,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_pieces_by_depth, would_take="TODO"),),
    limits="One input; 8 units a layer where weights are random. Exponential is called what makes more than four times "
    "the pieces from 4 to 8 layers (growth in proportion makes two times). Trained networks were not counted.",
)

UNITS = 128


def _universal() -> Measurement:
    tried: Mapping[str, Callable[[Tensor], Tensor]] = {
        **{ACTIVATIONS[name].title: ACTIVATIONS[name].function for name in ("relu", "tanh", "gelu", "hardtanh")},
        "x²": torch.square,
        "x³": lambda x: x**3,
    }
    return {name: fit_curve(f, UNITS, seeds=5).errors.tolist() for name, f in tried.items()}


def _judge_universal(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, errors in measured.items():
        error = mean_interval(torch.tensor(errors))
        holds = True if max(errors) < 0.05 else False if min(errors) > 0.5 else None
        shown = (
            f"{error.mean:.1g}" if math.isclose(error.low, error.high, rel_tol=1e-3) else f"at most {max(errors):.1g}"
        )
        cases.append(Case(name, holds, f"error {shown} of the curve with {UNITS} units"))
    return cases


UNIVERSAL = Claim(
    number=63,
    statement="With any non-linear activation, one hidden layer that is wide enough fits any continuous curve.",
    lesson="01",
    measure=_universal,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_universal, would_take="TODO"),),
    limits="One curve, sin 3πx on [−1, 1], and random first weights; that polynomials are the only exceptions is a "
    "theorem (Leshno, Lin, Pinkus and Schocken 1993), not a finding.",
)
