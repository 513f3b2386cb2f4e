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
    if arguments.instructor:
        check_file(arguments.instructor, "--instructor")
        from nonlin.desk import instructor

        instructor.write(arguments.instructor)
        print(shown(str(arguments.instructor)))
        return
    page = arguments.cheat_sheet
    if page and page.suffix.lower() not in (".png", ".pdf"):
        raise UsageError(f"--cheat-sheet must end in .png or .pdf: {page}")
    if page:
        check_file(page, "--cheat-sheet")
        from nonlin.lessons.choosing.cheat_sheet import cheat_sheet, save

        save(cheat_sheet(), page)
        print(shown(str(page)))
        return
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
