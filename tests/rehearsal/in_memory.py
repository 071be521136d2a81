"""Collaborators of the API for tests that must be fast: what they take the place of has machine tests of its own."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

from starlette.applications import Starlette

from rehearsal.api.app import make_app
from rehearsal.api.backends import BucketKey, RecordRefused
from rehearsal.authority import Authority
from rehearsal.contract import Addresses, Filter, MachineRequest
from rehearsal.edge import Edge
from rehearsal.habits import Habits
from rehearsal.room.block import Block
from rehearsal.store import Store
from state.clock import Clock
from state.errors import MachineError
from state.secret import Secret

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have httpx2, which nothing else here needs
    from starlette.testclient import TestClient

__all__ = ["PRIVATE_RANGE", "TOKEN", "MemoryKeys", "MemoryNames", "MemoryRoom", "TestClient", "make_test_app"]

PRIVATE_RANGE = "10.77.2.0/24"
TOKEN = Secret("token-of-a-test-0123456789abcdef")


class MemoryRoom:
    """A machine room without machines; ``hold`` stops creates until it is set."""

    def __init__(self) -> None:
        self.requests: dict[int, MachineRequest] = {}
        self.running: set[int] = set()
        self.snapshots: dict[str, int] = {}
        self.filters: list[tuple[Filter, ...]] = []
        self.filters_at_boot: dict[int, Filter] = {}
        self.orders: list[tuple[int, tuple[str, ...], str]] = []
        self.hold = threading.Event()
        self.hold.set()

    def reserve(self, machine_id: int) -> Addresses:
        high, low = divmod(machine_id, 250)
        return Addresses(f"10.77.{100 + high}.{low + 1}", f"fd77::{machine_id:x}", f"10.77.2.{machine_id}")

    def create(self, request: MachineRequest) -> None:
        assert self.hold.wait(10)
        self.filters_at_boot[request.id] = self.filter_of(request.id)
        self.requests[request.id] = request
        self.running.add(request.id)

    def is_running(self, machine_id: int) -> bool:
        return machine_id in self.running

    def power_off(self, machine_id: int) -> None:
        self.running.discard(machine_id)

    def power_on(self, machine_id: int) -> None:
        self.running.add(machine_id)

    def reboot(self, machine_id: int) -> None:
        self.running.add(machine_id)

    def delete(self, machine_id: int) -> None:
        self.running.discard(machine_id)
        self.requests.pop(machine_id, None)

    def present(self) -> tuple[int, ...]:
        return tuple(sorted(self.requests))

    def snapshot(self, machine_id: int, snapshot_id: str) -> None:
        self.snapshots[snapshot_id] = machine_id

    def delete_snapshot(self, snapshot_id: str) -> None:
        self.snapshots.pop(snapshot_id, None)

    def execute(self, machine_id: int, argv: Sequence[str], *, stdin: str = "") -> str:
        if machine_id not in self.running:
            raise MachineError("it is off")
        self.orders.append((machine_id, tuple(argv), stdin))
        return "10.11-in-memory\n" if "SELECT VERSION()" in argv[-2] else ""

    def apply_filters(self, filters: tuple[Filter, ...]) -> None:
        self.filters.append(filters)

    def filter_of(self, machine_id: int) -> Filter:
        """What was applied last for that machine."""
        public = self.reserve(machine_id).public_ipv4
        (found,) = (f for f in self.filters[-1] if f.addresses.public_ipv4 == public)
        return found


class MemoryNames:
    """A name server's zones as a dictionary: (name, type) to (ttl, contents)."""

    def __init__(self) -> None:
        self.data: dict[str, dict[tuple[str, str], tuple[int, tuple[str, ...]]]] = {}

    def create_zone(self, zone: str) -> None:
        self.data.setdefault(zone, {})

    def delete_zone(self, zone: str) -> None:
        self.data.pop(zone, None)

    def zones(self) -> tuple[str, ...]:
        return tuple(self.data)

    def put_rrset(self, zone: str, name: str, type_: str, ttl_s: int, contents: tuple[str, ...]) -> None:
        if "refused" in name:
            raise RecordRefused("the name server refuses it")
        if contents:
            self.data[zone][name, type_] = (ttl_s, contents)
        else:
            self.data[zone].pop((name, type_), None)


class MemoryKeys:
    """An object store's list of keys."""

    def __init__(self) -> None:
        self.keys: tuple[BucketKey, ...] = ()

    def put_all(self, keys: tuple[BucketKey, ...]) -> None:
        self.keys = keys


def make_test_app(
    path: Path,
    *,
    room: MemoryRoom | None = None,
    names: MemoryNames | None = None,
    keys: MemoryKeys | None = None,
    habits: Habits | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The real API over a real store in ``path``, with a room, a name server and an object store in memory."""
    assert ip_network(PRIVATE_RANGE)
    return make_app(
        Store(path / "store.sqlite", clock=clock, behind_s=habits.consistent_after_s if habits else 0),
        room or MemoryRoom(),
        TOKEN,
        names=names or MemoryNames(),
        bucket_keys=keys or MemoryKeys(),
        authority=Authority(path / "authority", "test"),
        private_range=PRIVATE_RANGE,
        edge=Edge.of(Block(1), path / "edge-ranges.json"),
        habits=habits,
        clock=clock,
    )
