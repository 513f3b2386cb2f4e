"""nonlin guide: which activation, where."""

import argparse

from nonlin.commands.common import UsageError, add_command, check_file, path
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "guide", run, "Which activation, where: advice, each line with its evidence.")
    parser.add_argument(
        "--cheat-sheet",
        type=path,
        metavar="FILE",
        help="write all activations and this guide as one page to print, a PNG or PDF file",
    )
    parser.add_argument(
        "--instructor",
        type=path,
        metavar="FILE",
        help="write the guide for those who teach the course, a Markdown file",
    )


def run(arguments: argparse.Namespace) -> None:
    page, instructor = arguments.cheat_sheet, arguments.instructor
    if page and page.suffix.lower() not in (".png", ".pdf"):
        raise UsageError(f"--cheat-sheet must end in .png or .pdf: {page}")
    for file, option in ((page, "--cheat-sheet"), (instructor, "--instructor")):
        if file:
            check_file(file, option)
    if instructor:
        from nonlin.desk.instructor import write

        write(instructor)
        print(shown(str(instructor)))
    if page:
        from nonlin.lessons.choosing.cheat_sheet import cheat_sheet, save

        save(cheat_sheet(), page)
        print(shown(str(page)))
    if not page and not instructor:
        _print()


def _print() -> None:
    from nonlin.lessons.choosing.guide import examine

    situation = ""
    for line, found in examine().items():
        if line.situation != situation:
            situation = line.situation
            print(f"{situation}")
        print(f"  {line.advice}")
        for each in (*found, *line.practice):
            print(f"     {each}")
        if line.parts:
            print(f"     Measurement and practice part: {line.parts}")
