"""Machines that want one lease: each with a clock and a link of its own, in a world whose time the test passes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from state.errors import LeaseHeld, Unavailable
from state.lease import Lease
from state.lease_terms import RUN
from state.objects import CompareAndSet
from state.process import ProcessIdentity

ELSEWHERE = ProcessIdentity(pid=7, started_at=1, boot_id="another boot", pid_namespace=1)


class Memory:
    """A store in memory whose answers can be lost."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.writes = 0

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.objects.get(key)

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return None if key in self.objects else self._put(key, data)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        there = self.objects.get(key)
        return self._put(key, data) if there is not None and there[1] == etag else None

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def _put(self, key: str, data: bytes) -> str:
        self.writes += 1
        self.objects[key] = (data, str(self.writes))
        return str(self.writes)


@dataclass
class Link:
    """The way from one machine to the store: whole, cut, or losing answers after the deed."""

    store: CompareAndSet
    state: str = "whole"

    def _do(self, call, *words):
        if self.state == "cut":
            raise Unavailable("no way to the store")
        result = call(*words)
        if self.state == "deaf":
            raise Unavailable("the answer was lost")
        return result

    def get(self, key):
        return self._do(self.store.get, key)

    def put_if_absent(self, key, data):
        return self._do(self.store.put_if_absent, key, data)

    def put_if_match(self, key, data, etag):
        return self._do(self.store.put_if_match, key, data, etag)

    def delete(self, key):
        return self._do(self.store.delete, key)


@dataclass
class World:
    """All machines, and the time."""

    now: float = 1_000_000.0
    machines: list[Machine] = field(default_factory=list)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            for machine in self.machines:
                machine.tick()
            self.check()

    def check(self) -> None:
        holders = [machine.name for machine in self.machines if machine.lease is not None and machine.lease.holds()]
        assert len(holders) <= 1, f"two holders: {holders}"


@dataclass
class Machine:
    """One machine with a clock of its own, which it may sleep through, and a run that renews its lease."""

    world: World
    name: str
    link: Link
    skew: float = 0.0
    frozen: bool = False
    asleep_s: float = 0.0
    lease: Lease | None = None
    beat: float = 0.0

    def now(self) -> float:
        return self.world.now + self.skew

    def monotonic(self) -> float:
        return self.world.now - self.asleep_s

    def sleep(self, seconds: float) -> None:
        self.world.pass_time(max(1, seconds))

    def tick(self) -> None:
        if self.frozen:
            self.asleep_s += 1
            return
        self.beat += 1
        if self.lease is not None and self.beat >= RUN.heartbeat_s:
            self.beat = 0
            with suppress(Unavailable):
                self.lease.renew()

    def start(self) -> bool:
        lease = Lease(self.link, who=self.name, where=self.name, why="build", clock=self, process=ELSEWHERE)
        try:
            lease.acquire()
        except (LeaseHeld, Unavailable):
            return False
        self.lease, self.beat = lease, 0
        return True


def machine_on(world: World, store: CompareAndSet, name: str, skew: float = 0.0) -> Machine:
    machine = Machine(world, name, Link(store), skew)
    world.machines.append(machine)
    return machine
