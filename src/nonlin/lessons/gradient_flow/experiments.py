"""What initialisation and depth do to signal and gradient, activation by activation, before any training, on images.

`stacks.propagation` does the same with inputs from N(0, 1), which fit the theory; here are the images, the network and
the initial weights that a training would start from, and the gradient is that of its loss.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlin.files import write_json, write_whole
from nonlin.images.dataset import Dataset
from nonlin.intervals import mean_interval
from nonlin.lab import runs
from nonlin.lab.initialisation import FOR_ANY, initialise
from nonlin.lab.internals import held_out
from nonlin.lab.networks import mlp
from nonlin.lab.training import own_randomness
from nonlin.signatures import MakeActivation

DEPTHS = (4, 16, 64)
TABLE, ABOUT = "gradients.csv", "about.json"


@dataclass(frozen=True, kw_only=True)
class Start:
    """How signal and gradient fare in one network at its first step.

    Args:
        activation, initialisation, depth, seed: which network; depth counts hidden layers.
        signal: by what one hidden layer multiplies the root mean square of the pre-activations, geometric mean.
        distinct: the share of the mean square in the last hidden layer in which images differ.
        gradient: by what one hidden layer multiplies the gradient's norm on its way back, geometric mean. 0 where
            nothing arrives.
    """

    activation: str
    initialisation: str
    depth: int
    seed: int
    signal: float
    distinct: float
    gradient: float


def study(
    activations: Mapping[str, MakeActivation],
    dataset: Dataset,
    *,
    initialisations: Sequence[str] = FOR_ANY,
    depths: Sequence[int] = DEPTHS,
    seeds: int = 5,
    images: int = 256,
) -> Iterator[Start]:
    """Measure every combination in a multilayer perceptron without batch normalisation, in float64.

    Args:
        activations: makers by name.
        dataset: test images, normalised, and their labels.
        initialisations: of `initialisation.SCHEMES`; a combination whose gain cannot be measured is left out.
        depths: hidden layers, at least 2.
        seeds: 0 to ``seeds`` - 1; the same seed draws weights of the same directions for all activations.
        images: that go through at once.
    """
    x, target = held_out(dataset, images), _labels(dataset, images)
    for name, activation in activations.items():
        for scheme in initialisations:
            for depth in depths:
                for seed in range(seeds):
                    with own_randomness(seed):
                        model = mlp(activation, classes=len(dataset.classes), depth=depth)
                        initialise(model, scheme, activation)
                    names = {"activation": name, "initialisation": scheme, "depth": depth, "seed": seed}
                    yield Start(**names, **_measure(model.double(), x.double(), target))


def _labels(dataset: Dataset, images: int) -> Tensor:
    """The labels of `held_out`."""
    n = len(dataset.test.labels)
    return dataset.test.labels[torch.arange(min(images, n)) * n // min(images, n)]


def _measure(model: nn.Sequential, x: Tensor, target: Tensor) -> dict[str, float]:
    pre_activations: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda module, inputs, z: pre_activations.append(z))
        for layer in model
        if isinstance(layer, nn.Linear)
    ]
    loss = F.cross_entropy(model(x), target)
    for handle in handles:
        handle.remove()
    hidden = pre_activations[:-1]  # the last layer's are the logits
    gradients = torch.autograd.grad(loss, hidden)
    first, last = hidden[0].detach(), hidden[-1].detach()
    layers = len(hidden) - 1
    return {
        "signal": _root(last.square().mean() / first.square().mean(), 2 * layers),
        "distinct": (last.var(dim=0, correction=0).mean() / last.square().mean()).nan_to_num(0).item(),
        "gradient": _root(gradients[0].square().mean() / gradients[-1].square().mean(), 2 * layers),
    }


def _root(ratio: Tensor, degree: int) -> float:
    return ratio.nan_to_num(0).item() ** (1 / degree)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What one activation with one initialisation does over all hidden layers, as means over seeds.

    Args:
        signal: root mean square of the pre-activations in the last hidden layer over that in the first.
        distinct: the share of the mean square in the last hidden layer in which images differ.
        gradient: norm of the gradient in the first hidden layer over that in the last.
        gradient_per_layer: the same as a factor for one layer.
    """

    signal: float
    distinct: float
    gradient: float
    gradient_per_layer: float


def pairs(starts: Sequence[Start], depth: int) -> dict[tuple[str, str], Pair]:
    """By activation and initialisation, at one depth: factors are geometric means over seeds, shares ordinary ones."""
    found: dict[tuple[str, str], list[Start]] = {}
    for start in starts:
        if start.depth == depth:
            found.setdefault((start.activation, start.initialisation), []).append(start)
    return {names: _pair(members, depth - 1) for names, members in found.items()}


def _pair(starts: Sequence[Start], layers: int) -> Pair:
    signal, gradient = (_geometric_mean([getattr(start, name) for start in starts]) for name in ("signal", "gradient"))
    return Pair(
        signal=signal**layers,
        distinct=sum(start.distinct for start in starts) / len(starts),
        gradient=gradient**layers,
        gradient_per_layer=gradient,
    )


def _geometric_mean(values: Sequence[float]) -> float:
    return torch.tensor(values, dtype=torch.float64).log().mean().exp().item()  # 0 if one is 0


def table(starts: Sequence[Start], *, field: str = "gradient") -> str:
    """One row per activation and depth, one column per initialisation: the mean over seeds with its 95 % interval."""
    schemes = list(dict.fromkeys(start.initialisation for start in starts))
    cells: dict[tuple[str, int], dict[str, list[float]]] = {}
    for start in starts:
        row = cells.setdefault((start.activation, start.depth), {})
        row.setdefault(start.initialisation, []).append(getattr(start, field))
    lines = [f"{'activation':12} {'depth':>5}  " + "".join(f"{scheme:>14}" for scheme in schemes)]
    for (activation, depth), row in cells.items():
        words = [_in_words(row[scheme]) if scheme in row else "-" for scheme in schemes]
        lines.append(f"{activation:12} {depth:5}  " + "".join(f"{word:>14}" for word in words))
    return "\n".join(lines)


def _in_words(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3g}"
    estimate = mean_interval(torch.tensor(values))
    return f"{estimate.mean:.3f} ±{estimate.high - estimate.mean:.3f}"


def write(starts: Sequence[Start], dataset: Dataset, command: str, folder: Path) -> None:
    """Write the table and where it comes from into a folder, which is made if missing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Start)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _shortened(value) for name, value in asdict(start).items()} for start in starts)
    about = {"command": command, "data": dataset.title, "rows": len(starts), **runs.environment()}
    write_whole(Path(folder) / TABLE, text.getvalue())
    write_json(Path(folder) / ABOUT, about)


def _shortened(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read(folder: Path) -> list[Start]:
    """What `write` wrote.

    Raises:
        OSError: if there is no such table.
    """
    with (Path(folder) / TABLE).open(encoding="utf-8", newline="") as file:
        return [
            Start(**{each.name: each.type(record[each.name]) for each in fields(Start)})
            for record in csv.DictReader(file)
        ]
