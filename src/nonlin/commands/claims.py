"""nonlin claims: what is often said, tested."""

import argparse

from nonlin.commands.common import FAILED, UsageError, Whole, add_command, check_file, path, program_as_typed
from nonlin.typography import shown


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
        help="also write all cases with their verdicts to a CSV file, data/results/claims/verdicts.csv for lesson 14",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.output and arguments.numbers:
        raise UsageError("--output writes the whole ledger: leave the numbers out")
    if arguments.output:
        check_file(arguments.output)
    from nonlin.ledger import MissingMeasurement, judged, stored, verdicts
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
        print(f"{claim.number:3}  {finding.verdict:9}  {claim.statement}  [lesson {claim.lesson}]", flush=True)
        for case in finding.cases if arguments.numbers else ():
            print(f"       - {case}")
        if arguments.numbers and claim.limits:
            print(f"       {claim.limits}")
    if not arguments.numbers:
        print(f"What decides a verdict: {program_as_typed()} claims NUMBER")
    if arguments.output and not missing:  # a table with gaps would look complete
        verdicts.write(findings, arguments.output)
        print(f"Written: {shown(str(arguments.output))}")
    return FAILED if missing else 0
