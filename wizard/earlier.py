"""Answers of an earlier version: what it did not ask yet stands as it did things then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from state.questions import Question


def as_asked_now(values: Mapping[str, Any], questions: Sequence[Question]) -> dict[str, Any]:
    """The answers, with the usual one to each question that was added after they were given.

    Answers are given in order: where a later one is there, nobody stopped before this question. So a finished
    deployment stays finished, is asked nothing anew, and nothing of it differs.

    Args:
        values: by dotted key, as they are kept.
        questions: all there are, in the order in which they are asked.
    """
    complete = dict(values)
    is_passed = False
    for question in reversed(questions):
        is_older = question.added_later and is_passed and question.key not in values
        if is_older and question.applies(values):
            complete[question.key] = question.default_for(values)
        is_passed = is_passed or question.key in values
    return complete
