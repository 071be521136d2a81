"""Durations in columns and clocks, where a run is shown while it goes on."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """``7:02``, ``1:07:02``: for what goes on."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def took(seconds: float) -> str:
    """``0.4 s``, ``24 s``, ``1:12``: for what has ended."""
    return f"{max(0.0, seconds):.1f} s" if seconds < 9.95 else short(seconds)


def short(seconds: float) -> str:
    """``24 s``, ``1:12``: for what goes on, in a column."""
    return f"{max(0, int(seconds + 0.5))} s" if seconds < 59.5 else clock(seconds + 0.5)
