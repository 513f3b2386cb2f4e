"""A claim about activations, the experiment that tests it, and the verdict that follows.

Measuring and judging are kept apart: ``measure`` returns numbers, ``judge`` turns numbers into cases, and the verdict
follows from the cases by one rule. So a verdict can be computed from numbers that were measured elsewhere, and a test
can show which numbers would turn it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nonlin.typography import true_minus

Measurement = Mapping[str, Sequence[float]]


class Verdict(StrEnum):
    """What the cases of a claim add up to."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    DEPENDS = "depends"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Case:
    """One condition under which a claim was tested.

    Both texts get true minus signs.

    Args:
        condition: in a few words: "with Xavier's weights".
        holds: whether the claim holds there; None if the measurement does not decide it.
        figures: the numbers that say so: "0.94 [0.93, 0.95] per layer".
    """

    condition: str
    holds: bool | None
    figures: str

    def __post_init__(self) -> None:
        for name in ("condition", "figures"):
            object.__setattr__(self, name, true_minus(getattr(self, name)))

    def __str__(self) -> str:
        mark = {True: "holds", False: "does not hold", None: "not decided"}[self.holds]
        return f"{self.condition}: {mark} ({self.figures})"


def verdict(cases: Sequence[Case]) -> Verdict:
    """Some cases hold and some do not: depends. All that are decided hold: confirmed. None of them does: refuted.

    Cases that the measurement does not decide count for neither side. If they are more than half, or if there are no
    cases, those that are decided do not stand for the rest, and the claim is undecided.
    """
    decided = [case.holds for case in cases if case.holds is not None]
    if len(set(decided)) == 2:
        return Verdict.DEPENDS
    if not decided or len(decided) < len(cases) / 2:
        return Verdict.UNDECIDED
    return Verdict.CONFIRMED if decided[0] else Verdict.REFUTED


def all_hold(answers: Sequence[bool | None]) -> bool | None:
    """Whether all answers are yes: one no decides against it; without a no, one that is open leaves it open."""
    return False if False in answers else None if None in answers else True


@dataclass(frozen=True)
class Finding:
    """A claim, tested."""

    claim: "Claim"
    cases: tuple[Case, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict(self.cases)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that is often said about activations.

    Args:
        number: place in the ledger.
        statement: the claim as it is usually made.
        lesson: where it is taken apart, ``"03"``.
        measure: runs the experiment and returns its numbers, by name; one entry per repeat where chance is involved.
        judge: turns the numbers into cases.
        kept: whether measuring takes long or depends on the machine, so that it is done once, by
            ``python3 start.py claims NUMBER --measure``, and read from ``data/results/claims``.
        limits: what this evidence does not show, in a sentence; empty if nothing needs to be said.
    """

    number: int
    statement: str
    lesson: str
    measure: Callable[[], Measurement]
    judge: Callable[[Measurement], Sequence[Case]]
    kept: bool = False
    limits: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", true_minus(self.limits))
