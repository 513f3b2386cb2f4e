"""nonlin work: the learner's copies, for those who do not open them by start.py."""

import argparse
import sys

from nonlin.commands.common import add_command, tell


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "work",
        run,
        "Make your copies of the lessons, or update them, and print the folder in which they lie.",
    )
    parser.add_argument("--where", action="store_true", help="only print the folder")


def run(arguments: argparse.Namespace) -> int:
    from nonlin.desk.server import update_unless_open
    from nonlin.paths import work_folder
    from nonlin.typography import shown

    folder = work_folder()
    code = tell([] if arguments.where else update_unless_open(folder), sys.stderr)
    print(shown(str(folder)))
    return code
