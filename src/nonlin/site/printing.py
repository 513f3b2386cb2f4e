"""The whole course as one PDF file, printed by a browser."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from nonlin.errors import ReaderError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
PATIENCE = 1800  # seconds
ALONE = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-background-networking"]
ALONE += ["--generate-pdf-document-outline"]
_FILE = re.compile(r'(<a\b[^>]*?)\shref="(?![a-z]+:|#)([^"#]*)[^"]*"')  # a link to another file


class PrintError(ReaderError):
    """The PDF cannot be made."""


def browser() -> str:
    """The program that prints.

    Raises:
        PrintError: if there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise PrintError("a PDF is printed by Chromium or Chrome, and neither was found: install one.")
    return found


def write_pdf(page: Path, target: Path) -> None:
    """Print one HTML page that holds everything, with its folds open.

    Raises:
        PrintError: if there is no browser, or it fails.
    """
    program = browser()
    html = page.read_text(encoding="utf-8")
    html = re.sub(r'(["(])(?:\.\./)+_static/', r"\1_static/", html)  # all pages have become one, at the top
    html = _FILE.sub(lambda found: f"{found[1]}{_within(found[2], html)}", html)
    page.write_text(html.replace("<details", "<details open"), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=page.parent) as profile:
        command = [program, *ALONE, f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise PrintError(f"{program} did not print within {PATIENCE} seconds: try again.") from error
    if done.returncode or not target.is_file():
        raise PrintError(f"{program} could not print ({done.stderr.strip()[-200:]}): try again, or leave out --pdf.")


def _within(file: str, html: str) -> str:
    """The place in the one page that a link to a page of the site means; nothing if that is not printed."""
    place = "document-" + re.sub(r"^(\.\./)+|\.html$", "", file)
    return f' href="#{place}"' if f'id="{place}"' in html else ""
