"""Quizzes that unfold an answer to each choice, with no script behind them, and read as text elsewhere."""

import html
from dataclasses import asdict, dataclass, replace

from nonlin.exercises.sealed import seal, unseal

LETTERS = "abcdef"


@dataclass(frozen=True)
class Option:
    """One choice: its text, whether it is right, and why."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    """A question with its choices, of which exactly one is right."""

    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Quiz:
    """The questions of one lesson; JupyterLab shows each choice as a line that unfolds.

    Args:
        questions: of the lesson.
        chosen: the letter that was answered to each, in one text; none where nothing was answered.
        advice: what else to tell; then the choices have letters there, too.
    """

    questions: tuple[Question, ...]
    chosen: str = ""
    advice: str = ""

    def answered(self, answers: str) -> "Quiz":
        """The quiz with one letter for each question, ``"bac"``; what cannot be read so becomes an advice."""
        letters = "".join(str(answers).lower().split())
        choices = [LETTERS[: len(question.options)] for question in self.questions]
        if len(letters) == len(choices) and all(a in known for a, known in zip(letters, choices, strict=True)):
            return replace(self, chosen=letters)
        wanted = f"one letter for each of the {len(choices)} questions"
        return replace(self, advice=f'This can\'t be read: give {wanted}, as in "{"".join(c[0] for c in choices)}".')

    @property
    def right(self) -> tuple[bool, ...]:
        """Whether each answer is right."""
        pairs = zip(self.questions, self.chosen, strict=False)
        return tuple(question.options[LETTERS.index(letter)].right for question, letter in pairs)

    def _repr_html_(self) -> str:
        questions = "".join(self._question_html(n, question) for n, question in enumerate(self.questions))
        return questions + (f"<p><br>{html.escape(self.advice)}</p>" if self.advice else "")

    def _question_html(self, place: int, question: Question) -> str:
        chosen = self.chosen[place : place + 1]
        lettered = bool(self.chosen or self.advice)
        options = "".join(
            f"<details{' open' if letter == chosen else ''}><summary>{f'{letter}) ' if lettered else ''}"
            f"{html.escape(option.text)}</summary>"
            f"<p>{'✓ Yes' if option.right else '✗ No'}: {html.escape(option.why)}</p></details>"
            for letter, option in zip(LETTERS, question.options, strict=False)
        )
        return f"<p><br><b>{place + 1}.</b> {html.escape(question.text)}</p>{options}"

    def __repr__(self) -> str:
        lines, answers = [], []
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question.text}")
            for letter, option in zip(LETTERS, question.options, strict=False):
                lines.append(f"   {letter}) {option.text}")
                answers.append(f"{number}{letter} {'yes' if option.right else 'no'}: {option.why}")
        if self.chosen:
            marks = (
                f"{n}{a} {'✓' if right else '✗'}"
                for n, (a, right) in enumerate(zip(self.chosen, self.right, strict=True), 1)
            )
            lines += ["", "You said " + ", ".join(marks)]
        return "\n".join([*lines, "", "Answers", *answers, *([self.advice] if self.advice else [])])


def sealed_quiz(quiz: Quiz) -> str:
    """A quiz as letters that tell nothing, for a hand-out."""
    return seal(asdict(quiz)["questions"])


def unsealed_quiz(text: str) -> Quiz:
    """The quiz that was sealed."""
    return Quiz(
        tuple(
            Question(question["text"], tuple(Option(**option) for option in question["options"]))
            for question in unseal(text)
        )
    )
