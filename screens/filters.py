"""What every line passes on its way to the terminal, whoever drew it."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

#: Control characters, and those that turn the direction of writing: all of no width.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class NoControls(LineFilter):
    """The last gate: text of a machine that a page forgot to make safe still steers no terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's form
        """Each segment without the characters that draw nothing and steer."""
        return [
            each if each.control or each.text.isprintable() else Segment(_STEERING.sub("", each.text), each.style)
            for each in segments
        ]


class NoColours(LineFilter):
    """For ``NO_COLOR``: bold, underlined and turned around stay; Textual itself would draw in shades of grey."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's form
        """Each segment in the terminal's own two colours."""
        return [each if each.control else Segment(each.text, _colourless(each.style)) for each in segments]


@lru_cache(1024)
def _colourless(style: Style | None) -> Style | None:
    return None if style is None else style.without_color
