"""The pages that gather: the front page, the order of the lessons, the guide with its cheat sheet, the glossary."""

import html
import io
import re
import textwrap
from collections.abc import Iterator

from nonlin.lessons import NEEDS, glossary
from nonlin.lessons.choosing.cheat_sheet import cheat_sheet
from nonlin.lessons.choosing.guide import GUIDE, table
from nonlin.minutes import core, further
from nonlin.notebooks import LESSONS, lesson_file, read
from nonlin.site.markdown import DOCS, Pages, anchor, escaped, evidence, from_docs, links, raw

SHOWN = (".png", ".txt")  # what pages written by hand show or offer
CHOOSING = "src/nonlin/lessons/choosing/"
SHEET = '<img class="figure" src="_static/cheat_sheet.svg" alt="The cheat sheet; all of it in words below.">'
LETTERS = 23  # that a box holds
BOX, ROW, GAP = (150, 44), 84, 12  # of the drawn order: a lesson's box, from row to row, between boxes, in pixels


def pages() -> Pages:
    """All of them, and those that are written by hand in docs."""
    picture = cheat_sheet()
    written: dict[str, str | bytes] = {path.name: path.read_bytes() for path in DOCS.iterdir() if path.suffix in SHOWN}
    written |= {path.name: from_docs(path.name) for path in sorted(DOCS.glob("*.md"))}
    for kind in ("svg", "pdf"):
        file = io.BytesIO()
        picture.figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else {"CreationDate": None})
        written[f"_static/cheat_sheet.{kind}"] = file.getvalue()
    written["lessons.md"] = "\n\n".join(_lessons())
    said = "What a line rests on unfolds: c12a is part a of claim 12, L13 is lesson 13."
    lines = evidence(str(table()), after="(?=: )")
    written["guide.md"] = f"# Which activation, where\n\n{said}\n\n{lines}\n{links(CHOOSING + 'guide.py')}"
    told = "\n".join(f"- {escaped(line)}" for line in picture.text.splitlines())
    written["cheat_sheet.md"] = (
        "# Cheat sheet\n\nAll activations and the guide on one page of A4: "
        '<a href="_static/cheat_sheet.pdf">PDF</a>, <a href="_static/cheat_sheet.svg">SVG</a>.\n'
        + raw(f'<a href="_static/cheat_sheet.svg">{SHEET}</a>')
        + f"\n\n## In words\n\n{told}\n{links(CHOOSING + 'cheat_sheet.py')}"
    )
    written["glossary.md"] = "\n\n".join(_glossary())
    return written


def cited() -> set[int]:
    """The claims on which the guide rests, by number."""
    return {int(number) for line in GUIDE for number in re.findall(r"\bc(\d+)", line.sources)}


def _lessons() -> Iterator[str]:
    yield "# Lessons"
    lines = ["| | lesson | minutes | going further | before it |", "|---|---|---|---|---|"]
    for number, needs in NEEDS.items():
        file, title = lesson_file(number)
        notebook = read(LESSONS / file)
        link = f"[{title}](notebooks/{file.removesuffix('ipynb')}md)"
        lines.append(
            f"| {number} | {link} | {core(notebook)} | {further(notebook) or ''} | {', '.join(needs) or 'nothing'} |"
        )
    yield "\n".join(lines)
    yield "## What leans on what\n\nA line leads from a lesson down to those that lean on it, as the last column says."
    yield raw(drawn_order())


def drawn_order() -> str:
    """The order of the lessons as SVG: each stands below what it needs, and is a link."""
    levels: dict[str, int] = {}
    for number, needs in NEEDS.items():
        levels[number] = 1 + max((levels[needed] for needed in needs), default=-1)
    rows = [[number for number in NEEDS if levels[number] == level] for level in range(max(levels.values()) + 1)]
    width = max(map(len, rows)) * (BOX[0] + GAP)
    places = {}
    for level, row in enumerate(rows):
        left = (width - len(row) * (BOX[0] + GAP)) / 2
        places |= {number: (left + n * (BOX[0] + GAP), level * ROW) for n, number in enumerate(row)}
    lines = [
        f'<path d="M{places[needed][0] + BOX[0] / 2:g} {places[needed][1] + BOX[1]:g}'
        f'L{places[number][0] + BOX[0] / 2:g} {places[number][1]:g}" stroke="currentColor" opacity="0.5"/>'
        for number, needs in NEEDS.items()
        for needed in needs
    ]
    boxes = [_box(number, *place) for number, place in places.items()]
    size = f'viewBox="-2 -2 {width + 4} {len(rows) * ROW}" width="{width}"'
    words = "The order of the lessons; the table above says the same."
    head = f'<svg class="drawn" role="group" aria-label="{words}" {size} font-size="12">'
    return f'<div class="picture">{head}{"".join(lines)}{"".join(boxes)}</svg></div>'


def _box(number: str, x: float, y: float) -> str:
    file, title = lesson_file(number)
    words = textwrap.shorten(title, LETTERS, placeholder=" …")
    rect = f'<rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="4" class="box" stroke="currentColor"/>'
    middle = f'x="{x + BOX[0] / 2:g}" text-anchor="middle" fill="currentColor"'
    text = f'<text {middle} y="{y + 17:g}">{number}</text><text {middle} y="{y + 34:g}">{html.escape(words)}</text>'
    return f'<a href="notebooks/{file.removesuffix("ipynb")}html"><title>{html.escape(title)}</title>{rect}{text}</a>'


def _glossary() -> Iterator[str]:
    yield "# Glossary"
    for term, (number, said) in glossary().items():
        file, title = lesson_file(number)
        link = f"[lesson {number}, {title}](notebooks/{file.removesuffix('ipynb')}md)"
        yield f"(term-{anchor(term)})=\n**{escaped(term)}**: {said} ({link})"
