"""How the screens look on this terminal: theme, characters, motion; decided once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.theme import Theme

DARK = Theme(
    name="buildyard-dark",
    primary="#7AA2C9",
    secondary="#6C8C9E",
    accent="#D8B26E",
    success="#86B77B",
    warning="#D8A657",
    error="#DC7A76",
    foreground="#D5D9DE",
    background="#14181C",
    surface="#1A1F24",
    panel="#232A31",
    dark=True,
    variables={"footer-key-foreground": "#D8B26E", "border": "#56616C", "block-cursor-text-style": "none"},
)
LIGHT = Theme(
    name="buildyard-light",
    primary="#2F6393",
    secondary="#4B6B7D",
    accent="#8A5A00",
    success="#2F7A35",
    warning="#8F5B00",
    error="#B3261E",
    foreground="#22282E",
    background="#F6F5F2",
    surface="#FFFFFF",
    panel="#E7E5DF",
    dark=False,
    variables={"footer-key-foreground": "#8A5A00", "border": "#8B949C", "block-cursor-text-style": "none"},
)
THEMES = (DARK, LIGHT)


@dataclass(frozen=True, slots=True)
class Look:
    """What this terminal can show.

    Attributes:
        theme: name of the theme to begin with.
        encoding: the characters it has; "utf-8" for all.
        motion: whether anything may move by itself.
    """

    theme: str = DARK.name
    encoding: str = "utf-8"
    motion: bool = False


def look_of(environment: Mapping[str, str], encoding: str | None, kept_theme: str = "") -> Look:
    """The look for a terminal.

    Args:
        environment: ``TERM``, ``BUILDYARD_THEME``.
        encoding: of the stream the screen is drawn on, as the locale says.
        kept_theme: chosen by the user in an earlier session, "" when none was.
    """
    console = environment.get("TERM", "") in ("linux", "cons25", "vt100", "vt220")
    characters = (encoding or "ascii").lower().replace("_", "-")
    if characters in ("utf8", "utf-8"):
        characters = "cp437" if console else "utf-8"
    theme = environment.get("BUILDYARD_THEME") or kept_theme or ("ansi-dark" if console else DARK.name)
    return Look(theme, characters)
