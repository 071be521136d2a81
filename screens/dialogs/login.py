"""How the site's administrator logs in; the password is drawn only while the user wants to see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from state.secret import Secret

#: Always as many, so that they do not tell how long the password is.
_HIDDEN = "••••••••••••"


class LoginDialog(ModalScreen[None]):
    """Address, user and password.

    Args:
        credentials: ``url``, ``user`` and ``password``, which is a Secret.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "show", "Show", tooltip="Show the password, or hide it again"),
        Binding("c", "copy", "Copy", tooltip="Copy the password to the clipboard without showing it"),
        Binding("escape,enter,q", "dismiss(None)", "Close", tooltip="Close this", key_display="esc"),
    ]

    def __init__(self, credentials: Mapping[str, Any]) -> None:
        super().__init__()
        self._credentials = credentials
        self._shown = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("The administrator logs in", classes="dialog-title", markup=False)
            yield Static(_line("at", str(self._credentials["url"])), markup=False)
            yield Static(_line("user", str(self._credentials["user"])), markup=False)
            yield Static(_line("password", _HIDDEN), id="login-password", markup=False)
            yield Static("s shows the password, c copies it without showing it.", classes="dialog-hint", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_show(self) -> None:
        """Shows the password, or hides it again."""
        self._shown = not self._shown
        text = self._password.reveal() if self._shown else _HIDDEN
        self.query_one("#login-password", Static).update(_line("password", text))

    def action_copy(self) -> None:
        """To the terminal's clipboard (OSC 52, where the terminal allows it)."""
        self.app.copy_to_clipboard(self._password.reveal())
        self.notify("The password is in the clipboard.", timeout=2)

    @property
    def _password(self) -> Secret:
        password = self._credentials["password"]
        assert isinstance(password, Secret)
        return password


def _line(label: str, text: str) -> Content:
    return Content.assemble((f"{label:9} ", "$foreground-muted"), text)
