"""nonlin refresh: lessons executed and stored."""

import argparse

from nonlin.commands.common import add_command


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "refresh", run, "For authors: run lessons and store their outputs.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help='beginnings of names, "02" (default: all)')


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk import instructor
    from nonlin.notebooks import refresh

    refresh(arguments.lessons)
    instructor.renew()  # its minutes and aims are the lessons'
