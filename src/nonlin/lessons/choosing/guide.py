"""Which activation, where: a decision guide of which every line names the evidence that it needs.

A line is not true because it stands here. Each of its supports says what must be found (a verdict of the ledger, one of
its cases, a difference between reference runs, a measurement made on the spot), and :func:`examine` looks whether it
is. The tests fail when a line has lost its support.
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
from nonlin.ledger import Finding, Verdict, verdicts
from nonlin.lessons import CLAIMS
from nonlin.paths import results_folder
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
        """Where the evidence is, in a few letters: ``"c16"`` for a claim, ``"L12"`` for a lesson."""

    def find(self, ledger: Ledger) -> Found:
        """What the ledger, the runs or a measurement say about it, and whether that is what the line needs."""


@dataclass(frozen=True)
class ByClaim:
    """A claim must have this verdict, and, if a condition is named, its cases under it must have come out as stated.

    Args:
        number: of the claim.
        needs: the verdict.
        condition: with which the words of a case begin; without one the verdict alone counts.
        holds: what is needed of those cases.
    """

    number: int
    needs: Verdict
    condition: str = ""
    holds: bool = True

    @property
    def source(self) -> str:
        return f"c{self.number}"

    def find(self, ledger: Ledger) -> Found:
        if self.number not in ledger:
            return Found(self.source, False, "there is no such claim")
        finding = ledger[self.number]
        cases = [case for case in finding.cases if self.condition and case.condition.startswith(self.condition)]
        right = finding.verdict == self.needs and all(case.holds == self.holds for case in cases)
        statement = f"“{finding.claim.statement}” {finding.verdict}"
        if not self.condition:
            return Found(self.source, right, statement)
        said = "; ".join(map(str, cases)) or f"no case begins with “{self.condition}”"
        return Found(self.source, right and bool(cases), f"{statement}; {said}")


@dataclass(frozen=True)
class ByRuns:
    """An activation must be better or worse than ReLU in the reference runs.

    Args:
        activation: name.
        better: better, or worse.
        batch_norm: in the runs with batch normalisation, or in those without.
        by: points, at least; the whole interval must lie beyond them.
    """

    activation: str
    better: bool
    batch_norm: bool = True
    by: float = 0.0
    source: str = "L12"

    def find(self, ledger: Ledger) -> Found:
        entry = reference_runs(batch_norm=self.batch_norm).get(self.activation)
        if entry is None or entry.corrected is None:
            return Found(self.source, False, f"no paired runs of {self.activation}")
        low, high = entry.corrected.low, entry.corrected.high
        where = PHOTOGRAPHS if self.batch_norm else f"{PHOTOGRAPHS}, no batch norm"
        pair = f"{ACTIVATIONS[self.activation].title} minus ReLU"
        figures = f"{where}, {pair} {entry.difference:+.2f} points [{low:+.2f}, {high:+.2f}]"
        return Found(self.source, low > self.by if self.better else high < -self.by, figures)


@dataclass(frozen=True)
class LeadAtMost:
    """No activation may lead ReLU by more than this many points, on average, in the runs with batch normalisation, at
    any depth."""

    points: float
    source: str = "L12"

    def find(self, ledger: Ledger) -> Found:
        leads = {
            (entry.difference, name, depth)
            for depth in (1, 3)
            for name, entry in reference_runs(depth=depth).items()
            if entry.difference is not None
        }
        if not leads:
            return Found(self.source, False, "no paired runs")
        largest, best, depth = max(leads)
        lead = f"{ACTIVATIONS[best].title}, depth {depth}, {largest:.2f} points"
        figures = f"{PHOTOGRAPHS}, depths 1 and 3, the largest lead over ReLU: {lead}"
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


def reference_runs(*, batch_norm: bool = True, depth: int = 1) -> dict[str, report.Summary]:
    """The best variant of each activation in the group of the small network, with batch normalisation or without."""
    rows = [
        row
        for row in report.read_runs(results_folder() / "activations" / report.RUNS)
        for c in [row.configuration]
        if (c.network, c.depth, c.batch_norm) == ("cnn", depth, batch_norm)
    ]
    found: dict[str, report.Summary] = {}
    for entry in report.summary(rows):  # the best mean of a group comes first
        found.setdefault(entry.activation, entry)
    return found


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


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One line of the guide.

    Args:
        situation: ``"Hidden layers"``, ...
        advice: what to do, in one sentence that fits on a cheat sheet.
        support: what must be found for it to stand; at least one.
    """

    situation: str
    advice: str
    support: tuple[Support, ...]

    @property
    def sources(self) -> str:
        """Where the evidence is: ``"c16, L12"``."""
        return ", ".join(dict.fromkeys(each.source for each in self.support))

    def __str__(self) -> str:
        return f"{self.situation}: {self.advice} [{self.sources}]"


C, R, D, U = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.DEPENDS, Verdict.UNDECIDED

