"""One page for the lecturer: which exercise went how, which mistake was made how often, and whom to look at."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nonlin.desk.mark import (
    CRASHED,
    LOOK,
    MISTAKE,
    SLOW,
    SOLVED,
    STATES,
    UNREADABLE,
    UNTRIED,
    WRONG,
    Marked,
    mistake_names,
)
from nonlin.desk.mark_tables import Weights
from nonlin.exercises.exercise import Exercise

# Colours that are told apart with any kind of eyes, and in grey; the letters say it without any.
LOOKS = {
    SOLVED: ("#009e73", "#ffffff", "✓"),
    LOOK: ("#f0e442", "#000000", "?"),
    MISTAKE: ("#e69f00", "#000000", "M"),
    WRONG: ("#b34700", "#ffffff", "✗"),
    SLOW: ("#cc79a7", "#000000", "S"),
    CRASHED: ("#5b2a86", "#ffffff", "!"),
    UNREADABLE: ("#56606b", "#ffffff", "U"),
    UNTRIED: ("#d5d9de", "#000000", "–"),
}
MEANING = {
    SOLVED: "right on the inputs of the course, and on others where there can be others",
    LOOK: "right on the inputs of the course, but not on others: no points until you looked at it",
    MISTAKE: "one of the mistakes that the course knows",
    WRONG: "wrong in another way",
    SLOW: "stopped when its time was used up",
    CRASHED: "an error before the answer was handed in, or its process ended",
    UNREADABLE: "the notebook cannot be read",
    UNTRIED: "the dots are still there, or the check is missing",
}
STYLE = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --line: #4a515c; --soft: #1f242b; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.state { text-align: center; }
.badge { display: inline-block; min-width: 1.4em; padding: 0 .2em; border-radius: .25em; text-align: center; }
.note { background: var(--soft); border-left: .3rem solid var(--line); padding: .5rem .9rem; }
.scroll { overflow-x: auto; }
.name { overflow-wrap: anywhere; min-width: 9rem; }
svg { max-width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
code { font-size: .9em; }
"""


def page(
    marked: Sequence[Marked], exercises: Sequence[Exercise], weights: Weights, title: str, protected: Sequence[str]
) -> str:
    """The page, in one file of HTML without scripts; every text of a student's is escaped.

    Args:
        marked: all students, in order.
        exercises: what was marked.
        weights: their points.
        title: of the page.
        protected: sentences on what was kept from the students' code.
    """
    counts = {each.number: Counter(one.marks[each.number].state for one in marked) for each in exercises}
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{len(marked)} submissions, {len(exercises)} exercises, {weights.maximum:g} points.</p>",
        *_nobody(exercises, counts),
        "<h2>How each exercise went</h2>",
        _picture(exercises, counts, len(marked)),
        _legend(counts),
        _table_of_states(exercises, counts, weights),
        "<h2>Which mistakes were made</h2>",
        *_mistakes(exercises, marked),
        "<h2>Look at these yourself</h2>",
        _to_look_at(marked),
        "<h2>Each student</h2>",
        _students(exercises, marked, weights),
        "<h2>What was protected</h2>",
        "".join(f"<p>{_text(sentence)}</p>" for sentence in protected),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text)


def _nobody(exercises: Sequence[Exercise], counts: Mapping[str, Counter]) -> Iterator[str]:
    unsolved = [each for each in exercises if not counts[each.number][SOLVED]]
    if unsolved:
        names = "; ".join(f"{each.number} {each.title}" for each in unsolved)
        yield f'<p class="note"><b>Nobody solved:</b> {_text(names)}.</p>'


