"""A list to choose from over the page; below it what the highlighted line does, and the command that does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu.

    Attributes:
        id: what the menu answers when it is chosen.
        text: a few words.
        key: chooses it at once, "" for none.
        purpose: a sentence about what it does.
        command: that does the same, "" when there is none.
        why_not: why it cannot be chosen now, "" when it can.
    """

    id: str
    text: str
    key: str = ""
    purpose: str = ""
    command: str = ""
    why_not: str = ""


class MenuDialog(ModalScreen[str | None]):
    """The id of the chosen entry, None when nothing was chosen.

    Args:
        title: what it is about.
        entries: at least one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", tooltip="Do the highlighted line", key_display="⏎", priority=True),
        Binding("escape,q", "dismiss(None)", "Close", tooltip="Back to the page", key_display="esc"),
    ]

    def __init__(self, title: str, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._title, self._entries = title, tuple(entries)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield OptionList(*(Option(_line(entry), id=entry.id) for entry in self._entries), compact=True)
            yield Static("", id="menu-purpose", markup=False)
            yield Static("", id="menu-command", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        entries = self.query_one(OptionList)
        first = next((number for number, entry in enumerate(self._entries) if not entry.why_not), 0)
        entries.highlighted = first
        entries.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        entry = self._entries[event.option_index]
        about = Content.styled(entry.why_not, "$warning") if entry.why_not else Content(entry.purpose)
        self.query_one("#menu-purpose", Static).update(about)
        command = self.query_one("#menu-command", Static)
        command.update(Content.assemble(("the same: ", "$foreground-muted"), (entry.command, "$accent")))
        command.visible = bool(entry.command)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """By mouse; enter comes as an action."""
        self._choose(self._entries[event.option_index])

    def on_key(self, event: events.Key) -> None:
        entry = next((entry for entry in self._entries if entry.key and entry.key == event.character), None)
        if entry is not None:
            event.stop()
            self._choose(entry)

    def action_choose(self) -> None:
        """The highlighted line."""
        number = self.query_one(OptionList).highlighted
        if number is not None:
            self._choose(self._entries[number])

    def _choose(self, entry: Entry) -> None:
        if entry.why_not:
            self.query_one(OptionList).highlighted = self._entries.index(entry)
            self.app.bell()
        else:
            self.dismiss(entry.id)


def _line(entry: Entry) -> Content:
    text = Content.styled(entry.text, "$foreground-muted") if entry.why_not else Content(entry.text)
    return Content.assemble((f"{entry.key}  ", "bold $accent"), text) if entry.key else text
