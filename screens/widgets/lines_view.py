"""Many lines to scroll and search in, which may go on coming: the place stays where the reader left it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from screens.run_feed import Line

_KINDS = ("plain", "mark", "note", "done", "doing", "waiting", "failed", "muted", "strong")


class LinesView(ScrollView, can_focus=True):
    """Shows lines, follows their end while the end is in view, finds a text in them.

    Args:
        follow: begin at the end; follows it whenever it is in view.
    """

    DEFAULT_CSS = """
    LinesView { background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    LinesView > .lines-view--plain { color: $foreground; }
    LinesView > .lines-view--mark { color: $primary; }
    LinesView > .lines-view--note { color: $accent; }
    LinesView > .lines-view--done { color: $success; }
    LinesView > .lines-view--doing { color: $primary; text-style: bold; }
    LinesView > .lines-view--waiting { color: $warning; }
    LinesView > .lines-view--failed { color: $error; }
    LinesView > .lines-view--muted { color: $text-muted; }
    LinesView > .lines-view--strong { text-style: bold; }
    LinesView > .lines-view--found { background: $accent 40%; }
    LinesView > .lines-view--current { background: $accent; color: $background; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"lines-view--{kind}" for kind in (*_KINDS, "found", "current")}

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:  # noqa: A002 - as Textual names it
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._dropped = 0
        self._follows = follow
        self._places = False
        self._widest = 0
        self.term = ""
        self._current: int | None = None  # counted from the very first line, so that it stays when old ones go

    @property
    def allow_select(self) -> bool:
        return True

    def show(self, lines: Sequence[Line], dropped: int = 0) -> None:
        """Shows these lines.

        Args:
            lines: all there are now.
            dropped: how many there were before them.
        """
        gone = dropped - self._dropped
        fresh = lines if len(lines) < 100 else [lines[i] for i in range(len(lines) - 100, len(lines))]
        self._widest = max([self._widest, *(cell_len(line.text) for line in fresh)])
        self._lines, self._dropped = lines, dropped
        self.virtual_size = Size(self._widest, len(lines))
        if self._follows:
            self._to_end()
        elif gone > 0:
            self._show_from(self.scroll_offset.y - gone)
        self.refresh()

    def on_resize(self) -> None:
        if self._follows:
            self._to_end()

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Whoever scrolls up wants to read there; whoever is at the end wants to see what comes."""
        super().watch_scroll_y(old, new)
        if new < old and not self._places:
            self._follows = False
        elif new > old and self.is_vertical_scroll_end:
            self._follows = True

    def _to_end(self) -> None:
        self._show_from(len(self._lines))

    def _show_from(self, line: int) -> None:
        self._places = True
        try:
            self.scroll_to(y=max(0, line), animate=False, immediate=True, force=True)
        finally:
            self._places = False
        if self.show_vertical_scrollbar:  # Textual forgets it when the bar appears after the scrolling
            self.vertical_scrollbar.position = self.scroll_y

    def visible_text(self) -> str:
        """What can be seen now."""
        top = self.scroll_offset.y
        return "\n".join(line.text for line in self._slice(top, top + self.scrollable_content_region.height))

    def find(self, term: str) -> int:
        """Looks for a text, upper and lower case alike; goes to the first place from the top of the view on.

        Returns:
            How many lines have it.
        """
        self.term = term.casefold()
        self._current = None
        self.refresh()
        found = self._matches()
        if found:
            top = self.scroll_offset.y
            self._go(next((number for number in found if number >= top), found[0]))
        return len(found)

    def step(self, direction: int) -> tuple[int, int]:
        """To the next (1) or the previous (-1) place.

        Returns:
            Which one it is and how many there are; (0, 0) when there is none.
        """
        found = self._matches()
        if not found:
            return 0, 0
        here = self._current - self._dropped if self._current is not None else self.scroll_offset.y
        if direction > 0:
            chosen = next((number for number in found if number > here), found[0])
        else:
            chosen = next((number for number in reversed(found) if number < here), found[-1])
        self._go(chosen)
        return found.index(chosen) + 1, len(found)

    def place(self) -> tuple[int, int]:
        """Which of the found places is shown, and how many there are."""
        found = self._matches()
        here = self._current - self._dropped if self._current is not None else -1
        return (found.index(here) + 1 if here in found else 0), len(found)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        return selection.extract("\n".join(line.text for line in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's form
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row."""
        left, top = self.scroll_offset
        width, number = self.size.width, top + y
        base = self.rich_style
        if number >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[number]
        segments = self._segments(line, number, self._style(line.kind))
        return Strip(segments).crop_extend(left, left + width, base).apply_offsets(left, number)

    def _segments(self, line: Line, number: int, style: Style) -> list[Segment]:
        marks: list[tuple[int, int, Style]] = []
        if self.term:
            folded = line.text.casefold()
            current = self._current is not None and number == self._current - self._dropped
            mark = self._style("current" if current else "found")
            start = folded.find(self.term)
            while start >= 0 and len(folded) == len(line.text):
                marks.append((start, start + len(self.term), mark))
                start = folded.find(self.term, start + len(self.term))
        selection = self.text_selection
        span = selection.get_span(number) if selection is not None else None
        if span is not None:
            begin, end = span
            chosen = style + self.screen.get_component_rich_style("screen--selection", partial=True)
            marks = [(begin, len(line.text) if end == -1 else end, chosen)]
        segments, at = [], 0
        for begin, end, mark in marks:
            segments += [Segment(line.text[at:begin], style), Segment(line.text[begin:end], mark)]
            at = end
        return [*segments, Segment(line.text[at:], style)]

    def _style(self, kind: str) -> Style:
        return self.get_component_rich_style(f"lines-view--{kind}")

    def _slice(self, begin: int, end: int) -> list[Line]:
        return [self._lines[number] for number in range(max(0, begin), min(end, len(self._lines)))]

    def _matches(self) -> list[int]:
        if not self.term:
            return []
        return [number for number, line in enumerate(self._lines) if self.term in line.text.casefold()]

    def _go(self, number: int) -> None:
        self._current = number + self._dropped
        height = max(1, self.scrollable_content_region.height)
        self._show_from(number - height // 2)
        self._follows = self.is_vertical_scroll_end
        self.refresh()
