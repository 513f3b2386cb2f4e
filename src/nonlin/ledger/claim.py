"""A claim about activations, its parts, the experiment that tests it, and the verdicts that follow.

Measuring and judging are kept apart: ``measure`` returns numbers, the parts' ``judge`` turns numbers into cases, and a
verdict follows from the cases by the rule of the part's quantifier. So a verdict can be computed from numbers that were
measured elsewhere, and a test can show which numbers would turn it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from nonlin.intervals import Estimate
from nonlin.ledger.literature import Source
from nonlin.ledger.quantifiers import Quantifier, Verdict
from nonlin.typography import true_minus

Measurement = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Case:
    """One condition under which a claim was tested.

    Both texts get true minus signs.

    Args:
        condition: in a few words: "with Xavier's weights".
        holds: whether the case speaks for the claim; None if the measurement does not decide it.
        figures: the numbers that say so: "0.94 [0.93, 0.95] per layer".
        rests_on: the intervals that decided it; none for what is exact.
    """

    condition: str
    holds: bool | None
    figures: str
    rests_on: tuple[Estimate, ...] = ()

    def __post_init__(self) -> None:
        for name in ("condition", "figures"):
            object.__setattr__(self, name, true_minus(getattr(self, name)))

    def __str__(self) -> str:
        mark = {True: "holds", False: "does not hold", None: "not decided"}[self.holds]
        return f"{self.condition}: {mark} ({self.figures})"


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """On what it depends whether a claim holds, as an experiment found it that varied just that.

    Args:
        factor: what was varied: "the slope a".
        holds: "below", "up to" or "above": on which side of the turning point the claim holds.
        at: where it turns; an interval of width 0 where the point is exact.
        unit: of the factor, empty for a pure number.

    Raises:
        ValueError: for another side.
    """

    factor: str
    holds: str
    at: Estimate
    unit: str = ""

    def __post_init__(self) -> None:
        if self.holds not in ("below", "up to", "above"):
            raise ValueError(f'a claim holds "below", "up to" or "above" a turning point, not {self.holds!r}.')

    def __str__(self) -> str:
        exact = self.at.low == self.at.high
        where = f"{self.at.mean:.3g}" if exact else str(self.at)
        return true_minus(f"it depends on {self.factor}: it holds {self.holds} {where} {self.unit}".rstrip())


@dataclass(frozen=True, kw_only=True)
class Part:
    """One statement that has a verdict of its own.

    Args:
        statement: what the part says; empty if it is the whole claim.
        quantifier: how much it says: always, usually, at least, ...
        judge: turns the claim's numbers into the cases of this part.
        depends_on: finds in the same numbers on what it depends; None if they do not show it. A comparison that holds
            here and fails there is left open without it.
        would_take: what would decide it, in a sentence, where what was measured does not.
    """

    statement: str = ""
    quantifier: Quantifier
    judge: Callable[[Measurement], Sequence[Case]]
    depends_on: Callable[[Measurement], Dependence | None] | None = None
    would_take: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that is often said about activations.

    Args:
        number: place in the ledger.
        statement: the claim as it is usually made.
        lesson: where it is taken apart, ``"03"``.
        measure: runs the experiment and returns its numbers, by name; one entry per repeat where chance is involved.
        parts: what it says; more than one where it says several things at once.
        said_by: where it comes from or is repeated; empty if no such place could be looked up.
        kept: whether measuring takes long or depends on the machine, so that it is done once, by
            ``python3 start.py claims NUMBER --measure``, and read from ``data/results/claims``.
        limits: what this evidence does not show, in a sentence; empty if nothing needs to be said.

    Raises:
        ValueError: if there is no part, one of several says nothing of its own, or a source is of a part that is none.
    """

    number: int
    statement: str
    lesson: str
    measure: Callable[[], Measurement]
    parts: tuple[Part, ...]
    said_by: tuple[Source, ...] = ()
    kept: bool = False
    limits: str = ""

    def __post_init__(self) -> None:
        statements = [part.statement for part in self.parts]
        if not self.parts or (len(statements) > 1 and (not all(statements) or len({*statements}) < len(statements))):
            raise ValueError(f"claim {self.number} needs a part, and a statement of its own for each of several.")
        for source in self.said_by:
            if not {f"{self.number}{letter}" for letter in source.parts} <= {*self.names}:
                raise ValueError(f"claim {self.number} has no parts {source.parts!r} that {source.signed} could make.")
        object.__setattr__(self, "limits", true_minus(self.limits))

    def judge(self, measured: Measurement) -> "Finding":
        """What the numbers say about each part."""
        tried = (
            Tried(name, part, tuple(part.judge(measured)), part.depends_on(measured) if part.depends_on else None)
            for name, part in zip(self.names, self.parts, strict=True)
        )
        return Finding(self, tuple(tried))

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parts: "16" of the only one, "9a" and "9b" of two."""
        letters = ascii_lowercase[: len(self.parts)] if len(self.parts) > 1 else [""]
        return tuple(f"{self.number}{letter}" for letter in letters)


@dataclass(frozen=True)
class Tried:
    """A part of a claim, tested.

    Args:
        name: its place in the ledger: "16", or "9b" for the second part of several.
        part: what it says.
        cases: under which conditions it was tested.
        dependence: on what it depends, if that was measured and found.
    """

    name: str
    part: Part
    cases: tuple[Case, ...]
    dependence: Dependence | None = None

    @property
    def verdict(self) -> Verdict:
        """By the quantifier's rule; "depends" needs to be said on what."""
        found = self.part.quantifier.verdict([case.holds for case in self.cases])
        return Verdict.OPEN if found == Verdict.DEPENDS and self.dependence is None else found


@dataclass(frozen=True)
class Finding:
    """A claim, tested part by part."""

    claim: Claim
    parts: tuple[Tried, ...]

    @property
    def verdict(self) -> Verdict:
        """Of a claim with one part.

        Raises:
            ValueError: if it has several: each has a verdict of its own.
        """
        if len(self.parts) > 1:
            raise ValueError(f"claim {self.claim.number} says several things: ask its parts for their verdicts.")
        return self.parts[0].verdict

    @property
    def cases(self) -> tuple[Case, ...]:
        """Those of all parts."""
        return tuple(case for part in self.parts for case in part.cases)

    @property
    def verdicts(self) -> str:
        """The verdicts of the parts side by side: "confirmed", or "a confirmed, b refuted"."""
        if len(self.parts) == 1:
            return str(self.verdict)
        return ", ".join(f"{part.name.lstrip('0123456789')} {part.verdict}" for part in self.parts)


def all_hold(answers: Sequence[bool | None]) -> bool | None:
    """Whether all answers are yes: one no decides against it; without a no, one that is open leaves it open."""
    return False if False in answers else None if None in answers else True
