"""Measurements of claims that take long or depend on the machine: made once, kept in ``data/results/claims``."""

import json
import math
from pathlib import Path

from nonlin.errors import ReaderError, reason
from nonlin.lab.runs import environment
from nonlin.ledger.claim import Claim, Finding, Measurement
from nonlin.paths import results_folder, write_whole


class MissingMeasurement(ReaderError):
    """What a verdict is computed from is not there, or damaged."""


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
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    path = file_of(claim)
    write_whole(path, lambda file: file.write(text.encode()))
    return path


def read(claim: Claim) -> Measurement:
    """The stored measurement of a claim.

    Raises:
        MissingMeasurement: if it is not there or damaged, with the command that makes it.
    """
    path = file_of(claim)
    try:
        return json.loads(path.read_text(encoding="utf-8"))["measurement"]
    except (OSError, ValueError, KeyError) as error:
        raise MissingMeasurement(
            f"The measurement of claim {claim.number} cannot be read ({path}: {reason(error)}). "
            f"Make it anew: {command(claim)}"
        ) from error


def judged(claim: Claim) -> Finding:
    """A claim, measured now, or read as it was measured, and judged.

    Raises:
        MissingMeasurement: if it is to be read and is not there.
    """
    return Finding(claim, tuple(claim.judge(read(claim) if claim.kept else claim.measure())))
