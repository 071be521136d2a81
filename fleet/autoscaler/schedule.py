"""Windows of the week in which more webservers are wanted: read, printed, and what they want at a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fleet.autoscaler.policy import MOST_WEBSERVERS, ScheduleWindow
from state.errors import UsageError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DASH = "[-\u2013\u2014]"
_WINDOW = re.compile(
    rf"\s*(\d{{1,2}}):(\d\d)\s*{_DASH}\s*(\d{{1,2}}):(\d\d)\s+([^=\u2192]*[^\s=\u2192-])\s*(?:=|\u2192|->)\s*(\d{{1,4}})\s*",
    re.ASCII,
)
_EXAMPLE = "Write it like 08:30-18:00 Mon-Fri = 5, or 22:00-06:00 Sat,Sun = 2."


def parse_window(text: str) -> ScheduleWindow:
    """One window as a person writes it.

    Raises:
        UsageError: it cannot be read; the sentence says what is wrong with it.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise UsageError(f"{text.strip()!r} is not a window.", hint=_EXAMPLE)
    begins_hour, begins_minute, ends_hour, ends_minute, days, count = found.groups()
    webservers = int(count)
    if not 1 <= webservers <= MOST_WEBSERVERS:
        raise UsageError(f"A window can want 1 to {MOST_WEBSERVERS} webservers, not {webservers}.", hint=_EXAMPLE)
    begins = _time(begins_hour, begins_minute)
    # The end of a day has two names; both are kept as 00:00 of the next.
    ends = time(0) if (int(ends_hour), int(ends_minute)) == (24, 0) else _time(ends_hour, ends_minute)
    return ScheduleWindow(_days(days), begins, ends, webservers)


def check_window(value: Any) -> str:
    """What is wrong with one window, or with a list of them; "" when nothing is. For a Question."""
    windows = value if isinstance(value, list | tuple) else [value]
    for window in windows:
        try:
            parse_window(str(window))
        except UsageError as problem:
            return f"{problem.summary} {problem.hint}"
    return ""


def print_window(window: ScheduleWindow) -> str:
    """The window as :func:`parse_window` reads it."""
    ends = "24:00" if window.ends == time(0) else f"{window.ends:%H:%M}"
    return f"{window.begins:%H:%M}-{ends} {_print_days(window.days)} = {window.webservers}"


def time_zone_problem(name: str) -> str:
    """Why windows cannot be read in that time zone; "" when they can."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"The time zone {name} is not known on this machine."
    return ""


def open_window(windows: Iterable[ScheduleWindow], time_zone: str, now: float) -> ScheduleWindow | None:
    """The window that wants most at that moment; None outside all of them.

    Args:
        windows: they may overlap: the largest counts.
        time_zone: IANA name, one that :func:`time_zone_problem` has nothing against.
        now: seconds since the epoch.
    """
    zone = ZoneInfo(time_zone)
    today = datetime.fromtimestamp(now, zone).date()
    best: ScheduleWindow | None = None
    for window in windows:
        # One that began yesterday may go on over midnight.
        if any(_holds(window, day, zone, now) for day in (today, today - timedelta(days=1))) and (
            best is None or window.webservers > best.webservers
        ):
            best = window
    return best


def _holds(window: ScheduleWindow, day: date, zone: ZoneInfo, now: float) -> bool:
    if day.weekday() not in window.days:
        return False
    last_day = day if window.ends > window.begins else day + timedelta(days=1)
    return _first(day, window.begins, zone) <= now < _last(last_day, window.ends, zone)


def _first(day: date, wall: time, zone: ZoneInfo) -> float:
    """When clocks show that time for the first time; where they leap over it, when they leap."""
    return _instant(datetime.combine(day, wall, zone))


def _last(day: date, wall: time, zone: ZoneInfo) -> float:
    """When clocks show that time for the last time: an hour that is there twice belongs to the window both times."""
    return _instant(datetime.combine(day, wall, zone).replace(fold=1))


def _instant(local: datetime) -> float:
    at = local.timestamp()
    zone = local.tzinfo
    if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return at
    # Clocks leap over it. With fold=1 Python reckons from after the leap, which is before it, and the other way round.
    before, after = sorted(int(local.replace(fold=fold).timestamp()) for fold in (0, 1))
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < local.replace(tzinfo=None):
            before = middle
        else:
            after = middle
    return float(after)


def _time(hour: str, minute: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise UsageError(f"{hour}:{minute} is no time of day.", hint=_EXAMPLE) from None


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        ends = [_day(name) for name in re.split(_DASH, part)]
        if len(ends) > 2:
            raise UsageError(f"{part.strip()!r} is no range of days.", hint=_EXAMPLE)
        first, last = ends[0], ends[-1]
        found.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(found)


def _day(name: str) -> int:
    word = name.strip().lower()
    for number, full in enumerate(_FULL):
        if word in (full, full[:3]):
            return number
    raise UsageError(f"{name.strip()!r} is no day of the week.", hint=f"Days are {', '.join(DAYS)}.")


def _print_days(days: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(_print_run(run) for run in runs)


def _print_run(run: list[int]) -> str:
    joint = "-" if len(run) > 2 else ","
    return DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}{joint}{DAYS[run[-1]]}"
