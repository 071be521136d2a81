"""An autoscaler and its deployment on paper: the rehearsal's API, machines without anything inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.probing import Seen
from fleet.autoscaler.service import Surroundings, serve
from fleet.autoscaler.view import Load, Observation, Outcome
from fleet.build import UNCHANGED, Build
from fleet.deployment import Deployment
from fleet.site import Page
from recipes.context import Role
from state.clock import SystemClock, wait_until
from state.events import Kind
from state.fleet_record import FleetRecord, Stage
from tests.fleet import paper
from tests.fleet.paper import Ground
from tests.state.lease_world import Memory
from wizard.templates import REHEARSAL_IN_PRODUCTION

CLOCK = SystemClock()
POLICY = ScalingPolicy(
    minimum=1, maximum=5, target=1, drain_s=0.0, drain_quiet_s=0.0, replace_proof_s=0.2, never_well_proof_s=0.5
)
PROBERS = ("as-1", "db-1")


@dataclass
class Eyes:
    """Probers that see what the test says."""

    ill: dict[str, Outcome] = field(default_factory=dict)
    database_problem: str = ""
    names: tuple[str, ...] = ()

    def targets(self, addresses: Mapping[str, str]) -> None:
        self.names = tuple(addresses)

    def seen(self) -> Seen:
        now = CLOCK.now()
        looks = {
            name: tuple(
                Observation(prober, now - age, self.ill.get(name, Outcome.OK), 12, "")
                for age in (4, 3, 2, 1, 0)
                for prober in PROBERS
            )
            for name in self.names
        }
        loads = {name: Load(now, 3.0, 1.0, 0, 900.0, 50.0) for name in self.names}
        return Seen(looks, loads, self.database_problem, PROBERS)

    def close(self) -> None: ...


@dataclass
class World:
    """One deployment, its store, and what its autoscalers are told."""

    one: Deployment
    ground: Ground
    leases: Memory = field(default_factory=Memory)
    eyes: Eyes = field(default_factory=Eyes)
    policy: ScalingPolicy = POLICY
    statuses: list[Mapping[str, Any]] = field(default_factory=list)

    @contextmanager
    def autoscaler(self, me: str = "as-1") -> Iterator[threading.Event]:
        """It runs while in the block; set the event to stop it earlier."""
        stop = threading.Event()
        around = Surroundings(
            me=me,
            leases=self.leases,
            read_policy=lambda: self.policy,
            start_probing=lambda _record: self.eyes,
            publish=self.statuses.append,
            stop=stop,
            alive=lambda: None,
            leads=lambda _leads: None,
        )
        thread = threading.Thread(target=serve, args=(self.one, around))
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()

    @property
    def record(self) -> FleetRecord:
        record = self.one.record.load()
        assert record is not None
        return record

    @property
    def webservers(self) -> dict[str, Stage]:
        return {machine.name: machine.stage for machine in self.record.machines if machine.role == "webserver"}

    @property
    def at_provider(self) -> list[str]:
        tag = self.one.names.role_tag(Role.WEBSERVER)
        return sorted(each.name for each in self.one.access.provider.machines(tag))

    @property
    def in_dns(self) -> set[str]:
        """Names of the webservers that the site's A record leads to."""
        names = {machine.public_ipv4: machine.name for machine in self.record.machines}
        records = self.one.access.provider.record_sets("example.org")
        apex = self.one.settings.domain.removesuffix(".example.org")
        found = next((each for each in records if (each.name, each.type) == (apex, "A")), None)
        return {names.get(value, value) for value in found.values} if found else set()

    def comes_true(self, what: str, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        try:
            wait_until(what, lambda: condition() or None, timeout_s=timeout_s, clock=CLOCK, first_s=0.02, longest_s=0.1)
        except Exception as late:
            late.add_note("\n".join(event.text for event in self.ground.events[-40:]))
            raise

    def said(self, kind: Kind = Kind.DECISION) -> str:
        return "\n".join(event.text for event in self.ground.events if event.kind is kind)


@pytest.fixture
def world(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> World:
    def reach(build: Build, name: str) -> tuple[int, int]:
        return UNCHANGED

    monkeypatch.setattr(Build, "_reach", reach)
    monkeypatch.setattr(Build, "_recipe", lambda *_: UNCHANGED)
    monkeypatch.setattr("fleet.autoscaler.webservers.look", lambda *_: Page(True, "serving", 5))
    monkeypatch.setattr("fleet.autoscaler.service.TICK_S", 0.03)
    monkeypatch.setattr("fleet.autoscaler.service.READ_S", 0.1)
    monkeypatch.setattr("fleet.autoscaler.acting.RETRY_S", 0.2)
    ground.provider.ensure_zone("example.org")
    given = {key.replace(".", "__"): value for key, value in REHEARSAL_IN_PRODUCTION.items()}
    one = ground.deployment("shop", **{**given, "scaling__webservers": 1})
    one.bucket("state").ensure()
    assert paper.build(one).ok
    one.record.update(
        lambda old: replace(
            old, handed_over=True, machines=tuple(replace(each, stage=Stage.READY) for each in old.machines)
        )
    )
    return World(one, ground)
