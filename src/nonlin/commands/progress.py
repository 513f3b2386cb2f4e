"""nonlin progress: what a learner has solved so far."""

import argparse

from nonlin.commands.common import add_command


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "progress", run, "Show what you have solved so far, in all lessons or in some.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help='beginnings of names, "02" (default: all)')
    parser.add_argument(
        "--json", action="store_true", help="print it as data: one JSON array, an object for each lesson"
    )


def run(arguments: argparse.Namespace) -> None:
    import json

    from nonlin import notebooks
    from nonlin.lessons import progress_of
    from nonlin.paths import work_folder
    from nonlin.typography import shown

    numbers = dict.fromkeys(path.name[:2] for path in notebooks.lessons(arguments.lessons))
    found = progress_of(tuple(numbers), work_folder())
    if arguments.json:
        print(json.dumps(found.as_data(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(shown, repr(found).split("\n"))))
