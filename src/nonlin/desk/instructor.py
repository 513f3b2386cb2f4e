"""The instructor's guide, made from the lessons: aims, minutes, mistakes, and what teaching.py says beside them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nonlin.errors import ReaderError
from nonlin.exercises import Exercise
from nonlin.files import write_whole
from nonlin.lessons import EXERCISES, NEEDS, TOPICS, parts
from nonlin.minutes import core, further
from nonlin.notebooks import LESSONS, lesson_file, read
from nonlin.paths import project_root

SESSION = 90  # minutes
TALK = 20  # of a session: arriving, the projector, questions to discuss
SHOWN = 3  # mistakes of each exercise: the first ones of its file
WISHES = ("01", "04", "03", "13", "05", "06", "08", "17")  # what a class takes first; needs come before what needs them
GOALS = {
    "06": "why a deep network learns or does not",
    "09": "small devices and few bits",
    "12": "what an activation does to pictures",
    "15": "pictures, shapes and equations as networks",
    "16": "the transformer",
    "17": "choosing, and reporting a comparison",
}

HEAD = """\
# The instructor's guide

Made from the lessons by `python3 start.py guide --instructor docs/instructor.md`: aims and minutes from the notebooks, mistakes from the checks of the exercises, and beside them what is behind the mistakes, what to show and what to discuss. Rooms, hubs, hand-outs and marking: [teaching with it](teaching.md).

Minutes are computed by one rule: technical text at 110 words a minute, code at 9 lines, a minute for each figure and prediction, exercises as their headings say. Classes differ; the proportions hold. Behind the mistakes of an exercise stands first what one thinks, then what is so; below it the first hints of its check, which say what it was that went wrong.
"""  # noqa: E501


@dataclass(frozen=True)
class Lesson:
    """What the guide says of one lesson that is computed from its notebook."""

    number: str
    title: str
    core: int
    further: int
    aims: tuple[str, ...]

    @property
    def link(self) -> str:
        return f"[{self.number} · {self.title}](../notebooks/{lesson_file(self.number)[0]})"


@cache
def lessons() -> dict[str, Lesson]:
    """All lessons, by number."""
    found = {}
    for number in TOPICS:
        name, title = lesson_file(number)
        notebook = read(LESSONS / name)
        aims = re.findall(r"^- (.*?)[;.]?$", notebook.cells[0].source, re.MULTILINE)
        found[number] = Lesson(number, title, core(notebook), further(notebook), tuple(aims))
    return found


def needed(lesson: str) -> tuple[str, ...]:
    """A lesson with everything that it leans on, in order."""
    found = {lesson}
    for other in NEEDS[lesson]:
        found |= set(needed(other))
    return tuple(sorted(found))


def plan(sessions: int) -> tuple[str, ...]:
    """The lessons of a class that meets so many times, one a session; lesson 00 is read before the first.

    Raises:
        ValueError: if a lesson would come without one that it needs, or does not fit into a session.
    """
    chosen = tuple(sorted(WISHES[:sessions]))
    for number in chosen:
        if missing := set(needed(number)) - set(chosen) - {"00"}:
            raise ValueError(f"lesson {number} needs {min(missing)}, which is no part of {sessions} sessions.")
        if lessons()[number].core > SESSION - TALK:
            raise ValueError(f"lesson {number} does not fit into a session.")
    return chosen


def guide() -> str:
    """The whole page, in Markdown.

    Raises:
        ReaderError: in a hand-out, which holds nothing for those who teach.
    """
    if len(parts("teaching")) < len(TOPICS):
        raise ReaderError("this is a hand-out, and the guide is made from the course itself: start from that")
    return "\n".join([HEAD, *_plans(), *(line for number in TOPICS for line in _page(number))])


def write(path: Path) -> None:
    """Write the page into a file."""
    write_whole(path, guide())


def renew() -> None:
    """Write the page of the checkout anew where the lessons have changed what it says."""
    page = (project_root() or Path()) / "docs" / "instructor.md"
    if page.is_file() and page.read_text(encoding="utf-8") != guide():
        write(page)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def _plans() -> Iterator[str]:
    said = lessons()
    yield "## Plans\n"
    yield (
        f"A session has {SESSION} minutes: {TALK} for arriving, the projector and a question to discuss, the rest for"
        " the core path of one lesson, each at a machine of one's own or two at one. Lesson 00 is read before the first"
        f" session ({said['00'].core} minutes; it also shows whether the installation works). What goes further, and"
        " exercises that were not finished, are homework.\n"
    )
    for sessions in (2, 4, 8):
        yield f"### {sessions} sessions\n"
        rows = [
            (place, said[number].link, said[number].core, said[number].further)
            for place, number in enumerate(plan(sessions), 1)
        ]
        yield from _table(("session", "lesson", "core", "further, at home"), rows)
    yield "### A reading group\n"
    yield (
        f"One lesson a week, in order, {len(TOPICS)} weeks: each lesson needs earlier ones alone. Everybody works"
        " through the core path beforehand and notes each prediction that was wrong. An hour together: ten minutes on"
        " the predictions, half an hour on the three questions below, then one claim of the lesson: would this evidence"
        " convince you, and what would turn the verdict? One member prepares a section that goes further.\n"
    )
    yield "### On one's own\n"
    yield "The shortest ways to a goal, with the minutes of their core paths together:\n"
    rows = [
        (aim, " → ".join(needed(number)), sum(said[one].core for one in needed(number)))
        for number, aim in GOALS.items()
    ]
    yield from _table(("goal", "lessons", "minutes"), rows)
    total = sum(each.core for each in said.values()), sum(each.further for each in said.values())
    yield f"All lessons: {total[0]} minutes, and {total[1]} more for all that goes further.\n"


def _page(number: str) -> Iterator[str]:
    lesson, teaching = lessons()[number], parts("teaching")[number].TEACHING
    yield f"## Lesson {number} · {lesson.title}\n"
    before = ", ".join(lessons()[other].link for other in NEEDS[number]) or "nothing"
    yield f"*{lesson.core} minutes, and {lesson.further} for going further. Before it: {before}. {lesson.link}*\n"
    yield "**Afterwards one can**\n"
    yield from (f"- {aim}" for aim in lesson.aims)
    yield f"\n**On the projector.** {teaching.show}\n"
    yield "**What goes wrong.**\n"
    for exercise in EXERCISES.values():
        if exercise.number.startswith(number):
            yield from _mistakes(exercise, teaching.behind[exercise.number])
    yield "\n**To discuss.**\n"
    for place, discussion in enumerate(teaching.discussions, 1):
        yield f"{place}. {discussion.question}\n   *A good answer:* {discussion.answer}"
    yield ""


def _mistakes(exercise: Exercise, behind: str) -> Iterator[str]:
    yield f"- **{exercise.number}, {exercise.title}** ({exercise.minutes} minutes). *Behind it:* {behind}"
    yield from (f"  - {_plain(mistake.hint)}" for mistake in exercise.mistakes[:SHOWN])


def _plain(hint: str) -> str:
    """A hint as Markdown that shows it letter by letter: stars, underscores and the like mean nothing there."""
    return re.sub(r"([\\*_`<>|$~\[\]])", r"\\\1", hint)
