"""The lease: never two holders, whatever clocks, networks and processes do."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from state.clock import SystemClock, wait_until
from state.errors import LeaseHeld, StateError, Unavailable
from state.lease import KEY, Lease, break_lease, held
from state.lease_record import parse
from state.lease_terms import RUN, SERVICE
from state.objects import LocalObjects
from tests.state.lease_world import ELSEWHERE, Link, Machine, Memory, World, machine_on


@pytest.fixture
def world() -> World:
    return World()


def test_the_second_run_is_told_who_where_why_and_since_when(world: World) -> None:
    store = Memory()
    assert machine_on(world, store, "stick").start()
    other = Lease(store, who="bob", where="laptop", why="scale", clock=machine_on(world, store, "laptop"))
    with pytest.raises(LeaseHeld) as caught:
        other.acquire()
    text = caught.value.text()
    assert "stick on stick is changing this deployment (build)" in text
    assert "Since 1970-01-12 13:46:40 UTC" in text
    assert "Next:" in text


def test_a_holder_that_vanished_is_replaced_after_a_minute_with_a_higher_epoch(world: World) -> None:
    store = Memory()
    first = machine_on(world, store, "stick")
    assert first.start()
    first.link.state = "cut"
    second = machine_on(world, store, "laptop")
    assert not second.start()
    world.pass_time(RUN.lifetime_s)
    assert second.start()
    assert second.lease is not None
    assert second.lease.epoch == 2
    assert first.lease is not None
    assert not first.lease.holds()


def test_a_service_that_vanished_is_followed_within_half_a_minute_by_who_stands_by(world: World) -> None:
    store = Memory()
    first = Lease(
        Link(store),
        who="as-1",
        where="as-1",
        why="lead",
        clock=Machine(world, "as-1", Link(store)),
        process=ELSEWHERE,
        terms=SERVICE,
    )
    first.acquire()
    vanished_at = world.now
    standby = Machine(world, "as-2", Link(store))
    second = Lease(Link(store), who="as-2", where="as-2", why="lead", clock=standby, process=ELSEWHERE, terms=SERVICE)
    while True:
        try:
            second.acquire(watch=False)
            break
        except LeaseHeld:
            world.pass_time(SERVICE.watch_s)
    assert SERVICE.lifetime_s <= world.now - vanished_at <= 30
    assert not first.holds()


def test_a_wrong_clock_takes_no_lease_from_a_living_holder(world: World) -> None:
    store = Memory()
    first = machine_on(world, store, "stick")
    assert first.start()
    fast = machine_on(world, store, "two-hours-fast", skew=7200)
    assert not fast.start()
    assert first.lease is not None
    assert first.lease.holds()


def test_a_released_lease_is_free_at_once(world: World) -> None:
    store = Memory()
    first = machine_on(world, store, "stick")
    assert first.start()
    assert first.lease is not None
    first.lease.release()
    before = world.now
    assert machine_on(world, store, "laptop").start()
    assert world.now == before


def test_a_lost_answer_is_looked_up_and_not_taken_for_a_defeat(world: World) -> None:
    store = Memory()
    machine = machine_on(world, store, "stick")
    assert machine.start()
    assert machine.lease is not None
    machine.link.state = "deaf"
    with pytest.raises(Unavailable):
        machine.lease.renew()  # it was written, nobody heard
    machine.link.state = "whole"
    assert machine.lease.renew()


def test_the_run_is_stopped_when_its_lease_is_lost(world: World) -> None:
    store = Memory()
    machine = machine_on(world, store, "stick")
    stopped: list[str] = []
    lease = Lease(
        store, who="a", where="b", why="c", clock=machine, process=ELSEWHERE, on_lost=lambda: stopped.append("stop")
    )
    lease.acquire()
    lease.ensure()
    assert break_lease(store) is not None
    assert not lease.renew()
    assert stopped == ["stop"]
    with pytest.raises(LeaseHeld):
        lease.ensure()
    assert stopped == ["stop"]


def test_after_a_long_sleep_the_lease_is_asked_for_before_anything_is_changed(world: World) -> None:
    store = Memory()
    sleeper = machine_on(world, store, "laptop")
    assert sleeper.start()
    sleeper.frozen = True
    world.pass_time(7200)
    sleeper.frozen = False
    assert sleeper.lease is not None
    assert not sleeper.lease.holds()
    sleeper.lease.ensure()  # nobody took it meanwhile: it may go on
    assert sleeper.lease.holds()


class Hanging(Memory):
    """A store that keeps whoever writes waiting, once it hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.asked, self.answers = threading.Event(), threading.Event()

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        if self.hangs:
            self.asked.set()
            self.answers.wait(60)
        return super().put_if_match(key, data, etag)


