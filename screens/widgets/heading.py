"""The first line of a page: where one is, and how it stands."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import reactive
from textual.widgets import Static


class Heading(Horizontal):
    """Two texts: what the page is about on the left, its state on the right."""

    DEFAULT_CSS = """
    Heading { height: 1; background: $panel; color: $text; padding: 0 1; }
    Heading > .heading-left { width: 1fr; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    Heading > .heading-right { width: auto; max-width: 60%; color: $text-muted; text-wrap: nowrap; }
    """

    left: reactive[str] = reactive("Buildyard")
    right: reactive[str] = reactive("")

    def compose(self) -> ComposeResult:
        yield Static(self.left, classes="heading-left", markup=False)
        yield Static(self.right, classes="heading-right", markup=False)

    def watch_left(self, text: str) -> None:
        if self.is_mounted:
            self.query_one(".heading-left", Static).update(text)

    def watch_right(self, text: str) -> None:
        if self.is_mounted:
            self.query_one(".heading-right", Static).update(text)
