"""What local disk and bucket agreed on last, kept over restarts.

It is the third side of every comparison. A file that is not what is known here was changed by the application; one
that is known and missing was deleted; a name the bucket does not hold any more was deleted elsewhere. So what is not
sent yet needs no list of its own: comparing finds it after any crash.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .folder import Seen

#: The ETag of a name that was begun to be sent: the bucket may hold it or not.
BEGUN = ""


@dataclass(frozen=True)
class Row:
    """The file as it was here, and the bucket's ETag of the same content."""

    etag: str
    seen: Seen


class Known:
    """The table; may be used by many threads.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._table = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._table.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, etag TEXT, size INTEGER, mtime_ns INTEGER)"
            " WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS folder (identity TEXT);"
            "CREATE TABLE IF NOT EXISTS arriving (name TEXT PRIMARY KEY, etag TEXT, size INTEGER, mtime_ns INTEGER);"
            "CREATE TABLE IF NOT EXISTS untold (serial INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)"
        )

    def is_of(self, identity: str) -> bool:
        """Whether this is about that very folder; from now on it is."""
        with self._lock:
            kept = self._table.execute("SELECT identity FROM folder").fetchall()
            self._table.execute("DELETE FROM folder")
            self._table.execute("INSERT INTO folder VALUES (?)", (identity,))
        return kept == [(identity,)]

    def get(self, name: str) -> Row | None:
        with self._lock:
            found = self._table.execute("SELECT etag, size, mtime_ns FROM known WHERE name = ?", (name,)).fetchone()
        return Row(found[0], Seen(found[1], found[2])) if found else None

    def put(self, name: str, etag: str, seen: Seen, *, tell: bool = False) -> None:
        """File and bucket agree. ``tell``: this webserver changed the bucket, the others are to hear of it."""
        with self._lock, self._whole():
            self._table.execute("REPLACE INTO known VALUES (?, ?, ?, ?)", (name, etag, seen.size, seen.mtime_ns))
            self._table.execute("DELETE FROM arriving WHERE name = ?", (name,))
            if tell:
                self._table.execute("REPLACE INTO untold (name) VALUES (?)", (name,))

    def begin(self, name: str) -> None:
        """It is about to be sent for the first time: should it vanish now, the bucket must be told."""
        with self._lock:
            self._table.execute("INSERT OR IGNORE INTO known VALUES (?, ?, -1, -1)", (name, BEGUN))

    def forget(self, name: str, *, tell: bool = False) -> None:
        """It is neither here nor there; ``tell`` as with :meth:`put`."""
        with self._lock, self._whole():
            self._table.execute("DELETE FROM known WHERE name = ?", (name,))
            if tell:
                self._table.execute("REPLACE INTO untold (name) VALUES (?)", (name,))

    def expect(self, name: str, etag: str, seen: Seen) -> None:
        """What comes from the bucket is about to take its place; :meth:`put` or :meth:`expect_not` follows."""
        with self._lock:
            self._table.execute("REPLACE INTO arriving VALUES (?, ?, ?, ?)", (name, etag, seen.size, seen.mtime_ns))

    def expect_not(self, name: str) -> None:
        """It did not."""
        with self._lock:
            self._table.execute("DELETE FROM arriving WHERE name = ?", (name,))

    def expected(self) -> list[tuple[str, Row]]:
        """What was about to when the service was killed: it did, or it did not."""
        with self._lock:
            found = self._table.execute("SELECT name, etag, size, mtime_ns FROM arriving").fetchall()
        return [(name, Row(etag, Seen(size, mtime_ns))) for name, etag, size, mtime_ns in found]

    def untold(self, most: int) -> list[tuple[int, str]]:
        """Names that the others have not heard of, each with a number that changes when it has to be told once more."""
        with self._lock:
            return self._table.execute("SELECT serial, name FROM untold ORDER BY serial LIMIT ?", (most,)).fetchall()

    def told(self, numbers: list[int]) -> None:
        """They heard."""
        with self._lock, self._whole():
            self._table.executemany("DELETE FROM untold WHERE serial = ?", [(number,) for number in numbers])

    def forget_all(self) -> None:
        with self._lock:
            self._table.execute("DELETE FROM known")

    def names(self, below: str = "") -> list[str]:
        """Those below a folder ("" for all)."""
        with self._lock:
            if not below:
                return [name for (name,) in self._table.execute("SELECT name FROM known")]
            # "0" is the letter behind "/"
            ends = (f"{below}/", f"{below}0")
            found = self._table.execute("SELECT name FROM known WHERE name >= ? AND name < ?", ends)
            return [name for (name,) in found]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of it is kept, or nothing."""
        self._table.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._table.execute("ROLLBACK")
            raise
        self._table.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._table.close()
