"""Which names of uploads are taken into the bucket and served from it."""

from __future__ import annotations

import re

#: S3's limit for a key, in bytes of UTF-8.
LONGEST_NAME_BYTES = 1024
#: What must never travel to other webservers: programs that a hole in the application may have put here.
_PROGRAM = re.compile(r"\.(ph(p[0-9]?|ps|t|tml|ar)|cgi|pl|py|sh)$", re.IGNORECASE)
#: A listing is XML, which cannot say these.
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")


def is_upload(name: str) -> bool:
    """Whether a path below the uploads' folder is one that is shared: plain parts, no dot files, no programs."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return False
    if not 0 < length <= LONGEST_NAME_BYTES or _UNSPEAKABLE.search(name) or _PROGRAM.search(name):
        return False
    return all(_is_part(part) for part in name.split("/"))


def _is_part(part: str) -> bool:
    """Whether a file or folder on disk may be called so."""
    return not part.startswith(".") and 0 < len(part.encode()) <= 255
