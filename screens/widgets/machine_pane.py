"""One machine of a build: what is done, what it does now and since when, what it says. The cloud is one too."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from fleet.standing import MachineView, State
from screens.widgets.machine_rows import KINDS, Row, cloud_row, machine_rows, standing


class MachinePane(Widget, can_focus=True):
    """Shows a :class:`fleet.standing.MachineView`; drawn row by row, because it is drawn many times a second.

    Args:
        name: of the machine, "" for the cloud.
        number: the key that zooms it; 0 for none.
    """

    DEFAULT_CSS = """
    MachinePane {
        height: 1fr; padding: 0 1; background: $background;
        border: round $border; border-title-color: $foreground;
    }
    MachinePane.-failed { border: round $error; }
    MachinePane:focus { border: heavy $primary; border-title-style: bold; }
    MachinePane.-failed:focus { border: heavy $error; }
    MachinePane > .machine-pane--done { color: $success; }
    MachinePane > .machine-pane--doing { color: $primary; text-style: bold; }
    MachinePane > .machine-pane--waiting { color: $warning; }
    MachinePane > .machine-pane--failed { color: $error; }
    MachinePane > .machine-pane--strong { text-style: bold; }
    MachinePane > .machine-pane--accent { color: $accent; }
    MachinePane > .machine-pane--muted { color: $text-muted; }
    MachinePane > .machine-pane--output { color: $text-muted; }
    MachinePane > .machine-pane--plain { color: $foreground; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"machine-pane--{kind}"
        for kind in ("done", "doing", "waiting", "failed", "strong", "accent", "muted", "output", "plain")
    }
    strip: reactive[bool] = reactive(False, toggle_class="-strip")

    def __init__(self, name: str, number: int = 0) -> None:
        super().__init__(id=f"pane-{number}" if name else "pane-cloud")
        self.machine = name
        self.number = number
        self.view: MachineView | None = None
        self._title: tuple[str, str, str] | None = None
        self._now = 0.0
        self._over = False
        self._expected_s: Callable[[str], float] = lambda _recipe: 0.0
        self._rows: list[Row] | None = None
        self._styles_of_kinds: dict[str, Style] = {}

    @property
    def allow_select(self) -> bool:
        """Selecting text with the mouse is for the zoomed machine, whose lines stand still."""
        return False

    def show(self, view: MachineView, *, now: float, over: bool, expected_s: Callable[[str], float]) -> None:
        """Draws how the machine stands now, where that differs from what is shown."""
        moves = view.state in (State.DOING, State.WAITING) and int(now) != int(self._now)
        if view == self.view and over == self._over and not moves:
            return
        self.view, self._now, self._over, self._expected_s = view, now, over, expected_s
        self._entitle()
        before, self._rows = self._rows, self._make_rows()
        if before is None:
            self.refresh()
            return
        # Only rows that differ: the border and what is done stay as they are for a long time.
        empty: Row = ()
        differing = [
            Region(0, y, self.size.width, 1)  # Textual counts from inside the border
            for y, (old, new) in enumerate(zip_longest(before, self._rows, fillvalue=empty))
            if old != new
        ]
        if differing:
            self.refresh(*differing)

    def render_line(self, y: int) -> Strip:
        """One row of the pane."""
        if self._rows is None:
            self._rows = self._make_rows()
        row = self._rows[y] if y < len(self._rows) else ()
        segments = [Segment(text, self._style(kind)) for text, kind in row]
        return Strip(segments).adjust_cell_length(self.size.width, self._style("plain"))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._entitle()

    def on_resize(self) -> None:
        self._rows = None
        self.refresh()

    def watch_strip(self) -> None:
        self._rows = None
        self.refresh(layout=True)

    def _entitle(self) -> None:
        """The border says who it is and how it stands; where there are no colours and few characters, the focus too."""
        view = self.view
        if view is None:
            return
        number = f"{self.number} " if 0 < self.number < 10 else ""
        words = f"{number}{self.machine or 'cloud'}{f' {view.role}' if view.role else ''} "
        kind = "muted" if self.strip and view.state is State.WAITING else KINDS[view.state]
        title = (f"▸ {words}" if self.has_focus else words, standing(view), kind)
        if title != self._title:
            self._title = title
            self.border_title = Content.assemble(title[0], (f" {title[1]}", _COLOURS.get(kind, "$foreground 60%")))
            self.set_class(view.state is State.FAILED, "-failed")

    def notify_style_update(self) -> None:
        """The theme or the focus changed."""
        super().notify_style_update()
        self._styles_of_kinds.clear()

    def _make_rows(self) -> list[Row]:
        width, height = self.size
        if self.view is None or not width:
            return []
        if self.strip:
            return [cloud_row(self.view, now=self._now, width=width)]
        return machine_rows(
            self.view, now=self._now, width=width, height=height, expected_s=self._expected_s, over=self._over
        )

    def _style(self, kind: str) -> Style:
        # Textual works a style out anew each time it is asked; a pane is drawn many times a second.
        style = self._styles_of_kinds.get(kind)
        if style is None:
            style = self._styles_of_kinds[kind] = self.get_component_rich_style(f"machine-pane--{kind}")
        return style


_COLOURS = {"done": "$success", "doing": "$primary", "waiting": "$warning", "failed": "$error"}
