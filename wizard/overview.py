"""A conversation as a whole: its steps and how far they are, its answers by step, what differs from before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from state.questions import Question
from wizard.section import BEGIN, Section

if TYPE_CHECKING:
    from wizard.flow import Asked, Conversation

#: The rest of what a build would touch.
NOTHING_ELSE = "Nothing else at the provider: only what carries this deployment's tag."


class Stage(Enum):
    """How far a step is."""

    DONE = "done"
    NOW = "now"
    TODO = "to do"


@dataclass(frozen=True, slots=True)
class Line:
    """One answer.

    Attributes:
        label: the question.
        answer: what it is now.
        before: what it was, "" when it is the same or was none.
    """

    label: str
    answer: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A step with its answers so far.

    Attributes:
        found: what trying its answers showed, such as "valid, account …".
        open: one can go back to it: it is finished, and not all of it is fixed.
    """

    key: str
    title: str
    stage: Stage
    lines: tuple[Line, ...] = ()
    found: str = ""
    open: bool = False


def parts(conversation: Conversation, asked: Asked | None) -> tuple[Part, ...]:
    """Every step, in order.

    Args:
        conversation: which is not asked anything meanwhile.
        asked: the question that is shown now.
    """
    found = []
    for section in conversation.sections:
        now = asked is not None and asked.section.key == section.key
        stage = Stage.NOW if now else Stage.DONE if _is_finished(conversation, section) else Stage.TODO
        answered = [each for each in _applying(conversation, section) if conversation.is_done(each)]
        if section.questions and not _applying(conversation, section):
            continue  # a step about what these answers do not have
        lines = tuple(_line(conversation, each) for each in answered)
        is_open = stage is Stage.DONE and any(not conversation.is_fixed(each) for each in answered)
        found.append(
            Part(section.key, section.title, stage, lines, conversation.found(section), open=is_open and bool(lines))
        )
    return tuple(found)


def differences(conversation: Conversation) -> tuple[Part, ...]:
    """The steps in which an answer differs from what it was when the conversation began."""
    changed = {change.question.key: change for change in conversation.changes()}
    found = []
    for section in conversation.sections:
        lines = []
        for question in _applying(conversation, section):
            if question.key in changed:
                before = changed[question.key].before
                line = _line(conversation, question)
                shown = "" if before is None or question.secret else conversation.shown(question, before)
                lines.append(Line(line.label, line.answer, shown))
        if lines:
            found.append(Part(section.key, section.title, Stage.DONE, tuple(lines)))
    return tuple(found)


def review(conversation: Conversation, *, only_changes: bool = False) -> str:
    """All answers (or only those that changed) as lines for a person."""
    shown = differences(conversation) if only_changes else parts(conversation, None)
    lines: list[str] = []
    for part in shown:
        if part.lines and part.key != BEGIN:
            lines += ["", part.title, *(f"  {_asked(line)} {as_text(line)}" for line in part.lines)]
    return "\n".join(lines[1:]) if lines else "Nothing differs from what there is."


def as_text(line: Line) -> str:
    """The answer, behind what it was before."""
    return f"{line.before} → {line.answer}" if line.before else line.answer


def commands(name: str) -> tuple[str, str]:
    """What does the same as agreeing to the review: here, and elsewhere with a copy of the answers.

    Args:
        name: of the deployment.
    """
    return f"buildyard build --deployment {name}", "buildyard new --answers FILE"


def _asked(line: Line) -> str:
    return line.label if line.label.endswith("?") else f"{line.label}:"


def _applying(conversation: Conversation, section: Section) -> list[Question]:
    values = conversation.values
    return [question for question in section.questions if question.applies(values)]


def _is_finished(conversation: Conversation, section: Section) -> bool:
    applying = _applying(conversation, section)
    return all(conversation.is_done(question) for question in applying)


def _line(conversation: Conversation, question: Question) -> Line:
    return Line(question.label, conversation.shown(question, conversation.values.get(question.key)))
