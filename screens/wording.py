"""Times, durations and numbers as a person says them."""

from __future__ import annotations

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def ago(seconds: float) -> str:
    """How long something is past, such as ``2 min ago``; coarse, so that it stands still."""
    if seconds < _MINUTE_S:
        return "just now"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)} min ago"
    if seconds < _DAY_S:
        return f"{int(seconds // _HOUR_S)} h ago"
    days = int(seconds // _DAY_S)
    return "1 day ago" if days == 1 else f"{days} days ago"


def duration(seconds: float) -> str:
    """How long something took, such as ``8 min 02 s``."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"


def since(seconds: float) -> str:
    """How long something goes on already, in whole minutes, so that it stands still."""
    if seconds < _MINUTE_S:
        return "since a moment ago"
    if seconds < _HOUR_S:
        return f"for {int(seconds // _MINUTE_S)} min"
    return f"for {int(seconds // _HOUR_S)} h {int(seconds % _HOUR_S // _MINUTE_S):02d} min"


def counted(count: int, word: str) -> str:
    """``1 machine``, ``3 machines``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
