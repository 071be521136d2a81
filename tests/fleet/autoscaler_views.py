"""Views as the tests of the autoscaler write them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from fleet.autoscaler.decision import Act, Decisions
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.view import Load, Observation, Outcome, Phase, View, WebserverView

NOW = 1_800_000_000.0
PROBERS = ("as-1", "db-1")
LONG_AGO = NOW - 100_000
_LETTERS = {
    ".": Outcome.OK,
    "R": Outcome.REFUSED,
    "s": Outcome.SILENT,
    "u": Outcome.UNREACHABLE,
    "5": Outcome.HTTP_ERROR,
    "S": Outcome.SLOW,
    "W": Outcome.WRONG_CONTENT,
    "C": Outcome.CERTIFICATE,
    "D": Outcome.DATABASE,
    "F": Outcome.DISK_FULL,
}


def looks(pattern: str, prober: str, until: float = NOW - 1, every_s: float = 5.0, detail: str = "") -> tuple[Any, ...]:
    """``"..RRR"``: one letter a look, the last one at ``until``."""
    first = until - every_s * (len(pattern) - 1)
    return tuple(
        Observation(prober, first + every_s * number, _LETTERS[letter], 40, "" if letter == "." else detail)
        for number, letter in enumerate(pattern)
    )


def web(
    name: str,
    seen: str | dict[str, str] = "..........",
    *,
    phase: Phase = Phase.SERVING,
    since: float = LONG_AGO,
    in_dns: bool | None = None,
    until: float = NOW - 1,
    detail: str = "",
    load: Load | None = None,
    replaces: str = "",
    left_dns_at: float = 0.0,
    probers: tuple[str, ...] = PROBERS,
) -> WebserverView:
    """A webserver; ``seen`` is what every prober saw, or each of them."""
    by_prober = dict.fromkeys(probers, seen) if isinstance(seen, str) else seen
    found = [one for prober, pattern in by_prober.items() for one in looks(pattern, prober, until, detail=detail)]
    return WebserverView(
        name,
        phase,
        since,
        phase is Phase.SERVING if in_dns is None else in_dns,
        tuple(sorted(found, key=lambda one: one.at)),
        load,
        replaces,
        left_dns_at,
    )


def load(
    cpu: float = 50.0, *, at: float = NOW - 1, rps: float = 10.0, last_visit_s: float = 1.0, disk_free: float = 60.0
) -> Load:
    return Load(at, cpu, rps, 3, last_visit_s, disk_free)


def view(*webservers: WebserverView, **more: Any) -> View:
    return replace(View(webservers, PROBERS, price_per_webserver=Decimal(6), price_of_others=Decimal(12)), **more)


def policy(**more: Any) -> ScalingPolicy:
    return ScalingPolicy(**{"minimum": 1, "maximum": 8, "target": 2, **more})


def told(decisions: Decisions) -> list[tuple[str, str]]:
    return [(decision.act.value, decision.machine or decision.replaces) for decision in decisions.acts]


def machines(decisions: Decisions, act: Act) -> list[str]:
    return [decision.machine for decision in decisions.acts if decision.act is act]
