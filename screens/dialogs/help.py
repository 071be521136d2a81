"""What the page is for and which keys it has, from the page's own data."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static


class HelpDialog(ModalScreen[None]):
    """Help for one page.

    Args:
        title: the page's name.
        text: sentences.
        keys: (key, word, what it is for).
        more: further paragraphs about what is focused, such as why a choice is not offered.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,f1", "dismiss(None)", "Close", tooltip="Close help", key_display="esc"),
    ]

    def __init__(self, title: str, text: str, keys: tuple[tuple[str, str, str], ...], more: str = "") -> None:
        super().__init__()
        self._title, self._text, self._keys, self._more = title, text, keys, more

    def compose(self) -> ComposeResult:
        width = max((len(key) for key, _, _ in self._keys), default=0)
        words = max((len(word) for _, word, _ in self._keys), default=0)
        with Vertical(classes="dialog -wide"):
            yield Static(self._title, classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body"):
                if self._more:
                    yield Static(self._more, classes="dialog-hint", markup=False)
                if self._text:
                    yield Static(self._text, classes="help-text", markup=False)
                for key, word, purpose in self._keys:
                    line = f"{key.rjust(width)}  {word.ljust(words)}  {purpose}"
                    yield Static(line, classes="help-key", markup=False)
        yield Footer(show_command_palette=False, compact=True)
