"""What a person pastes as a credential: told at once when it cannot be one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_one_word(text: str) -> bool:
    """Whether it is what an HTTP header can carry as a token: printable ASCII without blanks."""
    return text.isascii() and text.isprintable() and " " not in text


def pasted(least: int, otherwise: str) -> Callable[[Any], str]:
    """A question's check of a token.

    Args:
        least: characters that the vendor's tokens have at least.
        otherwise: what is said of anything else: what to paste, and how it looks.
    """

    def check(value: Any) -> str:
        text = str(value)
        return "" if is_one_word(text) and len(text) >= least else otherwise

    return check
