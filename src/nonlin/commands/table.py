"""nonlin table: activations compared by their facts."""

import argparse

from nonlin.commands.common import add_command, records_named


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "table", run, "Compare activations: range, mean, slopes, smoothness, gain.")
    parser.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="names (default: all)")


def run(arguments: argparse.Namespace) -> None:
    records = records_named(arguments.names)
    from nonlin.plots.tables import TABLE_KEY, comparison

    print(comparison(*records))
    print(TABLE_KEY)
