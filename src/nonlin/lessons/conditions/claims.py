"""Claims about what an activation must satisfy."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import Family, below, exact
from nonlin.ledger import Always, Any, Case, Claim, Measurement, Part, literature
from nonlin.lessons.conditions.experiments import fit_curve, relu_with_slope_at_zero
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
    family = Family(len(measured))
    cases = []
    for name, steps in measured.items():
        learned = family.share(sum(count < MOST_STEPS for count in steps), len(steps))
        mean = sum(steps) / len(steps)
        said = f"{100 * learned.mean:.0f} % of {learned.n} networks learn, in {mean:.0f} steps"
        cases.append(Case(name, below(learned, 0.5), said, (learned,)))
    return cases


EVERYWHERE = Claim(
    number=14,
    statement="An activation must be differentiable everywhere.",
    lesson="02",
    said_by=(literature.RASCHKA,),
    measure=_steps_with_kinks,
    parts=(Part(quantifier=Always("activations that are not"), judge=_judge_steps_with_kinks),),
    limits=(
        f"Two rings, three hidden layers of 16 units, {MOST_STEPS} steps of Adam. The claim would hold for an "
        "activation with which most networks do not learn. Differentiable almost everywhere is not enough either: a "
        "step has the slope 0."
    ),
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
        best, worst = min(errors), max(errors)
        holds = True if worst < 0.05 else False if best > 0.5 else None
        shown = f"{worst:.1g}" if math.isclose(best, worst, rel_tol=1e-3) else f"at most {worst:.1g}"
        cases.append(Case(name, holds, f"error {shown} of the curve with {UNITS} units", (exact(worst),)))
    return cases


UNIVERSAL = Claim(
    number=63,
    statement="With any non-linear activation, one hidden layer that is wide enough fits any continuous curve.",
    lesson="02",
    said_by=(literature.STINCHCOMBE, literature.CYBENKO),
    measure=_universal,
    parts=(Part(quantifier=Any("non-linear activations"), judge=_judge_universal),),
    limits="One curve, sin 3πx on [−1, 1], and random first weights. That it holds exactly for those that are no "
    "polynomials is a theorem (Leshno, Lin, Pinkus and Schocken 1993), not a finding.",
)
