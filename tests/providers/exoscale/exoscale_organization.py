"""What there is at Exoscale on paper before anybody asks for anything."""

from __future__ import annotations

import uuid

#: The only credentials the fake knows.
KEY = "EXO0123456789abcdef01234567"
SECRET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

ZONES = ("at-vie-1", "ch-dk-2", "ch-gva-2", "de-fra-1")
GIB = 1024**3
TYPES = (
    ("standard", "micro", 1, GIB // 2),
    ("standard", "tiny", 1, GIB),
    ("standard", "small", 2, 2 * GIB),
    ("standard", "medium", 2, 4 * GIB),
    ("gpu3", "small", 12, 56 * GIB),
    ("standard", "titan48c", 48, 256 * GIB),
)
SYSTEMS = (
    ("Linux Debian 12 (Bookworm) 64-bit", "2026-01-05T00:00:00Z"),
    ("Linux Debian 12 (Bookworm) 64-bit", "2026-09-05T00:00:00Z"),
    ("Linux Debian 13 (Trixie) 64-bit", "2026-09-05T00:00:00Z"),
    ("Linux Ubuntu 24.04 LTS 64-bit", "2026-08-05T00:00:00Z"),
    ("OpenBSD 7.6 64-bit", "2026-08-05T00:00:00Z"),
    ("Linux Debian 12 (Bookworm) 64-bit (GPU)", "2026-10-05T00:00:00Z"),
)


def an_id(*words: object) -> str:
    """The same id for the same words."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, words))))
