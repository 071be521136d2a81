"""The record in the state bucket: no machine is forgotten, whoever writes at once; without the key nobody reads it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from state.errors import NotFound, StateError, Unauthorized, Unavailable
from state.fleet_bucket import KEY, FleetBucket
from state.fleet_record import FleetRecord, MachineRecord
from state.fleet_store import FleetStore
from state.objects import CompareAndSet
from state.sealed_objects import SealedObjects
from state.secret import Secret
from tests.state.lease_world import Link, Memory

SEAL = Secret("a random text of the deployment's own")
FIRST = FleetRecord.new("shop", "lineage-1")


def machine(number: int) -> MachineRecord:
    return MachineRecord(f"ws-{number}", "webserver", number, 1)


def keeper(store: CompareAndSet, folder: Path, *, may_be_old: bool = False) -> FleetBucket:
    """One machine's: its own copy, the same bucket."""
    return FleetBucket(lambda: SealedObjects(store, SEAL), FleetStore(folder / "fleet.json"), may_be_old=may_be_old)


def test_what_one_machine_writes_the_other_reads_and_the_store_does_not(tmp_path: Path) -> None:
    memory = Memory()
    stick, scaler = keeper(memory, tmp_path / "stick"), keeper(memory, tmp_path / "as-1")
    stick.create(FIRST)
    scaler.update(lambda record: record.with_machine(machine(1)))
    seen = stick.update(lambda record: record.with_machine(machine(2)))
    assert [each.name for each in seen.machines] == ["ws-1", "ws-2"]
    assert seen.serial == 2
    assert scaler.load() == stick.load() == seen
    assert stick.update(lambda record: record).serial == 2, "nothing changed, nothing written"
    assert b"ws-1" not in memory.objects[KEY][0]
    with pytest.raises(StateError, match="cannot be read with this deployment's key"):
        SealedObjects(memory, Secret("another")).get(KEY)


def test_an_object_in_the_place_of_another_is_refused() -> None:
    memory = Memory()
    sealed = SealedObjects(memory, SEAL)
    sealed.put_if_absent("scaling.json", b"{}")
    memory.objects[KEY] = memory.objects["scaling.json"]
    with pytest.raises(StateError, match="cannot be read"):
        sealed.get(KEY)


def test_many_machines_at_once_lose_no_machine(tmp_path: Path) -> None:
    memory, lock = Memory(), threading.Lock()

    class OneAtATime:
        """As a store does it: each request by itself."""

        def __getattr__(self, name: str):
            def call(*words: object) -> object:
                with lock:
                    return getattr(memory, name)(*words)

            return call

    def work(first: int) -> None:
        mine = keeper(OneAtATime(), tmp_path / str(first))  # type: ignore[arg-type]
        for number in range(first, first + 10):
            mine.update(lambda record, n=number: record.with_machine(machine(n)))

    keeper(memory, tmp_path / "stick").create(FIRST)
    threads = [threading.Thread(target=work, args=(first,)) for first in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = keeper(memory, tmp_path / "stick").load()
    assert record is not None
    assert (len(record.machines), record.serial) == (40, 40)


def test_an_answer_that_is_lost_is_looked_up(tmp_path: Path) -> None:
    memory = Memory()
    keeper(memory, tmp_path / "stick").create(FIRST)

    class LosesOne(Link):
        """The first write is done, its answer does not arrive."""

        def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
            memory.put_if_match(key, data, etag)
            raise Unavailable("the answer was lost")

    written = keeper(LosesOne(memory), tmp_path / "other").update(lambda record: record.with_machine(machine(1)))
    assert written.serial == 1
    assert keeper(memory, tmp_path / "stick").load() == written


def test_while_the_bucket_is_away_who_looks_reads_the_copy_and_nobody_changes_it(tmp_path: Path) -> None:
    memory = Memory()
    link = Link(memory)
    stick = keeper(link, tmp_path)
    stick.create(FIRST)
    known = stick.update(lambda record: record.with_machine(machine(1)))
    link.state = "cut"
    looking = keeper(link, tmp_path, may_be_old=True)
    assert looking.load() == known
    assert "no way to the store" in looking.away
    with pytest.raises(Unavailable):
        stick.load()
    with pytest.raises(Unavailable):
        stick.update(lambda record: record.without("ws-1"))
    assert stick.last_seen() == known
    link.state = "whole"
    assert looking.load() == known
    assert looking.away == ""


def test_before_the_bucket_is_there_the_copy_is_the_record_and_moves_into_it(tmp_path: Path) -> None:
    memory = Memory()
    openings: list[CompareAndSet | None] = [None]

    class NoBucket(Link):
        def get(self, key: str) -> tuple[bytes, str] | None:
            raise NotFound("no such bucket")

    stick = FleetBucket(lambda: openings[-1], FleetStore(tmp_path / "fleet.json"))
    assert stick.load() is None
    stick.create(FIRST)
    openings.append(NoBucket(memory))
    stick.update(lambda record: record.with_ssh_key("k", "8"))
    assert memory.objects == {}
    openings.append(memory)
    written = stick.update(lambda record: record.with_machine(machine(1)))
    assert (written.serial, dict(written.ssh_key_ids)) == (2, {"k": "8"})
    assert FleetBucket(lambda: memory, FleetStore(tmp_path / "elsewhere.json")).load() == written


def test_a_bucket_that_vanishes_under_a_run_is_no_new_deployment(tmp_path: Path) -> None:
    memory = Memory()
    stick = keeper(memory, tmp_path)
    stick.create(FIRST)
    memory.objects.clear()
    with pytest.raises(StateError, match="vanished"):
        stick.update(lambda record: record.with_machine(machine(1)))


def test_another_deployments_record_and_an_old_one_are_refused(tmp_path: Path) -> None:
    memory = Memory()
    stick = keeper(memory, tmp_path / "stick")
    stick.create(FIRST)
    old = memory.objects[KEY]
    stick.update(lambda record: record.with_machine(machine(1)))
    with pytest.raises(StateError, match="another deployment"):
        keeper(memory, tmp_path / "other").create(FleetRecord.new("shop", "lineage-2"))
    with pytest.raises(StateError, match="older"):
        stick.put(FIRST)
    memory.objects[KEY] = old
    with pytest.raises(StateError, match="older"):
        stick.load()


def test_a_key_that_is_refused_is_no_reason_to_forget(tmp_path: Path) -> None:
    class Refuses(Link):
        def get(self, key: str) -> tuple[bytes, str] | None:
            raise Unauthorized("the store does not know this key")

    memory = Memory()
    keeper(memory, tmp_path).create(FIRST)
    refused = keeper(Refuses(memory), tmp_path)
    with pytest.raises(Unauthorized):
        refused.update(lambda record: record.with_machine(machine(1)))
    assert refused.last_seen() == FIRST