def _picture(exercises: Sequence[Exercise], counts: Mapping[str, Counter], total: int) -> str:
    """Bars, a row for each exercise; the table below says the same in numbers."""
    left, width, row = 60, 700, 30
    height = row * len(exercises) + 6
    bars, said = [], []
    for place, each in enumerate(exercises):
        top, x = place * row + 4, float(left)
        bars.append(f'<text x="0" y="{top + 16}">{_text(each.number)}</text>')
        for state in STATES:
            if not (count := counts[each.number][state]):
                continue
            wide, (colour, ink, sign) = width * count / max(total, 1), LOOKS[state]
            bars.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="22" fill="{colour}" stroke="#fff"/>')
            if wide > 34:
                style = f'style="fill:{ink}" text-anchor="middle"'
                bars.append(f'<text x="{x + wide / 2:.1f}" y="{top + 16}" {style}>{sign} {count}</text>')
            x += wide
        states = ", ".join(f"{counts[each.number][state]} {state}" for state in STATES if counts[each.number][state])
        said.append(f"{each.number}: {states}.")
    return (
        f'<svg role="img" aria-labelledby="bars-title bars-text" viewBox="0 0 {left + width + 10} {height}" '
        f'width="{left + width + 10}" xmlns="http://www.w3.org/2000/svg"><title id="bars-title">How many submissions '
        f'solved each exercise, and what became of the others</title><desc id="bars-text">{_text(" ".join(said))}'
        "</desc>"
        f"{''.join(bars)}</svg>"
    )


def _badge(state: str) -> str:
    colour, ink, sign = LOOKS[state]
    said = f'role="img" aria-label="{state}" title="{state}"'
    return f'<span class="badge" {said} style="background:{colour};color:{ink}">{sign}</span>'


def _legend(counts: Mapping[str, Counter]) -> str:
    used = [state for state in STATES if any(each[state] for each in counts.values())]
    return "<ul>" + "".join(f"<li>{_badge(state)} <b>{state}</b>: {MEANING[state]}</li>" for state in used) + "</ul>"


def _table_of_states(exercises: Sequence[Exercise], counts: Mapping[str, Counter], weights: Weights) -> str:
    used = [state for state in STATES if any(each[state] for each in counts.values())]
    head = "".join(f'<th class="number" scope="col">{state}</th>' for state in used)
    rows = "".join(
        f'<tr><th scope="row">{_text(each.number)} {_text(each.title)}</th>'
        f'<td class="number">{weights.points[each.number]:g}</td>'
        + "".join(f'<td class="number">{counts[each.number][state]}</td>' for state in used)
        + "</tr>"
        for each in exercises
    )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Exercise</th><th class="number" scope="col">points</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _mistakes(exercises: Sequence[Exercise], marked: Sequence[Marked]) -> Iterator[str]:
    any_made = False
    for each in exercises:
        made = Counter(mark.mistake for one in marked if (mark := one.marks[each.number]).mistake)
        if not made:
            continue
        any_made = True
        hints = dict(zip(mistake_names(each.number), (mistake.hint for mistake in each.mistakes), strict=True))
        rows = "".join(
            f'<tr><td class="number">{count}</td><td><code>{_text(name)}</code></td><td>{_text(hints[name])}</td></tr>'
            for name, count in sorted(made.items(), key=lambda item: (-item[1], item[0]))
        )
        yield (
            f"<h3>{_text(each.number)} {_text(each.title)}</h3><div class='scroll'><table><thead><tr>"
            '<th class="number" scope="col">times</th><th scope="col">mistake</th>'
            '<th scope="col">what they were told</th>'
            f"</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    if not any_made:
        yield "<p>None that the course knows.</p>"


def _to_look_at(marked: Sequence[Marked]) -> str:
    lines = []
    for one in marked:
        said = [
            f"{number} {mark.state}: {mark.words}"
            for number, mark in one.marks.items()
            if mark.state in (LOOK, SLOW, CRASHED)
        ]
        if said or one.notes:
            items = "".join(f"<li>{_text(each)}</li>" for each in (*one.notes, *said))
            lines.append(
                f'<li><b class="name">{_text(one.student.name)}</b> ({_text(one.student.number)})<ul>{items}</ul></li>'
            )
    return f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nobody.</p>"


def _students(exercises: Sequence[Exercise], marked: Sequence[Marked], weights: Weights) -> str:
    head = "".join(f'<th scope="col">{_text(each.number)}</th>' for each in exercises)
    rows = "".join(
        f'<tr><th scope="row" class="name">{_text(one.student.name)}</th>'
        f'<td class="name">{_text(one.student.number)}</td>'
        + "".join(f'<td class="state">{_badge(one.marks[each.number].state)}</td>' for each in exercises)
        + f'<td class="number">{weights.of(one):g}</td></tr>'
        for one in marked
    )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">student</th><th scope="col">number</th>'
        f'{head}<th class="number" scope="col">points</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
