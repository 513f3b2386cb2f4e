"""The ledger: what a claim, a case and a verdict are, and how measurements and verdicts are kept.

The claims themselves stand with their lessons, which hand them to what is here.
"""

from nonlin.ledger.claim import Case, Claim, Finding, Measurement, Verdict, all_hold, verdict
from nonlin.ledger.stored import MissingMeasurement, judged

__all__ = [
    "Case",
    "Claim",
    "Finding",
    "Measurement",
    "MissingMeasurement",
    "Verdict",
    "all_hold",
    "judged",
    "verdict",
]
