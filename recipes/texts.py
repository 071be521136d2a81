"""The constant files that recipes put on machines: scripts, PHP programs, templates under ``recipes/files/``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "files"


@cache
def text_of(name: str) -> str:
    """The file's text, as it came with this program."""
    return path_of(name).read_text(encoding="utf-8")


def path_of(name: str) -> Path:
    """Where the file lies, for a program that runs on this machine too."""
    return _FOLDER / name


def filled(name: str, **values: str) -> str:
    """The file with each ``@NAME@`` replaced; values are the caller's to quote for the file's language.

    Raises:
        ValueError: a value has no place in the file, or a place is left over.
    """
    text = text_of(name)
    for key, value in values.items():
        place = f"@{key.upper()}@"
        if place not in text:
            raise ValueError(f"{name} has no {place}")
        text = text.replace(place, value)
    return text


def php_text(text: str) -> str:
    """A PHP string literal in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
