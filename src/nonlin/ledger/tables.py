"""Tables of claims and their verdicts, as Markdown that JupyterLab renders and a terminal can read."""

from collections.abc import Iterable

from nonlin.ledger.claim import Claim, Finding
from nonlin.ledger.stored import judged
from nonlin.notebooks import lesson_file
from nonlin.typography import Markdown

LEDGER_HEAD = ("| | claim | verdict | what decides it |", "|---|---|---|---|")


def ledger(claims: Iterable[Claim]) -> Markdown:
    """One row a claim: its verdict and, folded, what decides it."""
    return Markdown("\n".join([*LEDGER_HEAD, *(_row(judged(claim)) for claim in claims)]))


def overview(findings: Iterable[Finding]) -> Markdown:
    """Findings under their lessons, which are linked, each with its verdict and, folded, what decides it.

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
        lines += [_row(finding) for finding in sorted(found, key=lambda each: each.claim.number)]
    return Markdown("\n".join(lines))


def _row(finding: Finding) -> str:
    cases = [str(case) for case in finding.cases]
    decided = [case.holds for case in finding.cases if case.holds is not None]
    undecided = len(cases) - len(decided)
    summed = f"holds in {sum(decided)} of {len(decided)} decided cases" + f", {undecided} open" * bool(undecided)
    evidence = "<br>".join(cases + [finding.claim.limits] * bool(finding.claim.limits)).replace("|", "\\|")
    folded = f"<details><summary>{summed}</summary>{evidence}</details>"
    return f"| {finding.claim.number} | {finding.claim.statement} | **{finding.verdict}** | {folded} |"
