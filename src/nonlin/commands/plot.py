"""nonlin plot: curves and slopes."""

import argparse

from nonlin.commands.common import (
    UsageError,
    add_command,
    check_file,
    path,
    records_and_vector_functions,
)
from nonlin.files import write_whole
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "plot", run, "Draw activations and their slopes, and describe them in words.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="names, or all; a wrong one lists the known ones")
    parser.add_argument(
        "--output", type=path, metavar="FILE", help="PNG file (default: plots/NAMES.png in the folder of the runs)"
    )
    parser.add_argument(
        "--photograph", action="store_true", help="show what each makes of a photograph, above its curve"
    )


def run(arguments: argparse.Namespace) -> None:
    records, of_vectors = records_and_vector_functions(arguments.names, all_means_both=False)
    if of_vectors and (records or arguments.photograph):
        raise UsageError(f"{of_vectors[0].name} is a function of a vector: draw such functions by themselves")
    from nonlin.paths import runs_folder

    output = arguments.output or runs_folder() / "plots" / f"{'-'.join(arguments.names)}.png"
    if output.suffix.lower() != ".png":
        raise UsageError(f"--output must end in .png: {output}")
    check_file(output)
    from nonlin.plots import along_one_input, curve_and_slope, on_a_photograph

    if of_vectors:
        picture = along_one_input(*of_vectors)
    else:
        picture = (on_a_photograph if arguments.photograph else curve_and_slope)(*records)
    write_whole(output, picture.save)
    print(shown(str(output)))
    print(picture.text)
