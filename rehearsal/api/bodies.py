"""Reading what a request carries: a wrong type is refused with the field's name, never a traceback."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from rehearsal.api.answers import unprocessable
from rehearsal.store import Thing

_TAG = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")


def text(body: Thing, key: str, default: str | None = None) -> str:
    """A text; required when there is no default."""
    value = body.get(key)
    if value is None:
        if default is None:
            raise unprocessable(f"{key} is required")
        return default
    if not isinstance(value, str) or (default is None and not value):
        raise unprocessable(f"{key} is invalid")
    return value


def integer(body: Thing, key: str, default: int | None = None) -> int:
    """A whole number; required when there is no default."""
    value = body.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise unprocessable(f"{key} is {'required' if value is None else 'invalid'}")
    return value


def items(body: Thing, key: str) -> list[Any]:
    """A list; missing and null mean empty."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise unprocessable(f"{key} is invalid")
    return value


def numbers(body: Thing, key: str) -> list[int]:
    """A list of whole numbers."""
    values = items(body, key)
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise unprocessable(f"{key} is invalid")
    return values


def texts(body: Thing, key: str) -> list[str]:
    """A list of texts."""
    values = items(body, key)
    if not all(isinstance(value, str) for value in values):
        raise unprocessable(f"{key} is invalid")
    return values


def tag_names(body: Thing, key: str = "tags") -> list[str]:
    """A list of tags, each once; letters, digits, `_`, `-` and `:`, up to 255."""
    names = list(dict.fromkeys(texts(body, key)))
    for name in names:
        check_tag(name)
    return names


def check_tag(name: str) -> str:
    """The name, when it may be one of a tag."""
    if not _TAG.fullmatch(name):
        raise unprocessable(f"tag name {name!r} is invalid")
    return name


def cidr(value: str) -> str:
    """An address or a block, as a block."""
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise unprocessable(f"invalid address {value!r}") from None
