"""What those who teach a lesson are told beside it: what cannot be computed from its notebook and its exercises."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Discussion:
    """A question for the room, and what a good answer holds."""

    question: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """One lesson in class.

    Args:
        show: what to show on the projector.
        behind: for each exercise, by number, the misconception behind the mistakes that its check knows.
        discussions: three questions to discuss.
    """

    show: str
    behind: Mapping[str, str]
    discussions: tuple[Discussion, Discussion, Discussion]
