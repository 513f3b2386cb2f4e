"""Which activation, where: a decision guide of which every line names the evidence that it needs.

A line is not true because it stands here. Each of its supports says what must be found (a verdict of the ledger, one of
its cases, a difference between reference runs, a measurement made on the spot), and :func:`examine` looks whether it
is. The tests fail when a line has lost its support. Beside it stands what practice does: models and papers, looked up
in their own code or text. Where the two part, the line says so, and why.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from torch import nn

from nonlin.activations import ACTIVATIONS
from nonlin.bench.cost import margin
from nonlin.lab import report
from nonlin.lab.comparisons import Comparison
from nonlin.ledger import Finding, Verdict, verdicts
from nonlin.ledger import reference as runs
from nonlin.lessons import CLAIMS
from nonlin.toys.stacks import recurrent_norms
from nonlin.typography import Markdown, true_minus

Ledger = Mapping[int, Finding]

PHOTOGRAPHS = "CIFAR-10, JPEG re-encoding"


@dataclass(frozen=True)
class Found:
    """What became of one support: where it was looked up, whether it is as the line needs it, and the figures."""

    source: str
    holds: bool
    figures: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", true_minus(self.figures))

    def __str__(self) -> str:
        return f"{self.source}: {self.figures}{'' if self.holds else ' (DOES NOT SUPPORT THE LINE)'}"


class Support(Protocol):
    """Something that a line of the guide rests on."""

    @property
    def source(self) -> str:
        """Where the evidence is, in a few letters: ``"c16"`` for a claim, ``"L13"`` for a lesson."""

    def find(self, ledger: Ledger) -> Found:
        """What the ledger, the runs or a measurement say about it, and whether that is what the line needs."""


@dataclass(frozen=True)
class ByClaim:
    """A part of a claim must have this verdict, and, if a condition is named, its cases under it must have come out so.

    Args:
        name: of the part, "16" or "9b".
        needs: the verdict.
        condition: with which the words of a case begin; without one the verdict alone counts.
        holds: what is needed of those cases.
    """

    name: str
    needs: Verdict
    condition: str = ""
    holds: bool = True

    @property
    def source(self) -> str:
        return f"c{self.name}"

    def find(self, ledger: Ledger) -> Found:
        finding = ledger.get(int(self.name.rstrip("abcdefghij")))
        tried = next((part for part in finding.parts if part.name == self.name), None) if finding else None
        if tried is None:
            return Found(self.source, False, "there is no such claim")
        cases = [case for case in tried.cases if self.condition and case.condition.startswith(self.condition)]
        right = tried.verdict == self.needs and all(case.holds == self.holds for case in cases)
        statement = f"“{' '.join(filter(None, (finding.claim.statement, tried.part.statement)))}” {tried.verdict}"
        if not self.condition:
            return Found(self.source, right, statement)
        said = "; ".join(map(str, cases)) or f"no case begins with “{self.condition}”"
        return Found(self.source, right and bool(cases), f"{statement}; {said}")


@dataclass(frozen=True)
class ByRuns:
    """An activation must be better or worse than ReLU in the course's runs at depth 1.

    Args:
        activation: name.
        better: better, or worse.
        batch_norm: in the network with batch normalisation, or in that without.
        by: points, at least; the whole interval must lie beyond them.
    """

    activation: str
    better: bool
    batch_norm: bool = True
    by: float = 0.0
    source: str = "L13"

    def find(self, ledger: Ledger) -> Found:
        entry = reference_runs(batch_norm=self.batch_norm).get(self.activation)
        if entry is None or entry.together is None:
            return Found(self.source, False, f"no paired runs of {self.activation}")
        low, high = entry.together.low, entry.together.high
        where = PHOTOGRAPHS if self.batch_norm else f"{PHOTOGRAPHS}, no batch norm"
        pair = f"{ACTIVATIONS[self.activation].title} minus ReLU"
        figures = f"{where}, {pair} {entry.difference:+.2f} points [{low:+.2f}, {high:+.2f}]"
        return Found(self.source, low > self.by if self.better else high < -self.by, figures)


@dataclass(frozen=True)
class LeadAtMost:
    """No activation may lead ReLU by more than this many points, on average, in the runs with batch normalisation, at
    any depth."""

    points: float
    source: str = "L13"

    def find(self, ledger: Ledger) -> Found:
        leads = [
            (entry.difference, name, depth) for depth in (1, 3) for name, entry in reference_runs(depth=depth).items()
        ]
        if not leads:
            return Found(self.source, False, "no paired runs")
        largest, best, depth = max(leads)
        lead = f"{ACTIVATIONS[best].title}, depth {depth}, {largest:.2f} points"
        figures = f"{PHOTOGRAPHS}, depths 1 and 3, the largest lead over ReLU: {lead}"
        return Found(self.source, largest <= self.points, figures)


@dataclass(frozen=True)
class Level:
    """Two activations differ by less than this in all of the runs with batch normalisation.

    Args:
        activation, rival: names.
        points: that no interval may reach, on either side.
    """

    activation: str
    rival: str
    points: float
    source: str = "L13"

    def find(self, ledger: Ledger) -> Found:
        tables = [reference_runs(depth=depth, reference=self.rival) for depth in (1, 3)]
        ends = [table[self.activation].together for table in tables if self.activation in table]
        if not ends or None in ends:
            return Found(self.source, False, "no paired runs")
        largest = max(max(abs(each.low), abs(each.high)) for each in ends)
        titles = " and ".join(ACTIVATIONS[name].title for name in (self.activation, self.rival))
        figures = f"{PHOTOGRAPHS}, depths 1 and 3, {titles}: no difference larger than {largest:.1f} points"
        return Found(self.source, largest <= self.points, figures)


@dataclass(frozen=True)
class ByMeasurement:
    """Something that is measured on the spot, in well under a second.

    Args:
        source: the lesson that explains it.
        measure: returns whether the line may rest on it, and the figures.
    """

    source: str
    measure: Callable[[], tuple[bool, str]]

    def find(self, ledger: Ledger) -> Found:
        return Found(self.source, *self.measure())


def reference_runs(
    *, batch_norm: bool = True, depth: int = 1, reference: str = report.REFERENCE
) -> dict[str, Comparison]:
    """The differences from a reference in one of the course's networks, by activation; empty if it has no such runs."""
    norm = "batch norm" if batch_norm else "no batch norm"
    for network, compared in runs.differences(reference=reference).items():
        if {f"depth {depth}", norm} <= set(network.split(", ")):
            return compared
    return {}


