"""How soon ``buildyard`` shows something, and how soon its first question, against an empty Textual program; in pairs,
because the machine is not quiet."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from bench.screens.terminal import open_terminal

T = TypeVar("T")
U = TypeVar("U")


def measure(pairs: int) -> dict[str, float | int]:
    """Medians of all three, and of the first picture's ratio to the empty program."""
    with tempfile.TemporaryDirectory(prefix="bs-") as home:

        def ours() -> tuple[float, float]:
            return _paint("buildyard", home, b"Buildyard", b"How would you like to begin")

        def empty() -> float:
            return _paint("bench.screens.empty", home, b"ready")[0]

        for warm in (ours, empty):
            warm()
        times = [(ours(), empty()) if number % 2 else _swapped(empty, ours) for number in range(pairs)]
    return {
        "pairs": pairs,
        "ours_ms": round(median(first for (first, _), _ in times) * 1000),
        "question_ms": round(median(question for (_, question), _ in times) * 1000),
        "empty_ms": round(median(nothing for _, nothing in times) * 1000),
        "ratio": round(median(first / nothing for (first, _), nothing in times), 2),
    }


def _swapped(second: Callable[[], T], first: Callable[[], U]) -> tuple[U, T]:
    taken = second()
    return first(), taken


def _paint(module: str, home: str, *texts: bytes) -> tuple[float, float]:
    """Seconds from the start of the process until the first and the last of these came."""
    terminal = open_terminal(module, [], home=home)
    try:
        took = [terminal.wait_for(text) for text in texts]
    finally:
        terminal.end()
    return took[0], took[-1]
