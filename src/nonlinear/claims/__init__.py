"""The ledger: every claim that the course puts to the test, by number."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from nonlinear.claims.claim import Case, Claim, Finding, Measurement, Verdict, verdict
from nonlinear.claims.stored import MissingMeasurement


def _collect() -> Mapping[int, Claim]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    claims = sorted(
        (value for module in modules for value in vars(module).values() if isinstance(value, Claim)),
        key=lambda claim: claim.number,
    )
    ledger = {claim.number: claim for claim in claims}
    if len(ledger) < len(claims):
        numbers = [claim.number for claim in claims]
        raise ValueError(f"two claims have the number {min(n for n in numbers if numbers.count(n) > 1)}.")
    return MappingProxyType(ledger)


CLAIMS = _collect()


def of_lesson(lesson: str) -> tuple[Claim, ...]:
    """The claims that a lesson ("03") takes apart, by number."""
    return tuple(claim for claim in CLAIMS.values() if claim.lesson == lesson)


__all__ = [
    "CLAIMS",
    "Case",
    "Claim",
    "Finding",
    "Measurement",
    "MissingMeasurement",
    "Verdict",
    "of_lesson",
    "verdict",
]