# Measurements


def _identity(n: int, generator: torch.Generator) -> torch.Tensor:
    return torch.eye(n, dtype=torch.float64)


def _large(n: int, generator: torch.Generator) -> torch.Tensor:
    return 1.7 / math.sqrt(n) * torch.randn(n, n, generator=generator, dtype=torch.float64)


@cache  # nothing in it changes, and the guide is examined more than once
def _through_time(name: str, weight: Callable) -> tuple[float, float]:
    """State after 100 steps, and what is left of its gradient at the first step, as geometric means over 3 seeds."""
    states, gradients = recurrent_norms(ACTIVATIONS[name].function, weight, seeds=3)
    return states[:, -1].log().mean().exp().item(), gradients[:, 0].log().mean().exp().item()


def relu_from_identity() -> tuple[bool, str]:
    """ReLU keeps a tenth of the gradient over 100 steps from the identity matrix, and explodes from a large one."""
    kept, exploded = _through_time("relu", _identity)[1], _through_time("relu", _large)[0]
    figures = (
        f"100 steps: ReLU keeps {kept:.2g} of the gradient; with random weights of gain 1.7 its state is {exploded:.1g}"
    )
    return 0.1 < kept < 10 and exploded > 1e4, figures


def tanh_bounds_the_state() -> tuple[bool, str]:
    """Tanh's state stays below 1 even with large weights; its gradient may grow all the same."""
    state, gradient = _through_time("tanh", _large)
    return (
        state < 1 < gradient,
        f"100 steps, weights of gain 1.7: tanh's state is {state:.2g}, its gradient grows by {gradient:.1g}",
    )


def sigmoid_loses_it() -> tuple[bool, str]:
    """Sigmoid loses the gradient with the identity as with large weights."""
    kept = [_through_time("sigmoid", weight)[1] for weight in (_identity, _large)]
    return max(kept) < 1e-10, f"100 steps: sigmoid keeps {max(kept):.1g} of the gradient at best"


def free_of_memory() -> tuple[bool, str]:
    """ReLU adds nothing to what two convolutions keep, in place or not; SiLU adds a tensor, in place or not."""
    relu, silu = ([margin(lambda m=m, i=i: m(inplace=i)) for i in (False, True)] for m in (nn.ReLU, nn.SiLU))
    figures = (
        f"bytes per number, without and with inplace: ReLU {relu[0]:g}, {relu[1]:g}; SiLU {silu[0]:g}, {silu[1]:g}"
    )
    return relu == [0, 0] and silu == [4, 4], figures


