"""nonlin gradients: gradients by depth before any training."""

import argparse

from nonlin.commands.common import (
    UsageError,
    Whole,
    add_command,
    add_data_option,
    load_images,
    makers_named,
    path,
    typed,
)
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands, "gradients", run, "What initialisation and depth do to the gradient before any training."
    )
    parser.add_argument(
        "--activations", nargs="+", default=["all"], metavar="NAME", help="names, or all (default: all)"
    )
    parser.add_argument(
        "--depths", type=Whole(2, 1000), nargs="+", metavar="N", help="hidden layers (default: 4 16 64)"
    )
    parser.add_argument("--seeds", type=Whole(2, 1000), default=5, metavar="N", help="networks each (default: 5)")
    add_data_option(parser)
    parser.add_argument("--output", type=path, metavar="FOLDER", help="write the table into FOLDER, as CSV")


def run(arguments: argparse.Namespace) -> None:
    makers = makers_named(arguments.activations)
    from nonlin.paths import is_writable

    if arguments.output and not is_writable(arguments.output):
        raise UsageError(f"the table cannot be written into {arguments.output}: choose another --output")
    dataset = load_images(arguments.data)
    from tqdm.auto import tqdm

    from nonlin.lab.networks import threads
    from nonlin.lessons.gradient_flow import experiments

    depths = arguments.depths or experiments.DEPTHS
    cells = len(makers) * len(experiments.FOR_ANY) * len(depths) * arguments.seeds
    with threads(1):
        measured = experiments.study(makers, dataset, depths=depths, seeds=arguments.seeds)
        starts = list(tqdm(measured, "Networks", cells, leave=False, disable=None))
    print(f"Factor by which one hidden layer multiplies the gradient, {dataset.title}, {arguments.seeds} seeds, 95 %\n")
    print(experiments.table(starts))
    if arguments.output:
        experiments.write(starts, dataset, typed(arguments), arguments.output)
        print(f"Written: {shown(str(arguments.output))}")
