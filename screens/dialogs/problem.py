"""An error over the page: what happened, why, what to do next; can be scrolled and copied."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from screens import signs
from state.errors import BuildyardError


class ProblemDialog(ModalScreen[None]):
    """Shows one error until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss(None)", "Close", tooltip="Close this message", key_display="esc"),
        Binding("c", "copy", "Copy", tooltip="Copy the message to the clipboard"),
    ]

    def __init__(self, problem: BuildyardError) -> None:
        super().__init__()
        self._problem = problem

    def compose(self) -> ComposeResult:
        problem = self._problem
        with Vertical(classes="dialog -error"):
            yield Static(f"{signs.FAILED} {problem.summary}", classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body"):
                if problem.detail:
                    yield Static(problem.detail, markup=False)
                if problem.hint:
                    yield Static(f"Next: {problem.hint}", classes="dialog-hint", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_copy(self) -> None:
        """To the terminal's clipboard (OSC 52, where the terminal allows it)."""
        self.app.copy_to_clipboard(self._problem.text())
        self.notify("Copied.", timeout=2)