def fitting_ranges() -> tuple[bool, str]:
    """The ranges of tanh and sigmoid are (-1, 1) and (0, 1)."""
    ranges = [str(ACTIVATIONS[name].default_range) for name in ("tanh", "sigmoid")]
    return ranges == ["(-1, 1)", "(0, 1)"], "ranges of the records: tanh {}, sigmoid {}".format(*ranges)


def capped() -> tuple[bool, str]:
    """30 tanh(x / 30) stays below 30, and a small logit passes as it is."""
    x = torch.tensor([1.0, 300.0], dtype=torch.float64)
    small, large = (30 * ACTIVATIONS["tanh"].function(x / 30)).tolist()
    return small > 0.999 and large <= 30, f"30 tanh(x/30): 1 becomes {small:.4f}, 300 becomes {large:.1f}"


def forget_gate() -> tuple[bool, str]:
    """What an open gate keeps over 20 steps, with the bias 0 and with the bias 1."""
    kept = [ACTIVATIONS["sigmoid"].function(torch.tensor(bias, dtype=torch.float64)).item() for bias in (0.0, 1.0)]
    after = [share**20 for share in kept]
    figures = f"a forget gate keeps {kept[0]:.2f} a step with bias 0 and {kept[1]:.2f} with bias 1; over 20 steps "
    return after[1] > 1000 * after[0], figures + f"{after[0]:.0e} and {after[1]:.0e}"


