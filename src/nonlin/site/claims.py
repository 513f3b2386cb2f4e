"""A page for each claim: what is said, what was found, in which cases, and how to find it again."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence

from nonlin.intervals import Estimate
from nonlin.ledger import Claim, Finding, Tried, Verdict
from nonlin.ledger.stored import command, file_of
from nonlin.lessons import TOPICS
from nonlin.notebooks import lesson_file
from nonlin.site.markdown import ROOT, Pages, code, escaped, links, raw
from nonlin.typography import number, true_minus

HOLDS = {True: "holds", False: "does not hold", None: "not decided"}
WIDTH, STEP, EDGE = 720, 18, 60  # of a drawing, in pixels: all of it, a line, what its labels need on both sides
MOST = 40  # lines of a drawing; more are not read


def place(number: int) -> str:
    """The page of a claim, without its ending."""
    return f"claims/{number:02}"


def pages(findings: Mapping[int, Finding]) -> Pages:
    """A page for each claim, and one that lists them by lesson."""
    written = {f"{place(number)}.md": "\n\n".join(_page(finding)) for number, finding in findings.items()}
    return {**written, "claims.md": "\n\n".join(_overview(findings))}


def _overview(findings: Mapping[int, Finding]) -> Iterator[str]:
    counts = dict.fromkeys(Verdict, 0)
    for finding in findings.values():
        for tried in finding.parts:
            counts[tried.verdict] += 1
    said = ", ".join(f"{verdict} {count}" for verdict, count in counts.items())
    yield (
        "# Claims\n\nWhat is often said about activations, tested, with the verdict that follows from the cases. A"
        f" claim that says several things has a verdict for each: a, b, and so on. In all: {said}."
    )
    for lesson in TOPICS:
        found = [finding for finding in findings.values() if finding.claim.lesson == lesson]
        if found:
            rows = "\n".join(f"| {f.claim.number} | {link(f, '')} | {f.verdicts} |" for f in found)
            yield f"## Lesson {lesson}: {lesson_file(lesson)[1]}\n\n| | claim | verdict |\n|---|---|---|\n{rows}"


def link(finding: Finding, up: str = "../") -> str:
    """To the page of a claim, from a page one folder down, or from the top."""
    return f"[{_stated(finding.claim)}]({up}{place(finding.claim.number)}.md)"


def _stated(claim: Claim) -> str:
    """The claim without its full stop; what stands between backticks is code."""
    pieces = claim.statement.rstrip(".").split("`")
    return "`".join(piece if place % 2 else escaped(piece) for place, piece in enumerate(pieces))


def _page(finding: Finding) -> Iterator[str]:
    claim = finding.claim
    yield f"---\norphan: true\n---\n\n# Claim {claim.number}: {_stated(claim)}"
    file, title = lesson_file(claim.lesson)
    said = "" if len(finding.parts) == 1 else "It says several things, and each has a verdict of its own. "
    yield f"{said}Lesson {claim.lesson}, [{title}](../notebooks/{file.removesuffix('.ipynb')}.md), takes it apart."
    yield _said_by(claim)
    for tried in finding.parts:
        yield from _part(claim, tried)
    if claim.limits:
        yield f"## Limits\n\n{escaped(claim.limits)}"
    yield f"## To run it again\n\n{_again(claim)}"
    yield links(f"src/nonlin/lessons/{TOPICS[claim.lesson]}/claims.py")


def _said_by(claim: Claim) -> str:
    named = [f"{escaped(s.signed)}, [{escaped(s.title)}]({s.url}){s.of}" for s in claim.said_by]
    if not named:
        return "It is often repeated; we found no source of it that could be looked up."
    return f"Said by {'; '.join(named)}."


def _part(claim: Claim, tried: Tried) -> Iterator[str]:
    yield f"## {tried.name}: {tried.verdict}"
    if tried.part.statement:
        yield escaped(tried.part.statement)
    yield f"How much is said: {escaped(str(tried.part.quantifier))}."
    if tried.dependence:
        yield f"{escaped(str(tried.dependence))}.".capitalize()
    if tried.verdict == Verdict.OPEN:
        yield f"To decide it: {escaped(tried.part.would_take)}"
    rows = (f"| {escaped(case.condition)} | {HOLDS[case.holds]} | {escaped(case.figures)} |" for case in tried.cases)
    yield "\n".join(["| case | the claim | figures |", "|---|---|---|", *rows])
    labelled = [
        (case.condition if place == 0 else "", estimate)
        for case in tried.cases
        for place, estimate in enumerate(case.rests_on)
        if estimate.low < estimate.high
    ]
    if len(labelled) > 1:
        yield raw(_forest(f"The intervals that decide claim {tried.name}", labelled[:MOST]))


def _again(claim: Claim) -> str:
    shown = code(f"python3 start.py claims {claim.number}", "sh")
    if not claim.kept:
        return f"{shown}\n\nIt is measured each time."
    kept = f"`{file_of(claim).relative_to(ROOT)}`"
    return f"{shown}\n\nThis judges the numbers in {kept}. To measure them anew:\n{code(command(claim), 'sh')}"


def _forest(title: str, lines: Sequence[tuple[str, Estimate]]) -> str:
    """The intervals below each other on one axis, logarithmic where they lie far apart, as SVG in the text's colour."""
    ends = [end for _, estimate in lines for end in (estimate.low, estimate.high)]
    logarithmic = min(ends) > 0 and max(ends) > 50 * min(ends)
    scale = math.log if logarithmic else float
    low, high = scale(min(ends)), scale(max(ends))

    def x(value: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * (scale(value) - low) / ((high - low) or 1), 1)

    drawn, y = [], 0
    for label, estimate in lines:
        if label:
            y += STEP
            drawn.append(f'<text x="4" y="{y}">{html.escape(label)}</text>')
        y += STEP
        drawn.append(f'<path d="M{x(estimate.low)} {y - 5}H{x(estimate.high)}" stroke-width="2"/>')
        drawn.append(f'<circle cx="{x(estimate.mean)}" cy="{y - 5}" r="4"/>')
    y += STEP
    base = f'<path d="M{EDGE} {y}H{WIDTH - EDGE}" stroke-width="1"/>'
    marked = [(min(ends), "start"), (max(ends), "end")]
    if min(ends) < 0 < max(ends):
        if min(x(0) - EDGE, WIDTH - EDGE - x(0)) > EDGE:  # else one label would stand on another
            marked.append((0.0, "middle"))
        base += f'<path d="M{x(0)} 0V{y}" stroke-width="1" stroke-dasharray="4 4"/>'
    for value, end in marked:
        base += f'<text x="{x(value)}" y="{y + STEP}" text-anchor="{end}">{true_minus(number(value, 3))}</text>'
    words = f"{title}{', logarithmic axis' if logarithmic else ''}: the table above has the numbers."
    head = f'<svg class="drawn" role="img" viewBox="0 0 {WIDTH} {y + 2 * STEP}" width="{WIDTH}">'
    style = 'fill="currentColor" stroke="none" font-size="13"'
    inside = "".join(drawn) + base
    inside = inside.replace("<path", '<path fill="none" stroke="currentColor"')
    told = f"The intervals that decide, in the order of the table{', on a logarithmic axis' if logarithmic else ''}."
    drawing = f'<div class="picture">{head}<title>{html.escape(words)}</title><g {style}>{inside}</g></svg></div>'
    return f"{drawing}<p>{told}</p>"
