"""The whole ledger as it was last tested: cases and verdicts in ``data/results/claims/verdicts.json``.

Testing every claim takes about a minute of one core, too long for a page that only shows the verdicts. The tests, which
test every claim in any case, hold this table to what they find: the conditions and what was decided, not the last
digits of the figures, which differ between processors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nonlin.files import FileError, read_record, write_json
from nonlin.ledger import stored
from nonlin.ledger.claim import Case, Claim, Dependence, Finding, Tried
from nonlin.paths import results_folder

COMMAND = "python3 start.py claims --output data/results/claims/verdicts.json"


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """A part as it is kept, with what a reader of the file wants to know about it."""

    lesson: str
    claim: str
    statement: str
    quantifier: str
    verdict: str
    dependence: Dependence | None
    cases: tuple[Case, ...]


def default_path() -> Path:
    """The table that belongs to the course."""
    return results_folder() / "claims" / "verdicts.json"


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write the parts of all claims by their names: what they say, their cases and their verdicts.

    Raises:
        FileError: if the file cannot be written.
    """
    write_json(path, {tried.name: _recorded(finding.claim, tried) for finding in findings for tried in finding.parts})


def _recorded(claim: Claim, tried: Tried) -> dict[str, Any]:
    return asdict(
        _Recorded(
            lesson=claim.lesson,
            claim=claim.statement,
            statement=tried.part.statement,
            quantifier=str(tried.part.quantifier),
            verdict=tried.verdict,
            dependence=tried.dependence,
            cases=tried.cases,
        )
    )


def read(claims: Mapping[int, Claim], path: Path | None = None) -> dict[int, Finding]:
    """The findings of the table, by number. The verdict is not read: it follows from the cases, as always.

    Args:
        claims: the ledger; other claims in the table are left out, and a claim that the table lacks is missing.
        path: by default the course's own table.

    Raises:
        MissingMeasurement: if the table is not there or damaged, with the command that writes it.
    """
    path = path or default_path()
    try:
        table = read_record(path, dict[str, _Recorded])
    except FileError as error:
        raise _missing(path, error.why) from error
    if not table:
        raise _missing(path, "it holds no verdict" if table is not None else "there is no such file")
    findings = (_finding(claim, table) for claim in claims.values())
    return {finding.claim.number: finding for finding in findings if finding}


def _finding(claim: Claim, table: Mapping[str, _Recorded]) -> Finding | None:
    """None unless the table has all parts."""
    kept = {name: table.get(name) for name in claim.names}
    if None in kept.values():
        return None
    parts = zip(kept.items(), claim.parts, strict=True)
    return Finding(claim, tuple(Tried(name, part, row.cases, row.dependence) for (name, row), part in parts))


def _missing(path: Path, why: str) -> stored.MissingMeasurement:
    return stored.MissingMeasurement(f"The table of verdicts cannot be read ({path}: {why}). Write it anew: {COMMAND}")
