"""What can be asked: declared once, by whoever needs the answer; rendered by form, questionary and answers file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AnswerKind(StrEnum):
    """The shape of an answer."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    YES_NO = "yes-no"
    LIST = "list"  # texts, one a line or separated by commas
    PATH = "path"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose.

    Attributes:
        value: as the answers file has it.
        label: a few words.
        help: what one gets.
        unavailable: why it cannot be chosen now.
        aside: a few words beside it, such as its price; no part of the answer.
    """

    value: str
    label: str
    help: str = ""
    unavailable: str = ""
    aside: str = ""


#: Returns what is wrong with an answer and what to do, or "" when it is right.
Check = Callable[[Any], str]
Answered = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        key: dotted key in the answers file, such as ``site.domain``.
        label: the question as a person reads it.
        help: why it is asked, with an example.
        kind: the shape of the answer.
        choices: for CHOICE; a function of the answers so far.
        default: the likely answer, a value or a function of the answers so far; None means it must be answered.
        check: says what is wrong with an answer.
        applies: whether it is asked at all, given the answers so far.
        required: whether an empty answer is refused.
        added_later: its default is what there was before it was asked, and may be the only answer that can be chosen:
            then it is asked so that one sees what is to come. Answers without it are whole: they are older.
    """

    key: str
    label: str
    help: str = ""
    kind: AnswerKind = AnswerKind.TEXT
    choices: Callable[[Answered], tuple[Choice, ...]] | None = None
    default: Any | Callable[[Answered], Any] = None
    check: Check = field(default=lambda _value: "")
    applies: Callable[[Answered], bool] = field(default=lambda _answers: True)
    required: bool = True
    added_later: bool = False

    @property
    def secret(self) -> bool:
        """Whether the answer goes to the keyring and never into a file."""
        return self.kind is AnswerKind.SECRET

    def default_for(self, answers: Answered) -> Any:
        """The likely answer, given the answers so far."""
        return self.default(answers) if callable(self.default) else self.default


def wrong_choice(value: Any, choices: Sequence[Choice]) -> str:
    """Why this cannot be chosen, "" when it can."""
    for choice in choices:
        if choice.value == value:
            why = choice.unavailable
            return f"Choose another: {value} is not available, {why}." if why else ""
    return f"Choose one of: {', '.join(choice.value for choice in choices if not choice.unavailable)}."


_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def check_domain(value: Any) -> str:
    """RFC 1035 host name with at least two labels, lower case."""
    text = str(value)
    labels = text.split(".")
    if len(text) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return "Give a domain such as shop.example.org: lower-case letters, digits and hyphens, with a dot."
    return ""


def check_name(value: Any) -> str:
    """A deployment's name: goes into tags, file names and host names."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,28}[a-z0-9]", str(value)):
        return "Use 2 to 30 lower-case letters, digits and hyphens; begin with a letter, end without a hyphen."
    return ""


def check_email(value: Any) -> str:
    """Roughly RFC 5321: something, @, a domain."""
    name, at, domain = str(value).partition("@")
    if not at or not name or re.search(r"\s", name) or check_domain(domain.lower()):
        return "Give an e-mail address such as you@example.org."
    return ""
