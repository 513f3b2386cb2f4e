"""nonlin again: a learner's copy of a lesson, begun anew."""

import argparse

from nonlin.commands.common import add_command


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands, "again", run, "Begin your copy of a lesson anew; the old one is kept, with the date in its name."
    )
    parser.add_argument("lessons", nargs="+", metavar="LESSON", help='beginning of its name, "02"')


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk.copies import again
    from nonlin.notebooks import lessons
    from nonlin.paths import work_folder
    from nonlin.typography import shown

    names = dict.fromkeys(path.name for path in lessons(arguments.lessons))
    for sentence in again(work_folder(), names):
        print(shown(sentence))
