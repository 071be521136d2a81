"""What a runner tells of itself and does under the lease: faults of our own, a stop, a lease that is lost."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from buildyard.jobs import do
from fleet.build import Build, Result
from fleet.graph import Action, Change, perform
from fleet.plan import Plan
from fleet.settings import Mode
from state.clock import SystemClock, wait_until
from state.errors import LeaseHeld
from state.events import Event, Kind
from state.fleet_record import FleetRecord
from state.fleet_store import FleetStore
from state.lease import KEY, break_lease
from state.lease_record import parse
from state.lease_terms import RUN
from state.objects import LocalObjects
from state.paths import DeploymentPaths

PAGE = Action("site", Change.CHECK, "the page", "it must be served")


@dataclass
class Ground:
    """A deployment of which only the lease, the record and the state bucket are there."""

    paths: DeploymentPaths
    store: LocalObjects
    cancel: threading.Event = field(default_factory=threading.Event)
    events: list[Event] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    released_too_early: bool = False

    def delete_bucket(self) -> None:
        there = self.store.get(KEY)
        self.released_too_early = there is None or parse(there[0]).released
        self.deleted.append("state")

    def run(self, job: str) -> int:
        deployment = SimpleNamespace(
            record=FleetStore(self.paths.fleet_record),
            clock=SystemClock(self.cancel),
            emit=self.events.append,
            bucket=lambda _purpose: SimpleNamespace(delete_bucket=self.delete_bucket),
            settings=SimpleNamespace(mode=Mode.DEVELOPMENT),
        )
        program: Any = SimpleNamespace(open=lambda *_, **__: deployment, with_operators_of_now=lambda one, _: one)
        return do(job, program, self.paths, self.events.append, self.cancel)

    def said(self) -> str:
        return "\n".join(event.text for event in self.events if event.kind in (Kind.PROBLEM, Kind.RUN_FINISHED))


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    paths = DeploymentPaths("shop", tmp_path / "deployments" / "shop").create()
    FleetStore(paths.fleet_record).create(FleetRecord.new("shop"))
    ground = Ground(paths, LocalObjects(tmp_path / "store"))
    monkeypatch.setattr("buildyard.jobs.refuse_taken_name", lambda _one: None)
    monkeypatch.setattr("buildyard.jobs.begin", lambda *_: None)
    monkeypatch.setattr("buildyard.jobs.lease_store", lambda *_: ground.store)
    monkeypatch.setattr("buildyard.jobs.forget", lambda _program, paths, _emit: ground.forgotten.append(paths.name))
    monkeypatch.setattr("state.lease.RUN", replace(RUN, heartbeat_s=0.02))
    return ground


def test_a_fault_of_our_own_fails_the_run_and_is_no_stop_of_the_users(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(_: Action) -> None:
        raise KeyError("surprise")

    def build(_deployment: object, _copies: object, cancel: threading.Event, _lease: object) -> Result:
        return Result(perform([PAGE], act, cancel=cancel, threads=1), 0, 0, 1, 0.1)

    monkeypatch.setattr("buildyard.jobs._build", build)
    assert ground.run("build") == 1
    assert "Buildyard itself failed in site: KeyError" in ground.said()
    assert "Stopped" not in ground.said()


def test_an_action_that_meets_a_fault_of_our_own_says_how_it_ended() -> None:
    events: list[Event] = []
    deployment: Any = SimpleNamespace(emit=events.append)
    build = Build(deployment, threading.Event())
    build._do = lambda _action: {}["surprise"]  # type: ignore[method-assign]
    result = build.run(Plan((PAGE,), None))
    assert result.failed == 1
    ended = events[-1]
    assert (ended.kind, ended.action, ended.data["ok"]) == (Kind.ACTION_FINISHED, "site", False)
    assert "Buildyard itself failed in the page: KeyError" in ended.text
    assert "surprise" in ended.data["detail"]
    assert ended.data["hint"]


def test_a_destruction_deletes_the_state_while_it_still_holds_the_lease(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildyard.jobs.destroy", lambda _deployment, _before_each: 7)
    assert ground.run("destroy") == 0
    assert "Destroyed. 7 changed" in ground.said()
    assert (ground.deleted, ground.forgotten) == (["state"], ["shop"])
    assert not ground.released_too_early


def take_from(store: LocalObjects) -> None:
    """As a person on another build machine does, who tries again when a renewal was quicker."""

    def broken() -> bool:
        with suppress(LeaseHeld):
            return break_lease(store) is not None
        return False

    wait_until("the lease to be broken", broken, timeout_s=20, clock=SystemClock(), first_s=0.005)


def test_a_destruction_that_loses_its_lease_stops_and_leaves_the_other_runs_state(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def destroy(_deployment: object, before_each: Any) -> int:
        before_each()
        removed.append("a machine")
        take_from(ground.store)
        assert ground.cancel.wait(20), "the next renewal finds it lost"
        before_each()
        removed.append("the other run's machine")
        return 2

    monkeypatch.setattr("buildyard.jobs.destroy", destroy)
    assert ground.run("destroy") == LeaseHeld.exit_code
    assert removed == ["a machine"]
    assert (ground.deleted, ground.forgotten) == ([], [])
    assert "lost its lease" in ground.said()
    assert "Destroyed" not in ground.said()


def test_a_destruction_that_is_stopped_says_so_and_can_go_on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def destroy(_deployment: object, before_each: Any) -> int:
        ground.cancel.set()
        before_each()
        return 1

    monkeypatch.setattr("buildyard.jobs.destroy", destroy)
    assert ground.run("destroy") == 130
    assert (ground.deleted, ground.forgotten) == ([], [])
    assert "buildyard destroy goes on from here" in ground.said()


def test_a_run_stopped_before_it_began_touches_nothing(ground: Ground) -> None:
    ground.cancel.set()
    assert ground.run("build") == 130
    assert ground.store.get(KEY) is None
