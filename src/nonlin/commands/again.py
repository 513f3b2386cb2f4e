"""nonlin again: a learner's copy of a lesson, begun anew."""

import argparse

from nonlin.commands.common import add_command, tell


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands, "again", run, "Begin your copy of a lesson anew; the old one is kept, with the date in its name."
    )
    parser.add_argument("lessons", nargs="+", metavar="LESSON", help='beginning of its name, "02"')


def run(arguments: argparse.Namespace) -> int:
    from nonlin.desk.copies import again
    from nonlin.notebooks import lessons
    from nonlin.paths import work_folder

    names = dict.fromkeys(path.name for path in lessons(arguments.lessons))
    return tell(again(work_folder(), names))
