"""Build the site: pages are written into a folder of their own, and Sphinx makes HTML from them."""

import io
import re
import shutil
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

from nonlin.desk.new_folder import parts_of, workspace
from nonlin.errors import ReaderError, reason
from nonlin.files import is_full, unwritable
from nonlin.lab.protocol import PROTOCOL, Network
from nonlin.ledger import Finding, verdicts
from nonlin.lessons import CLAIMS, NEEDS
from nonlin.notebooks import LESSONS
from nonlin.notebooks import lessons as notebooks
from nonlin.paths import is_writable, results_folder
from nonlin.site import activations, claims, explorer, lessons, links, overview, printing, reference, runs
from nonlin.site.markdown import COLOUR, DOCS, Pages
from nonlin.typography import shown

TITLE = "Nonlinear"
LOOKED_UP = ("activations", "guide", "cheat_sheet", "claims", "runs", "glossary", "reference")
ABOUT = ("using", "trouble", "results", "abilities", "instructor", "teaching")  # and whatever else docs/ holds
TAKEN_ALONG = "nonlinear"  # the archive of the whole site, beside its first page, and its folder in there
ARCHIVE, PRINTED = f"{TAKEN_ALONG}.zip", f"{TAKEN_ALONG}.pdf"
TO_TAKE = f'To take along: <a href="{ARCHIVE}" download>this site as a folder</a>, which needs no network'
TO_PRINT = f', and <a href="{PRINTED}">all of it in one PDF file</a>, to print'
_TO_TAKE = re.compile('<p class="to-take">.*?</p>')
SETTINGS = {
    "project": TITLE,
    "html_title": TITLE,
    "html_theme": "furo",
    "language": "en",
    "extensions": ["myst_parser", "nonlin.site.extension"],
    "myst_enable_extensions": ["dollarmath", "attrs_inline"],
    "smartquotes": False,  # a third of the time, and signs that nobody wrote
    "python_use_unqualified_type_names": True,
    "myst_heading_anchors": 4,
    "myst_dmath_double_inline": True,
    "html_math_renderer": "katex",
    "html_static_path": ["_static"],
    "html_favicon": "_static/icon.svg",  # else browsers ask a server for one that is not there
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_search_summary": False,  # it would fetch pages, which a browser refuses from file://
    "html_show_copyright": False,
    "html_theme_options": {"top_of_page_buttons": []},
    "html_scaled_image_link": False,
    "exclude_patterns": ["_static"],
}


class SiteError(ReaderError):
    """The site cannot be built."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What was built.

    Args:
        folder: where.
        pages: HTML files.
        size: bytes of all files.
        seconds: that it took.
    """

    folder: Path
    pages: int
    size: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What goes into a site besides the pages that every site has; by default everything.

    Args:
        lessons: the notebooks; another lesson is a page with its name.
        records: activations, by name.
        findings: claims with their verdicts, by number.
        networks: of which the search for learning rates is drawn.
        folders: of the package, each with its modules, for the reference.
    """

    lessons: Sequence[Path] = field(default_factory=lambda: notebooks([]))
    records: Mapping[str, activations.Record] = field(default_factory=lambda: activations.RECORDS)
    findings: Mapping[int, Finding] = field(default_factory=lambda: verdicts.read(CLAIMS))
    networks: Sequence[Network] = PROTOCOL.networks
    folders: Mapping[str, Sequence[Path]] = field(default_factory=reference.folders)


def build(folder: Path, contents: Contents | None = None, *, pdf: bool = False) -> Site:
    """Build the site in a folder. Of an older site there, each file is replaced; what else lies beside it stays.

    Args:
        folder: where to; made if it is missing.
        contents: what goes into it.
        pdf: also print the whole course, for which Chromium or Chrome has to be there.

    Raises:
        SiteError: if the folder holds something else, or a page has a fault.
    """
    began = time.perf_counter()
    if pdf:
        printing.browser()  # whose absence is better said at once
    with _place(folder) as (folder, place):
        sources, built = place / "sources", place / TAKEN_ALONG
        shutil.copytree(DOCS / "_static", sources / "_static")
        _write(sources, _pages(contents or Contents(), pdf=pdf))
        _make(sources, built, place / "doctrees")
        for unused in (built / "_sources", built / "objects.inv", built / ".buildinfo"):
            shutil.rmtree(unused) if unused.is_dir() else unused.unlink(missing_ok=True)
        explorer.build(built / "explorer", home="../index.html")
        _pack(built)
        if pdf:
            _make(sources, place / "single", place / "doctrees", "singlehtml")
            printing.write_pdf(place / "single" / "index.html", built / PRINTED)
        if found := list(links.faults(links.read(built.resolve()))):
            raise SiteError(f"{len(found)} links lead nowhere; the first: {found[0]}.")
        files = _files(built)
        site = Site(
            folder=folder,
            pages=sum(path.suffix == ".html" for path in files),
            size=sum((built / path).stat().st_size for path in files),
            seconds=time.perf_counter() - began,
        )
        _replace(built, folder)
    return site


@contextmanager
def _place(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The folder without links, and one in it to work in, so that neither its parent nor others notice anything."""
    if not DOCS.is_dir():
        raise SiteError("the site is made from the folder of the course, and here is its package alone: clone it")
    try:
        folder = folder.resolve()
        if any(folder.is_relative_to(each.resolve()) for each in (DOCS, LESSONS, reference.PACKAGE, results_folder())):
            raise SiteError(f"{folder} lies among the sources of the site: name a folder elsewhere")
        parts = parts_of(folder, TAKEN_ALONG)
        is_new = not folder.exists()
        if not is_new and {*folder.iterdir()} - parts and _names(folder / ARCHIVE) is None:
            raise SiteError(f"{folder} holds something else than a site: name an empty folder")
    except (OSError, RuntimeError) as error:  # a file, a loop of links
        raise SiteError(f"{folder} cannot hold a site ({reason(error)}): name another folder") from error
    if not is_writable(folder):
        raise SiteError(f"{folder} cannot be written: name another folder")
    try:
        with workspace(folder, TAKEN_ALONG) as place:
            yield folder, place
    except OSError as error:
        if is_full(error):
            raise unwritable(folder, error) from error
        raise
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty, as it should be
                folder.rmdir()


