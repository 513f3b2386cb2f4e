"""The whole ledger at a glance."""

import textwrap
from collections import Counter
from collections.abc import Iterable

from matplotlib.patches import Rectangle

from nonlin.ledger import Finding, Tried, Verdict
from nonlin.notebooks import lesson_file
from nonlin.plots.picture import COLOURS, Picture, subplots

# Verdicts are told apart by shade and hatch, and named in the legend: the colour is an addition.
MARKS = {
    Verdict.CONFIRMED: (COLOURS[0], "", "white"),
    Verdict.DEPENDS: ("#F5D9A8", "///", "black"),
    Verdict.REFUTED: ("white", "", "black"),
    Verdict.OPEN: ("0.85", "..", "black"),
}


def ledger(findings: Iterable[Finding]) -> Picture:
    """One tile for each part of a claim, one row a lesson: what stands, what falls, and what depends.

    Args:
        findings: of ``verdicts.read``, for instance.
    """
    by_lesson: dict[str, list[Tried]] = {}
    for finding in sorted(findings, key=lambda each: each.claim.number):
        by_lesson.setdefault(finding.claim.lesson, []).extend(finding.parts)
    lessons = sorted(by_lesson)
    longest = max(map(len, by_lesson.values()))
    figure, axes = subplots(height=0.9 + 0.42 * len(lessons), width=9)
    for row, lesson in enumerate(lessons):
        for column, tried in enumerate(by_lesson[lesson]):
            face, hatch, ink = MARKS[tried.verdict]
            axes.add_patch(
                Rectangle((column, row), 0.92, 0.86, facecolor=face, hatch=hatch, edgecolor="black", linewidth=0.8)
            )
            box = {"facecolor": face, "edgecolor": "none", "pad": 1.6}
            place = {"ha": "center", "va": "center", "color": ink, "bbox": box, "zorder": 3}
            axes.text(column + 0.46, row + 0.43, tried.name, **place)
            if tried.verdict == Verdict.REFUTED:
                axes.plot([column + 0.06, column + 0.86], [row + 0.8, row + 0.06], color="black", linewidth=0.8)
    counts = Counter(tried.verdict for found in by_lesson.values() for tried in found)
    for place, (verdict, (face, hatch, _)) in enumerate(MARKS.items()):
        left = place * max(longest, 10) / 4
        axes.add_patch(Rectangle((left, -1.1), 0.5, 0.6, facecolor=face, hatch=hatch, edgecolor="black", linewidth=0.8))
        if verdict == Verdict.REFUTED:
            axes.plot([left + 0.04, left + 0.46], [-0.54, -1.06], color="black", linewidth=0.8)
        axes.text(left + 0.6, -0.8, f"{verdict}: {counts[verdict]}", va="center", weight="bold")
    labels = [
        f"{lesson}  {textwrap.shorten(lesson_file(lesson)[1] or 'lesson', 36, placeholder=' ...')}"
        for lesson in lessons
    ]
    axes.set_yticks([row + 0.43 for row in range(len(lessons))], labels)
    axes.set(xlim=(-0.1, max(longest, 10) + 0.1), ylim=(len(lessons) + 0.1, -1.25), xticks=[])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    lines = [", ".join(f"{verdict}: {counts[verdict]}" for verdict in MARKS) + "."]
    for lesson in lessons:
        said = ", ".join(f"{tried.name} {tried.verdict}" for tried in by_lesson[lesson])
        lines.append(f"Lesson {lesson}: {said}.")
    return Picture(figure, "\n".join(lines))