@dataclass(frozen=True)
class Practice:
    """Who does it: a model or a paper, looked up in its own code or text.

    Args:
        who: "MobileNetV3".
        year: of the model or paper.
        does: what, in a few words, with the figure that it reports.
        where: what was read: a file of its code, or an arXiv number.
    """

    who: str
    year: int
    does: str
    where: str

    def __str__(self) -> str:
        return f"{self.who} ({self.year}): {self.does} [{self.where}]"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One line of the guide.

    Args:
        situation: ``"Hidden layers"``, ...
        advice: what to do, in one sentence that fits on a cheat sheet.
        support: what must be found for it to stand; empty if nothing of it was measured here.
        practice: who does it so.
        parts: where measurement and practice part, and why; empty if they do not.

    Raises:
        ValueError: if it rests on nothing.
    """

    situation: str
    advice: str
    support: tuple[Support, ...] = ()
    practice: tuple[Practice, ...] = ()
    parts: str = ""

    def __post_init__(self) -> None:
        if not self.support and not self.practice:
            raise ValueError(f"the line “{self.advice}” rests on nothing.")

    @property
    def sources(self) -> str:
        """Where the evidence is: ``"c16, L13"``; ``"practice"`` where nothing of it was measured here."""
        return ", ".join(dict.fromkeys(each.source for each in self.support)) or "practice"

    def __str__(self) -> str:
        return f"{self.situation}: {self.advice} [{self.sources}]"


C, R, D, X = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.DEPENDS, Verdict.OPEN

HIDDEN, OUTPUT, DEEP, RECURRENT = "Hidden layers", "Output layers", "Very deep", "Recurrent"
TRANSFORMER, DEVICE, MEMORY, ELSEWHERE = "Transformer", "Mobile, 8 bits", "Little memory", "Other fields"

GUIDE: tuple[Advice, ...] = (
    Advice(
        situation=HIDDEN,
        advice="ReLU first: with batch norm, no other gained 2 points on it.",
        support=(LeadAtMost(2),),
        practice=(
            Practice("ResNet", 2015, "ReLU", "timm/models/resnet.py"),
            Practice("ConvNeXt", 2022, "GELU; ReLU to GELU left ImageNet top-1 at 80.6 %", "arXiv:2201.03545"),
        ),
    ),
    Advice(
        situation=HIDDEN,
        advice="GELU, if about a point is worth more time.",
        support=(ByRuns("gelu", better=True),),
        practice=(
            Practice("ViT", 2020, "GELU", "vit_jax/models_vit.py"),
            Practice("GELU", 2016, "better than ReLU and ELU on all tasks tried", "arXiv:1606.08415"),
        ),
    ),
    Advice(
        situation=HIDDEN,
        advice="GELU or SiLU in a convolutional network with batch norm: take either; they differ by under 0.6 points.",
        support=(Level("silu", "gelu", 0.6),),
        practice=(
            Practice("EfficientNet", 2019, "SiLU", "timm/models/efficientnet.py"),
            Practice("T5 in several forms", 2020, "1.679 and 1.683, log-perplexity without a gate", "arXiv:2002.05202"),
        ),
    ),
    Advice(
        situation=HIDDEN,
        advice="Small and without batch norm, not ReLU: ELU, Mish, SELU and SiLU gained over 2 points.",
        support=tuple(ByRuns(name, better=True, batch_norm=False, by=2) for name in ("elu", "mish", "selu", "silu")),
    ),
    Advice(
        situation=HIDDEN,
        advice="Units die? Batch norm and a moderate rate first; then a leaky slope.",
        support=(
            ByClaim("12a", D, "rate 0.1", holds=False),
            ByClaim("12b", R, "rate 0.1"),
            ByClaim("20a", C),
        ),
        practice=(
            Practice("YOLOv4", 2020, "72 layers of Mish, 35 of LeakyReLU with slope 0.1", "AlexeyAB/darknet, cfg"),
        ),
    ),
    Advice(
        situation=HIDDEN,
        advice="Not sigmoid: it is far behind, even with batch norm.",
        support=(ByRuns("sigmoid", better=False), ByClaim("2a", C)),
    ),
    Advice(
        situation=HIDDEN,
        advice="Weights by the activation's gain (lesson 06); torch's init knows that of a few only.",
        support=(ByClaim("32", R), ByClaim("10", R, "torch's default weights, 10 layers", holds=False)),
        practice=(Practice("PPO", 2017, "orthogonal weights of gain √2, 0.01 at the policy's end", "cleanrl/ppo.py"),),
    ),
    Advice(
        situation=OUTPUT,
        advice="Yes or no, or several labels at once: a logit each, a loss on logits; sigmoid to read it.",
        support=(ByClaim("4", C), ByClaim("6", R, "several labels at once", holds=False)),
    ),
    Advice(
        situation=OUTPUT,
        advice="One of several classes: logits into CrossEntropyLoss, no softmax before it.",
        support=(ByClaim("47", R, "accuracy, 50 classes", holds=False), ByClaim("46a", C)),
        practice=(
            Practice("Transformer", 2017, "labels smoothed by 0.1: perplexity worse, BLEU better", "its section 5.4"),
        ),
    ),
    Advice(
        situation=OUTPUT,
        advice="Probabilities to act on: divide the logits by a temperature from held-out points like the new ones.",
        support=(ByClaim("56a", C), ByClaim("56b", D), ByClaim("57b", R)),
        practice=(
            Practice("Temperature scaling", 2017, "calibration error 16.53 to 1.26 % on CIFAR-100", "arXiv:1706.04599"),
            Practice("Under a shift of the images", 2019, "calibration after the fact falls short", "arXiv:1906.02530"),
        ),
    ),
    Advice(
        situation=OUTPUT,
        advice="Never negative, often 0: ReLU with its bias at the mean, or nothing and a clamp. Always positive: "
        "softplus.",
        support=(
            ByClaim("48a", R, "half zeros, torch's bias", holds=False),
            ByClaim("48b", X, "half zeros, against softplus"),
        ),
        practice=(
            Practice("NeRF", 2020, "ReLU for the density", "bmild/nerf, run_nerf.py"),
            Practice("mip-NeRF", 2021, "softplus with bias −1 for the density", "google/mipnerf, internal/models.py"),
        ),
    ),
    Advice(
        situation=OUTPUT,
        advice="In (−1, 1): tanh and squared error; in [0, 1]: a logit and BCE; any number: nothing.",
        support=(ByMeasurement("L03", fitting_ranges),),
        practice=(Practice("DCGAN", 2015, "tanh at the end of the generator", "pytorch/examples, dcgan/main.py"),),
    ),
    Advice(
        situation=OUTPUT,
        advice="Logits that must not run away: c tanh(x/c) caps them softly.",
        support=(ByMeasurement("L03", capped),),
        practice=(
            Practice("Gemma 2", 2024, "c = 50 in attention, 30 at the end; off by default in Gemma 3", "transformers"),
        ),
    ),
    Advice(
        situation=DEEP,
        advice="ReLU with He's gain carries a gradient through 100 layers, if they are wide.",
        support=(
            ByClaim("10", R, "He's weights, 100 layers of 128"),
            ByClaim("10", R, "He's weights, 50 layers of 4", holds=False),
        ),
    ),
    Advice(
        situation=DEEP,
        advice="No normalisation: SELU, LeCun's weights, wide layers; not torch's gain for it.",
        support=(
            ByClaim("23", R, "50 layers of 256,"),
            ByClaim("23", R, "50 layers of 32", holds=False),
            ByClaim("24", R),
        ),
        practice=(Practice("SELU", 2017, "mean 0 and variance 1 without batch norm", "arXiv:1706.02515"),),
    ),
    Advice(
        situation=RECURRENT,
        advice="Tanh bounds the state, though not the gradient.",
        support=(ByMeasurement("L06", tanh_bounds_the_state),),
        practice=(Practice("LSTM in Keras", 2019, "tanh, with sigmoid gates", "keras/layers/rnn/lstm.py"),),
    ),
    Advice(
        situation=RECURRENT,
        advice="ReLU from the identity matrix; from large random weights it explodes.",
        support=(ByMeasurement("L06", relu_from_identity), ByClaim("7b", R, "random weights with gain 1.7")),
    ),
    Advice(
        situation=RECURRENT,
        advice="Sigmoid in gates only: in the loop it loses the gradient. Start a forget gate at bias 1.",
        support=(ByMeasurement("L06", sigmoid_loses_it), ByMeasurement("L06", forget_gate)),
        practice=(
            Practice("Keras", 2015, "forget bias 1", "keras/layers/rnn/lstm.py"),
            Practice("PyTorch", 2016, "every bias from U(−1/√H, 1/√H)", "torch/nn/modules/rnn.py"),
        ),
    ),
    Advice(
        situation=TRANSFORMER,
        advice="GELU in its exact form; the tanh form for weights trained with it.",
        support=(ByClaim("31", R),),
        practice=(
            Practice("GPT-2, BERT", 2019, "the tanh form", "openai/gpt-2, google-research/bert"),
            Practice("ViT, DeiT, Swin, ported", 2020, "the exact form", "transformers"),
        ),
    ),
    Advice(
        situation=TRANSFORMER,
        advice="Large language models: a gated block, SwiGLU or GEGLU, of two thirds of the width.",
        support=(ByClaim("52", X, "table, Adam: SwiGLU"), ByClaim("52", X, "grammar, Adam: SwiGLU", holds=False)),
        practice=(
            Practice("T5", 2020, "log-perplexity 1.677 with ReLU, 1.636 with SwiGLU", "arXiv:2002.05202"),
            Practice("Llama 3", 2024, "SwiGLU", "meta-llama/llama3, llama/model.py"),
            Practice("Gemma 3", 2025, "GEGLU, tanh form", "transformers"),
        ),
        parts="Here models of 10,000 and 358,000 weights gained in some cases only; those of practice have 100 million "
        "and more.",
    ),
    Advice(
        situation=TRANSFORMER,
        advice="Where zeros save work: squared ReLU or ReLU, without a gate.",
        support=(ByClaim("73a", C),),
        practice=(
            Practice("Primer", 2021, "squared ReLU", "arXiv:2109.08668"),
            Practice("Nemotron-4", 2024, "squared ReLU", "transformers"),
            Practice("ReLU instead of SiLU", 2023, "up to three times less work, little lost", "arXiv:2310.04564"),
        ),
    ),
    Advice(
        situation=DEVICE,
        advice="ReLU6 bounds what a bad calibration can do; in float, and with a clean one, it costs accuracy.",
        support=(
            ByClaim("36b", D, "min and max of one image not normalised"),
            ByClaim("36b", D, "min and max of clean images", holds=False),
            ByClaim("36c", R),
        ),
        practice=(
            Practice("MobileNetV2", 2018, "ReLU6, for low precision", "timm/models/efficientnet.py"),
            Practice("PyTorch, int8", 2024, "fuses ReLU; on oneDNN LeakyReLU and tanh, too", "torch/ao/quantization"),
            Practice("TFLite", 2024, "fuses ReLU, ReLU6 and tanh", "tensorflow/lite/schema"),
        ),
    ),
    Advice(
        situation=DEVICE,
        advice="Hardswish in place of SiLU where it is one compiled loop.",
        support=(ByClaim("37", C),),
        practice=(
            Practice("MobileNetV3", 2019, "Hardswish in the late layers, as accurate as Swish", "arXiv:1905.02244"),
        ),
    ),
    Advice(
        situation=DEVICE,
        advice="Do not quantise through TorchScript: it does not, and it is deprecated.",
        support=(ByClaim("39", R),),
    ),
    Advice(
        situation=MEMORY,
        advice="One that keeps its output: inplace saves nothing at ReLU, nor at SiLU.",
        support=(ByMeasurement("L14", free_of_memory),),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="Functions of coordinates: sine with SIREN's weights, or Fourier features before ReLU.",
        support=(ByClaim("64a", C), ByClaim("65", D, "σ = 1")),
        practice=(
            Practice("SIREN", 2020, "sin(30x), weights from U(±√(6/n)/30)", "arXiv:2006.09661"),
            Practice("NeRF", 2020, "ReLU behind 10 and 4 frequencies", "bmild/nerf"),
        ),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="Differential equations: tanh, softplus or sine; ReLU's second derivative is 0.",
        support=(ByClaim("66a", C, "ReLU"), ByClaim("66b", C)),
        practice=(
            Practice("Physics-informed networks", 2019, "tanh", "maziarraissi/PINNs"),
            Practice("DeepXDE", 2021, "tanh nearly everywhere, sine for Helmholtz", "lululxvi/deepxde, examples"),
        ),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="Reinforcement learning: tanh in small policies, ReLU in large ones; tanh squashes actions.",
        practice=(
            Practice("PPO", 2017, "tanh, two layers of 64; ReLU for Atari", "cleanrl/ppo.py"),
            Practice("SAC, TD3", 2018, "ReLU, actions through tanh", "stable-baselines3"),
            Practice("DreamerV3", 2023, "SiLU and RMS norm", "danijar/dreamerv3, configs.yaml"),
        ),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="GANs: LeakyReLU with slope 0.2 in the discriminator.",
        support=(ByClaim("20a", C),),
        practice=(
            Practice("DCGAN", 2015, "slope 0.2; ReLU in the generator", "pytorch/examples, dcgan/main.py"),
            Practice("StyleGAN2", 2020, "slope 0.2, gain √2", "NVlabs/stylegan2-ada-pytorch, bias_act.py"),
        ),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="Flows: bound the scale: a learned multiple of tanh for its logarithm, or a sigmoid.",
        practice=(
            Practice("Glow", 2018, "ReLU networks, scale σ(h + 2)", "openai/glow, model.py"),
            Practice("FFJORD", 2018, "softplus for images, tanh for toys", "rtqichen/ffjord"),
        ),
    ),
    Advice(
        situation=ELSEWHERE,
        advice="Graphs and diffusion: LeakyReLU on attention scores, ELU between layers; SiLU with group norm.",
        practice=(
            Practice("GAT", 2017, "slope 0.2 on scores, ELU between layers", "PetarV-/GAT; torch_geometric"),
            Practice("DDPM", 2020, "SiLU with group norm", "hojonathanho/diffusion, unet.py"),
        ),
    ),
)


def examine(guide: Sequence[Advice] = GUIDE, ledger: Ledger | None = None) -> dict[Advice, tuple[Found, ...]]:
    """What every line rests on, looked up now.

    Args:
        guide: the lines.
        ledger: findings by number; by default the stored ones, which the tests hold to the claims.

    Raises:
        MissingMeasurement: if the stored ledger cannot be read.
    """
    ledger = verdicts.read(CLAIMS) if ledger is None else ledger
    return {line: tuple(each.find(ledger) for each in line.support) for line in guide}


def table(guide: Sequence[Advice] = GUIDE, ledger: Ledger | None = None) -> Markdown:
    """The guide as a table: what was measured here, folded behind its source, and what practice does."""
    lines = ["| | do this | measured here | what practice does |", "|---|---|---|---|"]
    before = ""
    for line, found in examine(guide, ledger).items():
        situation = "" if line.situation == before else f"**{line.situation}**"
        before = line.situation
        measured = _folded(line.sources, found) if found else "not measured here"
        practice = _folded(", ".join(each.who for each in line.practice), line.practice) if line.practice else ""
        parts = f"<br>*They part:* {line.parts}" if line.parts else ""
        lines.append(f"| {situation} | {line.advice}{parts} | {measured} | {practice} |")
    return Markdown("\n".join(lines))


def _folded(summary: str, lines: Sequence[object]) -> str:
    said = "<br>".join(map(str, lines)).replace("|", "\\|")
    return f"<details><summary>{summary}</summary>{said}</details>"
