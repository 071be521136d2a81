"""The autoscaler's acts: given up, asked for, swept away, told, and what is left when one cannot be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.view import Outcome
from fleet.autoscaler.watching import watched
from fleet.build import UNCHANGED, Build
from fleet.context import publish_operators
from fleet.machines import intend
from fleet.observe import own_firewalls
from fleet.policy import SSH_PORT
from fleet.slots import Slot
from recipes.context import Role
from state.errors import LeaseHeld, SecretsError, Stopped
from state.events import Kind
from state.lease import Lease
from state.secret import Secret
from tests.fleet.autoscaler_world import CLOCK, POLICY, World, world

__all__ = ["world"]


def test_one_that_is_given_up_while_it_is_being_built_is_stopped_and_only_then_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def hangs_once(build: Build, action: Any, name: str, recipe: str) -> tuple[int, int]:
        if name == "ws-2" and not order:
            order.append("begun")
            stopped = build._cancel.wait(30)
            order.append(f"{'stopped' if stopped else 'waited for'} with {world.at_provider}")
            raise Stopped("the recipe ended after its step")
        return UNCHANGED

    monkeypatch.setattr(Build, "_recipe", hangs_once)
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("the build to hang", lambda: bool(order))
        world.policy = replace(POLICY, target=2, build_deadline_s=0.1)
        world.comes_true("the build to end", lambda: len(order) == 2)
        world.policy = replace(POLICY, target=2)
        world.comes_true("another one in its place", lambda: world.in_dns == {"ws-1", "ws-3"})
        world.comes_true("the end of it", lambda: list(world.webservers) == world.at_provider == ["ws-1", "ws-3"])
    assert order[1] == "stopped with ['ws-1', 'ws-2']"
    assert "ws-2 is not built after" in world.said()
    assert world.said(Kind.PROBLEM) == "", "it was stopped, it did not fail"


def test_one_that_an_earlier_leader_gave_up_is_ended_though_nobody_can_look_at_it(world: World) -> None:
    intend(world.one, Slot(Role.WEBSERVER, 2, "s-1vcpu-1gb"), "ws-2")
    given_up = world.record.machine("ws-2")
    assert given_up is not None
    world.one.record.update(
        lambda old: old.with_machine(replace(given_up, leaving="It is not built.", leaving_since=CLOCK.now()))
    )
    with world.autoscaler():
        world.comes_true("its end", lambda: list(world.webservers) == ["ws-1"])


def test_an_owner_has_one_replaced_and_nothing_more_happens(world: World) -> None:
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.policy = replace(world.policy, replacing=(Asked("ws-1", CLOCK.now()),))
        world.comes_true("another in its place", lambda: world.in_dns == {"ws-2", "ws-3"})
        world.comes_true("it gone", lambda: list(world.webservers) == world.at_provider == ["ws-2", "ws-3"])
        # A later ws-1 is not meant by it, and is replaced like any other when it is ill.
        world.policy = replace(world.policy, target=3)
        world.comes_true("a new one of that name", lambda: world.in_dns == {"ws-1", "ws-2", "ws-3"})
        world.comes_true("quiet", lambda: not world.statuses[-1]["decisions"]["acts"])
        world.eyes.ill = {"ws-1": Outcome.REFUSED}
        world.comes_true("another in its place", lambda: world.in_dns == {"ws-2", "ws-3", "ws-4"})
        world.comes_true("it gone", lambda: world.at_provider == ["ws-2", "ws-3", "ws-4"])
    assert "In the place of ws-1: its owner asked." in world.said()


def test_a_drained_one_stays_without_visitors_until_it_is_given_back(world: World) -> None:
    world.policy = replace(POLICY, target=2, minimum=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.policy = replace(world.policy, drained=(Asked("ws-1", CLOCK.now()),))
        world.comes_true("another in DNS", lambda: world.in_dns == {"ws-2", "ws-3"})
        world.eyes.ill = {"ws-1": Outcome.REFUSED}  # its owner works on it
        world.comes_true("quiet", lambda: not world.statuses[-1]["decisions"]["acts"])
        assert world.at_provider == ["ws-1", "ws-2", "ws-3"]
        world.eyes.ill = {}
        world.policy = replace(world.policy, drained=())
        world.comes_true("the youngest gone", lambda: world.at_provider == ["ws-1", "ws-2"])
        world.comes_true("the first one back", lambda: world.in_dns == {"ws-1", "ws-2"})


def test_a_webserver_nobody_knows_is_swept_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = world.one.names
    monkeypatch.setattr("fleet.autoscaler.acting.COMPARE_S", 0.2)
    live = world.one.access.provider.machines(names.tag)[0]
    from tests.fleet.test_leftovers import stray

    stray(world.ground, world.one, Role.WEBSERVER, names.action_tag("ws-7", 1), name="ws-7")
    assert "ws-7" in world.at_provider
    with world.autoscaler():
        world.comes_true("the stray to be gone", lambda: world.at_provider == ["ws-1"])
    assert live.id in {each.id for each in world.one.access.provider.machines(names.tag)}
    assert "ws-7" in world.said(Kind.NOTE)


def test_paused_it_tells_and_does_nothing(world: World) -> None:
    world.policy = replace(POLICY, target=2, paused=True)
    with world.autoscaler():
        world.comes_true("a decision", lambda: bool(world.statuses))
        assert world.statuses[-1]["decisions"]["acts"]
    assert world.at_provider == ["ws-1"]


def test_every_decision_in_the_journal_can_be_made_again(world: World) -> None:
    from fleet.autoscaler.codec import from_data
    from fleet.autoscaler.decide import decide
    from fleet.autoscaler.decision import Decisions
    from fleet.autoscaler.view import View

    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    kept = [event.data for event in world.ground.events if event.kind is Kind.DECISION]
    assert kept
    for each in kept:
        again = decide(from_data(View, each["view"]), from_data(ScalingPolicy, each["policy"]), each["now"])
        assert again == from_data(Decisions, each["decisions"])


def test_what_is_seen_is_written_down_with_each_decision_for_those_who_watch(world: World) -> None:
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two webservers in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.comes_true("that they serve", lambda: watched(list(world.ground.events)).serving == 2)
    seen = watched(world.ground.events)
    assert (seen.leader, seen.there, seen.sample.wanted) == ("as-1", 2, 2)
    assert seen.trouble == ""
    assert {server.name: server.answer_ms for server in seen.sample.webservers} == {"ws-1": 12.0, "ws-2": 12.0}
    kinds = [event.kind for event in world.ground.events]
    assert kinds.count(Kind.SAMPLE) == kinds.count(Kind.DECISION), "with each decision, else every ten seconds"


def test_the_next_one_of_the_same_name_is_another_machine(world: World) -> None:
    """ws-3 took the place of ws-1; when ws-1 is made anew, nobody takes its place."""
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.eyes.ill = {"ws-1": Outcome.REFUSED}
        world.comes_true("the ill one gone", lambda: world.at_provider == ["ws-2", "ws-3"])
        world.eyes.ill = {"ws-2": Outcome.REFUSED}
        world.comes_true("the second gone, too", lambda: world.at_provider == ["ws-1", "ws-3"])
        world.comes_true("nobody to know it", lambda: set(world.webservers) == {"ws-1", "ws-3"})
        assert [machine.replaces for machine in world.record.machines if machine.role == "webserver"] == ["", ""]
    built = [event.machine for event in world.ground.events if event.kind is Kind.ACTION_STARTED and event.machine]
    assert {name for name in built if name.startswith("ws-")} == {"ws-1", "ws-2", "ws-3"}


def test_a_decision_that_cannot_be_written_down_keeps_nobody_waiting(world: World) -> None:
    """Then the build machine gets the lease: it may be what mends it."""
    secrets = world.one.secrets
    refuses = True

    class Refusing:
        label = "refusing"

        def set(self, name: str, secret: Secret) -> None:
            if refuses:
                raise SecretsError(f"The secret {name} is the build machine's to make.")
            secrets.set(name, secret)

        def __getattr__(self, name: str) -> Any:
            return getattr(secrets, name)

    world.one = replace(world.one, secrets=Refusing())
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("the problem to be told", lambda: "to make" in world.said(Kind.PROBLEM))
        world.comes_true("the lease to be free", lambda: free(world))
        refuses = False
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})


def free(world: World) -> bool:
    try:
        with Lease(world.leases, who="alice", where="stick", why="buildyard build", clock=CLOCK).hold(watch=False):
            return True
    except LeaseHeld:
        return False


def test_whoever_was_let_in_since_the_last_build_stays_in(world: World) -> None:
    """`allow` on the build machine tells the bucket, and no autoscaler."""
    told = world.one.operators
    moved = replace(world.one, operators=(*told, "203.0.113.9/32"))
    publish_operators(moved, anew=True)
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    walls = own_firewalls(world.one.access.provider, world.one.names)
    for wall in walls:
        let_in = {source for rule in wall.inbound if rule.port == SSH_PORT for source in rule.sources}
        assert {"203.0.113.9/32", *told} <= let_in, wall.name
    assert len(walls) == 3