def _files(folder: Path) -> list[Path]:
    """All files, relative to the folder; the archive first."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: (path != Path(ARCHIVE), path))


def _pack(built: Path) -> None:
    """Put the site into an archive beside its first page, and take out there what says where to get the archive."""
    with zipfile.ZipFile(built / ARCHIVE, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in _files(built):
            if path == Path("index.html"):
                front = (built / path).read_text(encoding="utf-8")
                archive.writestr(f"{TAKEN_ALONG}/{path}", _TO_TAKE.sub("", front))
            elif path != Path(ARCHIVE):
                archive.write(built / path, f"{TAKEN_ALONG}/{path.as_posix()}")


def _names(archive: Path) -> set[Path] | None:
    """The files of the site to which an archive belongs; None if there is none."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [Path(name).relative_to(TAKEN_ALONG) for name in opened.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return {name for name in names if ".." not in name.parts} | {Path(PRINTED)}


def _replace(built: Path, folder: Path) -> None:
    """Put a site where an older one may lie. Its archive comes first, so that the next goes on if this is stopped."""
    files = _files(built)
    for path in (_names(folder / ARCHIVE) or set()) - {*files}:
        (folder / path).unlink(missing_ok=True)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (built / path).replace(folder / path)


def _pages(contents: Contents, *, pdf: bool = False) -> Pages:
    if missing := NEEDS.keys() - {path.stem[:2] for path in notebooks([])}:
        raise SiteError(f"lesson {min(missing)} has no notebook in {LESSONS}: restore it")
    left_out = [f"notebooks/{path.stem}" for path in notebooks([])] + [
        claims.place(number) for number in overview.cited()
    ]
    pages = {
        **{f"{name}.md": f"---\norphan: true\n---\n\n# {name}" for name in left_out},
        **overview.pages(),
        **lessons.pages(contents.lessons),
        **activations.pages(contents.records, contents.findings),
        **claims.pages(contents.findings),
        **runs.pages(contents.networks),
        **reference.pages(contents.folders),
    }
    course = ["lessons", *(f"notebooks/{path.stem}" for path in contents.lessons)]
    top = [path.removesuffix(".md") for path in pages if "/" not in path and path.endswith(".md")]
    about = [*ABOUT, *(name for name in top if name not in {*course, *LOOKED_UP, *ABOUT, "index"})]
    parts = {"The course": course, "To look up": LOOKED_UP, "About": about}
    trees = "\n\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(names) + "\n```"
        for title, names in parts.items()
    )
    take = f'<p class="to-take">{TO_TAKE}{TO_PRINT if pdf else ""}.</p>'
    return {**pages, "index.md": f"{pages['index.md']}\n\n{take}\n\n{trees}\n"}


def _write(folder: Path, pages: Pages) -> None:
    for name, content in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _make(sources: Path, built: Path, doctrees: Path, builder: str = "html") -> None:
    """Let Sphinx work; its warnings are errors."""
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    with warnings.catch_warnings(), patch_docutils(), docutils_namespace():
        warnings.simplefilter("ignore")  # of Sphinx and its themes about each other; what they say of pages is kept
        try:
            Sphinx(
                sources, None, built, doctrees, builder, confoverrides=SETTINGS, status=None, warning=said, parallel=1
            ).build()
        except SphinxError as error:
            raise SiteError(f"Sphinx cannot make the pages ({reason(error)}): mend that") from error
    faults = [COLOUR.sub("", line) for line in said.getvalue().splitlines() if line.strip()]
    if faults:
        raise SiteError(f"the pages have {len(faults)} faults; the first is: {_told(faults[0], sources)}.")


def _told(fault: str, sources: Path) -> str:
    """What Sphinx says of a page, with the line itself: the page is gone when its author reads this."""
    fault = fault.removeprefix(f"{sources}/")
    found = re.match(r"([^:]+):(\d+): ", fault)
    lines = (sources / found[1]).read_text(encoding="utf-8").splitlines() if found else []
    line = lines[int(found[2]) - 1].strip() if found and int(found[2]) <= len(lines) else ""
    return shown(fault.rstrip(".") + (f" (in {shorten(line, 100)!r})" if line else ""))
