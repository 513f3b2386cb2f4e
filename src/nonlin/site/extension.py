"""What Sphinx learns for the site: folds, formulas by KaTeX from our own files, terms that lead to the glossary."""

import html
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from nonlin.lessons import CLAIMS, glossary
from nonlin.minutes import FURTHER
from nonlin.site.activations import RECORDS
from nonlin.site.markdown import anchor

_FURTHER = FURTHER.lstrip("# ")
SERIES = {"activations": [*RECORDS], "claims": [f"{number:02}" for number in CLAIMS]}
PLAIN = (nodes.paragraph, nodes.emphasis, nodes.strong, nodes.list_item)  # where a term may become a link


class Fold(Directive):
    """``{fold} lid``: what unfolds when the reader asks for it."""

    has_content, required_arguments, final_argument_whitespace = True, 1, True

    def run(self) -> list[nodes.Node]:
        inside = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, inside)
        return _folded(self.arguments[0], inside.children)


def _folded(lid: str, children: list[nodes.Node]) -> list[nodes.Node]:
    opening = f'<details class="fold"><summary>{html.escape(lid)}</summary><div>'
    return [nodes.raw("", opening, format="html"), *children, nodes.raw("", "</div></details>", format="html")]


def fold_further(app: Sphinx, document: nodes.document) -> None:
    """Fold what goes further below its heading, which stays and says the minutes."""
    for section in document.findall(nodes.section):
        title = section.next_node(nodes.title).astext()
        if title.startswith(_FURTHER):
            section[1:] = _folded("Unfold this part", section.children[1:])


def scrollable(app: Sphinx, document: nodes.document) -> None:
    """A column without a heading is one of row names: say so to a screen reader, which finds an empty heading odd."""
    for head in document.findall(nodes.thead):
        for entry in head.findall(nodes.entry):
            if not entry.astext().strip():
                entry.children = [nodes.paragraph("", "", nodes.inline("", "row", classes=["unseen"]))]


def link_terms(app: Sphinx, document: nodes.document, docname: str) -> None:
    """The first mention of a term in a lesson leads to the glossary, from the lesson on that explains it."""
    folder, _, name = docname.partition("/")
    names = {term.casefold(): term for term, (lesson, _) in glossary().items() if lesson <= name[:2]}
    if folder != "notebooks" or not names:
        return
    pattern = re.compile(rf"\b({'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})\b", re.IGNORECASE)
    base = app.builder.get_relative_uri(docname, "glossary")
    for text in list(document.findall(nodes.Text)):
        if isinstance(text.parent, PLAIN) and not _within_link(text):
            text.parent.replace(text, list(_with_links(str(text), pattern, names, base)))


def _within_link(node: nodes.Node) -> bool:
    """Or within a heading, or a table, whose cells have folds of their own."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.reference | nodes.title | nodes.table):
            return True
    return False


def _with_links(text: str, pattern: re.Pattern[str], unused: dict[str, str], base: str) -> Iterator[nodes.Node]:
    end = 0
    for found in pattern.finditer(text):
        if term := unused.pop(found[0].casefold(), None):
            yield nodes.Text(text[end : found.start()])
            yield nodes.reference("", found[0], refuri=f"{base}#term-{anchor(term)}", classes=["term"], internal=True)
            end = found.end()
    yield nodes.Text(text[end:])


def tidy(app: Sphinx, name: str, template: str, context: dict[str, Any], document: nodes.document | None) -> None:
    """Neighbours for pages that no table of contents holds, and levels for the navigation's headings."""
    folder, _, page = name.partition("/")
    series = [each for each in SERIES.get(folder, ()) if f"{folder}/{each}" in app.env.titles]
    if page in series:
        place = series.index(page)
        for key, near in (("prev", place - 1), ("next", place + 1)):
            if 0 <= near < len(series):
                title = app.env.titles[f"{folder}/{series[near]}"].astext()
                context[key] = {"link": f"{series[near]}.html", "title": title}
    if tree := context.get("furo_navigation_tree"):
        context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def _inline(self: Any, node: nodes.Element) -> None:
    self.body.append(f'<span class="formula">{html.escape(node.astext())}</span>')
    raise nodes.SkipNode


def _block(self: Any, node: nodes.Element) -> None:
    self.body.append(f'<div class="formula" tabindex="0">{html.escape(node.astext())}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("fold", Fold)
    app.add_html_math_renderer("katex", (_inline, None), (_block, None))
    app.connect("doctree-read", fold_further)
    app.connect("doctree-read", scrollable)
    app.connect("doctree-resolved", link_terms)
    app.connect("html-page-context", tidy, priority=900)
    for script in ("katex/katex.min.js", "course.js"):
        app.add_js_file(script, loading_method="defer")
    for sheet in ("katex/katex.min.css", "course.css"):
        app.add_css_file(sheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
