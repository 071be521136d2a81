"""A long list of log lines of which only the visible ones are drawn, with a highlighted line and found words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.log_lines import LogLine, matching

#: From this width on a line shows its date too.
WIDE = 100
_STEP = 8  # columns a press of left or right moves


class LogList(ScrollView, can_focus=True):
    """Shows lines; ``words`` are marked, the cursor walks with the arrows and from hit to hit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-list--cursor",
        "log-list--found",
        "log-list--when",
        "log-list--machine",
    }
    DEFAULT_CSS = """
    LogList {
        height: 1fr;
        & > .log-list--cursor { background: $primary 30%; }
        & > .log-list--found { background: $accent; color: $background; }
        & > .log-list--when { color: $foreground-muted; }
        & > .log-list--machine { color: $primary; }
        &:ansi > .log-list--cursor { background: transparent; text-style: bold underline; }
        &:nocolor > .log-list--cursor { text-style: reverse; }
        &:nocolor > .log-list--found { text-style: bold underline; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", "Up", show=False),
        Binding("down", "cursor(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "end(-1)", "First line", show=False),
        Binding("end,G", "end(1)", "Last line", show=False),
        Binding("left", "sideways(-1)", "Left", show=False),
        Binding("right", "sideways(1)", "Right", show=False),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    words: reactive[str] = reactive("", repaint=False)

    @dataclass
    class Moved(Message):
        """Another line is highlighted, or other lines are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: tuple[LogLine, ...] = ()
        self.hits: tuple[int, ...] = ()
        self._name_width = 0

    def show(self, lines: Sequence[LogLine]) -> None:
        """Shows other lines; who was at the end stays there, who was at a line stays at it."""
        at_end = self.cursor >= len(self.lines) - 1
        before = self.line
        self.lines = tuple(lines)
        self._name_width = max((len(line.machine) for line in self.lines), default=0)
        longest = max((cell_len(line.text) for line in self.lines), default=0)
        self.virtual_size = Size(self._prefix_width + longest, len(self.lines))
        self.hits = matching(self.lines, self.words)
        place = len(self.lines) - 1
        if not at_end and before is not None:
            place = next((number for number, line in enumerate(self.lines) if line is before), -1)
            if place < 0:
                place = bisect_left(self.lines, before.at, key=lambda line: line.at)
        self.cursor = max(0, min(place, len(self.lines) - 1))
        self._to_cursor()
        self.refresh()
        self.post_message(self.Moved())

    @property
    def line(self) -> LogLine | None:
        """The highlighted one."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    @property
    def hit(self) -> int:
        """Which of the hits is highlighted, counted from 1; 0 when none is."""
        place = bisect_left(self.hits, self.cursor)
        return place + 1 if place < len(self.hits) and self.hits[place] == self.cursor else 0

    def to_hit(self, direction: int, *, stay: bool = False) -> None:
        """To the next hit (1) or the one before (-1), around the ends.

        Args:
            stay: a hit on the highlighted line counts as the next.
        """
        if not self.hits:
            return
        if direction > 0:
            place = (bisect_left if stay else bisect_right)(self.hits, self.cursor) % len(self.hits)
        else:
            place = bisect_left(self.hits, self.cursor) - 1
        self.cursor = self.hits[place]

    def watch_words(self) -> None:
        self.hits = matching(self.lines, self.words)
        self.refresh()
        self.post_message(self.Moved())

    def watch_cursor(self) -> None:
        self._to_cursor()
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self, _event: events.Resize) -> None:
        self._to_cursor()

    def on_click(self, event: events.Click) -> None:
        row = int(self.scroll_offset.y) + event.y
        if row < len(self.lines):
            self.cursor = row

    def action_cursor(self, by: int) -> None:
        self._move(self.cursor + by)

    def action_page(self, direction: int) -> None:
        self._move(self.cursor + direction * max(1, self.scrollable_content_region.height - 1))

    def action_end(self, direction: int) -> None:
        self._move(0 if direction < 0 else len(self.lines) - 1)

    def action_sideways(self, direction: int) -> None:
        self.scroll_to(x=max(0, self.scroll_offset.x + direction * _STEP), animate=False)

    def _move(self, row: int) -> None:
        self.cursor = max(0, min(row, len(self.lines) - 1))

    def _to_cursor(self) -> None:
        row = Region(int(self.scroll_offset.x), self.cursor, 1, 1)
        self.scroll_to_region(row, animate=False, immediate=True, x_axis=False)

    @property
    def _prefix_width(self) -> int:
        return (20 if self.size.width >= WIDE else 9) + self._name_width + 1

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        left, top = self.scroll_offset
        number, width = top + y, self.size.width
        if number >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[number]
        style = self.rich_style
        if number == self.cursor:
            style = self.get_component_rich_style("log-list--cursor")
        when = line.when if width >= WIDE else line.when[11:]
        segments = [
            Segment(when.ljust(self._prefix_width - self._name_width - 1), style + self._part("when")),
            Segment(line.machine.ljust(self._name_width + 1), style + self._part("machine")),
            *self._marked(line.text, style),
        ]
        return Strip(segments).crop_extend(left, left + width, style)

    def _marked(self, text: str, style: Style) -> list[Segment]:
        wanted = self.words.lower()
        small = text.lower()
        if not wanted or len(small) != len(text):  # a letter whose small form is longer: not worth a wrong mark
            return [Segment(text, style)]
        segments, done = [], 0
        found = style + self.get_component_rich_style("log-list--found")
        while (place := small.find(wanted, done)) >= 0:
            segments += [Segment(text[done:place], style), Segment(text[place : place + len(wanted)], found)]
            done = place + len(wanted)
        return [*segments, Segment(text[done:], style)]

    def _part(self, name: str) -> Style:
        """The colour of a part only: its background is the line's."""
        return Style(color=self.get_component_rich_style(f"log-list--{name}").color)
