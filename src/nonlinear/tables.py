"""Tables made from the records, as Markdown that JupyterLab renders and a terminal can read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nonlinear.activations import Activation
from nonlinear.benchmark import passes
from nonlinear.claims import CLAIMS, Claim, Finding, of_lesson
from nonlinear.notebooks import LESSONS
from nonlinear.typography import true_minus


@dataclass(frozen=True)
class Markdown:
    """Text that JupyterLab shows as Markdown and everything else as it is."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def card(record: Activation) -> Markdown:
    """What the record of one activation holds, and what is computed from it."""
    counterpart = f"`torch.nn.{record.torch_module.__name__}`" if record.torch_module else "none"
    facts = {
        "range": str(record.default_range),
        "kinks": ", ".join(f"at {k.at:g}, where torch returns the slope {k.slope:g}" for k in record.default_kinks)
        or "none",
        "largest slope": f"{record.largest_slope:.4g}",
        "mean for N(0, 1) inputs": f"{round(record.mean_under_normal, 4) + 0.0:.4f}",  # + 0.0 turns -0.0 into 0.0
        "slope is exactly 0 in float32": _outside(record),
        "in PyTorch": counterpart,
        "source": f"{record.paper.authors} ({record.paper.year}), [{record.paper.title}]({record.paper.url})",
        "use": record.use,
        "caveat": record.caveat,
    }
    formulas = {"formula": f"${record.formula}$", "derivative": f"${record.derivative_formula}$"}
    rows = formulas | {name: true_minus(fact) for name, fact in facts.items()}
    lines = [f"| {record.title} | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in rows.items())]
    return Markdown("\n".join(lines))


def comparison(*records: Activation) -> Markdown:
    """One row an activation: what tells them apart, all of it stated by or computed from the records.

    Raises:
        ValueError: without any.
    """
    if not records:
        raise ValueError("comparison needs at least one activation.")
    rows = [_facts(record) for record in records]
    head = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in head]
    lines = [head, ["-" * width for width in widths], *(list(row.values()) for row in rows)]
    return Markdown(
        "\n".join(
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
        )
    )


def _facts(record: Activation) -> dict[str, str]:
    left, right = record.saturates
    smoothness = record.smoothness(*record.parameters.values())
    facts = {
        "name": record.name,
        "family": record.family,
        "range": str(record.default_range),
        "mean": f"{round(record.mean_under_normal, 3) + 0.0:.3f}",
        "largest slope": f"{record.largest_slope:.3g}",
        "flat": {(True, True): "both sides", (True, False): "left", (False, True): "right"}.get(
            (left, right), "nowhere"
        ),
        "dead": _outside(record),
        "smooth": {-1: "jumps", 0: "kinks", 1: "once"}.get(smoothness, "yes"),
        "monotonic": "yes" if record.monotonic else "no",
        "gain": f"{record.gain:.3f}",
        "passes": "{} + {}".format(*passes(record)),
        "keeps": "output" if record.keeps_output() else "input",
        "parameters": ", ".join(f"{name}={value:.4g}" for name, value in record.parameters.items()),
        "year": str(record.paper.year),
    }
    return {name: true_minus(fact) for name, fact in facts.items()}


def verdicts(lesson: str) -> Markdown:
    """The claims that a lesson ("03") takes apart, tested now or read from what was measured, with their verdicts.

    Raises:
        KeyError: if no claim belongs to it.
    """
    claims = of_lesson(lesson)
    if not claims:
        raise KeyError(f"no claim belongs to lesson {lesson!r}.")
    return ledger(*claims)


LEDGER_HEAD = ("| | claim | verdict | what decides it |", "|---|---|---|---|")


def ledger(*claims: Claim) -> Markdown:
    """One row a claim: its verdict and, folded, what decides it; by default all of them."""
    return Markdown("\n".join([*LEDGER_HEAD, *(_row(claim.test()) for claim in claims or CLAIMS.values())]))


def overview(findings: Iterable[Finding]) -> Markdown:
    """Findings under their lessons, which are linked, each with its verdict and, folded, what decides it.

    Args:
        findings: tested now, or those of ``verdicts.read``.
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
    evidence = "<br>".join(cases + [finding.claim.thin] * bool(finding.claim.thin)).replace("|", "\\|")
    folded = f"<details><summary>{summed}</summary>{evidence}</details>"
    return f"| {finding.claim.number} | {finding.claim.statement} | **{finding.verdict}** | {folded} |"


@cache
def lesson_file(lesson: str) -> tuple[str, str]:
    """The file name and the title of a lesson ("03"), or two empty strings if there is none."""
    path = next(iter(LESSONS.glob(f"{lesson}_*.ipynb")), None)
    return (path.name, _title(path)) if path else ("", "")


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        found = re.search(r'# Lesson \d\d · ([^\\"]+)', file.read(2000))  # the first cell holds it
    return found[1] if found else path.stem


TABLE_KEY = """\
mean: of the outputs for N(0, 1) inputs; 0 means zero-centred.    flat: where the slope goes to 0.
dead: beyond it backward, in float32, only returns slopes of 0.   smooth: once = only the second derivative jumps.
gain: what keeps the mean square of N(0, 1) inputs.               passes: over memory, forward + backward, in our form.
keeps: what backward keeps; the output costs nothing where the next layer keeps it anyway."""


def _outside(record: Activation) -> str:
    interval = record.zero_slope_float32
    ends = []
    if interval.low > float("-inf"):
        ends.append(f"up to {interval.low:.3g}")
    if interval.high < float("inf"):
        ends.append(f"from {interval.high:.3g} on")
    return " and ".join(ends) or "nowhere within 10,000 of zero"
