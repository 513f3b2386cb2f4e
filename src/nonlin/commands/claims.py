"""nonlin claims: what is often said, tested."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from nonlin.commands.common import FAILED, UsageError, Whole, add_command, check_file, path, program_as_typed
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.ledger import Finding


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands, "claims", run, "What is often said about activations, tested: every claim's verdict."
    )
    parser.add_argument(
        "numbers",
        nargs="*",
        type=Whole(1, 1000),
        metavar="NUMBER",
        help="only these, with what decides them (default: all)",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure those anew whose numbers are kept in data/results/claims; all of them take an hour or more",
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="FILE",
        help="also write all cases with their verdicts to a JSON file, data/results/claims/verdicts.json for lesson 17",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.output and arguments.numbers:
        raise UsageError("--output writes the whole ledger: leave the numbers out")
    if arguments.output:
        check_file(arguments.output)
    from nonlin.ledger import MissingMeasurement, Verdict, judged, stored, verdicts
    from nonlin.lessons import CLAIMS

    unknown = [number for number in arguments.numbers if number not in CLAIMS]
    if unknown:
        raise UsageError(f"there is no claim {unknown[0]}; there are {min(CLAIMS)} to {max(CLAIMS)}")
    claims = [CLAIMS[number] for number in arguments.numbers or CLAIMS]
    if arguments.measure:
        for claim in (claim for claim in claims if claim.kept):
            print(f"Measuring claim {claim.number}: {claim.statement}")
            print(f"  kept in {stored.measure(claim)}")
    missing, findings = 0, []
    for claim in claims:
        try:
            finding = judged(claim)
        except MissingMeasurement as error:
            missing += 1
            print(f"{claim.number:3}  {'no data':9}  {claim.statement}\n     {error}")
            continue
        findings.append(finding)
        _print(finding, with_cases=bool(arguments.numbers))
    counts = Counter(tried.verdict for finding in findings for tried in finding.parts)
    if not arguments.numbers:
        print(", ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict) + ".")
        print(f"What decides a verdict: {program_as_typed()} claims NUMBER")
    if arguments.output and not missing:  # a table with gaps would look complete
        verdicts.write(findings, arguments.output)
        print(f"Written: {shown(str(arguments.output))}")
    return FAILED if missing else 0


def _print(finding: "Finding", *, with_cases: bool) -> None:
    """A claim, or each part of it, with its verdict; on request with what decides it."""
    from nonlin.ledger.tables import evidence

    claim = finding.claim
    if len(finding.parts) > 1:
        print(f"{claim.number:3}   {'':9}  {claim.statement}  [lesson {claim.lesson}]")
    for tried in finding.parts:
        said = f"{claim.statement}  [lesson {claim.lesson}]" if len(finding.parts) == 1 else tried.part.statement
        print(f"{tried.name:>4}  {tried.verdict:9}  {said}", flush=True)
        for line in evidence(tried) if with_cases else ():
            print(f"        - {line}")
    if with_cases and claim.said_by:
        print(f"        Said by {'; '.join(map(str, claim.said_by))}")
    if with_cases and claim.limits:
        print(f"        {claim.limits}")
