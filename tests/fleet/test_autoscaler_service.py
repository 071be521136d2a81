"""The autoscaler's service: what it decides comes true, one leads, nobody gets into another's way."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from fleet.autoscaler.view import Outcome
from fleet.build import UNCHANGED, Build
from state.errors import StepFailed, Stopped
from state.events import Kind
from state.fleet_record import Stage
from state.lease import Lease
from tests.fleet.autoscaler_world import CLOCK, POLICY, World, world

__all__ = ["world"]


def test_what_is_wanted_is_built_and_visitors_come_when_it_was_seen_well(world: World) -> None:
    world.policy = replace(POLICY, target=3)
    with world.autoscaler():
        world.comes_true("three webservers in DNS", lambda: world.in_dns == {"ws-1", "ws-2", "ws-3"})
    assert world.at_provider == ["ws-1", "ws-2", "ws-3"]
    assert set(world.webservers.values()) == {Stage.READY}
    sources = {
        source
        for firewall in world.one.access.provider.firewalls("by-shop-fw-database")
        for rule in firewall.inbound
        if rule.port == 2035
        for source in rule.sources
    }
    assert sources == {f"{each.private_ipv4}/32" for each in world.record.machines if each.role != "database"}


def test_fewer_are_wanted_the_rest_leaves_dns_first_and_then_goes(world: World) -> None:
    world.policy = replace(POLICY, target=3)
    with world.autoscaler():
        world.comes_true("three in DNS", lambda: len(world.in_dns) == 3)
        world.policy = replace(POLICY, target=1)
        world.comes_true("one machine", lambda: len(world.at_provider) == 1)
        world.comes_true("one in the record", lambda: len(world.webservers) == 1)
    assert world.in_dns == set(world.at_provider)


def test_an_ill_one_leaves_dns_and_another_takes_its_place_before_it_goes(world: World) -> None:
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.eyes.ill = {"ws-1": Outcome.REFUSED}
        world.comes_true("the ill one out of DNS", lambda: "ws-1" not in world.in_dns)
        world.comes_true("another in its place", lambda: world.in_dns == {"ws-2", "ws-3"})
        world.comes_true("the ill one gone", lambda: world.at_provider == ["ws-2", "ws-3"])
    assert "ws-1" in world.said()
    assert "refused" in world.said()


def test_a_database_that_is_down_costs_no_webserver(world: World) -> None:
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        world.eyes.database_problem = "MariaDB does not answer"
        world.eyes.ill = dict.fromkeys(("ws-1", "ws-2"), Outcome.DATABASE)
        world.comes_true("a status that names it", lambda: "database" in str(world.statuses[-1]["decisions"]))
    assert world.in_dns == {"ws-1", "ws-2"}
    assert world.at_provider == ["ws-1", "ws-2"]


def test_while_a_person_changes_the_deployment_nothing_is_begun_and_the_status_says_who(world: World) -> None:
    person = Lease(world.leases, who="alice", where="stick", why="buildyard build", clock=CLOCK)
    person.acquire()
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("the wait to be told", lambda: "alice on stick" in world.said(Kind.NOTE))
        assert world.at_provider == ["ws-1"]
        person.release()
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})


def test_who_leads_next_builds_on_and_makes_no_machine_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def cut_off(build: Build, *_: object) -> tuple[int, int]:
        begun.set()
        raise Stopped("the leader is stopped in the middle")

    monkeypatch.setattr(Build, "_recipe", cut_off)
    world.policy = replace(POLICY, target=2)
    with world.autoscaler("as-1"):
        assert begun.wait(30)
    assert world.at_provider == ["ws-1", "ws-2"]
    assert world.webservers["ws-2"] is not Stage.READY
    monkeypatch.setattr(Build, "_recipe", lambda *_: UNCHANGED)
    with world.autoscaler("as-2"):
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    assert world.at_provider == ["ws-1", "ws-2"]


def test_of_two_autoscalers_one_leads_and_the_other_follows_when_it_stops(world: World) -> None:
    with world.autoscaler("as-1") as first:
        world.comes_true("the first to lead", lambda: "as-1 leads" in world.said(Kind.NOTE))
        with world.autoscaler("as-2"):
            world.comes_true("the second to stand by", lambda: "as-2 stands by" in world.said(Kind.NOTE))
            assert "as-2 leads" not in world.said(Kind.NOTE)
            first.set()
            world.comes_true("the second to lead", lambda: "as-2 leads" in world.said(Kind.NOTE))


def test_a_build_that_fails_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[str] = []

    def fails_once(build: Build, action: Any, name: str, recipe: str) -> tuple[int, int]:
        if not failures and name == "ws-2":
            failures.append(recipe)
            raise StepFailed("common packages failed")
        return UNCHANGED

    monkeypatch.setattr(Build, "_recipe", fails_once)
    world.policy = replace(POLICY, target=2)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    assert "ws-2 is not finished: common packages failed" in world.said(Kind.PROBLEM)
