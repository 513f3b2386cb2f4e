"""nonlin hand-out: the course for a class, without solutions."""

import argparse
import re
from datetime import date
from pathlib import Path

from nonlin.commands.common import add_command, path
from nonlin.typography import shown

HONEST = (
    "What checks need of the solutions is stored scrambled, and so are solutions that are shown after a day: that "
    "hides them from the curious. Whoever reads the package's code, or sets his machine's clock forward, can see them."
)


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "hand-out",
        run,
        "For lecturers: write the lessons without outputs and solutions, as files and as one zip, to give to students.",
    )
    parser.epilog = HONEST
    parser.usage = "%(prog)s FOLDER [options]"  # an option with several values would swallow it
    parser.add_argument("folder", type=path, metavar="FOLDER", help="a new folder, outside of the course")
    parser.add_argument(
        "--lessons", nargs="+", default=[], metavar="LESSON", help='beginnings of names, "03" (default: all)'
    )
    solutions = parser.add_mutually_exclusive_group()
    solutions.add_argument(
        "--solutions-after",
        type=_day_to_come,
        metavar="DATE",
        help="checks show the solution from this day on, written as 2030-12-24",
    )
    solutions.add_argument(
        "--no-solutions", action="store_true", help="checks never show it (as without either of the two)"
    )


def _day_to_come(text: str) -> date:
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        day = None
    if day is None:
        raise argparse.ArgumentTypeError(f"must be a day, written as 2030-12-24, not {text[:40]!r}")
    if day <= date.today():
        raise argparse.ArgumentTypeError(f"must be a day to come, and {day} is not")
    return day


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk.hand_out import NAME, hand_out

    folder: Path = arguments.folder
    names = hand_out(folder, arguments.lessons, arguments.solutions_after)
    print(
        f"{len(names)} lesson{'s' if len(names) > 1 else ''}: {shown(str(folder / NAME))}, and as {NAME}.zip beside it."
    )
    print(HONEST)
