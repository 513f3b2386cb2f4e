"""Predictions: the reader commits first, and reads what he said beside what was measured."""

import re
from dataclasses import dataclass

from nonlin.memory import remember
from nonlin.typography import Markdown, true_minus

_ITEM = re.compile(r"(\d+)\.(?=\s)")
_SAID: dict[str, str | float] = {}


@dataclass(frozen=True)
class Prediction:
    """What the reader said, or what to do if nothing was said that can be compared."""

    name: str
    said: str | float | None
    advice: str = ""

    def __repr__(self) -> str:
        if self.said is None:
            return f"Prediction {self.name} ○ {self.advice}"
        return f"Prediction {self.name} ● You say {_shown(self.said)}. Run on and see."


def predict(name: str, answer: object, choices: str = "") -> Prediction:
    """Keep a prediction until ``outcome`` shows what was measured.

    Args:
        name: lesson and letter, ``"04a"``.
        answer: one of the choices, or a number; ``...`` while there is none.
        choices: the letters to choose from, ``"abc"``; none for a number.

    Returns:
        What was said; an answer that cannot be compared is never an error.
    """
    _SAID.pop(name, None)
    if choices:
        expected = f"one of the letters {', '.join(choices)}, in quotation marks"
        said = answer.strip().lower() if isinstance(answer, str) else None
        said = said if said and said in tuple(choices) else None
    else:
        expected, said = "a number", _number(answer)
    if said is None:
        advice = f"replace the ... by {expected}, and run the cell."
        return Prediction(name, None, advice if answer is ... else f"this can't be compared: give {expected}.")
    _SAID[name] = said
    return Prediction(name, said)


def outcome(name: str, measured: str | float, text: str, *, within: float = 0.0) -> Markdown:
    """What was measured, beside what was predicted, and why.

    Args:
        name: of the prediction, ``"04a"``.
        measured: the letter that turned out to be right, or the number.
        text: the explanation, in Markdown: what was seen, and why the tempting answer is wrong.
        within: a predicted number counts as right if it is as near as this to the measured one.
    """
    said = _SAID.get(name)
    verdict = f"Measured: **{_shown(measured)}**."
    if said is not None and isinstance(said, str) == isinstance(measured, str):
        right = said == measured if isinstance(measured, str) else abs(said - measured) <= within
        verdict = f"You said **{_shown(said)}**. {verdict} {'✓' if right else '✗'}"
        remember("prediction", name, right, _shown(said))
    return Markdown(f"{verdict}\n\n{_no_list(text.strip())}")


def explain(text: str) -> Markdown:
    """What an experiment without a prediction has shown; it stands beside the assertions that hold its numbers."""
    return Markdown(_no_list(text.strip()))


def _no_list(text: str) -> str:
    """A number that ends a sentence at the beginning of a line would begin a list; one that counts from 1 stays."""
    lines, count = text.split("\n"), 0
    for place, line in enumerate(lines):
        if not (found := _ITEM.match(line)):
            continue
        begins = found[1] == "1" and not (place and lines[place - 1].strip())
        if begins or (count and int(found[1]) == count + 1):
            count = int(found[1])
        else:
            lines[place] = _ITEM.sub(r"\1\\.", line)
    return "\n".join(lines)


def _number(answer: object) -> float | None:
    if isinstance(answer, bool | str | bytes):
        return None
    try:
        return float(answer)  # also a number of NumPy or torch
    except Exception:  # an object of the reader's own may raise anything here
        return None


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else true_minus(f"{value:.3g}")
