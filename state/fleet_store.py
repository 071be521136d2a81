"""The fleet record's file on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from state.errors import StateError
from state.files import locked, make_private_folder, read_file, write_file
from state.fleet_json import parse
from state.fleet_record import FleetRecord


class FleetStore:
    """The record on disk; any number of threads and processes may change it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last: FleetRecord | None = None

    def load(self) -> FleetRecord | None:
        """The record, None when there is none yet.

        Raises:
            StateError: broken, foreign, newer, or an old copy was put in its place while we ran.
        """
        known = self._last  # as of before: while this thread reads, another may write the next one
        data = read_file(self._path)
        if data is None:
            return None
        record = parse(data, str(self._path))
        refuse_step_back(known, record, str(self._path))
        self._last = record
        return record

    def last_seen(self) -> FleetRecord | None:
        """The record as it was last seen here, for who must not wait; on disk there is no other."""
        return self.load()

    def create(self, record: FleetRecord) -> FleetRecord:
        """Writes the first record; one that is there already is returned as it is.

        Raises:
            StateError: the one there is of another lineage.
        """
        make_private_folder(self._path.parent)
        with self._lock, locked(self._path):
            there = self.load()
            if there is not None:
                refuse_foreign(there, record, str(self._path))
                return there
            return self._write(record)

    def update(self, change: Callable[[FleetRecord], FleetRecord]) -> FleetRecord:
        """Changes the record in one step that no other thread or process can get between.

        Args:
            change: gets the record as it is, returns it as it shall be; quick, and without side effects.

        Raises:
            StateError: there is no record, or as in :meth:`load`; the file is then as it was.
        """
        with self._lock, locked(self._path):
            there = self.load()
            if there is None:
                raise StateError(f"There is no fleet record at {self._path}.", hint="Run `buildyard build`.")
            new = change(there)
            if new == there:
                return there
            refuse_foreign(there, new, str(self._path))
            return self._write(replace(new, serial=there.serial + 1))

    def put(self, record: FleetRecord) -> FleetRecord:
        """Takes over a record from elsewhere (the deployment's bucket), serial and all.

        Raises:
            StateError: it is of another lineage or older than the one here.
        """
        make_private_folder(self._path.parent)
        with self._lock, locked(self._path):
            there = self.load()
            if there is not None:
                refuse_foreign(there, record, str(self._path))
                refuse_step_back(there, record, str(self._path))
            return self._write(record)

    def keep_newest(self, record: FleetRecord) -> None:
        """Keeps a copy of a record that lies elsewhere, unless a newer one is here: another thread may have seen it.

        Raises:
            StateError: it is of another lineage, or cannot be written.
        """
        make_private_folder(self._path.parent)
        with self._lock, locked(self._path):
            there = self.load()
            if there is not None:
                refuse_foreign(there, record, str(self._path))
            if there is None or (record.serial >= there.serial and record != there):
                self._write(record)

    def _write(self, record: FleetRecord) -> FleetRecord:
        write_file(self._path, record.as_json(), keep_copies=True)
        self._last = record
        return record


def refuse_foreign(there: FleetRecord, record: FleetRecord, place: str) -> None:
    """
    Raises:
        StateError: what lies at that place is the record of another deployment.
    """
    if there.lineage != record.lineage or there.deployment != record.deployment:
        raise StateError(
            f"{place} is the record of another deployment ({there.deployment}, lineage {there.lineage}).",
            detail=f"This run is about {record.deployment}, lineage {record.lineage}.",
            hint="Choose the right one with --deployment NAME, or set BUILDYARD_HOME to the right folder.",
        )


def refuse_step_back(known: FleetRecord | None, record: FleetRecord, place: str) -> None:
    """
    Raises:
        StateError: the record is older than the one that is known.
    """
    if known is not None and known.lineage == record.lineage and record.serial < known.serial:
        raise StateError(
            f"The fleet record (serial {record.serial}) is older than the one already known ({known.serial}).",
            detail=f"It would forget machines that exist. It lies at {place}",
            hint="Put back the newest copy; `buildyard plan` then shows what differs from the provider.",
        )
