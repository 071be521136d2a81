"""What an answer is worth: a typed text as a value, a choice that can be chosen, a whole set of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from state.answers import problem_with
from state.errors import AnswersError, BuildyardError
from state.questions import AnswerKind, Question, wrong_choice
from wizard.section import Section


def validate_all(
    values: Mapping[str, Any],
    sections: Sequence[Section] | None = None,
    *,
    has_secret: Callable[[str], bool] = lambda _name: True,
) -> dict[str, Any]:
    """Checks a whole set of answers without asking anybody (``--answers FILE``).

    Args:
        values: by dotted key.
        sections: with them the choices of a connected provider are checked too.
        has_secret: whether a secret of that name is kept.

    Returns:
        The answers, completed by defaults.

    Raises:
        AnswersError: names every answer that is missing or wrong, at once.
    """
    if sections is None:
        from wizard.questions import all_sections  # they know every provider and recipe; a screen needs none of it

        sections = all_sections()
    complete = dict(values)
    problems: list[str] = []
    for section in sections:
        for question in section.questions:
            if not question.applies(complete):
                continue
            if question.secret:
                if not has_secret(question.key):
                    problems.append(f"{question.key}: {question.label} is missing; `buildyard new` asks for it.")
                continue
            if complete.get(question.key) is None:
                complete[question.key] = question.default_for(complete)
            value = complete[question.key]
            if value is None:
                complete.pop(question.key)
                problems.append(f"{question.key}: this is missing. {question.label}")
                continue
            problem = problem_with(question, value) or _wrong_choice_if_known(question, value, complete)
            if problem:
                problems.append(f"{question.key}: {value!r} cannot be used. {problem}")
    if problems:
        count = "One answer" if len(problems) == 1 else f"{len(problems)} answers"
        raise AnswersError(
            f"{count} cannot be used.",
            detail="\n".join(problems),
            hint="Correct the answers file, or let `buildyard new` ask. Nothing was changed.",
        )
    return complete


def from_text(kind: AnswerKind, text: str) -> Any:
    """What a person typed, as the value it stands for; a text that stands for none stays a text, to be refused."""
    text = text.strip()
    if kind is AnswerKind.LIST:
        return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if kind is AnswerKind.NUMBER:
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() else text
    if kind is AnswerKind.YES_NO:
        return {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}.get(text.lower(), text)
    return text


def _wrong_choice_if_known(question: Question, value: Any, values: Mapping[str, Any]) -> str:
    if question.choices is None:
        return ""
    try:
        return wrong_choice(value, question.choices(values))
    except BuildyardError:
        return ""  # the provider is not at hand: it will say itself
