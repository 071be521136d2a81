"""How a DNS record's value is spelled: the contract's one spelling, and strings as zone files have them."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

#: Types whose value ends in a host name.
HOSTS = frozenset({"CNAME", "MX", "NS", "SRV", "PTR", "ALIAS"})

#: Bytes in one character string of a TXT record: RFC 1035, 3.3.
_LONGEST_STRING = 255

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CAA = re.compile(r'(\d+) (\S+) "?([^"]*?)\.?"?')


def canonical(type_: str, value: str) -> str:
    """The one spelling of a value; what is no value of that type comes back as it is.

    Hosts are in lower case without final dot, addresses as RFC 5952 has them, a CAA's value without quotes and final
    dot. Texts are what they say: how a vendor quotes them is its driver's to know.
    """
    if type_ in ("A", "AAAA"):
        try:
            return str(ip_address(value))
        except ValueError:
            return value
    if type_ in HOSTS:
        return value.lower().removesuffix(".")
    if type_ == "CAA":
        return " ".join(caa_parts(value) or (value,))
    return value


def caa_parts(value: str) -> tuple[str, str, str] | None:
    """Flags, tag and bare value of a CAA record; None when it is none."""
    found = _CAA.fullmatch(value)
    return (found[1], found[2], found[3]) if found else None


def escaped(text: str) -> str:
    """Quotes and backslashes as they stand inside of a quoted string."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def quoted(text: str, escape: Callable[[str], str] = escaped) -> str:
    """A text as quoted strings, as many as its length needs."""
    starts = range(0, len(text), _LONGEST_STRING)
    pieces = [text[start : start + _LONGEST_STRING] for start in starts] or [""]
    return " ".join(f'"{escape(piece)}"' for piece in pieces)


def strings(text: str) -> list[str]:
    """What stands inside of the quotes, still escaped; nothing where nothing is quoted."""
    return _QUOTED.findall(text)
