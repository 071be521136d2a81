"""What the leader sees at one moment, small enough to be kept every ten seconds: what `watch` shows of the machines.

A decision's own view is fifty times as large, since it must be enough to decide again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from fleet.autoscaler.health import SKEW_S, STALE_LOAD_S, Health, diagnose
from fleet.autoscaler.load import figure
from fleet.autoscaler.policy import Metric
from fleet.autoscaler.view import Phase, View, WebserverView


class Stand(StrEnum):
    """How a machine stands, in the order of its life."""

    BUILDING = "building"
    WELL = "well"
    UNSURE = "unsure"  # in between, or not enough was seen
    ILL = "ill"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class WebserverSample:
    """One webserver.

    Attributes:
        since: seconds since the epoch when it came into its phase.
        reason: why it stands like that, as the probers saw it; "" when it is well.
        answer_ms, cpu_percent, requests_per_s, disk_free_percent: None where unknown.
    """

    name: str
    stand: Stand
    since: float
    in_dns: bool
    reason: str = ""
    answer_ms: float | None = None
    cpu_percent: float | None = None
    requests_per_s: float | None = None
    disk_free_percent: float | None = None
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """All of one moment.

    Attributes:
        leader: name of the machine that wrote it, "" where that is not known.
        epoch: of its time of leading.
        wanted: webservers wanted, within all limits.
        database_problem: "" when the database is well, None when nothing is known.
        under_way: what is being done now, by machine (``dns``, ``sweep``).
        waits_for: who keeps the leader from acting, "" when nobody does.
        price_per_webserver, price_of_others: US dollars a month; None where unknown.
    """

    webservers: tuple[WebserverSample, ...]
    wanted: int
    leader: str = ""
    epoch: int = 0
    database_problem: str | None = ""
    under_way: tuple[str, ...] = ()
    waits_for: str = ""
    price_per_webserver: Decimal | None = None
    price_of_others: Decimal = Decimal(0)


def webserver_samples(view: View, now: float) -> tuple[WebserverSample, ...]:
    """Every webserver of a view, judged as decisions judge it."""
    verdicts = diagnose(view, now).verdicts
    return tuple(
        _webserver(server, verdicts[server.name].health, verdicts[server.name].reason, now)
        for server in view.webservers
    )


def _webserver(server: WebserverView, health: Health, reason: str, now: float) -> WebserverSample:
    stand = {
        Phase.BUILDING: Stand.BUILDING,
        Phase.LEAVING: Stand.LEAVING,
        Phase.SERVING: Stand(health.value),
    }[server.phase]
    load = server.load
    fresh = load is not None and -SKEW_S <= now - load.at <= STALE_LOAD_S
    return WebserverSample(
        name=server.name,
        stand=stand,
        since=server.since,
        in_dns=server.in_dns,
        reason=reason if server.phase is Phase.SERVING else "",
        answer_ms=_rounded(figure(Metric.ANSWER_MS, server, now)),
        cpu_percent=_rounded(figure(Metric.CPU_PERCENT, server, now)),
        requests_per_s=_rounded(figure(Metric.REQUESTS_PER_S, server, now)),
        disk_free_percent=_rounded(load.disk_free_percent) if load is not None and fresh else None,
        replaces=server.replaces,
    )


def _rounded(number: float | None) -> float | None:
    return round(number, 1) if number is not None and math.isfinite(number) else None
