"""The passphrase of the encrypted secrets, where no secret service runs."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from state.secret import Secret

LEAST_CHARACTERS = 8
_WHY = "No secret service runs here, so tokens and keys are kept in a file encrypted under a passphrase."


class PassphraseDialog(ModalScreen[Secret | None]):
    """The passphrase, or None when the user gave up.

    Args:
        is_new: it is chosen now, and so typed twice.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", tooltip="Go on without it"),
    ]

    def __init__(self, *, is_new: bool) -> None:
        super().__init__()
        self._is_new = is_new
        self._first: Secret | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Choose a passphrase" if self._is_new else "The passphrase, please", classes="dialog-title")
            yield Static(_WHY)
            if self._is_new:
                yield Static("It cannot be recovered: without it the secrets are lost.")
            yield Input(password=True, id="passphrase", compact=True)
            yield Static("", id="passphrase-problem", classes="field-problem", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        given = Secret(event.value)
        problem = self._problem(given)
        self.query_one("#passphrase-problem", Static).update(problem)
        event.input.clear()
        if problem:
            return
        if self._is_new and self._first is None:
            self._first = given
            self.query_one(".dialog-title", Static).update("Once more, to be sure")
            return
        self.dismiss(given)

    def _problem(self, given: Secret) -> str:
        text = given.reveal()
        if not text:
            return "Type it, or press esc to go on without it."
        if self._is_new and len(text) < LEAST_CHARACTERS:
            return f"Use at least {LEAST_CHARACTERS} characters; a few unrelated words are best."
        if self._first is not None and self._first.reveal() != text:
            self._first = None
            self.query_one(".dialog-title", Static).update("Choose a passphrase")
            return "The two were not the same. Type it twice again."
        return ""
