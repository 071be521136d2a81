"""Figures over time, drawn in characters: plain rows of text, so that they can be tested as such.

Nothing depends on a colour: what is there, missing or too much differs in its character.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.autoscaler.watched import Count, Point
from screens.widgets.machine_rows import Row

_EIGHTHS = " ▁▂▃▄▅▆▇█"
THERE, TOO_MANY, MISSING = "█", "░", "┄"
MARK = "▲"
#: A figure stands until the next one comes, but not for longer than this.
HOLD_S = 70.0
#: Below this many milliseconds nobody sees a difference: a chart of noise would look like trouble.
LEAST_TOP_MS = 20.0
_HEADROOM = 1.2


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a chart shows.

    Attributes:
        end: seconds since the epoch.
        seconds: how long it is.
        columns: characters it is drawn in.
    """

    end: float
    seconds: float
    columns: int

    @property
    def step_s(self) -> float:
        """Seconds of one column."""
        return self.seconds / max(1, self.columns)

    def column(self, at: float) -> int:
        """Where a moment is; outside of the columns when it is outside of the time."""
        return math.ceil((at - (self.end - self.seconds)) / self.step_s) - 1


def largest(points: Sequence[Point], span: Span) -> list[float | None]:
    """The largest value of each column; None where nothing is known."""
    columns: list[float | None] = [None] * span.columns
    for at, value in points:
        first = span.column(at)
        for column in range(max(0, first), min(span.columns, first + 1)):
            there = columns[column]
            columns[column] = value if there is None else max(there, value)
    _hold(columns, points, span)
    return columns


def latest(counts: Sequence[Count], span: Span) -> list[Count | None]:
    """The last count of each column; None where nothing is known."""
    columns: list[Count | None] = [None] * span.columns
    for count in counts:
        column = span.column(count.at)
        if 0 <= column < span.columns:
            columns[column] = count
    _hold(columns, counts, span)
    return columns


def _hold(columns: list, points: Sequence, span: Span) -> None:  # type: ignore[type-arg]
    """A column without a figure shows the one before, while that still counts."""
    ahead = 0
    held = None
    begin = span.end - span.seconds
    for column in range(span.columns):
        until = begin + (column + 1) * span.step_s
        while ahead < len(points) and points[ahead].at <= until:
            held = points[ahead]
            ahead += 1
        if columns[column] is None and held is not None and until - held.at <= HOLD_S + span.step_s:
            columns[column] = held if isinstance(held, Count) else held.value


def nice_top(values: Iterable[float | None], least: float = LEAST_TOP_MS) -> float:
    """A round number that leaves some room above every value, so that a rise is seen."""
    top = max([least, *(_HEADROOM * value for value in values if value is not None)])
    unit = math.pow(10.0, math.floor(math.log10(top)))
    return next(unit * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * factor >= top)


def spark(values: Sequence[float | None], top: float) -> str:
    """One row of bars."""
    return "".join(_bar(value, top, 8) for value in values)


def _bar(value: float | None, top: float, eighths: int) -> str:
    if value is None:
        return " "
    return _EIGHTHS[min(8, max(1, math.ceil(value / top * eighths)))]


def bars(values: Sequence[float | None], top: float, height: int) -> list[str]:
    """Rows of bars, the top one first."""
    rows = []
    for row in range(height - 1, -1, -1):
        cells = []
        for value in values:
            filled = 0 if value is None else max(1, math.ceil(min(value, top) / top * height * 8)) - row * 8
            cells.append(_EIGHTHS[min(8, max(0, filled))])
        rows.append("".join(cells))
    return rows


def answer_chart(values: Sequence[float | None], unit_top: float, height: int) -> list[Row]:
    """Answer times with their scale on the left; as wide as the values and the scale."""
    labels = [f"{unit_top:g}", *[""] * max(0, height - 2), "0"][:height]
    return [
        ((f"{label:>{SCALE - 1}} ", "muted"), *_runs([(cell, "plain" if cell == " " else "bar") for cell in row]))
        for label, row in zip(labels, bars(values, unit_top, height), strict=True)
    ]


#: Columns left of a chart, for the numbers of its scale.
SCALE = 6


def count_chart(counts: Sequence[Count | None], height: int) -> list[Row]:
    """Webservers there are against those wanted, with their scale on the left: see :data:`THERE` and its like."""
    top = max([1, *(max(count.there, count.wanted) for count in counts if count is not None)])
    per_row = math.ceil(top / height)  # machines in a row, where there are many
    tall = max(1, height // top)  # rows of a machine, where there are few
    rows: list[Row] = []
    for row in range(height, 0, -1):
        number = math.ceil(row / tall) * per_row
        cells = [_cell(count, number - per_row + 1) for count in counts]
        says = row % tall == 0 and number - per_row < top
        rows.append(((f"{number if says else '':>{SCALE - 1}} ", "muted"), *_runs(cells)))
    return rows


def _cell(count: Count | None, number: int) -> tuple[str, str]:
    if count is None or number > max(count.there, count.wanted):
        return " ", "plain"
    if number > count.there:
        return MISSING, "missing"
    return (TOO_MANY, "surplus") if number > count.wanted else (THERE, "bar")


def _runs(cells: Sequence[tuple[str, str]]) -> Row:
    """Neighbours of one kind as one piece."""
    runs: list[tuple[str, str]] = []
    for text, kind in cells:
        if runs and runs[-1][1] == kind:
            runs[-1] = (runs[-1][0] + text, kind)
        else:
            runs.append((text, kind))
    return tuple(runs)


def axis(moments: Iterable[float], span: Span) -> Row:
    """The time axis with a mark where something was done."""
    cells = ["─"] * span.columns
    for at in moments:
        column = span.column(at)
        if 0 <= column < span.columns:
            cells[column] = MARK
    return ((" " * SCALE, "plain"), *_runs([(cell, "doing" if cell == MARK else "muted") for cell in cells]))