#: Threads look at the world's time as often as they can.
HURRIED = replace(RUN, heartbeat_s=0.01, guard_s=0.01)


def test_a_store_that_hangs_does_not_delay_the_news_that_the_lease_is_lost(world: World) -> None:
    store, told, clock = Hanging(), threading.Event(), Machine(world, "stick", Link(Memory()))
    with held(store, why="build", clock=clock, lost=told.set, terms=HURRIED) as lease:
        assert lease.holds()
        store.hangs = True
        assert store.asked.wait(20), "the renewal has begun and gets no answer"
        acquired = world.now
        world.now = acquired + RUN.lifetime_s - RUN.margin_s + 1
        assert not lease.holds(), "answered at once, though the store does not"
        assert not told.wait(0.1), "an answer that comes now would still do"

        def a_second_later() -> bool:
            world.now = min(world.now + 1, acquired + RUN.lifetime_s - 1)
            return told.wait(0.1)

        wait_until("the loss to be told before others may take over", a_second_later, timeout_s=20, clock=SystemClock())
        with pytest.raises(LeaseHeld):
            lease.ensure()
        store.answers.set()
    record = parse(store.objects[KEY][0])
    assert not lease.holds()
    assert not record.released, "what is lost is not given back"


def test_after_a_long_sleep_the_renewal_may_find_that_nobody_took_over(world: World) -> None:
    told, clock = threading.Event(), Machine(world, "laptop", Link(Memory()))
    with held(Memory(), why="build", clock=clock, lost=told.set, terms=HURRIED) as lease:
        world.now += 7200
        wait_until("the renewal", lease.holds, timeout_s=20, clock=SystemClock())
        assert not told.is_set()


def test_who_is_patient_waits_for_the_holder_and_says_for_whom(world: World) -> None:
    store, sentences = Memory(), []
    first = machine_on(world, store, "stick")
    assert first.start()

    class Waiting(Machine):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.world.now > 1_000_020 and first.lease is not None:
                first.lease.release()

    second = Waiting(world, "laptop", Link(store))
    lease = Lease(store, who="b", where="laptop", why="allow", clock=second, tell=sentences.append)
    with pytest.raises(LeaseHeld):
        lease.acquire(patience_s=10)
    assert lease.acquire(patience_s=60) == 2
    assert "stick on stick is changing this deployment (build). Waiting up to 60 s for it." in sentences


def test_a_run_that_was_killed_on_this_machine_is_followed_at_once(world: World, tmp_path: Path) -> None:
    store = LocalObjects(tmp_path / "objects")
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from state.clock import SystemClock\n"
        "from state.lease import held\n"
        "from state.objects import LocalObjects\n"
        "with held(LocalObjects(Path(sys.argv[1])), why='build', clock=SystemClock(), lost=lambda: None):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "objects")], check=False)
    assert killed.returncode == -9
    before = world.now
    lease = Lease(store, who="a", where="b", why="build", clock=machine_on(world, store, "here"))
    assert lease.acquire() == 2
    assert world.now == before


def test_a_run_that_lives_on_this_machine_keeps_its_lease(world: World, tmp_path: Path) -> None:
    store = LocalObjects(tmp_path / "objects")
    machine = machine_on(world, store, "here")
    Lease(store, who="a", where="b", why="build", clock=machine).acquire()
    with pytest.raises(LeaseHeld):
        Lease(store, who="a", where="b", why="destroy", clock=machine).acquire()


def test_the_epoch_never_falls_below_what_the_fleet_record_knows(world: World) -> None:
    store = Memory()
    with held(store, why="build", clock=machine_on(world, store, "here"), lost=lambda: None, least_epoch=16) as lease:
        assert lease.epoch == 17
    assert parse(store.objects[KEY][0]).released


def test_what_is_no_lease_is_refused_and_can_be_broken(world: World) -> None:
    store = Memory()
    store.put_if_absent(KEY, b"[]")
    lease = Lease(store, who="a", where="b", why="c", clock=machine_on(world, store, "here"))
    with pytest.raises(StateError):
        lease.acquire()
    assert break_lease(store) is None
    assert lease.acquire(least_epoch=3) == 4


def test_of_many_processes_exactly_one_writes_a_local_object(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from state.objects import LocalObjects\n"
        "store = LocalObjects(Path(sys.argv[1]))\n"
        "print(sum(store.put_if_absent(f'a/{n}', sys.argv[2].encode()) is not None for n in range(50)))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(number)], stdout=subprocess.PIPE)
        for number in range(4)
    ]
    won = [int(process.communicate(timeout=60)[0]) for process in started]
    assert sum(won) == 50
