"""The whole course as one PDF file, printed by a browser."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from nonlin.errors import ReaderError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
PATIENCE = 600  # seconds
ALONE = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-background-networking"]


class PrintError(ReaderError):
    """The PDF cannot be made."""


def write_pdf(page: Path, target: Path) -> None:
    """Print one HTML page that holds everything, with its folds open.

    Raises:
        PrintError: if there is no browser, or it fails.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise PrintError("a PDF is printed by Chromium or Chrome, and neither was found: install one.")
    html = page.read_text(encoding="utf-8")
    html = re.sub(r'(["(])(?:\.\./)+_static/', r"\1_static/", html)  # all pages have become one, at the top
    page.write_text(html.replace("<details", "<details open"), encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *ALONE, f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise PrintError(f"{browser} did not print within {PATIENCE} seconds: try again.") from error
    if done.returncode or not target.is_file():
        raise PrintError(f"{browser} could not print ({done.stderr.strip()[-200:]}): try again, or leave out --pdf.")
