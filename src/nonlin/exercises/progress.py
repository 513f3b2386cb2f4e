"""What a learner has solved, as a picture, as text and as data, made from what is remembered (see `memory`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matplotlib.patches import Rectangle

from nonlin.exercises.exercise import Exercise
from nonlin.memory import Event
from nonlin.plots.picture import COLOURS, Picture, subplots

SOLVED, TRIED, OPEN = "solved", "tried", "open"
SIGNS = {SOLVED: "#", TRIED: "~", OPEN: "."}  # which every terminal has


@dataclass(frozen=True)
class Attempt:
    """What became of one exercise: how it stands, when it was solved first, and what was said before that."""

    number: str
    title: str
    state: str
    solved_at: str | None
    mistakes: tuple[str, ...]
    looked: bool  # at the solution, before it was solved


@dataclass(frozen=True)
class LessonProgress:
    """One lesson: its exercises, its quiz (None while it is not answered), and the predictions that were made."""

    lesson: str
    title: str
    exercises: tuple[Attempt, ...]
    quiz: tuple[bool, ...] | None
    predictions: Mapping[str, bool]

    @property
    def solved(self) -> int:
        return sum(each.state == SOLVED for each in self.exercises)

    @property
    def bar(self) -> str:
        """A sign for each exercise: ``##~..``."""
        return "".join(SIGNS[each.state] for each in self.exercises)

    @property
    def summary(self) -> str:
        """In words."""
        parts = [f"{self.solved} of {len(self.exercises)} exercises solved"]
        if self.quiz is not None:
            parts.append(f"quiz {sum(self.quiz)} of {len(self.quiz)}")
        if self.predictions:
            parts.append(f"predictions {sum(self.predictions.values())} of {len(self.predictions)} right")
        return ", ".join(parts)


@dataclass(frozen=True)
class Progress:
    """Some lessons, or all; a notebook shows it as a picture with words, a terminal as text."""

    lessons: tuple[LessonProgress, ...]

    def __repr__(self) -> str:
        """A line for each lesson; for a single one, a line for each exercise, too."""
        wide = max((len(each.title) for each in self.lessons), default=0)
        bars = max((len(each.bar) for each in self.lessons), default=0)
        lines = [f"{each.lesson} {each.title:{wide}}  [{each.bar:{bars}}]  {each.summary}" for each in self.lessons]
        if len(self.lessons) == 1:
            lines += [f"  {SIGNS[each.state]} {_told(each)}" for each in self.lessons[0].exercises]
        return "\n".join([*lines, "", "  ".join(f"{sign} {state}" for state, sign in SIGNS.items())])

    def _ipython_display_(self) -> None:
        self.picture._ipython_display_()

    @cached_property
    def picture(self) -> Picture:
        """A row for each lesson, a square for each exercise: filled, hatched or empty."""
        rows, most = len(self.lessons), max((len(each.exercises) for each in self.lessons), default=1)
        figure, axes = subplots(height=0.7 + 0.32 * rows, width=9)
        faces = {SOLVED: (COLOURS[0], ""), TRIED: ("white", "////"), OPEN: ("white", "")}
        styles = {
            state: {"facecolor": face, "hatch": hatch, "edgecolor": COLOURS[0]}
            for state, (face, hatch) in faces.items()
        }
        for row, lesson in enumerate(self.lessons):
            for place, each in enumerate(lesson.exercises):
                axes.add_patch(Rectangle((place + 0.1, row - 0.35), 0.8, 0.7, **styles[each.state]))
            axes.text(most + 0.2, row, lesson.summary.replace("exercises ", ""), va="center", size=9)
        axes.set(xlim=(0, 2 * most), ylim=(rows - 0.4, -0.6), xticks=[])
        axes.set_yticks(range(rows), [f"{each.lesson} {each.title}" for each in self.lessons])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        key = [Rectangle((0, 0), 1, 1, label=state, **style) for state, style in styles.items()]
        axes.legend(handles=key, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
        return Picture(figure, repr(self))

    def as_data(self) -> list[dict[str, Any]]:
        """For JSON."""
        return [
            {
                "lesson": each.lesson, "title": each.title, "quiz": each.quiz, "predictions": dict(each.predictions),
                "exercises": [vars(exercise) for exercise in each.exercises],
            }
            for each in self.lessons
        ]  # fmt: skip


def _told(attempt: Attempt) -> str:
    """One exercise in words."""
    said = f"{attempt.number} {attempt.title}"
    if attempt.solved_at:
        said += f" · solved on {attempt.solved_at[:10]}"
    if attempt.mistakes:
        count = len(attempt.mistakes)
        said += f" · {'after ' if attempt.solved_at else ''}{count} wrong answer{'s' if count > 1 else ''}"
    return said + (" · with a look at the solution" if attempt.looked else "")


def gather(titles: Mapping[str, str], exercises: Iterable[Exercise], events: Sequence[Event]) -> Progress:
    """What became of the exercises of some lessons.

    Args:
        titles: of the lessons, by their numbers.
        exercises: of the course.
        events: what is remembered, in its order.
    """
    return Progress(
        tuple(
            LessonProgress(
                number,
                title,
                tuple(_attempt(each, events) for each in exercises if each.number.startswith(f"{number}.")),
                next(
                    (
                        e.right
                        for e in reversed(events)
                        if e.did == "quiz" and e.what == number and isinstance(e.right, tuple)
                    ),
                    None,
                ),
                {
                    e.what: e.right is True
                    for e in reversed(events)
                    if e.did == "prediction" and e.what.startswith(number)
                },
            )
            for number, title in titles.items()
        )
    )


def _attempt(exercise: Exercise, events: Sequence[Event]) -> Attempt:
    """Counted until it was solved for the first time: whoever tries on afterwards has solved it all the same."""
    own = [event for event in events if event.what == exercise.number and event.did in ("check", "solution")]
    first = next((place for place, event in enumerate(own) if event.did == "check" and event.right is True), None)
    before = own[:first]
    mistakes = tuple(event.said for event in before if event.did == "check")
    state = OPEN if not own else TRIED if first is None else SOLVED
    looked = any(event.did == "solution" for event in before)
    return Attempt(exercise.number, exercise.title, state, None if first is None else own[first].at, mistakes, looked)
