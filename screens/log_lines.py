"""Lines of several machines' journals as one list in the order of time, and what a search finds in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from state.printable import printable

#: A line of ``journalctl -o short-iso``: time, host, the rest.
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)) \S+ (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one machine.

    Attributes:
        at: seconds since the epoch; of the line before where it says none itself.
        when: that time in UTC as ``2026-01-31 15:45:00``, "" where the line says none itself.
        text: without time and host.
        searched: what a search looks at, in small letters.
    """

    machine: str
    at: float
    when: str
    text: str
    searched: str


def parsed(machine: str, lines: Iterable[str]) -> tuple[LogLine, ...]:
    """The lines of one machine, made safe to show.

    Args:
        lines: oldest first, as ``journalctl -o short-iso`` prints them.
    """
    return tuple(_parsed(machine, lines))


def merge(lines_of: Mapping[str, Sequence[LogLine]]) -> tuple[LogLine, ...]:
    """The lines of all machines in the order of time; lines of the same second stay together by machine."""
    merged = [line for lines in lines_of.values() for line in lines]
    merged.sort(key=lambda line: line.at)  # stable: what belongs to a line stays behind it
    return tuple(merged)


def matching(lines: Iterable[LogLine], words: str) -> tuple[int, ...]:
    """The numbers of the lines that hold those words, in any letter case; none for no words."""
    wanted = words.lower()
    return tuple(number for number, line in enumerate(lines) if wanted in line.searched) if wanted else ()


def _parsed(machine: str, lines: Iterable[str]) -> Iterator[LogLine]:
    at = 0.0
    for raw in lines:
        line = printable(raw).expandtabs().replace("\n", " ")
        match = _LINE.match(line)
        when, text = "", line
        moment = _moment(match[1]) if match is not None else None
        if match is not None and moment is not None:
            at, when, text = moment.timestamp(), f"{moment:%Y-%m-%d %H:%M:%S}", match[2]
        yield LogLine(machine, at, when, text, f"{machine} {text}".lower())


def _moment(text: str) -> datetime | None:
    """The time in UTC; None for what only looks like one."""
    try:
        return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
