"""Claims about what a non-linearity is needed for."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nonlin.intervals import Estimate, Family, above, below, crossing_of, exact
from nonlin.ledger import (
    Always,
    Case,
    Claim,
    Dependence,
    Exists,
    Measurement,
    Never,
    Part,
    literature,
    margins,
)
from nonlin.lessons.nonlinearity.experiments import (
    complete,
    pieces,
    random_network,
    tents,
    train_xor,
)
from nonlin.toys.batched import identity

LEARNED, XOR_STEPS = 0.1, 400  # a loss, and the steps of Adam in which it has to be reached
WIDTHS = (2, 3, 4, 6, 8, 16)


def _xor() -> Measurement:
    def losses(activation: Callable[[Tensor], Tensor], width: int, hidden_layers: int = 1) -> list[float]:
        return train_xor(activation, width=width, hidden_layers=hidden_layers, steps=XOR_STEPS).losses.tolist()

    activations = {"tanh": torch.tanh, "ReLU": torch.relu}  # the very functions of the lesson: they are trained once
    return {
        "without, 16 hidden units": losses(identity, 16),
        "without, 3 hidden layers": losses(identity, 16, 3),
        **{f"{name}, {width} units": losses(f, width) for name, f in activations.items() for width in WIDTHS},
    }


def _shares(measured: Measurement, *, without: bool) -> dict[str, Estimate]:
    """How many networks learn, by condition."""
    losses = {name: each for name, each in measured.items() if name.startswith("without") == without}
    family = Family(len(losses))
    return {name: family.share(sum(loss < LEARNED for loss in each), len(each)) for name, each in losses.items()}


def _judge_without(measured: Measurement) -> Sequence[Case]:
    shares = _shares(measured, without=True)
    return [Case(name, below(share, 0.1), _learn(share), (share,)) for name, share in shares.items()]


def _judge_with(measured: Measurement) -> Sequence[Case]:
    shares = _shares(measured, without=False)
    return [Case(name, above(share, 0.9), _learn(share), (share,)) for name, share in shares.items()]


def _learn(share: Estimate) -> str:
    return f"{100 * share.mean:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}] of {share.n} networks learn it"


def _width_for_xor(measured: Measurement) -> Dependence | None:
    """The width from which 9 in 10 networks with tanh learn it."""
    shares = _shares(measured, without=False)
    at = crossing_of(WIDTHS, [shares[f"tanh, {width} units"] for width in WIDTHS], 0.9)
    return at and Dependence(factor="the width, with tanh", holds="above", at=at, unit="units")


XOR = Claim(
    number=60,
    statement="XOR cannot be learned without an activation, and is learned with one.",
    lesson="01",
    said_by=(literature.HCLTECH,),
    measure=_xor,
    parts=(
        Part(
            statement="Without an activation it is not learned.",
            quantifier=Never("networks without one"),
            judge=_judge_without,
        ),
        Part(
            statement="With an activation it is.",
            quantifier=Always("widths that suffice, 2 units and more"),
            judge=_judge_with,
            depends_on=_width_for_xor,
        ),
    ),
    limits=f"Learned: 9 networks in 10 come to a loss below {LEARNED:g} in {XOR_STEPS} steps of Adam. The first half "
    "is proved in the lesson; two units would do, and only a part of the networks finds them.",
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


def _judge_computed(measured: Measurement) -> Sequence[Case]:
    difference = exact(max(measured["difference"]))
    said = f"10 layers and their product differ by {difference.mean:.1g}"
    return [Case("five random networks", difference.mean < 1e-5, said, (difference,))]


def _judge_found(measured: Measurement) -> Sequence[Case]:
    ratio = Family(1).ratio(measured["three layers"], measured["one layer"])
    said = f"three layers leave {ratio} of the error of one, on entries not seen"
    return [Case("matrix completion", margins.LOSS.same(ratio), said, (ratio,))]


DEPTH = Claim(
    number=61,
    statement="Depth without activations adds nothing.",
    lesson="01",
    said_by=(literature.BRENNDOERFER,),
    measure=_depth_without_activations,
    parts=(
        Part(
            statement="It adds nothing to what can be computed.", quantifier=Always("networks"), judge=_judge_computed
        ),
        Part(statement="It adds nothing to what training finds.", quantifier=Always("problems"), judge=_judge_found),
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


def _judge_folded(measured: Measurement) -> Sequence[Case]:
    [four], [eight] = measured["built by folding, 4 layers"], measured["built by folding, 8 layers"]
    ratio = exact(eight / four)
    return [Case("built by folding", ratio.mean > 4, f"{four:g} pieces with 4 layers, {eight:g} with 8", (ratio,))]


def _judge_random(measured: Measurement) -> Sequence[Case]:
    ratio = Family(1).ratio(measured["random weights, 8 layers"], measured["random weights, 4 layers"])
    said = f"twice the depth makes {ratio} times the pieces"
    return [Case("He's weights, 30 networks", above(ratio, 4), said, (ratio,))]


PIECES = Claim(
    number=62,
    statement="The number of straight pieces of a ReLU network grows exponentially with its depth.",
    lesson="01",
    said_by=(literature.MONTUFAR.on("a"),),
    measure=_pieces_by_depth,
    parts=(
        Part(statement="It can.", quantifier=Exists("weights"), judge=_judge_folded),
        Part(statement="It does with random weights.", quantifier=Always("random weights"), judge=_judge_random),
    ),
    limits="One input; 8 units a layer where weights are random, with biases from N(0, 1). Exponential is called what "
    "makes more than four times the pieces from 4 to 8 layers (growth in proportion makes two times). Trained networks "
    "were not counted.",
)
