"""What everybody who works on a fleet may do with its record, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from state.fleet_record import FleetRecord


class FleetKeeper(Protocol):
    """Keeps one deployment's record: :class:`state.fleet_store.FleetStore` on this machine,
    :class:`state.fleet_bucket.FleetBucket` in the deployment's state bucket."""

    def load(self) -> FleetRecord | None:
        """The record as it is now, None when there is none yet.

        Raises:
            StateError: broken, foreign, newer, or older than the one already known.
            ProviderError: the store that keeps it cannot be asked.
        """

    def last_seen(self) -> FleetRecord | None:
        """The record as it was last seen here; nobody is asked, so others may have changed it since."""

    def create(self, record: FleetRecord) -> FleetRecord:
        """Keeps the first record; one that is there already is returned as it is."""

    def update(self, change: Callable[[FleetRecord], FleetRecord]) -> FleetRecord:
        """Changes the record in one step that nobody else can get between.

        Args:
            change: gets the record as it is, returns it as it shall be; quick, without side effects, and it may be
                called several times.
        """

    def put(self, record: FleetRecord) -> FleetRecord:
        """Takes over a record from elsewhere, serial and all."""
