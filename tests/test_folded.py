"""Folded cases: all are tried, and whoever fails is named."""

import pytest
from folded import folded


@folded(("a", "b"), [(1, 1), (1, 2), (2, 2), (2, 3)])
def are_equal(a: int, b: int) -> None:
    assert a == b


@folded("b", [2, 3])
@pytest.mark.long
def is_two(a: int, b: int) -> None:
    assert a == b == 2


def test_all_cases_are_tried_and_each_that_fails_is_named() -> None:
    with pytest.raises(BaseExceptionGroup, match="2 cases fail") as caught:
        are_equal()
    assert [error.__notes__ for error in caught.value.exceptions] == [["a = 1, b = 2"], ["a = 2, b = 3"]]
    with pytest.raises(AssertionError) as alone:
        is_two(a=2)
    assert alone.value.__notes__ == ["b = 3"]
    assert [mark.name for mark in is_two.pytestmark] == ["long"]
