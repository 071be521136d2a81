"""Rows of coloured words that change often: only what differs is drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.widgets.machine_rows import Row

KINDS = ("plain", "muted", "strong", "good", "doing", "doubtful", "bad", "unknown", "bar", "missing", "surplus")


class RowsView(ScrollView, can_focus=False):
    """Shows rows; scrolls when there are more than it has room for.

    Args:
        heads: so many rows stay on top when the others are scrolled.
    """

    DEFAULT_CSS = """
    RowsView { background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    RowsView > .rows-view--plain { color: $foreground; }
    RowsView > .rows-view--muted { color: $text-muted; }
    RowsView > .rows-view--strong { color: $foreground; text-style: bold; }
    RowsView > .rows-view--good { color: $success; }
    RowsView > .rows-view--doing { color: $primary; text-style: bold; }
    RowsView > .rows-view--doubtful { color: $warning; }
    RowsView > .rows-view--bad { color: $error; text-style: bold; }
    RowsView > .rows-view--unknown { color: $text-muted; }
    RowsView > .rows-view--bar { color: $primary; }
    RowsView > .rows-view--missing { color: $warning; }
    RowsView > .rows-view--surplus { color: $secondary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"rows-view--{kind}" for kind in KINDS}

    def __init__(self, *, heads: int = 0, id: str | None = None) -> None:  # noqa: A002 - as Textual names it
        super().__init__(id=id)
        self._heads = heads
        self._rows: tuple[Row, ...] = ()

    def show(self, rows: Sequence[Row]) -> None:
        """Shows these, if they differ from what is shown; the first ones are the heads."""
        new = tuple(rows)
        if new == self._rows:
            return
        size = Size(0, len(new))
        self._rows = new
        if self.virtual_size != size:
            self.virtual_size = size
        self.refresh()

    @property
    def text(self) -> str:
        """All rows as a person reads them."""
        return "\n".join("".join(text for text, _ in row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        """One row."""
        number = y if y < self._heads else y + self.scroll_offset.y
        width, base = self.size.width, self.rich_style
        if number >= len(self._rows):
            return Strip.blank(width, base)
        over = self.style_over(number)
        parts = [Segment(text, self._style(kind, over)) for text, kind in self._rows[number] if text]
        return Strip(parts).adjust_cell_length(width, base + over if over else base)

    def style_over(self, number: int) -> Style | None:  # noqa: ARG002 - for those below
        """A style over all of a row; None for most."""
        return None

    def _style(self, kind: str, over: Style | None) -> Style:
        style = self.get_component_rich_style(f"rows-view--{kind}")
        return style + over if over else style


class ScrollingRows(RowsView, can_focus=True):
    """Rows to scroll by keyboard; the border of focus is its first row's colour."""

    DEFAULT_CSS = """
    ScrollingRows:focus > .rows-view--strong { color: $primary; text-style: bold underline; }
    """


class ChoosingRows(RowsView, can_focus=True):
    """Rows of which one is chosen; the one of a name stays chosen wherever it moves to."""

    DEFAULT_CSS = """
    ChoosingRows > .choosing-rows--cursor { background: $foreground 10%; }
    ChoosingRows:focus > .choosing-rows--cursor { background: $primary 35%; }
    ChoosingRows:ansi > .choosing-rows--cursor { background: transparent; text-style: bold underline; }
    ChoosingRows:nocolor > .choosing-rows--cursor { text-style: reverse; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choosing-rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("home", "move(-1000)", "First", show=False),
        Binding("end", "move(1000)", "Last", show=False),
    ]

    class Chosen(Message):
        """Another row is chosen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as Textual names it
        super().__init__(heads=1, id=id)
        self._names: tuple[str, ...] = ()
        self._number = 0

    @property
    def chosen(self) -> str:
        """The name of the chosen row, "" without rows."""
        return self._names[self._number] if self._names else ""

    def show_named(self, head: Row, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Shows these rows below that head."""
        before = self.chosen
        self._names = tuple(names)
        number = self._names.index(before) if before in self._names else self._number
        number = min(max(0, number), max(0, len(self._names) - 1))
        if number != self._number:
            self._number = number
            self.refresh()
        self.show((head, *rows))

    def style_over(self, number: int) -> Style | None:
        """The chosen row stands out."""
        if not self._names or number != self._number + 1:
            return None
        full = self.get_component_rich_style("choosing-rows--cursor")
        # Not its colour: the words keep theirs.
        return Style(bgcolor=full.bgcolor, bold=full.bold, underline=full.underline, reverse=full.reverse)

    def action_move(self, step: int) -> None:
        """To another row."""
        self._choose(self._number + step)

    def on_click(self, event: events.Click) -> None:
        """By mouse."""
        if event.y:
            self._choose(event.y - 1 + self.scroll_offset.y)

    def _choose(self, number: int) -> None:
        number = min(max(0, number), max(0, len(self._names) - 1))
        if number == self._number:
            return
        self._number = number
        # One row more than it is: the head hides the first one.
        top = self.scroll_offset.y
        height = max(1, self.scrollable_content_region.height - 1)
        if number < top:
            self.scroll_to(y=number, animate=False, immediate=True)
        elif number >= top + height:
            self.scroll_to(y=number - height + 1, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Chosen())
