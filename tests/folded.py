"""Many small cases in one test: quicker than a test for each, and every case that fails is told."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest


def folded(names: str | Sequence[str], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Like ``pytest.mark.parametrize``, with one test for all cases, which go on where one of them fails.

    Args:
        names: of one or of several arguments of the test.
        cases: a value for each case, or a tuple of them.
    """
    names, cases = ([names] if isinstance(names, str) else list(names)), list(cases)
    assert cases

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def all_of_them(**given: Any) -> None:
            failed: list[BaseException] = []
            for case in cases:
                row = dict(zip(names, case if len(names) > 1 else [case], strict=True))
                try:
                    test(**given, **row)
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(
                        ", ".join(f"{name} = {getattr(value, 'name', value)}" for name, value in row.items())
                    )
                    failed.append(error)
            if failed:
                raise failed[0] if len(failed) == 1 else BaseExceptionGroup(f"{len(failed)} cases fail", failed)

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in names]
        all_of_them.__signature__ = signature.replace(parameters=left)
        return all_of_them

    return decorate


def shortened(value: Any) -> str:
    """The name or the number of a record or an exercise, or the beginning of whatever it is."""
    return str(getattr(value, "name", getattr(value, "number", value)))[:80]
