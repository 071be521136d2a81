"""A record between the vendor's fields and the text a zone file has."""

from __future__ import annotations

import ipaddress
import re

from rehearsal.api import bodies
from rehearsal.api.answers import unprocessable
from rehearsal.store import Thing

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT")
_POINTING = ("CNAME", "MX", "NS", "SRV")
_HOST = re.compile(r"(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
#: A TXT record's strings are this long at most (RFC 1035, 3.3.14).
_LONGEST_STRING = 255


def full_name(domain: str, name: str) -> str:
    """``www`` of example.com is ``www.example.com.``, ``@`` is ``example.com.``."""
    return f"{domain}." if name == "@" else f"{name}.{domain}."


def check_record(record: Thing) -> None:
    """Refuses values that are not of the record's type, with the vendor's words where they are known."""
    type_, data = record["type"], record["data"]
    if record["name"] != "@" and not _HOST.fullmatch(record["name"]):
        raise unprocessable("Name contains invalid characters")
    if type_ in ("A", "AAAA"):
        try:
            version = ipaddress.ip_address(data).version
        except ValueError:
            raise unprocessable("Data is not a valid IP address") from None
        if version != (4 if type_ == "A" else 6):
            raise unprocessable(f"IP address did not match IPv{4 if type_ == 'A' else 6} format")
    if type_ in _POINTING and data != "@":
        if not data.endswith("."):
            # Fully qualified names only; what the API showed without the dot may be sent back as it was.
            record["data"] = data = f"{data}." if "id" in record else data
        if not data.endswith("."):
            raise unprocessable("Data needs to end with a dot (.)")
        if not _HOST.fullmatch(data[:-1].lower()):
            raise unprocessable("Data contains invalid characters")
    if type_ in ("MX", "SRV"):
        bodies.integer(record, "priority")
    if type_ == "SRV":
        bodies.integer(record, "port")
        bodies.integer(record, "weight")
    if type_ == "CAA":
        bodies.integer(record, "flags")
        if bodies.text(record, "tag") not in ("issue", "issuewild", "iodef"):
            raise unprocessable("Tag must be issue, issuewild or iodef")
    if type_ in ("TXT", "CAA") and not data.isprintable():
        raise unprocessable("Data contains invalid characters")


def content_of(domain: str, record: Thing) -> str:
    """The record's value as a zone file has it."""
    type_, data = record["type"], record["data"]
    if type_ in _POINTING and data == "@":
        data = f"{domain}."
    match type_:
        case "MX":
            return f"{record['priority']} {data}"
        case "SRV":
            return f"{record['priority']} {record['weight']} {record['port']} {data}"
        case "CAA":
            return f"{record['flags']} {record['tag']} {_quoted(data)}"
        case "TXT":
            parts = [data[at : at + _LONGEST_STRING] for at in range(0, len(data), _LONGEST_STRING)]
            return " ".join(_quoted(part) for part in parts)
        case _:
            return str(data)


def shown_data(record: Thing) -> str:
    """The value as the vendor's API shows it: names without their last dot."""
    data: str = record["data"]
    return data.removesuffix(".") if record["type"] in _POINTING else data


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
