"""nonlin colab: copies of the lessons for Google Colab."""

import argparse

from nonlin.commands.common import add_command, path
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "colab", run, "Copies of the lessons that install the course where they are opened.")
    parser.add_argument("folder", type=path, metavar="FOLDER", help="a new folder, outside of the course")
    parser.add_argument(
        "--from",
        dest="wheel",
        metavar="WHEEL",
        help="the wheel to install, its file or its URL (default: the course's repository, if it is published)",
    )


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk.colab import copies

    written = copies(arguments.folder, arguments.wheel)
    print(f"{len(written)} lessons in {shown(str(arguments.folder))}; open one of them in Google Colab.")
