"""Production's places: who decides how many webservers there are, before and after the first build."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from fleet.beginning import begin
from fleet.build import Build
from fleet.deployment import Deployment
from fleet.dns import visited
from fleet.graph import Change
from fleet.names import Names
from fleet.plan import Plan, policy_of
from fleet.settings import Settings, read_settings
from fleet.slots import slot_machine, slots_of
from recipes.context import Role
from state.errors import AnswersError
from state.fleet_record import FleetRecord, MachineRecord, Stage
from tests.fleet.paper import Ground, build
from wizard.templates import REHEARSAL_ANSWERS, REHEARSAL_IN_PRODUCTION

PRODUCTION = {**REHEARSAL_ANSWERS, **REHEARSAL_IN_PRODUCTION}


def settings(**answers: Any) -> Settings:
    return read_settings({**PRODUCTION, **{key.replace("__", "."): value for key, value in answers.items()}})


def names_of(one: Settings, record: FleetRecord | None) -> list[str]:
    return [slot_machine(Names(one.deployment), slot) for slot in slots_of(one, record)]


def webserver(number: int, **more: Any) -> MachineRecord:
    addresses = {"public_ipv4": f"192.0.2.{number}", "private_ipv4": f"10.20.0.{number}"}
    return MachineRecord(f"ws-{number}", "webserver", number, 1, **addresses, **more)


def record(*machines: MachineRecord, **more: Any) -> FleetRecord:
    return replace(FleetRecord.new("rehearsal"), machines=machines, **more)


def test_a_first_build_makes_what_the_answers_say() -> None:
    assert names_of(settings(), None) == ["db-1", "as-1", "ws-1", "ws-2"]
    more = settings(scaling__autoscalers=3, scaling__webservers=4)
    assert names_of(more, None) == ["db-1", "as-1", "as-2", "as-3", "ws-1", "ws-2", "ws-3", "ws-4"]


def test_a_first_build_that_was_cut_off_goes_on() -> None:
    assert names_of(settings(), record(webserver(2))) == ["db-1", "as-1", "ws-1", "ws-2"]


def test_afterwards_the_record_says_which_webservers_there_are() -> None:
    left = webserver(3, leaving="fewer are wanted")
    there = record(webserver(2), left, webserver(7), handed_over=True)
    assert names_of(settings(), there) == ["db-1", "as-1", "ws-2", "ws-7"]


def test_one_that_leaves_still_counts_in_everybodys_rules() -> None:
    left = webserver(3, leaving="fewer are wanted")
    policy = policy_of(settings(), record(webserver(2), left, handed_over=True), (), "10.20.0.0/16")
    (rule,) = (rule for rule in policy.cloud(Role.DATABASE) if rule.port == 2035)
    assert rule.sources == ("10.20.0.2/32", "10.20.0.3/32")


def test_visitors_are_led_where_the_autoscaler_put_them_and_never_to_one_that_leaves() -> None:
    there = record(webserver(1, out_of_dns="ill"), webserver(2), webserver(3, leaving="ill"), handed_over=True)
    assert [node.name for node in visited(there)] == ["ws-2"]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"scaling__webservers": 9}, "As a rule 9 webservers are wanted, at least 1 and at most 6."),
        ({"scaling__minimum": 7}, "at least 7 and at most 6"),
        ({"scaling__windows": ["all night = 3"]}, "is not a window"),
    ],
)
def test_scaling_answers_that_cannot_be_used_are_refused_with_the_reason(answers: Any, says: str) -> None:
    with pytest.raises(AnswersError, match="scaling") as caught:
        settings(**answers)
    assert says in caught.value.text()


def production(ground: Ground, **answers: Any) -> Deployment:
    given = {key.replace(".", "__"): value for key, value in REHEARSAL_IN_PRODUCTION.items()}
    one = ground.deployment("shop", **{**given, **answers})
    begin(one, ground.paths("shop"))
    one.bucket("state").ensure()
    return one


def changes(one: Deployment) -> list[tuple[str, Change]]:
    plan: Plan = Build(one, threading.Event()).plan()
    return [(action.id, action.change) for action in plan.changes if not action.id.startswith("recipe:")]


def handed_over(one: Deployment) -> None:
    """As a build leaves it that went to its end; the last actions need real machines."""
    one.record.update(
        lambda old: replace(
            old, handed_over=True, machines=tuple(replace(each, stage=Stage.READY) for each in old.machines)
        )
    )


def test_four_roles_are_built_and_dns_has_every_webserver(ground: Ground) -> None:
    shop = production(ground)
    assert build(shop).ok
    made = {machine.name for machine in ground.provider.machines(shop.names.tag)}
    assert made == {"as-1", "ws-1", "ws-2", "db-1"}
    there = shop.record.load()
    assert there is not None
    addresses = {each.public_ipv4 for each in there.machines if each.role == "webserver"}
    (values,) = {each.values for each in there.dns if each.type == "A"}
    assert set(values) == addresses
    firewalls = {firewall.name: firewall for firewall in ground.provider.firewalls(f"{shop.names.prefix}-fw-")}
    scaler = firewalls[shop.names.firewall(Role.AUTOSCALER)]
    assert {rule.port for rule in scaler.inbound if rule.protocol.value == "tcp"} == {1035}
    assert build(shop).changed == 0


def test_after_it_is_handed_over_no_build_makes_or_removes_a_webserver(ground: Ground) -> None:
    shop = production(ground)
    assert build(shop).ok
    handed_over(shop)
    ws_1 = shop.record.load().machine("ws-1")  # type: ignore[union-attr]
    assert changes(production(ground, scaling__webservers=4)) == [("scaling", Change.CHANGE)]
    ground.provider.delete_machine(ws_1.provider_id)  # type: ignore[union-attr]
    assert [each for each in changes(shop) if each[0].startswith("machine:")] == []
    db_1 = shop.record.load().machine("db-1")  # type: ignore[union-attr]
    ground.provider.delete_machine(db_1.provider_id)  # type: ignore[union-attr]
    assert ("machine:db-1", Change.REPLACE) in changes(shop)


def test_fewer_autoscalers_and_development_mode_are_refused_before_anything_is_lost(ground: Ground) -> None:
    shop = production(ground, scaling__autoscalers=2)
    assert build(shop).ok
    with pytest.raises(AnswersError, match="as-2 exists, and the answers want 1"):
        changes(production(ground))
    with pytest.raises(AnswersError, match="as-1 exists, and the answers want no"):
        changes(ground.deployment("shop"))
