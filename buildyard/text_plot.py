"""A plot in a terminal of any kind: one column a slice of time, at most 80 wide."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH = 80
HEIGHT = 8
_LABEL = 9
COLUMNS = WIDTH - _LABEL - 1
_BLOCKS = " ▁▂▃▄▅▆▇█"


def can_show_blocks(encoding: str | None) -> bool:
    """Whether a stream of that encoding takes block characters."""
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def in_columns(points: Sequence[tuple[float, float]], end: float, columns: int = COLUMNS) -> list[float]:
    """The largest value of each slice of time.

    Args:
        points: (moment, value from then on), rising.
        end: until when the last value holds.
    """
    begin = points[0][0]
    slice_s = (end - begin) / columns
    found = [0.0] * columns
    for index, (at, value) in enumerate(points):
        until = points[index + 1][0] if index + 1 < len(points) else end
        first = min(columns - 1, int((at - begin) / slice_s))
        last = min(columns - 1, max(first, math.ceil((until - begin) / slice_s) - 1))
        for column in range(first, last + 1):
            found[column] = max(found[column], value)
    return found


def plot(title: str, values: Sequence[float], *, blocks: bool, height: int = HEIGHT) -> list[str]:
    """A title, the plot from top to bottom, and its axis.

    Args:
        values: one a column, none below 0.
        blocks: eighths of a line; else whole lines of ``#``.
    """
    top = max([*values, 1e-9])
    lines = [title]
    for row in range(height, 0, -1):
        label = f"{top * row / height:.4g}" if row in (height, height // 2) else ""
        cells = "".join(_cell(value / top * height - (row - 1), blocks=blocks) for value in values)
        lines.append(f"{label:>{_LABEL}}|{cells}".rstrip())
    lines.append(f"{'0':>{_LABEL}}+{'-' * len(values)}")
    return lines


def _cell(part: float, *, blocks: bool) -> str:
    if part <= 0:
        return " "
    if not blocks:
        return "#" if part >= 0.5 else " "
    return _BLOCKS[max(1, min(8, round(part * 8)))]
