"""nonlin report: finished runs compared."""

import argparse
from typing import TYPE_CHECKING

from nonlin.commands.common import UsageError, add_command, path, typed
from nonlin.files import write_whole
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.lab.report import Row
    from nonlin.plots import Picture


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "report",
        run,
        "Compare finished runs: accuracies with paired differences to ReLU, as a table, CSV files and figures.",
    )
    parser.add_argument(
        "folder", type=path, metavar="FOLDER", help="of a sweep, or any with runs below it, or a runs.csv"
    )
    parser.add_argument("--output", type=path, metavar="DIR", help="where the files go (default: report/ in FOLDER)")
    parser.add_argument(
        "--reference", type=path, metavar="CSV", help="a runs.csv to draw these runs over, data/results/*/runs.csv say"
    )


def run(arguments: argparse.Namespace) -> None:
    source = arguments.folder
    output = arguments.output or (source.parent if source.is_file() else source) / "report"
    from nonlin.lab import report
    from nonlin.paths import is_writable

    if not is_writable(output):
        raise UsageError(f"a report cannot be written into {output}: choose another --output")
    rows = report.read_runs(source)
    reference = report.read_runs(arguments.reference) if arguments.reference else []
    for line in (*report.table(report.summary(rows)).split("\n"), *report.missing_in_words(source)):
        print(shown(line))  # a run may come from a stranger
    pictures = _pictures(rows, reference)
    report.write(rows, source, output, command=typed(arguments))
    for name, picture in pictures.items():
        write_whole(output / f"{name}.png", picture.save)
    words = "\n\n".join(f"{name}.png\n{picture.text}" for name, picture in pictures.items()) + "\n"
    write_whole(output / "figures.txt", words)
    print(f"Tables, figures, and the figures in words: {shown(str(output))}")


def _pictures(rows: "list[Row]", reference: "list[Row]") -> "dict[str, Picture]":
    """Every figure of a report by the name of its file."""
    from nonlin import plots
    from nonlin.lab import report

    pictures = {}
    for name, members in report.by_file_name(rows).items():
        pictures[f"{name}-epochs"] = plots.learning_curves(members)
        if any(entry.difference is not None for entry in report.summary(members)):
            pictures[f"{name}-differences"] = plots.paired_differences(members)
    if reference:
        try:
            pictures["reference"] = plots.against_reference(rows, reference)
        except ValueError as error:
            raise UsageError(f"--reference: {error}") from error
    return pictures
