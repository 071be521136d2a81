"""Things to choose from with arrows and enter; what cannot be chosen can be looked at, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from screens import signs
from state.questions import Choice


class ChoiceList(OptionList):
    """One line a choice.

    Args:
        choices: at least one.
        likely: the value that is highlighted first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Next", tooltip="Take the highlighted answer and go on", key_display="⏎"),
        Binding("down", "cursor_down", "Choose", tooltip="Highlight another answer", key_display="↑↓"),
    ]

    @dataclass
    class Chosen(Message):
        """Enter on a choice that can be chosen."""

        value: Any

    @dataclass
    class Looked(Message):
        """Another choice is highlighted, or one was tried that cannot be chosen (``refused``)."""

        choice: Choice
        refused: bool = False

    def __init__(self, choices: Sequence[Choice], likely: Any) -> None:
        self._choices = tuple(choices)
        self._first = next(
            (number for number, each in enumerate(self._choices) if each.value == likely and not each.unavailable),
            next((number for number, each in enumerate(self._choices) if not each.unavailable), 0),
        )
        self._width = max((len(each.label) for each in self._choices if each.aside), default=0)
        super().__init__(*(Option(self._line(each, cursor=False)) for each in self._choices), compact=True)

    @property
    def choice(self) -> Choice | None:
        """The highlighted one."""
        return None if self.highlighted is None else self._choices[self.highlighted]

    def on_mount(self) -> None:
        self.highlighted = self._first

    def watch_highlighted(self, highlighted: int | None) -> None:
        super().watch_highlighted(highlighted)
        for number, each in enumerate(self._choices):
            self.replace_option_prompt_at_index(number, self._line(each, cursor=number == highlighted))
        if self.choice is not None:
            self.post_message(self.Looked(self.choice))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        choice = self._choices[event.option_index]
        if choice.unavailable:
            self.app.bell()
            self.post_message(self.Looked(choice, refused=True))
        else:
            self.post_message(self.Chosen(choice.value))

    def _line(self, choice: Choice, *, cursor: bool) -> Content:
        # The cursor is a sign too: a highlight alone is a colour alone.
        sign = "▸ " if cursor else "  "
        if choice.unavailable:
            return Content.styled(f"{sign}{choice.label} {signs.WARNING} unavailable", "$foreground-muted")
        if not choice.aside:
            return Content(sign + choice.label)
        return Content.assemble(f"{sign}{choice.label.ljust(self._width)}", (f"  {choice.aside}", "$foreground-muted"))
