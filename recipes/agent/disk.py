"""A full disk: the cause that programs hide in the middle of their output, or do not name at all."""

from __future__ import annotations

import os

FULL_BYTES = 1_000_000
FULL_FILES = 16


def full_disk(diff: str, output: str) -> str:
    """What to say first when the disk is the cause: programs say it somewhere in their output, or not at all."""
    full = [path for path in ("/", "/var", "/tmp", "/run") if os.path.isdir(path) and is_full(path)]  # noqa: S108
    if not full and not any("No space left on device" in text for text in (diff, output)):
        return ""
    return f"the disk of this machine is full{f' ({full[0]})' if full else ''}: "


def is_full(path: str) -> bool:
    """Less than a megabyte or hardly a file left; a file system that counts nothing is not full."""
    found = os.statvfs(path)
    blocks = found.f_blocks > 0 and found.f_bavail * found.f_frsize < FULL_BYTES
    return blocks or (found.f_files > 0 and found.f_favail < FULL_FILES)
