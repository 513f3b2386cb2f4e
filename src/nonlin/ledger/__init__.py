"""The ledger: what a claim, a case and a verdict are, and how measurements and verdicts are kept.

The claims themselves stand with their lessons, which hand them to what is here.
"""

from nonlin.ledger.claim import Case, Claim, Dependence, Finding, Measurement, Part, Tried, all_hold
from nonlin.ledger.quantifiers import (
    Always,
    Any,
    AtLeast,
    AtMost,
    Compared,
    Exists,
    Never,
    Quantifier,
    Usually,
    Verdict,
)
from nonlin.ledger.stored import MissingMeasurement, judged

__all__ = [
    "Always",
    "Any",
    "AtLeast",
    "AtMost",
    "Case",
    "Claim",
    "Compared",
    "Dependence",
    "Exists",
    "Finding",
    "Measurement",
    "MissingMeasurement",
    "Never",
    "Part",
    "Quantifier",
    "Tried",
    "Usually",
    "Verdict",
    "all_hold",
    "judged",
]
