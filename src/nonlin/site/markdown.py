"""Pieces of MyST Markdown that the pages are put together from."""

import html
import re
from collections.abc import Mapping

from nonlin.address import colab_link, edit_link, source_link
from nonlin.notebooks import LESSONS, lesson_file
from nonlin.typography import alt_text

Pages = Mapping[str, str | bytes]  # by path in the folder of sources

ROOT = LESSONS.parent
DOCS = ROOT / "docs"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # what a terminal is told
_SPECIAL = re.compile(r"([\\`*_$\[\]<>{}|#~])")
_TAG = re.compile(r"<[^>]+>")


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it sign for sign."""
    return _SPECIAL.sub(r"\\\1", text)


def evidence(text: str, up: str = "", *, after: str = "") -> str:
    """Where the guide says "c16, L13", links to the claim and the lesson.

    Args:
        text: Markdown.
        up: the way to the first page.
        after: what has to follow, as a regular expression.
    """

    def link(found: re.Match[str]) -> str:
        kind, number, part = found.groups()
        if kind == "c":
            return f"[claim {number}{part}]({up}claims/{int(number):02}.md)"
        return f"[lesson {number}]({up}notebooks/{lesson_file(number)[0].removesuffix('ipynb')}md)"

    return re.sub(rf"\b([cL])(\d\d?)([a-j]?)\b{after}", link, text)


def anchor(text: str) -> str:
    """A name for a place in a page."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def directive(name: str, argument: str, body: str, **options: str) -> str:
    """A MyST directive around Markdown that may hold others."""
    longest = max((len(run) for run in re.findall("`{3,}", body)), default=2)
    fence = "`" * max(4, longest + 1)
    lines = "".join(f":{key}: {value}\n" for key, value in options.items())
    return f"\n{fence}{{{name}}} {argument}\n{lines}\n{body}\n{fence}\n"


def fold(lid: str, body: str) -> str:
    """What unfolds when the reader asks for it."""
    return directive("fold", lid, body)


def raw(markup: str) -> str:
    """HTML as it is."""
    return directive("raw", "html", markup)


def code(text: str, language: str = "python") -> str:
    """Code, or what a program has printed."""
    return directive("code-block", language, text.rstrip("\n"))


def image(source: str, words: str) -> str:
    """A figure with its alt text, and all of its words folded below it."""
    told = "".join(f"<p>{html.escape(line)}</p>" for line in words.splitlines())
    markup = f'<img class="figure" src="{source}" alt="{html.escape(alt_text(words))}" loading="lazy">'
    return raw(f'<div class="picture">{markup}</div>') + raw(
        f"<details><summary>This figure in words</summary>{told}</details>"
    )


def plain(markup: str) -> str:
    """The text in HTML."""
    return html.unescape(_TAG.sub("", markup))


def from_docs(name: str) -> str:
    """A page of docs, whose links to lessons and results lead to their pages, with a link to edit it."""
    return f"{with_links((DOCS / name).read_text(encoding='utf-8'))}\n{links(f'docs/{name}')}"


def with_links(text: str) -> str:
    """Text of docs with links to the site's own pages; those to other files lead to the repository, or are no links."""
    text = re.sub(r"\]\(\.\./notebooks/(\w+)\.ipynb", r"](notebooks/\1.md", text)
    text = text.replace("](../data/results/README.md", "](runs.md")
    return re.sub(r"(?<!!)\[([^\]]*)\]\(\.\./([^)]*)\)", lambda found: linked(found[1], found[2]), text)


def linked(text: str, path: str) -> str:
    """Text that leads to a file of the repository; plain text while the course is published nowhere."""
    address = source_link(path)
    return f"[{text}]({address})" if address else text


def links(path: str, *, runs: bool = False) -> str:
    """Where a file of the repository can be edited, and a lesson run; nothing while the course is published nowhere."""
    run = colab_link(path.rpartition("/")[2]) if runs else None
    offered = {"Edit this page": edit_link(path), "Run this lesson": run}
    shown = [f"[{name}]({address})" for name, address in offered.items() if address]
    return f"\n{' · '.join(shown)}\n" if shown else ""
