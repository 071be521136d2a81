"""The fleet record in the deployment's state bucket, where build machine and autoscaler change the same one.

Every change is a compare-and-set: of two writers one loses, reads again and tries once more. A copy of the record as it
was last seen lies on this machine. Before the bucket is there (the first run makes the key that opens it) the copy is
the record; the first change after that puts it into the bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from state.errors import NotFound, ProviderError, RateLimited, StateError, Unauthorized, Unavailable
from state.fleet_json import parse
from state.fleet_record import FleetRecord
from state.fleet_store import FleetStore, refuse_foreign, refuse_step_back
from state.objects import CompareAndSet

#: The object's key in the state bucket.
KEY = "fleet.json"
#: Each lost race means that somebody else won one: with a few writers, so many in a row mean that something is wrong.
MOST_TRIES = 50
_PLACE = f"{KEY} in the deployment's state bucket"


class FleetBucket:
    """A :class:`state.fleet_keeper.FleetKeeper`; any number of threads, processes and machines may change the record.

    Args:
        objects: opens the state bucket (sealed); None while it cannot be opened, because nothing was built yet.
        copy: the record as it was last seen, on this machine.
        may_be_old: for who only looks: while the bucket is away, the copy is read; :attr:`away` says so.
    """

    def __init__(
        self, objects: Callable[[], CompareAndSet | None], copy: FleetStore, *, may_be_old: bool = False
    ) -> None:
        self._objects = objects
        self._copy = copy
        self._may_be_old = may_be_old
        self._lock = threading.Lock()
        self._was_there = False
        #: Why the copy was read in the place of the record, "" when the last look was at the record itself.
        self.away = ""

    def load(self) -> FleetRecord | None:
        """See :class:`state.fleet_keeper.FleetKeeper`."""
        try:
            there = self._read()
        except (Unavailable, RateLimited, Unauthorized) as problem:
            if not self._may_be_old:
                raise
            self.away = problem.summary
            return self._copy.load()
        self.away = ""
        return self._copy.load() if there is None else there[0]

    def last_seen(self) -> FleetRecord | None:
        """The copy; nobody is asked."""
        return self._copy.load()

    def create(self, record: FleetRecord) -> FleetRecord:
        """Keeps the first record; one that is there already, here or in the bucket, is returned as it is.

        Raises:
            StateError: the one there is of another lineage.
        """

        def first(there: FleetRecord | None) -> FleetRecord:
            if there is None:
                return record
            refuse_foreign(there, record, _PLACE)
            return there

        return self._change(first)

    def update(self, change: Callable[[FleetRecord], FleetRecord]) -> FleetRecord:
        """Changes the record in one step.

        Raises:
            StateError: there is no record; or too many lost races.
            ProviderError: the store does not answer; whether it took the change is looked up as long as it does.
        """

        def changed(there: FleetRecord | None) -> FleetRecord:
            if there is None:
                raise StateError(f"There is no {_PLACE}.", hint="Run `buildyard build`.")
            new = change(there)
            if new == there:
                return there
            refuse_foreign(there, new, _PLACE)
            return replace(new, serial=there.serial + 1)

        return self._change(changed)

    def put(self, record: FleetRecord) -> FleetRecord:
        """Takes over a record from elsewhere, serial and all.

        Raises:
            StateError: it is of another lineage or older than the one there.
        """

        def taken(there: FleetRecord | None) -> FleetRecord:
            if there is not None:
                refuse_foreign(there, record, _PLACE)
                refuse_step_back(there, record, _PLACE)
            return record

        return self._change(taken)

    def _change(self, change: Callable[[FleetRecord | None], FleetRecord]) -> FleetRecord:
        with self._lock:
            for _ in range(MOST_TRIES):
                found = self._objects_there()
                if found is None:
                    return self._keep_here(change)
                objects, there = found
                before = there[0] if there is not None else self._copy.load()
                new = change(before)
                if there is not None and new == there[0]:
                    return new
                if self._write(objects, new, there[1] if there is not None else None):
                    self._was_there = True
                    self._copy.keep_newest(new)
                    return new
        raise StateError(
            f"{_PLACE} is changed by others all the time: {MOST_TRIES} attempts to change it were too late.",
            hint="Repeat the command; `buildyard status` says who works on this deployment.",
        )

    def _write(self, objects: CompareAndSet, new: FleetRecord, etag: str | None) -> bool:
        """Whether it is there now; an answer that was lost is looked up."""
        data = new.as_json()
        try:
            written = objects.put_if_absent(KEY, data) if etag is None else objects.put_if_match(KEY, data, etag)
        except ProviderError:
            there = objects.get(KEY)
            if there is not None and there[0] == data:
                return True
            if there is not None and there[1] != etag:
                return False  # somebody else was quicker
            raise
        return written is not None

    def _read(self) -> tuple[FleetRecord, str] | None:
        found = self._objects_there()
        return found[1] if found is not None else None

    def _objects_there(self) -> tuple[CompareAndSet, tuple[FleetRecord, str] | None] | None:
        """The bucket and the record in it, each None while it is not there."""
        objects = self._objects()
        if objects is None:
            return None
        known = self._copy.load()  # as of before: while the bucket answers, another may write the next one
        try:
            found = objects.get(KEY)
        except NotFound:
            if self._was_there:
                raise  # a bucket that vanishes under a run is no new deployment
            return None
        if found is None:
            if self._was_there:
                raise StateError(f"{_PLACE} has vanished.", hint="Somebody destroyed or damaged this deployment.")
            return objects, None
        record = parse(found[0], _PLACE)
        if known is not None:
            refuse_foreign(record, known, _PLACE)
            refuse_step_back(known, record, _PLACE)
        self._was_there = True
        if known != record:
            self._copy.keep_newest(record)
        return objects, (record, found[1])

    def _keep_here(self, change: Callable[[FleetRecord | None], FleetRecord]) -> FleetRecord:
        there = self._copy.load()
        new = change(there)
        return new if new == there else self._copy.put(new)
