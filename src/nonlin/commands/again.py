"""nonlin again: a learner's copy of a lesson, begun anew."""

import argparse

from nonlin.commands.common import UsageError, add_command, tell


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands, "again", run, "Begin your copy of a lesson anew; the old one is kept, with the date in its name."
    )
    parser.add_argument("lessons", nargs="+", metavar="LESSON", help='beginning of its name, "02"')


def run(arguments: argparse.Namespace) -> int:
    from nonlin.desk.copies import again
    from nonlin.notebooks import lessons
    from nonlin.paths import work_folder

    names = {}
    for word in arguments.lessons:
        first, *others = lessons([word])
        if others:  # a digit is typed too soon: ten lessons would begin anew
            raise UsageError(f"{word!r} fits {first.stem} and {len(others)} more: write more of the name")
        names[first.name] = None
    return tell(again(work_folder(), names))
