"""Whether a built site is whole: its links lead somewhere, and nothing is loaded from elsewhere."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src")}
LINKED = ("stylesheet", "icon", "preload", "search")  # kinds of <link> that a browser follows by itself


class Page(HTMLParser):
    """What a page links to, what it loads, the names of its places, and its images and headings.

    Args:
        path: of the HTML file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.headings: list[int] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.places |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag in ("a", "area") and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and any(kind in LINKED for kind in (attributes.get("rel") or "").split()):
            self.loaded.append(attributes["href"])
        self.loaded += [value for name, value in attrs if (tag, name) in LOADED and value]
        if tag == "img":
            self.images.append(attributes)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))


def read(folder: Path) -> dict[Path, Page]:
    """All pages of a site, by their files."""
    return {path: Page(path) for path in sorted(folder.rglob("*.html"))}


def faults(pages: dict[Path, Page]) -> Iterator[str]:
    """Links that lead nowhere, and whatever a browser would fetch from elsewhere, each in a sentence."""
    for path, page in pages.items():
        for link in page.links:
            yield from _broken(path, link, pages)
        for source in page.loaded:
            if urlsplit(source).netloc:
                yield f"{path.name} loads {source} from elsewhere"
            elif not source.startswith("data:"):
                yield from _broken(path, source, pages)


def _broken(path: Path, link: str, pages: dict[Path, Page]) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        yield f"{path.name} links to {link}, which is not there"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
        yield f"{path.name} links to {link}, a place that the page does not have"
