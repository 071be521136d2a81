"""Authorities as files, for libraries that read them from nowhere else (boto3, the drivers)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from state.files import make_private_folder, write_file


def authority_file(home: Path, pem: str) -> Path | None:
    """The file with that authority; named after its content, so it never changes. None for "": a public one.

    Args:
        home: the file lies in its folder ``authorities``.

    Raises:
        StateError: it cannot be written.
    """
    if not pem:
        return None
    folder = make_private_folder(home / "authorities")
    path = folder / f"{hashlib.sha256(pem.encode()).hexdigest()[:16]}.pem"
    if not path.exists():
        write_file(path, pem.encode())
    return path
