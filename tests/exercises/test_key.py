"""A verdict needs plain data alone: what an answer gave, and a key that holds no code."""

import inspect
import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from folded import folded
from test_answers import ANSWERS

from nonlin.exercises import Exercise
from nonlin.exercises.key import Key, decode, encode, key_of, results_of, verdict
from nonlin.exercises.plain import MOST, plain
from nonlin.lessons import EXERCISES


def through_text(key: Key) -> Key:
    mistakes = tuple(wrong._replace(results=decode(encode(wrong.results))) for wrong in key.mistakes)
    return replace(key, expected=decode(encode(key.expected)), mistakes=mistakes)


@folded("exercise", EXERCISES.values())
def test_the_verdict_is_the_same_from_text_alone(exercise: Exercise) -> None:
    key = key_of(exercise)
    stored = through_text(key)
    answers = ANSWERS[exercise.number[:2]]
    for answer in [*answers.RIGHT[exercise.number], *(wrong for wrong, _ in answers.WRONG[exercise.number])]:
        results, refusal = results_of(exercise, answer)
        here = verdict(exercise, key, results, refusal)
        there = verdict(exercise, stored, decode(encode(results)), refusal)
        assert (there.state, there.message, there.mistake) == (here.state, here.message, here.mistake)


@folded("exercise", EXERCISES.values())
def test_probes_tell_whether_a_function_is_wanted(exercise: Exercise) -> None:
    assert exercise.wants_function == bool(inspect.signature(exercise.solution).parameters)


DOUBLE = replace(EXERCISES["00.1"], by_hand=None, mistakes=(), solution=lambda x: 2 * x)


@pytest.mark.parametrize("spoil", [lambda: torch.set_default_dtype(torch.float64), lambda: torch.manual_seed(7)])
def test_the_verdict_does_not_depend_on_what_ran_before(spoil: Callable[[], object]) -> None:
    answer = lambda x: 2 * x + torch.rand(()) * torch.ones(1).sum()  # noqa: E731
    before = encode(results_of(DOUBLE, answer)[0])
    chance = torch.get_rng_state()
    try:
        spoil()
        assert encode(results_of(DOUBLE, answer)[0]) == before
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_rng_state(chance)


VALUES: dict[str, Any] = {
    "numbers": (1, -(2**900), 0.1, math.inf, math.nan, -0.0, True, None, "a", [1, (2,)]),
    "float32": torch.tensor([[0.1, -0.0, math.inf, 1e-45]]),
    "float64": torch.tensor(math.pi, dtype=torch.float64),
    "bfloat16": torch.tensor([1.5, math.nan], dtype=torch.bfloat16),
    "int64": torch.tensor([2**63 - 1, -(2**63)]),
    "bool": torch.tensor([True, False]),
    "none at all": torch.zeros(0, 3),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "too large": torch.zeros(1).expand(10**12),
    "sparse": torch.eye(3).to_sparse(),
    "complex": torch.tensor([1j]).conj(),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "NumPy": (np.float32(0.1), np.ones(2)[::-1], np.array(["a", "b"])),
    "fraction": Fraction(1, 3),
    "object": object(),
}


@pytest.mark.parametrize("name", VALUES)
def test_plain_values_come_back_bit_by_bit(name: str) -> None:
    text = encode(plain({name: VALUES[name]}))
    assert encode(decode(text)) == text
    assert set(map(type, _leaves(decode(text)[name]))) <= set(map(type, _leaves(plain({name: VALUES[name]})[name])))


def _leaves(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, tuple | list) else [value]


def test_values_come_back_equal() -> None:
    for name in ("float32", "float64", "int64", "bool", "transposed"):
        assert torch.equal(decode(encode(plain(VALUES)))[name], VALUES[name])
    assert decode(encode(plain(VALUES)))["numbers"][:4] == VALUES["numbers"][:4]


def endless() -> list:
    inside: list = []
    inside.append(inside)
    return inside


@folded("value", ["a" * 10**7, 10**10**5, (0,) * 10**6, endless(), [torch.zeros(MOST)] * 9])
def test_what_an_answer_gives_is_bounded(value: object) -> None:
    assert len(encode(plain({"your answer": value}))) < 24 * MOST


@folded(
    "value",
    [
        {"tensor": ["float32", [10**9], "AAAA"]},
        {"tensor": ["float32", [-5], None]},
        {"tensor": ["float32", [2**62, 2**62], None]},
        {"tensor": ["load", [1], None]},
        {"tensor": ["object", [1], "AAAA"]},
        {"tensor": ["float32", ["1"], "AAAA"]},
        {"tensor": ["float32", [1], "Ä"]},
        {"float": "much"},
        {"pickle": "gASV"},
        {"tuple": 3},
    ],
)
def test_text_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no results"):
        decode(json.dumps({"your answer": value}))


@folded("text", ["", "[]", "3", "{", '{"a": NaN', "[" * 10**5, '{"a": ' * 10**5])
def test_what_is_no_results_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no results"):
        decode(text)


def test_a_key_shows_nothing() -> None:
    assert repr(key_of(EXERCISES["01.3"])) == f"Key(of {len(EXERCISES['01.3'].mistakes)} mistakes)"
