"""The finished steps of the wizard, to open one of them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from screens import signs
from screens.widgets.question_form import aligned
from wizard.overview import Part


class JumpDialog(ModalScreen[str | None]):
    """The key of the chosen step, None when none was chosen.

    Args:
        parts: finished steps with their answers; at least one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Ask this step once more", key_display="⏎", priority=True),
        Binding("escape", "dismiss(None)", "Close", tooltip="Back to where you were", key_display="esc"),
    ]

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self._parts = tuple(parts)

    def compose(self) -> ComposeResult:
        width = max(len(part.title) for part in self._parts)
        with Vertical(classes="dialog -wide"):
            yield Static("Which step shall be asked once more?", classes="dialog-title", markup=False)
            yield OptionList(*(Option(_line(part, width)) for part in self._parts), id="jump-steps", compact=True)
            yield Static("", id="jump-answers", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        steps = self.query_one(OptionList)
        steps.highlighted = len(self._parts) - 1
        steps.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        part = self._parts[event.option_index]
        self.query_one("#jump-answers", Static).update(aligned(part.lines))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """By mouse; enter comes as an action."""
        self.dismiss(self._parts[event.option_index].key)

    def action_choose(self) -> None:
        """The highlighted step."""
        number = self.query_one(OptionList).highlighted
        if number is not None:
            self.dismiss(self._parts[number].key)


def _line(part: Part, width: int) -> Content:
    summary = ", ".join(line.answer for line in part.lines)
    return Content.assemble(
        (f"{signs.DONE} ", "$text-success"), f"{part.title.ljust(width)}  ", (summary, "$foreground-muted")
    )
