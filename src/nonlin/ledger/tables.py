"""Tables of claims and their verdicts, as Markdown that JupyterLab renders and a terminal can read."""

from collections.abc import Iterable, Iterator

from nonlin.ledger.claim import Claim, Finding, Tried
from nonlin.ledger.quantifiers import Verdict
from nonlin.ledger.stored import judged
from nonlin.notebooks import lesson_file
from nonlin.typography import Markdown

LEDGER_HEAD = ("| | claim | verdict | what decides it |", "|---|---|---|---|")


def ledger(claims: Iterable[Claim]) -> Markdown:
    """A row for each claim, or for each of its parts: the verdict and, folded, what decides it."""
    return Markdown("\n".join([*LEDGER_HEAD, *(row for claim in claims for row in _rows(judged(claim)))]))


def overview(findings: Iterable[Finding]) -> Markdown:
    """Findings under their lessons, which are linked, each with its verdicts and, folded, what decides them.

    Args:
        findings: judged now, or those of ``verdicts.read``.
    """
    by_lesson: dict[str, list[Finding]] = {}
    for finding in findings:
        by_lesson.setdefault(finding.claim.lesson, []).append(finding)
    lines = [*LEDGER_HEAD]
    for lesson, found in sorted(by_lesson.items()):
        file, title = lesson_file(lesson)
        lines.append(f"| | **[Lesson {lesson}: {title}]({file})** | | |" if file else f"| | **Lesson {lesson}** | | |")
        lines += [row for finding in sorted(found, key=lambda each: each.claim.number) for row in _rows(finding)]
    return Markdown("\n".join(lines))


def _rows(finding: Finding) -> Iterator[str]:
    """A compound is named first; each of its parts has a row of its own. What limits the evidence is said once."""
    claim = finding.claim
    if len(finding.parts) > 1:
        limits = f"<details><summary>limits</summary>{claim.limits}</details>" if claim.limits else ""
        yield f"| {claim.number} | {claim.statement} | | {limits} |".replace("|  |", "| |")
    for tried in finding.parts:
        alone = len(finding.parts) == 1
        said = [*evidence(tried), *([claim.limits] if alone and claim.limits else [])]
        folded = f"<details><summary>{_summary(tried)}</summary>{'<br>'.join(said)}</details>".replace("|", "\\|")
        statement = claim.statement if alone else tried.part.statement
        yield f"| {tried.name} | {statement} | **{tried.verdict}** | {folded} |"


def evidence(tried: Tried) -> Iterator[str]:
    """Quantifier, cases, on what it depends, or what it would take to decide."""
    yield f"said: {tried.part.quantifier}"
    yield from map(str, tried.cases)
    if tried.dependence:
        yield f"{tried.dependence}"
    if tried.verdict == Verdict.OPEN:
        yield f"to decide it: {tried.part.would_take}"


def _summary(tried: Tried) -> str:
    if tried.dependence:
        return str(tried.dependence)
    decided = [case.holds for case in tried.cases if case.holds is not None]
    undecided = len(tried.cases) - len(decided)
    return f"holds in {sum(decided)} of {len(decided)} decided cases" + f", {undecided} open" * bool(undecided)
