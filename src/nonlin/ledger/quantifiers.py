"""How much a claim says, and the verdict that follows from its cases.

"Never" falls with one counter-example; "can" stands with one example; a comparison that holds here and fails there
depends, on something that has to be named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nonlin.ledger.margins import Margin


class Verdict(StrEnum):
    """What the cases of a claim add up to."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    DEPENDS = "depends"
    OPEN = "open"


Answers = Sequence[bool | None]  # one for each case: yes, no, not decided


@dataclass(frozen=True)
class Quantifier:
    """How much a claim says.

    Args:
        over: of what it says so: "depths", "trained networks".
    """

    over: str

    def verdict(self, answers: Answers) -> Verdict:
        """What follows from the cases."""
        raise NotImplementedError


@dataclass(frozen=True)
class Always(Quantifier):
    """In each case. One that does not hold refutes it; it is confirmed, as far as it was tried, if all hold."""

    def verdict(self, answers: Answers) -> Verdict:
        if False in answers:
            return Verdict.REFUTED
        return Verdict.CONFIRMED if answers and None not in answers else Verdict.OPEN

    def __str__(self) -> str:
        return f"always ({self.over})"


@dataclass(frozen=True)
class Never(Always):
    """In no case does it happen. A case holds where it does not happen; one where it does refutes it."""

    def __str__(self) -> str:
        return f"never ({self.over})"


@dataclass(frozen=True)
class Any(Always):
    """Whichever is chosen. One choice that fails refutes it."""

    def __str__(self) -> str:
        return f"any ({self.over})"


@dataclass(frozen=True)
class AtMost(Always):
    """Nowhere more than a bound. One case above it refutes it."""

    bound: str

    def __str__(self) -> str:
        return f"at most {self.bound} ({self.over})"


@dataclass(frozen=True)
class AtLeast(Always):
    """Nowhere less than a bound. One case below it refutes it."""

    bound: str

    def __str__(self) -> str:
        return f"at least {self.bound} ({self.over})"


@dataclass(frozen=True)
class Exists(Quantifier):
    """It can happen. One case that holds confirms it; it is refuted, as far as it was tried, if none does."""

    def verdict(self, answers: Answers) -> Verdict:
        if True in answers:
            return Verdict.CONFIRMED
        return Verdict.REFUTED if answers and None not in answers else Verdict.OPEN

    def __str__(self) -> str:
        return f"exists ({self.over})"


@dataclass(frozen=True)
class Usually(Quantifier):
    """In more than half of a population, of which the cases are all members that were tried."""

    def verdict(self, answers: Answers) -> Verdict:
        half = len(answers) / 2
        if answers.count(True) > half:
            return Verdict.CONFIRMED
        return Verdict.REFUTED if answers and answers.count(False) >= half else Verdict.OPEN

    def __str__(self) -> str:
        return f"usually ({self.over})"


@dataclass(frozen=True)
class Compared(Quantifier):
    """One is better than another, by more than nothing; a lead that stays below a margin counts as none.

    All cases hold: confirmed. None does: refuted. Some do and some do not: it depends, if it is known on what.

    Args:
        over: in which settings.
        margin: what passes for no difference.
    """

    margin: Margin

    def verdict(self, answers: Answers) -> Verdict:
        if True in answers and False in answers:
            return Verdict.DEPENDS
        if not answers or None in answers:
            return Verdict.OPEN
        return Verdict.CONFIRMED if answers[0] else Verdict.REFUTED

    def __str__(self) -> str:
        exact = self.margin.size == self.margin.none
        return f"comparison ({self.over}{'' if exact else f'; refuted where a lead of {self.margin} is excluded'})"
