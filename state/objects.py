"""Values that several machines change: compare-and-set, in an object store or, as the fall-back, in a local folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from state.errors import StateError
from state.files import file_error, locked, make_private_folder, read_file, write_file


class CompareAndSet(Protocol):
    """The part of an object store that lets two writers never both win (S3's If-None-Match and If-Match)."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag; None when there is nothing."""

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Writes when nothing is there; the new ETag, or None when something is."""

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        """Writes when what is there still has that ETag; the new ETag, or None when it has not."""

    def delete(self, key: str) -> None:
        """Removes it; no error when there is nothing."""


class LocalObjects:
    """The fall-back for a store without conditions: a folder of this build machine.

    It keeps apart runs on this machine only: whoever uses it says so to the user.

    Args:
        folder: made with the first object.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> tuple[bytes, str] | None:
        data = read_file(self._path(key))
        return None if data is None else (data, _etag(data))

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return self._put(key, data, None)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        return self._put(key, data, etag)

    def delete(self, key: str) -> None:
        path = self._path(key)
        if not self._folder.exists():
            return
        try:
            with locked(path):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise file_error(path, "delete", error) from error

    def _put(self, key: str, data: bytes, expected: str | None) -> str | None:
        make_private_folder(self._folder)
        path = self._path(key)
        with locked(path):
            there = self.get(key)
            if (there[1] if there is not None else None) != expected:
                return None
            write_file(path, data)
        return _etag(data)

    def _path(self, key: str) -> Path:
        name = quote(key, safe="")
        if not name or name.startswith(".") or len(name) > 200:
            raise StateError(f"{key!r} cannot be the name of an object.")
        return self._folder / name


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
