"""nonlin work: the learner's copies, for those who do not open them by start.py."""

import argparse

from nonlin.commands.common import add_command


def add(commands: "argparse._SubParsersAction") -> None:
    add_command(commands, "work", run, "Make your copies of the lessons, or update them, and print where they lie.")


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk.copies import update
    from nonlin.paths import work_folder
    from nonlin.typography import shown

    folder = work_folder()
    for sentence in update(folder):
        print(shown(sentence))
    print(shown(str(folder)))
