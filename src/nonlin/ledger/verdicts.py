"""The whole ledger as it was last tested: cases and verdicts in ``data/results/claims/verdicts.csv``.

Testing every claim takes about a minute of one core, too long for a page that only shows the verdicts. The tests, which
test every claim in any case, hold this table to what they find: the conditions and what was decided, not the last
digits of the figures, which differ between processors.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from nonlin.errors import reason
from nonlin.files import write_whole
from nonlin.ledger import stored
from nonlin.ledger.claim import Case, Claim, Finding
from nonlin.paths import results_folder

COMMAND = "python3 start.py claims --output data/results/claims/verdicts.csv"
HOLDS = {True: "yes", False: "no", None: "not decided"}


def default_path() -> Path:
    """The table that belongs to the course."""
    return results_folder() / "claims" / "verdicts.csv"


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write one row per case, under the number, the statement and the verdict of its claim.

    Raises:
        FileError: if the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "lesson", "statement", "verdict", "condition", "holds", "figures"])
    for finding in findings:
        claim = finding.claim
        for case in finding.cases:
            writer.writerow(
                [
                    claim.number,
                    claim.lesson,
                    claim.statement,
                    finding.verdict,
                    case.condition,
                    HOLDS[case.holds],
                    case.figures,
                ]
            )
    write_whole(path, text.getvalue())


def read(claims: Mapping[int, Claim], path: Path | None = None) -> dict[int, Finding]:
    """The findings of the table, by number. The verdict is not read: it follows from the cases, as always.

    Args:
        claims: the ledger; other claims in the table are left out, and a claim that the table lacks is missing.
        path: by default the course's own table.

    Raises:
        MissingMeasurement: if the table is not there or damaged, with the command that writes it.
    """
    path = path or default_path()
    holds = {word: value for value, word in HOLDS.items()}
    cases: dict[int, list[Case]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                case = Case(row["condition"], holds[row["holds"]], row["figures"])
                cases.setdefault(int(row["number"]), []).append(case)
        if not cases:
            raise ValueError("it holds no verdict")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise stored.MissingMeasurement(
            f"The table of verdicts cannot be read ({path}: {reason(error)}). Write it anew: {COMMAND}"
        ) from error
    return {number: Finding(claim, tuple(cases[number])) for number, claim in claims.items() if number in cases}
