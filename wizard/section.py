"""A step of the conversation, and the first one's name. Light: the screens know it before the program is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from state.questions import Answered, Question

#: The step that asks for a template; it is no part of the review.
BEGIN = "begin"


@dataclass(frozen=True, slots=True)
class Section:
    """A step of the wizard: what is answered together is saved together.

    Attributes:
        key: stable name.
        title: for a person.
        questions: in order.
        verify: tried when its last question is answered; says what was found, raises a BuildyardError when the answers
            do not work.
    """

    key: str
    title: str
    questions: tuple[Question, ...]
    verify: Callable[[Answered], str] | None = None
