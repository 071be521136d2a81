"""How long a lease lives without a word from its holder, and how often the holder speaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of a lease, in seconds.

    Attributes:
        lifetime_s: a lease not renewed for this long is dead; it stands in the lease, so that takers know.
        heartbeat_s: between two renewals; several in a lifetime, so that lost answers do no harm.
        margin_s: the holder gives up this much before others may take over; longer than anything it does between two
            looks.
        watch_s: between two looks of who waits for it.
        guard_s: between two looks whether it still holds.
        last_chance_s: how long a renewal under way may then still take. With the margin: whoever holds the lease is
            told of its loss some seconds before anybody else may take over.
    """

    lifetime_s: float = 60.0
    heartbeat_s: float = 15.0
    margin_s: float = 15.0
    watch_s: float = 2.0
    guard_s: float = 1.0
    last_chance_s: float = 5.0


#: A run of a person: renewed four times in a lifetime, for build machines on poor lines.
RUN = Terms()
#: A service in a data centre: whoever stands by takes over within half a minute.
SERVICE = Terms(lifetime_s=20.0, heartbeat_s=4.0, margin_s=6.0, watch_s=1.0, guard_s=0.5, last_chance_s=2.0)
