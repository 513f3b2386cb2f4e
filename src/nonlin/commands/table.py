"""nonlin table: activations compared by their facts."""

import argparse

from nonlin.commands.common import add_command, records_and_vector_functions


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "table", run, "Compare activations: range, mean, slopes, smoothness, gain.")
    parser.add_argument(
        "names", nargs="*", default=["all"], metavar="NAME", help="names, softmax and gated units too (default: all)"
    )


def run(arguments: argparse.Namespace) -> None:
    records, of_vectors = records_and_vector_functions(arguments.names)
    from nonlin.plots.tables import TABLE_KEY, VECTOR_KEY, comparison, vector_comparison

    if records:
        print(comparison(*records))
        print(TABLE_KEY)
    if of_vectors:
        print(vector_comparison(*of_vectors))
        print(VECTOR_KEY)
