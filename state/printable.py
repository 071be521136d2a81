"""Text from elsewhere, made safe to show: nothing in it steers the terminal."""

from __future__ import annotations

import re

#: Escape sequences (CSI, OSC, single ones), then all other control characters but line end and tab.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text from a machine, without what would steer the terminal that shows it."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))
