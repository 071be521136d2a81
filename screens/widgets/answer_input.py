"""A line to type an answer into."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input

from state.questions import AnswerKind


class AnswerInput(Input):
    """Text, number, path, list or secret; a secret is shown as dots.

    Args:
        kind: of the question.
        text: what is in it at first; typing replaces it.
        placeholder: shown while it is empty.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Next", tooltip="Take this answer and go on", key_display="⏎"),
        # A question mark is typed here, so help has its other key.
        Binding("f1", "app.help", "Help", tooltip="What this page is for, and its keys", key_display="F1"),
    ]

    def __init__(self, kind: AnswerKind, text: str, placeholder: str = "") -> None:
        super().__init__(text, placeholder, password=kind is AnswerKind.SECRET, compact=True)
        self._kind = kind

    def _on_paste(self, event: events.Paste) -> None:
        """Several lines become one: of a list they are its members, of all else the first counts."""
        lines = [line.strip() for line in event.text.splitlines() if line.strip()]
        if self._kind is AnswerKind.LIST and len(lines) > 1:
            event.prevent_default()
            event.stop()
            self.replace(", ".join(lines), *sorted(self.selection))
