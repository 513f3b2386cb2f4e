"""nonlin data: fetch and describe a data set."""

import argparse

from nonlin.commands.common import add_command, load_images


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "data", run, "Fetch a data set if need be, and describe it.")
    parser.add_argument(
        "source",
        nargs="?",
        default="auto",
        metavar="SOURCE",
        help="cifar10 (tries a failed download again), shapes10, a folder, or auto (default: auto)",
    )


def run(arguments: argparse.Namespace) -> None:
    dataset = load_images(arguments.source)
    numbers = {"mean": dataset.mean, "standard deviation": dataset.std}
    print(dataset.title)
    print(f"  {len(dataset.train.images):,} training images, {len(dataset.test.images):,} test images, 32x32, colour")
    count = len(dataset.classes)
    print(f"  {count} class{'es' if count > 1 else ''}: {', '.join(dataset.classes)}")
    for name, values in numbers.items():
        print(f"  {name} of red, green, blue, scaled to [0, 1]: {', '.join(f'{value:.4f}' for value in values)}")
