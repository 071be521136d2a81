"""Lines of an autoscaler's journal as its service writes them, for the tests of those who watch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fleet.autoscaler.codec import as_data, decision_data
from fleet.autoscaler.decide import decide
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.sample import Sample, webserver_samples
from fleet.autoscaler.view import Phase, View, WebserverView
from state.events import Event, Kind
from state.fleet_record import FleetRecord, MachineRecord, Stage
from tests.fleet.autoscaler_views import NOW, load, looks, policy, view


def line(event: Event) -> bytes:
    """As :class:`state.journal.Journal` writes it."""
    data: dict[str, Any] = {"at": round(event.at, 3), "kind": event.kind.value}
    for key in ("text", "machine", "action", "recipe", "step", "data"):
        if getattr(event, key):
            data[key] = getattr(event, key)
    return json.dumps(data, ensure_ascii=False).encode()


def leads(at: float, machine: str = "as-1", epoch: int = 3) -> Event:
    return Event(Kind.NOTE, f"{machine} leads (epoch {epoch}).", data={"leads": machine, "epoch": epoch}, at=at)


def decision(seen: View, rule: ScalingPolicy, at: float) -> Event:
    made = decide(seen, rule, at)
    text = " ".join((made.reason, *(one.reason for one in made.acts), *made.held_back))
    return Event(Kind.DECISION, text, data=decision_data(seen, rule, at, made), at=at)


def sample(seen: View, rule: ScalingPolicy, at: float, leader: str = "as-1", **more: Any) -> Event:
    wanted = decide(seen, rule, at).wanted
    made = Sample(
        webserver_samples(seen, at),
        wanted,
        leader,
        3,
        seen.database_problem,
        price_per_webserver=seen.price_per_webserver,
        price_of_others=seen.price_of_others,
    )
    return Event(Kind.SAMPLE, data=as_data(replace(made, **more)), at=at)


def server(
    name: str,
    at: float,
    *,
    answer_ms: int = 80,
    cpu: float = 40.0,
    pattern: str = "..........",
    phase: Phase = Phase.SERVING,
    since: float = NOW - 2 * 86400,
    in_dns: bool | None = None,
    detail: str = "",
    replaces: str = "",
) -> WebserverView:
    """A webserver as two probers see it at a moment."""
    found = [
        replace(one, answer_ms=answer_ms)
        for prober in ("as-1", "db-1")
        for one in (looks(pattern, prober, at - 1, detail=detail) if phase is not Phase.BUILDING else ())
    ]
    return WebserverView(
        name,
        phase,
        since,
        phase is Phase.SERVING if in_dns is None else in_dns,
        tuple(sorted(found, key=lambda one: one.at)),
        load(cpu, at=at - 1) if phase is not Phase.BUILDING else None,
        replaces,
    )


def machine(name: str, role: str, number: int, **more: Any) -> MachineRecord:
    made = MachineRecord(
        name,
        role,
        int(name.rpartition("-")[2]),
        1,
        provider_id=str(number),
        public_ipv4=f"203.0.113.{number}",
        private_ipv4=f"10.77.0.{number}",
        stage=Stage.READY,
        created_at="2027-01-13T08:00:00+00:00",
    )
    return replace(made, **more)


def record(webservers: int = 3, **more: Mapping[str, Any]) -> FleetRecord:
    """Two autoscalers, webservers, a database machine; ``more``: by name, what differs."""
    machines = [machine("as-1", "autoscaler", 11), machine("as-2", "autoscaler", 12), machine("db-1", "database", 13)]
    machines += [machine(f"ws-{number}", "webserver", 20 + number) for number in range(1, webservers + 1)]
    made = FleetRecord.new("shop", "lineage")
    for one in machines:
        made = made.with_machine(replace(one, **more.get(one.name.replace("-", "_"), {})))
    return made


def calm(count: int, begin: float, seconds: float, rule: ScalingPolicy) -> Iterator[Event]:
    """Nothing happens: a sample every ten seconds, a decision every minute."""
    for second in range(0, int(seconds) + 1, 10):
        at = begin + second
        seen = view(
            *(
                server(f"ws-{number}", at, answer_ms=60 + (7 * number + second // 10 * 11) % 40, cpu=30 + number)
                for number in range(1, count + 1)
            )
        )
        if second % 60 == 0:
            yield decision(seen, rule, at)
        yield sample(seen, rule, at)


def replacement(begin: float) -> Iterator[Event]:
    """ws-2 falls silent, leaves DNS and is replaced by ws-3, which is being built at the end."""
    rule = policy(target=2, minimum=2, maximum=6)
    yield leads(begin)
    yield from calm(2, begin + 1, 1200, rule)
    ill = begin + 1220
    gone = view(server("ws-1", ill, answer_ms=180), server("ws-2", ill, pattern=".....sssss"))
    yield decision(gone, rule, ill)
    yield sample(gone, rule, ill)
    for second in range(30, 130, 10):
        at = ill + second
        seen = view(
            server("ws-1", at, answer_ms=150 + second, cpu=88),
            server("ws-2", at, pattern="ssssssssss", in_dns=False),
            server("ws-3", at, phase=Phase.BUILDING, since=ill + 25, replaces="ws-2"),
        )
        if second == 30:
            yield decision(seen, rule, at)
            yield Event(Kind.ACTION_STARTED, "machine ws-3", "ws-3", "machine:ws-3", at=at)
            yield Event(Kind.ACTION_FINISHED, "machine ws-3", "ws-3", "machine:ws-3", data={"ok": True}, at=at + 5)
            yield Event(Kind.ACTION_STARTED, "webserver on ws-3", "ws-3", "recipe:ws-3:webserver", at=at + 6)
            yield Event(Kind.STEP_STARTED, "", "ws-3", "recipe:ws-3:webserver", "webserver", "package nginx", at=at + 7)
        yield sample(seen, rule, at, under_way=("ws-3",))
