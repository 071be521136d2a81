"""What the rehearsal promised: its ids, records and intents, in one sqlite file.

Everything the API answers comes from here, and what is to be made is written here before it is made: after a kill -9
the next start reads what was meant and compares it with what is there.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state.clock import Clock, SystemClock
from state.errors import StateError

#: A thing as the API shows it, with keys that start with an underscore for what only the rehearsal knows.
Thing = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS thing (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (kind, id)
);
CREATE TABLE IF NOT EXISTS counter (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Past:
    """What a thing was until a moment; a body of None is none."""

    until: float
    kind: str
    id: str
    body: str | None


class Store:
    """Things by kind and id; safe to use from many threads.

    Args:
        path: the sqlite file; made when it is missing. ``:memory:`` keeps nothing.
        clock: where time comes from.
        behind_s: what is read within :meth:`reading` is as old as that.

    Raises:
        StateError: the file is broken or of a newer version.
    """

    def __init__(self, path: Path | str, *, clock: Clock | None = None, behind_s: float = 0) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._clock = clock or SystemClock()
        self._behind_s = behind_s
        self._past: deque[_Past] = deque()
        self._reader = threading.local()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise StateError(
                    f"The rehearsal's store is of version {version}, this program knows up to {_VERSION}.",
                    hint="Use the newer program, or remove the rehearsal with `down --purge`.",
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_VERSION}")
        except sqlite3.Error as error:
            raise StateError(
                "The rehearsal's store cannot be used.",
                detail=f"{path}: {error}",
                hint="Remove the rehearsal with `python -m rehearsal down --purge --directory DIR`.",
            ) from error

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; may be nested, the outermost one decides."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def next_id(self, kind: str, *, at_least: int = 1) -> int:
        """A number that was never given before, not even to something that is gone."""
        with self.transaction():
            row = self._db.execute("SELECT last FROM counter WHERE kind = ?", (kind,)).fetchone()
            number = max(at_least, row[0] + 1 if row else 1)
            self._db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (kind, number))
            return number

    def put(self, kind: str, id_: object, thing: Thing) -> None:
        """Writes a thing, new or changed; its place in the lists stays."""
        with self.transaction():
            self._remember(kind, str(id_))
            self._db.execute(
                "INSERT INTO thing (kind, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, str(id_), json.dumps(thing)),
            )

    def change(self, kind: str, id_: object, **values: Any) -> Thing | None:
        """Sets some keys of a thing; None when it is gone."""
        with self.transaction():
            thing = self.get(kind, id_)
            if thing is not None:
                thing.update(values)
                self.put(kind, id_, thing)
            return thing

    def get(self, kind: str, id_: object) -> Thing | None:
        """One thing, None when there is none of that id."""
        with self._lock:
            row = self._db.execute("SELECT body FROM thing WHERE kind = ? AND id = ?", (kind, str(id_))).fetchone()
            body = row[0] if row else None
            body = self._seen(kind).get(str(id_), body)
        return _thing(body) if body else None

    def all(self, kind: str) -> list[Thing]:
        """All things of a kind, oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT id, body FROM thing WHERE kind = ? ORDER BY sequence", (kind,)).fetchall()
            bodies: dict[str, str | None] = {**dict(rows), **self._seen(kind)}
        return [_thing(body) for body in bodies.values() if body]

    def delete(self, kind: str, id_: object) -> bool:
        """Forgets a thing; False when it was not there."""
        with self.transaction():
            self._remember(kind, str(id_))
            return self._db.execute("DELETE FROM thing WHERE kind = ? AND id = ?", (kind, str(id_))).rowcount > 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """In this thread, what is read within is as old as the store was told to be."""
        self._reader.since = self._clock.monotonic() - self._behind_s if self._behind_s else None
        try:
            yield
        finally:
            self._reader.since = None

    def _remember(self, kind: str, id_: str) -> None:
        """Keeps what is about to be replaced as long as somebody may still see it."""
        if self._behind_s:
            now = self._clock.monotonic()
            row = self._db.execute("SELECT body FROM thing WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
            self._past.append(_Past(now, kind, id_, row[0] if row else None))
            while self._past[0].until < now - self._behind_s:
                self._past.popleft()

    def _seen(self, kind: str) -> dict[str, str | None]:
        """What a reader who is behind sees instead: the oldest body that was still true then, None for nothing."""
        since: float | None = getattr(self._reader, "since", None)
        if since is None:
            return {}
        found: dict[str, str | None] = {}
        for past in self._past:
            if past.kind == kind and past.until > since:
                found.setdefault(past.id, past.body)
        return found


def _thing(text: str) -> Thing:
    thing: Thing = json.loads(text)
    return thing
