"""Keeps local disk and bucket alike: decides, for one name at a time, which side the truth is on.

Whoever hears that something may have changed (inotify, another webserver's notice, the listing, a visitor) only names
it. What is done follows from three facts looked at under the name's lock: the file, what is known (:mod:`.known`), the
bucket. A crash at any point leaves facts from which the next look does the rest.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .backlog import Backlog
from .folder import Folder, Seen
from .known import BEGUN, Known, Row
from .names import is_upload
from .store import CHUNK, Damaged, Object, Store, StoreAway

#: Notices of changed names, for the other webservers; beneath a name that no upload can have.
CHANGES = ".changes/"
_CHANGE_LIVES_S = 3600.0
#: Notices are called after their writer's clock: those that are this old may still be new to us.
_CLOCKS_DIFFER_S = 120.0
_NAMES_IN_A_NOTICE = 500
#: Below this much free disk (as a share) nothing is fetched ahead, and nothing at all.
_FREE_TO_FETCH_AHEAD, _FREE_TO_FETCH = 0.2, 0.05
#: An answer "there is none" holds for so long; and no more of them are asked for in a minute.
_NOTHING_HOLDS_S = 1.0
_NOTHINGS_A_MINUTE = 600


class Sync:
    """See the module.

    Args:
        store: the bucket.
        folder: the local disk.
        known: what both agreed on last.
        machine: tells this machine's notices from others'.
        say: takes a line for the log.
        fetch_ahead_bytes: larger objects come only when a visitor asks for them.
    """

    def __init__(
        self,
        store: Store,
        folder: Folder,
        known: Known,
        *,
        machine: str,
        say: Callable[[str], None],
        fetch_ahead_bytes: int,
    ) -> None:
        self._store, self._folder, self._known = store, folder, known
        self._machine, self._say, self._fetch_ahead_bytes = machine, say, fetch_ahead_bytes
        self.outbox, self.inbox = Backlog(), Backlog()
        self._lock = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._notices = 0
        self._notices_seen: set[str] = set()
        self._read_at = time.time()
        self._nothing: OrderedDict[str, float] = OrderedDict()
        self._elsewhere: frozenset[str] = frozenset()
        if not known.is_of(folder.identity()) or next(folder.names(), None) is None:
            # another folder, or an emptied one: nobody deleted those files, they are to be fetched again
            known.forget_all()
        for name, row in known.expected():
            if folder.seen(name) == row.seen:
                known.put(name, row.etag, row.seen)
            else:
                known.expect_not(name)

    # what may have changed --------------------------------------------------------------------------------------

    def look(self, name: str) -> None:
        """The file may have changed: when it did, it is to be sent."""
        if is_upload(name) and self._differs(self._folder.seen(name), self._known.get(name)):
            self.outbox.add(name)

    def look_below(self, folder: str = "") -> None:
        """The same for all below a folder."""
        for name in {*self._folder.names(folder), *self._known.names(folder)}:
            self.look(name)

    def read_notices(self) -> None:
        """What other webservers changed since is looked at. Raises StoreAway."""
        now = time.time()
        after = f"{CHANGES}{_milliseconds(self._read_at - _CLOCKS_DIFFER_S)}"
        listed = [name for name, _ in self._store.names(CHANGES, after)]
        for notice in listed:
            if notice not in self._notices_seen and self._machine not in notice:
                for name in self._read(notice):
                    self.inbox.add(name)
            self._notices_seen.add(notice)
        self._notices_seen.intersection_update(listed)
        self._read_at = now

    def write_notices(self) -> None:
        """Tells the other webservers what was sent or deleted since. Raises StoreAway: told the next time then."""
        while True:
            untold = self._known.untold(_NAMES_IN_A_NOTICE)
            if not untold:
                return
            self._notices += 1
            notice = f"{CHANGES}{_milliseconds(time.time())}-{self._machine}-{self._notices}"
            text = json.dumps([name for _, name in untold]).encode()
            self._store.put(notice, io.BytesIO(text), len(text), hashlib.sha256(text).hexdigest(), time.time_ns())
            self._known.told([number for number, _ in untold])

    def compare(self) -> None:
        """Compares the bucket's whole listing with what is known here; finds what no notice told. Raises StoreAway."""
        listing, old_notices = self._listing()
        known = self._known.names()
        if not listing and known:
            self._say("the bucket is empty: it is filled again from here")
            self._known.forget_all()
            self.look_below()
            return
        elsewhere = set()
        for name, there in sorted(listing.items(), key=lambda item: item[1].mtime_ns, reverse=True):
            row = self._known.get(name)
            if row is not None and row.etag == there.etag:
                continue
            if row is None and self._folder.seen(name) is None:
                elsewhere.add(name)
                if there.size > self._fetch_ahead_bytes or self._folder.free_share() < _FREE_TO_FETCH_AHEAD:
                    continue
            self.inbox.add(name)
        self._elsewhere = frozenset(elsewhere)
        for name in known:
            row = self._known.get(name) if name not in listing else None
            if row is not None and row.etag != BEGUN:
                self.inbox.add(name)
        for notice in old_notices:
            self._store.delete(notice)

    # one name ---------------------------------------------------------------------------------------------------

    def send(self, name: str) -> None:
        """Makes the bucket as the local disk. Raises StoreAway, OSError."""
        with self._alone(name):
            row = self._known.get(name)
            opened = self._folder.open(name)
            if opened is None:
                if row is not None:
                    self._store.delete(name)
                    self._known.forget(name, tell=True)
                return
            file, seen = opened
            with file:
                if self._differs(seen, row):
                    self._put(name, file, seen, row)
        self.look(name)  # it may have been written to meanwhile

    def refresh(self, name: str) -> None:
        """Makes the local disk as the bucket, unless the application changed the file. Raises StoreAway, OSError."""
        if not is_upload(name):
            return
        with self._alone(name):
            row, seen = self._known.get(name), self._folder.seen(name)
            if self._differs(seen, row):
                self.outbox.add(name)
            elif seen is not None or self._folder.free_share() >= _FREE_TO_FETCH_AHEAD:
                self._fetch(name, row, seen)

    def miss(self, name: str) -> bool:
        """Fetches what a visitor asks for and is not here; of many who ask at once one fetches and the others wait.

        Returns:
            Whether the file is here now.

        Raises:
            StoreAway: nobody knows.
            OSError: the disk does not take it.
        """
        if not is_upload(name):
            return False
        with self._alone(name):
            seen, row = self._folder.seen(name), self._known.get(name)
            if seen is not None:
                return True
            if row is not None or self._surely_nothing(name):  # what is known and missing was deleted just now
                return False
            if self._folder.free_share() < _FREE_TO_FETCH:
                raise StoreAway("the disk is nearly full")
            if self._fetch(name, None, None):
                return True
            with self._lock:
                self._nothing[name] = time.monotonic()
                self._nothing.move_to_end(name)
            return False

    # inside -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _differs(seen: Seen | None, row: Row | None) -> bool:
        return (row.seen if row else None) != seen

    def _put(self, name: str, file: BinaryIO, seen: Seen, row: Row | None) -> None:
        """Sends the file, if the bucket does not hold that content."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
        there = self._store.head(name) if row is None else None
        same = md5.hexdigest() if there is None else there.etag
        if (
            there is not None
            and there.size == seen.size
            and (there.sha256 == sha256.hexdigest() or there.etag == md5.hexdigest())
        ):
            self._known.put(name, same, seen)
            return
        if row is not None and row.etag == same:
            self._known.put(name, same, seen)  # only its time changed
            return
        if there is not None and there.mtime_ns > seen.mtime_ns:
            # as when what was known is lost: the younger one counts
            self._fetch(name, None, seen)
            return
        self._known.begin(name)
        etag = self._store.put(name, file, seen.size, sha256.hexdigest(), seen.mtime_ns)
        self._known.put(name, etag, seen, tell=True)

    def _fetch(self, name: str, row: Row | None, seen: Seen | None) -> bool:
        """Takes the bucket's word for it; whether there is such an object."""
        with self._folder.new_file() as file:
            there = self._store.get(name, file, row.etag if row else "")
            if there is None:
                # first the file: known and missing is finished by the next look, a file that nobody knows would be sent
                if seen is not None and (row is None or not self._folder.remove(name, seen)):
                    self.outbox.add(name)
                    return True
                self._known.forget(name)
                return False
            if row is None or there.etag != row.etag:
                arrived = self._folder.finish(file, there.mtime_ns)
                self._known.expect(name, there.etag, arrived)
                if self._folder.place(file, name, instead_of=seen):
                    self._known.put(name, there.etag, arrived)
                else:
                    self._known.expect_not(name)
                    self.outbox.add(name)
            return True

    def _listing(self) -> tuple[dict[str, Object], list[str]]:
        """The uploads in the bucket, and notices that everybody has read."""
        uploads, notices = {}, []
        too_old = f"{CHANGES}{_milliseconds(time.time() - _CHANGE_LIVES_S)}"
        for name, there in self._store.names():
            if is_upload(name):
                uploads[name] = there
            elif name.startswith(CHANGES) and name < too_old:
                notices.append(name)
        return uploads, notices

    def _read(self, notice: str) -> list[str]:
        text = io.BytesIO()
        try:
            there = self._store.get(notice, text)
        except Damaged:
            return []  # one must not keep the others from being read; its names are told once more
        return _names_in(text.getvalue()) if there else []

    def _surely_nothing(self, name: str) -> bool:
        """Visitors who ask for names at random must not become requests that somebody pays for."""
        now = time.monotonic()
        with self._lock:
            while self._nothing and now - next(iter(self._nothing.values())) > 60:
                self._nothing.popitem(last=False)
            if now - self._nothing.get(name, -60.0) < _NOTHING_HOLDS_S:
                return True
            return len(self._nothing) >= _NOTHINGS_A_MINUTE and name not in self._elsewhere

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """One thread at a time for each name."""
        with self._lock:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = (lock, users - 1)


def _milliseconds(at: float) -> str:
    return f"{int(at * 1000):015d}"


def _names_in(text: bytes) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
