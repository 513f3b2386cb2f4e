"""Quizzes that unfold an answer to each choice, with no script behind them, and read as text elsewhere."""

import html
from dataclasses import asdict, dataclass

from nonlin.exercises.sealed import seal, unseal


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
    """The questions of one lesson; JupyterLab shows each choice as a line that unfolds."""

    questions: tuple[Question, ...]

    def _repr_html_(self) -> str:
        return "".join(self._question_html(n, question) for n, question in enumerate(self.questions, 1))

    @staticmethod
    def _question_html(number: int, question: Question) -> str:
        options = "".join(
            f"<details><summary>{html.escape(option.text)}</summary>"
            f"<p>{'✓ Yes' if option.right else '✗ No'}: {html.escape(option.why)}</p></details>"
            for option in question.options
        )
        return f"<p><br><b>{number}.</b> {html.escape(question.text)}</p>{options}"

    def __repr__(self) -> str:
        lines, answers = [], []
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question.text}")
            for letter, option in zip("abcdef", question.options, strict=False):
                lines.append(f"   {letter}) {option.text}")
                answers.append(f"{number}{letter} {'yes' if option.right else 'no'}: {option.why}")
        return "\n".join([*lines, "", "Answers", *answers])


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
