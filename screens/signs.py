"""Signs that stand for a state, always beside a word; and what a terminal shows that has no such characters.

A Linux console's font knows code page 437, an old locale its own few hundred characters. There every other character
is shown as its nearest relative of the same width, whoever drew it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

DONE = "✔"
DOING = "▶"
WAITING = "…"
TODO = "○"
FAILED = "✖"
WARNING = "▲"
UNCHANGED = "="
CHANGED = "+"

_RELATIVES = {
    **dict.fromkeys("─━═╌┄┈╴╶╸╺▔▁▂‾–—", "-"),
    **dict.fromkeys("│┃║▏▎▍▌▋▊▉▕▐╎┆┊", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┣┫┳┻╋╔╗╚╝▛▜▙▟▘▝▖▗", "+"),
    **dict.fromkeys("█▓▒▇▆▅■", "#"),
    **dict.fromkeys("░▄▃▀", "="),
    DONE: "+",
    "✓": "+",
    DOING: ">",
    "▸": ">",
    "►": ">",
    "›": ">",
    "→": ">",
    "⏎": ">",
    "◀": "<",
    "←": "<",
    "⇠": "<",
    "↑": "^",
    "↓": "v",
    "▼": "v",
    "▽": "v",
    "△": "^",
    WARNING: "!",
    FAILED: "x",
    "✗": "x",
    "×": "x",
    TODO: "o",
    "◌": "o",
    "◯": "o",
    "●": "*",
    "•": "*",
    "·": ".",
    WAITING: ".",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "€": "E",
    "ä": "a",
    "ö": "o",
    "ü": "u",
    "ß": "s",
    "é": "e",
    "è": "e",
    "\u00a0": " ",
}


class FewCharacters(LineFilter):
    """Shows only characters that the terminal has.

    Args:
        encoding: a character that it can encode is shown as it is (``cp437`` for a Linux console, the locale's else).
    """

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._translate = translator(encoding)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's form
        """Each segment with its text in other characters of the same width."""
        return [
            each if each.text.isascii() or each.control else Segment(self._translate(each.text), each.style)
            for each in segments
        ]


def translator(encoding: str) -> Callable[[str], str]:
    """A function that gives a text in characters of that encoding, as many cells wide as before."""

    @lru_cache(4096)
    def one(character: str) -> str:
        try:
            character.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            pass
        else:
            return character
        return _RELATIVES.get(character, "?" * cell_len(character))

    @lru_cache(4096)
    def translate(text: str) -> str:
        return "".join(map(one, text))

    return translate
