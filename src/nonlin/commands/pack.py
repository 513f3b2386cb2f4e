"""nonlin pack: the course for a room without a network."""

import argparse

from nonlin.commands.common import add_command, path
from nonlin.typography import shown

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = ("windows", "macos", "linux")


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "pack",
        run,
        "For lecturers: fill a folder, on a stick for instance, with the course and all that its installation needs, "
        "for a room without a network.",
    )
    parser.epilog = "macOS means 14 or newer on Apple's processors; the others, 64-bit processors by Intel or AMD."
    parser.add_argument("folder", type=path, metavar="FOLDER", help="a new folder, outside of the course")
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS, help="of the room's computers (default: all three)"
    )
    parser.add_argument("--python", choices=PYTHONS, default="3.12", help="that they have (default: %(default)s)")
    parser.add_argument(
        "--images",
        default="shapes10",
        metavar="FOLDER",
        help="a folder with train/CLASS/* and test/CLASS/*, or shapes10, which needs no files (default: shapes10)",
    )
    parser.add_argument(
        "--course", type=path, metavar="FOLDER", help="of a hand-out, to be packed instead of the course itself"
    )


def run(arguments: argparse.Namespace) -> None:
    from nonlin.desk.pack import pack

    images = None if arguments.images == "shapes10" else path(arguments.images)
    systems = tuple(dict.fromkeys(arguments.systems))
    folder = arguments.folder
    pack(folder, systems, arguments.python, images, arguments.course)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
    print(f"{shown(str(folder))}: {size:.1f} GB; START HERE.txt in it says how to begin.")
