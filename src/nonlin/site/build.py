"""Build the site: pages are written into a folder of their own, and Sphinx makes HTML from them."""

import io
import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nonlin.errors import ReaderError
from nonlin.lab.protocol import PROTOCOL, Network
from nonlin.ledger import Finding, verdicts
from nonlin.lessons import CLAIMS
from nonlin.notebooks import lessons as notebooks
from nonlin.site import activations, claims, explorer, lessons, links, overview, reference, runs
from nonlin.site.markdown import COLOUR, DOCS, Pages
from nonlin.site.printing import write_pdf
from nonlin.typography import shown

TITLE = "Nonlinear"
LOOKED_UP = ("activations", "guide", "cheat_sheet", "claims", "runs", "glossary", "reference")
TAKEN_ALONG = "nonlinear"  # the archive of the whole site, beside its first page
MARK = ".buildinfo"  # Sphinx leaves it in what it has made
SETTINGS = {
    "project": TITLE,
    "html_title": TITLE,
    "html_theme": "furo",
    "language": "en",
    "extensions": ["myst_parser", "nonlin.site.extension"],
    "myst_enable_extensions": ["dollarmath", "attrs_inline"],
    "python_use_unqualified_type_names": True,
    "myst_heading_anchors": 4,
    "myst_dmath_double_inline": True,
    "html_math_renderer": "katex",
    "html_static_path": ["_static"],
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
    """Build the site in a folder, which is made, or replaced if it holds an older site.

    Args:
        folder: where to.
        contents: what goes into it.
        pdf: also print the whole course, for which Chromium or Chrome has to be there.

    Raises:
        SiteError: if the folder holds something else, or a page has a fault.
    """
    began = time.perf_counter()
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise SiteError(f"{folder} holds something else than a site: name an empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".site-") as place:
        sources, built = Path(place) / "sources", Path(place) / "html"
        shutil.copytree(DOCS / "_static", sources / "_static")
        _write(sources, _pages(contents or Contents()))
        _make(sources, built, Path(place) / "doctrees")
        for unused in (built / "_sources", built / "objects.inv"):
            shutil.rmtree(unused) if unused.is_dir() else unused.unlink(missing_ok=True)
        explorer.build(built / "explorer", home="../index.html")
        archive = shutil.make_archive(str(Path(place) / TAKEN_ALONG), "zip", built)
        Path(archive).rename(built / f"{TAKEN_ALONG}.zip")
        if pdf:
            _make(sources, Path(place) / "single", Path(place) / "doctrees", "singlehtml")
            write_pdf(Path(place) / "single" / "index.html", built / f"{TAKEN_ALONG}.pdf")
        if found := list(links.faults(links.read(built.resolve()))):
            raise SiteError(f"{len(found)} links lead nowhere; the first: {found[0]}.")
        if folder.exists():
            shutil.rmtree(folder)
        built.rename(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Site(
        folder=folder,
        pages=sum(path.suffix == ".html" for path in files),
        size=sum(path.stat().st_size for path in files),
        seconds=time.perf_counter() - began,
    )


def _pages(contents: Contents) -> Pages:
    stubs = {f"notebooks/{path.stem}.md": f"---\norphan: true\n---\n\n# {path.stem}" for path in notebooks([])}
    pages = {
        **stubs,
        **overview.pages(),
        **lessons.pages(contents.lessons),
        **activations.pages(contents.records, contents.findings),
        **claims.pages(contents.findings),
        **runs.pages(contents.networks),
        **reference.pages(contents.folders),
    }
    course = ["lessons", *(f"notebooks/{path.stem}" for path in contents.lessons)]
    top = [path.removesuffix(".md") for path in pages if "/" not in path and path.endswith(".md")]
    about = [name for name in top if name not in {*course, *LOOKED_UP, "index"}]
    parts = {"The course": course, "To look up": LOOKED_UP, "About": about}
    trees = "\n\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(names) + "\n```"
        for title, names in parts.items()
    )
    front = (DOCS / "index.md").read_text(encoding="utf-8")
    return {**pages, "index.md": f"{front}\n\n{trees}\n"}


def _write(folder: Path, pages: Pages) -> None:
    for name, content in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _make(sources: Path, built: Path, doctrees: Path, builder: str = "html") -> None:
    """Let Sphinx work; its warnings are errors."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    with warnings.catch_warnings(), patch_docutils(), docutils_namespace():
        warnings.simplefilter("ignore")  # of Sphinx and its themes about each other; what they say of pages is kept
        app = Sphinx(
            sources, None, built, doctrees, builder, confoverrides=SETTINGS, status=None, warning=said, parallel=1
        )
        app.build()
    faults = [COLOUR.sub("", line) for line in said.getvalue().splitlines() if line.strip()]
    if faults:
        raise SiteError(f"the pages have {len(faults)} faults; the first is: {shown(faults[0]).rstrip('.')}.")
