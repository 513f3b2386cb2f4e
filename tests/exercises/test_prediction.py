"""Predictions: kept until what was measured stands beside them; what cannot be compared is told so."""

import numpy as np
import pytest
import torch

from nonlin.exercises import explain, outcome, predict


class Evil:
    def __float__(self) -> float:
        raise SystemError("no")


@pytest.mark.parametrize(
    ("answer", "choices", "said"),
    [
        ("b", "abc", "● You say b."),
        (" B ", "abc", "● You say b."),
        (0.125, "", "● You say 0.125."),
        (np.float32(3), "", "● You say 3."),
        (torch.tensor(-2), "", "● You say −2."),
        (..., "abc", "○ replace the ... by one of the letters a, b, c"),
        (..., "", "○ replace the ... by a number"),
        ("d", "abc", "○ this can't be compared: give one of the letters"),
        ("ab", "abc", "○ this can't be compared"),
        (1, "abc", "○ this can't be compared"),
        ("half", "", "○ this can't be compared: give a number"),
        (True, "", "○ this can't be compared"),
        (None, "", "○ this can't be compared"),
        (Evil(), "", "○ this can't be compared"),
    ],
)
def test_an_answer_is_kept_or_told_what_is_wanted(answer: object, choices: str, said: str) -> None:
    assert said in repr(predict("99a", answer, choices))


def test_what_was_measured_stands_beside_what_was_said() -> None:
    predict("99b", "c", "abc")
    assert outcome("99b", "c", "Why.").text == "You said **c**. Measured: **c**. ✓\n\nWhy."
    assert outcome("99b", "a", "Why.").text.startswith("You said **c**. Measured: **a**. ✗")
    predict("99b", 0.2)
    assert "Measured: **0.125**. ✗" in outcome("99b", 0.125, "Why.").text
    assert "Measured: **0.125**. ✓" in outcome("99b", 0.125, "Why.", within=0.1).text
    assert outcome("99b", "a", "Why.").text == "Measured: **a**.\n\nWhy."  # a number said, a letter measured
    predict("99b", ..., "abc")
    assert outcome("99b", "a", "Why.").text == "Measured: **a**.\n\nWhy."
    assert explain("\nWhy.\n").text == "Why."


def test_a_number_that_ends_a_sentence_begins_no_list() -> None:
    assert outcome("99c", "a", "46. Not more.\n12.5 is no end.").text.endswith("46\\. Not more.\n12.5 is no end.")
    assert explain("7. It is.").text == "7\\. It is."
    assert explain("It is\n1. Really.").text == "It is\n1\\. Really."
    listed = "Two things:\n\n1. One.\n2. Another."
    assert explain(listed).text == listed