GUIDE: tuple[Advice, ...] = (
    Advice(
        situation="Hidden layers",
        advice="ReLU first: with batch norm, no other gained 2 points on it.",
        support=(
            LeadAtMost(2),
            ByClaim(16, U, "LeakyReLU, CIFAR-10, JPEG re-encoding, cnn, depth 1, batch norm", holds=False),
        ),
    ),
    Advice(
        situation="Hidden layers",
        advice="GELU, or SiLU, if up to a point is worth more time.",
        support=(ByRuns("gelu", better=True), ByClaim(28, C)),
    ),
    Advice(
        situation="Hidden layers",
        advice="Without batch norm, not ReLU: Mish, SELU and SiLU gained over 2 points.",
        support=tuple(ByRuns(name, better=True, batch_norm=False, by=2) for name in ("mish", "selu", "silu")),
    ),
    Advice(
        situation="Hidden layers",
        advice="Units die? Batch norm and a moderate rate first; then a leaky slope.",
        support=(
            ByClaim(12, D, "He's weights, rate 0.1", holds=False),
            ByClaim(12, D, "He's weights, batch norm, rate 0.1"),
            ByClaim(20, D, "against zeros in the gradient, LeakyReLU"),
        ),
    ),
    Advice(
        situation="Hidden layers",
        advice="Not sigmoid: it is far behind, even with batch norm.",
        support=(ByRuns("sigmoid", better=False), ByClaim(2, D, "sigmoid, Xavier's weights")),
    ),
    Advice(
        situation="Hidden layers",
        advice="Weights by the gain above; torch's init knows that of a few only.",
        support=(ByClaim(32, R), ByClaim(10, D, "torch's default weights, 10 layers", holds=False)),
    ),
    Advice(
        situation="Output layers",
        advice="Yes or no, or several labels at once: a logit each, a loss on logits; sigmoid to read it.",
        support=(ByClaim(4, C), ByClaim(6, D, "several labels at once", holds=False)),
    ),
    Advice(
        situation="Output layers",
        advice="One of several classes: logits into CrossEntropyLoss, no softmax before it.",
        support=(ByClaim(47, D, "accuracy, 50 classes", holds=False), ByClaim(46, D, "float32, 120 behind")),
    ),
    Advice(
        situation="Output layers",
        advice="Targets that are never negative: softplus; ReLU only with its bias at the mean.",
        support=(
            ByClaim(48, D, "half zeros, torch's bias", holds=False),
            ByClaim(48, D, "positive, torch's bias", holds=False),
            ByClaim(48, D, "half zeros, bias at the mean"),
        ),
    ),
    Advice(
        situation="Output layers",
        advice="Targets in (−1, 1): tanh; in (0, 1): sigmoid; any number: nothing.",
        support=(ByMeasurement("L02", fitting_ranges),),
    ),
    Advice(
        situation="Very deep",
        advice="ReLU with He's gain carries a gradient through 100 layers, if they are wide.",
        support=(
            ByClaim(10, D, "He's weights, 100 layers of 128"),
            ByClaim(10, D, "He's weights, 50 layers of 4", holds=False),
        ),
    ),
    Advice(
        situation="Very deep",
        advice="No normalisation: SELU, LeCun's weights, wide layers; not torch's gain for it.",
        support=(
            ByClaim(23, D, "50 layers of 256"),
            ByClaim(23, D, "50 layers of 32", holds=False),
            ByClaim(24, R),
        ),
    ),
    Advice(
        situation="Very deep",
        advice="Plain and narrow, to 30 layers: SiLU needs fewer steps than ReLU.",
        support=(ByClaim(28, C, "two rings, plain network of 30 hidden layers"),),
    ),
    Advice(
        situation="Recurrent",
        advice="Tanh bounds the state, though not the gradient.",
        support=(ByMeasurement("L10", tanh_bounds_the_state),),
    ),
    Advice(
        situation="Recurrent",
        advice="ReLU from the identity matrix; from large random weights it explodes.",
        support=(ByMeasurement("L10", relu_from_identity),),
    ),
    Advice(
        situation="Recurrent",
        advice="Sigmoid in gates only: in the loop it loses the gradient.",
        support=(ByMeasurement("L10", sigmoid_loses_it),),
    ),
    Advice(
        situation="Transformer",
        advice="GELU in its exact form; the tanh form for weights trained with it.",
        support=(ByClaim(31, R),),
    ),
    Advice(
        situation="Transformer",
        advice="A gated block (SwiGLU) is worth a trial at equal size: better on one of two tasks, worse on the other.",
        support=(ByClaim(52, D, "table, Adam: SwiGLU"), ByClaim(52, D, "grammar, Adam: SwiGLU", holds=False)),
    ),
    Advice(
        situation="Mobile, 8 bits",
        advice="ReLU6 bounds what a bad calibration can do; with a clean one ReLU loses no more.",
        support=(
            ByClaim(36, D, "accuracy, 8 bits, min and max of one image not normalised"),
            ByClaim(36, D, "accuracy, 8 bits, min and max of clean images", holds=False),
        ),
    ),
    Advice(
        situation="Mobile, 8 bits",
        advice="Hardswish in place of SiLU where it is one compiled loop.",
        support=(
            ByClaim(37, D, "torch's, forward, 0.5 MiB"),
            ByClaim(37, D, "ours, forward and backward, 0.5 MiB", holds=False),
        ),
    ),
    Advice(
        situation="Mobile, 8 bits",
        advice="Do not quantise through TorchScript: it does not, and it is deprecated.",
        support=(ByClaim(39, R),),
    ),
    Advice(
        situation="Little memory",
        advice="One that keeps its output: inplace saves nothing at ReLU, nor at SiLU.",
        support=(ByMeasurement("L13", free_of_memory),),
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
    """The guide as a table, the evidence folded behind its source."""
    lines = ["| | do this | because |", "|---|---|---|"]
    before = ""
    for line, found in examine(guide, ledger).items():
        situation = "" if line.situation == before else f"**{line.situation}**"
        before = line.situation
        evidence = "<br>".join(map(str, found)).replace("|", "\\|")
        folded = f"<details><summary>{line.sources}</summary>{evidence}</details>"
        lines.append(f"| {situation} | {line.advice} | {folded} |")
    return Markdown("\n".join(lines))
