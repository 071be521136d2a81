"""What a decision is made from: all the autoscaler knows at one moment, as a value that can be kept and read again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Outcome(StrEnum):
    """How one look at a webserver ended."""

    OK = "ok"
    REFUSED = "refused"  # nobody listens on 443
    SILENT = "silent"  # no answer in time: off, frozen, cut off
    UNREACHABLE = "unreachable"  # no route to the machine
    HTTP_ERROR = "http-error"
    SLOW = "slow"  # connected, but the page was not whole in time
    WRONG_CONTENT = "wrong-content"
    CERTIFICATE = "certificate"  # expired, for another name, of an unknown authority
    DATABASE = "database"  # the webserver is well and says that its database is not
    DISK_FULL = "disk-full"


class Phase(StrEnum):
    """Where a webserver is in its life."""

    BUILDING = "building"  # asked for; its recipes run
    SERVING = "serving"  # built; it is looked at
    LEAVING = "leaving"  # shall go: out of DNS, waiting for its last visitors, then destroyed


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one webserver from one machine.

    Attributes:
        prober: the machine that looked (``as-1``, ``db-1``).
        at: seconds since the epoch when it ended.
        answer_ms: until the page was whole, or until the look ended.
        detail: a few words for a person, "" when it was well.
    """

    prober: str
    at: float
    outcome: Outcome
    answer_ms: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What a webserver says of itself.

    Attributes:
        at: seconds since the epoch by the autoscaler's clock.
        cpu_percent: of all its cores, over the last seconds, from its own cgroup.
        requests_per_s: served over the last seconds.
        connections: open now, those of probers left out.
        last_visit_s: since the last connection of a visitor began.
        disk_free_percent: of its root disk.
    """

    at: float
    cpu_percent: float
    requests_per_s: float
    connections: int
    last_visit_s: float
    disk_free_percent: float


@dataclass(frozen=True, slots=True)
class WebserverView:
    """One webserver.

    Attributes:
        since: seconds since the epoch when it came into this phase.
        in_dns: one of its addresses is in the site's records.
        observations: the latest of each prober, oldest first (some ten of each).
        load: the latest, None when it never told any.
        replaces: name of the webserver whose place it takes, "" when it is one more.
        left_dns_at: seconds since the epoch when it was last taken out of DNS; 0.0 when it never was in DNS.
    """

    name: str
    phase: Phase
    since: float
    in_dns: bool
    observations: tuple[Observation, ...] = ()
    load: Load | None = None
    replaces: str = ""
    left_dns_at: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """Everything.

    Attributes:
        webservers: all there are at the provider, by slot.
        probers: machines that shall look; a webserver is ill only when all of them say so.
        database_problem: what the database machine says of its database, "" when it is well, None when nothing is
            known.
        recommended_before: (seconds since the epoch, number): what the load rules wanted earlier, oldest first, for
            stabilisation; kept by :func:`fleet.autoscaler.load.remember`.
        scaled_out_at, scaled_in_at: when a decision last changed the number (a build that replaces nobody; a drain),
            0.0 for never.
        price_per_webserver, price_of_others: US dollars a month; None where unknown.
    """

    webservers: tuple[WebserverView, ...]
    probers: tuple[str, ...]
    database_problem: str | None = ""
    recommended_before: tuple[tuple[float, int], ...] = ()
    scaled_out_at: float = 0.0
    scaled_in_at: float = 0.0
    price_per_webserver: Decimal | None = None
    price_of_others: Decimal = Decimal(0)
