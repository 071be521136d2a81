"""When did the focus move? Plays the bytes that came into a terminal in memory and looks for the thick border."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyte

_CORNER = re.compile(r"┏━?\s*(?:▸ )?(?:\d+ )?([a-z]+(?:-\d+)?)\b")


def focus_changes(
    chunks: Sequence[tuple[float, bytes]], *, columns: int = 160, rows: int = 48
) -> list[tuple[float, str]]:
    """(when, which pane) for each time that another pane had the thick border."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    changes: list[tuple[float, str]] = []
    thick: dict[int, set[str]] = {}  # by row: a pane counts as soon as its corner and its title are there
    for at, data in chunks:
        stream.feed(data)
        for row in sorted(each for each in screen.dirty if each < rows):
            names = {match[1] for match in _CORNER.finditer(_row(screen, row))}
            known = set().union(*thick.values())
            changes += [(at, name) for name in sorted(names - known)]
            thick[row] = names
        screen.dirty.clear()
    return changes


def _row(screen: pyte.Screen, row: int) -> str:
    return "".join(screen.buffer[row][column].data for column in range(screen.columns))


def latencies_s(presses: Sequence[float], changes: Sequence[tuple[float, str]]) -> list[float]:
    """For each press the time to the change that it made.

    Raises:
        ValueError: a press made none.
    """
    first = next((number for number, (at, _) in enumerate(changes) if at >= presses[0]), len(changes))
    made = [at for at, _ in changes[first:]]
    if len(made) != len(presses):
        raise ValueError(f"{len(presses)} presses, {len(made)} changes of focus")
    return [at - pressed for pressed, at in zip(presses, made, strict=True)]
