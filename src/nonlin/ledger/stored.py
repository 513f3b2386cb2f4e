"""Measurements of claims that take long or depend on the machine: made once, kept in ``data/results/claims``."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nonlin.errors import ReaderError
from nonlin.files import FileError, read_record, write_json
from nonlin.lab.runs import environment
from nonlin.ledger.claim import Claim, Finding, Measurement
from nonlin.paths import results_folder


class MissingMeasurement(ReaderError):
    """What a verdict is computed from is not there, or damaged."""


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """A measurement with where it comes from, as it is kept."""

    statement: str
    measurement: dict[str, tuple[float, ...]]
    command: str
    versions: dict[str, str]
    revision: str
    hardware: dict[str, Any]


def file_of(claim: Claim) -> Path:
    """Where the measurement of a claim is kept."""
    return results_folder() / "claims" / f"{claim.number:02}.json"


def command(claim: Claim) -> str:
    """The command that makes the measurement."""
    return f"python3 start.py claims {claim.number} --measure"


def measure(claim: Claim) -> Path:
    """Measure a claim, keep the numbers with where they come from, and return the file.

    Raises:
        ValueError: if a measured number is infinite or NaN, which no judge expects.
    """
    numbers = {name: [float(value) for value in values] for name, values in claim.measure().items()}
    for name, values in numbers.items():
        if not all(map(math.isfinite, values)):
            raise ValueError(f"claim {claim.number}: {name} is not finite: {values}.")
    content = {"statement": claim.statement, "measurement": numbers, "command": command(claim), **environment()}
    write_json(file_of(claim), content)
    return file_of(claim)


class _Kept(dict[str, tuple[float, ...]]):
    """A measurement as it was kept, which a judge may have outgrown."""

    def __init__(self, claim: Claim, numbers: Measurement) -> None:
        super().__init__(numbers)
        self._claim = claim

    def __missing__(self, name: str) -> tuple[float, ...]:
        raise _missing(self._claim, f"it does not hold {name!r}, which is judged now")


def read(claim: Claim) -> Measurement:
    """The stored measurement of a claim.

    Raises:
        MissingMeasurement: if it is not there or damaged, or when what it does not hold is looked up in it, with the
            command that makes it.
    """
    path = file_of(claim)
    try:
        stored = read_record(path, _Stored)
    except FileError as error:
        raise _missing(claim, error.why) from error
    if stored is None:
        raise _missing(claim, "there is no such file")
    return _Kept(claim, stored.measurement)


def _missing(claim: Claim, why: str) -> MissingMeasurement:
    return MissingMeasurement(
        f"The measurement of claim {claim.number} cannot be read ({file_of(claim)}: {why}). "
        f"Make it anew: {command(claim)}"
    )


def judged(claim: Claim) -> Finding:
    """A claim, measured now, or read as it was measured, and judged.

    Raises:
        MissingMeasurement: if it is to be read and is not there, or lacks what is judged now.
    """
    return claim.judge(read(claim) if claim.kept else claim.measure())
