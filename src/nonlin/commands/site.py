"""nonlin site: the course as static pages."""

import argparse
from pathlib import Path

from nonlin.commands.common import add_command, path
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "site", run, "The course as a site that needs no server and no network.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=path,
        default=Path("site"),
        metavar="FOLDER",
        help="where to; an older site there is replaced (default: site)",
    )
    parser.add_argument(
        "--pdf",
        action="store_true",
        help="also print the course into one PDF file; it takes Chromium or Chrome",
    )


def run(arguments: argparse.Namespace) -> None:
    from nonlin.site.build import build

    site = build(arguments.folder, pdf=arguments.pdf)
    size = f"{site.pages} pages, {site.size / 1e6:.0f} MB, in {site.seconds:.0f} s"
    print(f"{size}: {shown(str(site.folder / 'index.html'))}")
