"""How far a run is: a bar with its numbers, and below it one sentence about what matters now."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from screens.widgets.machine_rows import fit

_SIDE = 1
_LONGEST_BAR = 60


class ProgressLine(Widget):
    """Two rows: bar and numbers; a sentence with its kind ("done", "failed", "waiting", "doing", "muted")."""

    DEFAULT_CSS = """
    ProgressLine { height: 2; background: $background; }
    ProgressLine > .progress-line--bar { color: $primary; }
    ProgressLine > .progress-line--rest { color: $panel-lighten-2; }
    ProgressLine > .progress-line--doing { color: $foreground; }
    ProgressLine > .progress-line--done { color: $success; text-style: bold; }
    ProgressLine > .progress-line--failed { color: $error; text-style: bold; }
    ProgressLine > .progress-line--waiting { color: $warning; }
    ProgressLine > .progress-line--muted { color: $text-muted; }
    """
    COMPONENT_CLASSES = {  # noqa: RUF012 - as Textual declares it
        f"progress-line--{kind}" for kind in ("bar", "rest", "doing", "done", "failed", "waiting", "muted")
    }

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[float, str, str, str] = (0.0, "", "", "muted")

    def show(self, fraction: float, numbers: str, sentence: str, kind: str) -> None:
        """Draws it, if it differs from what is shown."""
        shown = (fraction, numbers, sentence, kind)
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The bar, then the sentence."""
        fraction, numbers, sentence, kind = self._shown
        width, base = self.size.width, self.rich_style
        if y:
            style = self.get_component_rich_style(f"progress-line--{kind}")
            text = " " * _SIDE + fit(sentence, width - 2 * _SIDE)
            return Strip([Segment(text, style)]).adjust_cell_length(width, base)
        room = max(0, min(_LONGEST_BAR, width - len(numbers) - 3 * _SIDE - 1))
        full = int(room * fraction + 1e-9)
        parts = [
            Segment(" " * _SIDE, base),
            Segment("█" * full, self.get_component_rich_style("progress-line--bar")),
            Segment("░" * (room - full), self.get_component_rich_style("progress-line--rest")),
            Segment(f"  {numbers}", base),
        ]
        return Strip(parts).adjust_cell_length(width, base)
