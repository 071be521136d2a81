"""What stands in the lease object: who holds it, where, why, since and until when."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from state.errors import StateError
from state.lease_terms import RUN
from state.process import ProcessIdentity

_VERSION = 1


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as everybody sees it.

    Attributes:
        holder: random, one for each run.
        who, where, why: for people.
        epoch: one higher for each holder.
        since, until: seconds since the epoch by the holder's clock.
        process: the holder's.
        released: given back; the next one may take it at once.
        lifetime_s: not renewed for this long, it is dead.
    """

    holder: str
    who: str
    where: str
    why: str
    epoch: int
    since: float
    until: float
    process: ProcessIdentity
    released: bool = False
    lifetime_s: float = RUN.lifetime_s

    def is_held_by(self, other: LeaseRecord) -> bool:
        """Whether it is the same holder's, unbroken."""
        return self.holder == other.holder and self.epoch == other.epoch and not self.released

    def process_is_dead(self) -> bool:
        """Whether the holder's process ran on this boot of this machine and does no longer."""
        return self.process.is_from_here() and not self.process.is_alive()

    def as_json(self) -> bytes:
        """As the object holds it."""
        content: dict[str, Any] = {
            "version": _VERSION,
            "holder": self.holder,
            "who": self.who,
            "where": self.where,
            "why": self.why,
            "epoch": self.epoch,
            "since": self.since,
            "until": self.until,
            "process": self.process.as_data(),
            "released": self.released,
            "lifetime_s": self.lifetime_s,
        }
        return json.dumps(content, indent=1).encode()


def parse(data: bytes) -> LeaseRecord:
    """A lease from what :meth:`LeaseRecord.as_json` gave.

    Raises:
        StateError: it is something else, or of a newer program.
    """
    try:
        raw = json.loads(data)
        if raw["version"] > _VERSION:
            raise StateError(
                "A newer Buildyard holds the lease of this deployment.", hint="Update Buildyard on this build machine."
            )
        return LeaseRecord(
            holder=str(raw["holder"]),
            who=str(raw["who"]),
            where=str(raw["where"]),
            why=str(raw["why"]),
            epoch=int(raw["epoch"]),
            since=_finite(raw["since"]),
            until=_finite(raw["until"]),
            process=ProcessIdentity.from_data(raw["process"]),
            released=raw["released"] is True,
            lifetime_s=_finite(raw.get("lifetime_s", RUN.lifetime_s)),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(
            "The lease of this deployment is damaged.", hint="If no run is under way, break the lease."
        ) from error


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a time")
    return number
