"""The panes of all machines: as many columns as can be read, as many rows as it takes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll

from screens.widgets.machine_pane import MachinePane

_LEAST_ROWS = 6
#: (columns of the terminal, panes beside each other)
_BESIDE = ((200, 4), (132, 3), (64, 2), (0, 1))


class PaneGrid(VerticalScroll, can_focus=False):
    """Scrolls when there are more machines than fit.

    Attributes:
        panes: in the order of the machines.
    """

    DEFAULT_CSS = """
    PaneGrid { layout: grid; height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.panes: list[MachinePane] = []
        self._columns = 1

    def place(self, names: Sequence[str]) -> bool:
        """A pane for each machine that has none yet; whether any was missing."""
        known = [pane.machine for pane in self.panes]
        added = [
            MachinePane(name, len(known) + place)
            for place, name in enumerate((name for name in names if name not in known), 1)
        ]
        if added:
            self.panes += added
            self.mount_all(added)
            self._arrange()
        return bool(added)

    def above(self, pane: MachinePane, rows: int) -> MachinePane | None:
        """The pane so many rows below that one (above, when negative); None above the first row."""
        there = self.panes.index(pane) + rows * self._columns
        return None if there < 0 else self.panes[min(there, len(self.panes) - 1)]

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        count, (width, height) = len(self.panes), self.size
        if not count or not width:
            return
        most = next(beside for least, beside in _BESIDE if width >= least)
        self._columns = columns = 2 if count == 4 and most == 3 else min(most, count)
        rows = -(-count // columns)
        high = max(_LEAST_ROWS, height // rows)
        # What is left over goes to the first rows, so that the panes fill the screen.
        spare = max(0, height - high * rows)
        self.styles.grid_size_columns = columns
        self.styles.grid_rows = " ".join(str(high + (1 if row < spare else 0)) for row in range(rows))
        for number, pane in enumerate(self.panes, 1):
            pane.styles.column_span = 1 + (-number % columns if number == count else 0)
