"""Machines that a run left behind are shown by the plan and removed by the build; nobody else's are."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from fleet.build import Build
from fleet.deployment import Deployment
from fleet.graph import Action, Change
from fleet.plan import Plan
from providers.contract import Machine, MachineSpec
from recipes.context import Role
from state.errors import AnswersError, StateError
from tests.fleet.paper import Ground, build


def stray(ground: Ground, one: Deployment, role: Role, tag: str, *, name: str = "ws-1") -> Machine:
    """A machine of the deployment's tags, made by nobody who is in the record."""
    network = ground.provider.networks(one.names.network)[0]
    size, tags = one.settings.sizes[Role.DATABASE], (one.names.tag, one.names.role_tag(role))
    spec = MachineSpec(name, one.settings.region, size, one.settings.image, network.id, "", tags)
    return ground.provider.create_machine(spec, tag)


def plan(one: Deployment) -> Plan:
    return Build(one, threading.Event()).plan()


def destroyed(found: Plan) -> list[Action]:
    return [action for action in found.actions if action.change is Change.DESTROY]


def test_what_a_run_that_was_cut_off_left_behind_is_planned_and_removed(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    shop.record.update(lambda old: replace(old, epoch=9))
    left = stray(ground, shop, Role.WEBSERVER, shop.names.action_tag("ws-1", 7))
    (action,) = destroyed(plan(shop))
    assert left.id in action.target
    assert action.price_per_month == -left.price_per_month
    assert "site" in action.waits_for
    kept = {machine.id for machine in ground.provider.machines(shop.names.tag)} - {left.id}
    assert build(shop).ok
    assert {machine.id for machine in ground.provider.machines(shop.names.tag)} == kept
    assert destroyed(plan(shop)) == []


def test_a_machine_without_our_action_tag_is_nobodys_to_remove(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    theirs = stray(ground, shop, Role.WEBSERVER, "by-shop-made-by-hand", name="mine")
    assert destroyed(plan(shop)) == []
    assert build(shop).ok
    assert theirs.id in {machine.id for machine in ground.provider.machines(shop.names.tag)}


def test_a_machine_that_was_asked_for_and_not_heard_of_is_adopted_not_removed(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    record = shop.record.load()
    assert record is not None
    forgetful = tuple(replace(each, provider_id="") for each in record.machines)
    shop.record.update(lambda old: replace(old, machines=forgetful))
    assert destroyed(plan(shop)) == []
    assert build(shop).ok
    assert len(ground.provider.machines(shop.names.tag)) == 2


def test_a_record_put_back_from_an_old_copy_does_not_cost_the_database(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    stray(ground, shop, Role.DATABASE, shop.names.action_tag("db-1", 7), name="db-1")
    with pytest.raises(StateError, match="db-1") as caught:
        plan(shop)
    assert "old copy" in caught.value.detail
    assert "newest copy" in caught.value.hint


def test_another_image_is_refused_for_machines_that_are_there(ground: Ground) -> None:
    assert build(ground.deployment("shop")).ok
    with pytest.raises(AnswersError, match="was made from debian-12-x64") as caught:
        plan(ground.deployment("shop", machines__image="debian-13-x64"))
    assert "set machines.image back" in caught.value.hint
