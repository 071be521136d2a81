"""The plan as a person reads it: what is made, what is only looked at, what is refused, what waits for what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from buildyard.answering import REHEARSAL_ANSWERS
from fleet.dns import wanted_records
from fleet.graph import Action, Change
from fleet.names import Names
from fleet.observe import Observed
from fleet.plan import Plan, make_plan, policy_of, roles_of, wanted_rules
from fleet.settings import Settings, read_settings
from providers.contract import Firewall, Machine, MachineStatus, Network, RecordSet, Size, SshKey
from recipes.context import Role
from state.errors import AnswersError
from state.fleet_record import FleetRecord, MachineRecord, Stage

SETTINGS = read_settings(REHEARSAL_ANSWERS)
NAMES = Names(SETTINGS.deployment)
OPERATORS = ("198.51.100.9/32",)
SIZES = (Size("s-1vcpu-1gb", 1, 1024, 25, Decimal(6), ("lon1",)),)
RECIPES = {
    "db-1": [("base", ()), ("database", ())],
    "ws-1": [("base", ()), ("wordpress", ((Role.DATABASE, "database"),))],
}
NOTHING = Observed(None, None, (), (), "", ())


def recorded(name: str, role: Role, last: int) -> MachineRecord:
    return MachineRecord(
        name,
        role.value,
        1,
        1,
        provider_id=str(last),
        public_ipv4=f"192.0.2.{last}",
        public_ipv6=f"2001:db8::{last}",
        private_ipv4=f"10.20.0.{last}",
        stage=Stage.READY,
    )


RECORD = replace(
    FleetRecord.new(SETTINGS.deployment),
    machines=(recorded("db-1", Role.DATABASE, 2), recorded("ws-1", Role.WEBSERVER, 1)),
)


def live(record: MachineRecord, size: str = "s-1vcpu-1gb") -> Machine:
    return Machine(
        record.provider_id,
        record.name,
        MachineStatus.RUNNING,
        "lon1",
        size,
        (NAMES.tag, NAMES.action_tag(record.name, record.epoch)),
        record.public_ipv4,
        record.public_ipv6,
        record.private_ipv4,
        Decimal(6),
        "2026-01-01T00:00:00Z",
    )


def everything(settings: Settings = SETTINGS) -> Observed:
    policy = policy_of(settings, RECORD, OPERATORS, "10.20.0.0/16")
    rules = wanted_rules(policy, roles_of(settings))
    return Observed(
        SshKey("1", NAMES.ssh_key, "ssh-ed25519 AAAA"),
        Network("n", NAMES.network, "lon1", "10.20.0.0/16"),
        tuple(Firewall(role.value, NAMES.firewall(role), NAMES.role_tag(role), rules[role]) for role in rules),
        tuple(live(machine) for machine in RECORD.machines),
        settings.domain,
        tuple(
            RecordSet("@" if host == settings.domain else "www", kind, values, 60)
            for host, kind, values in wanted_records(settings, policy.fleet)
        ),
    )


def planned(observed: Observed, record: FleetRecord = RECORD, settings: Settings = SETTINGS) -> Plan:
    return make_plan(settings, observed, record, OPERATORS, SIZES, RECIPES)


def by_id(plan: Plan) -> dict[str, Action]:
    return {action.id: action for action in plan.actions}


def test_from_nothing_everything_is_made_and_priced() -> None:
    plan = planned(NOTHING, FleetRecord.new(SETTINGS.deployment))
    made = {action.id for action in plan.changes if action.change is Change.CREATE}
    assert {"network", "ssh-key", "zone", "firewalls", "machine:db-1", "machine:ws-1", "recipe:ws-1:base"} <= made
    assert plan.price_per_month == Decimal(12)
    assert by_id(plan)["machine:ws-1"].price_per_month == Decimal(6)


def test_when_all_is_there_nothing_is_to_do() -> None:
    assert planned(everything()).changes == ()


def test_no_machine_is_made_before_its_firewall() -> None:
    assert "firewalls" in by_id(planned(NOTHING, FleetRecord.new(SETTINGS.deployment)))["machine:ws-1"].waits_for


def test_what_needs_the_database_waits_for_it() -> None:
    assert "recipe:db-1:database" in by_id(planned(everything()))["recipe:ws-1:wordpress"].waits_for


def test_dns_follows_only_when_the_last_recipe_is_done() -> None:
    assert set(by_id(planned(everything()))["dns"].waits_for) == {"recipe:db-1:database", "recipe:ws-1:wordpress"}


def test_a_machine_that_vanished_is_replaced_and_says_so() -> None:
    seen = everything()
    gone = replace(seen, machines=tuple(machine for machine in seen.machines if machine.name != "ws-1"))
    action = by_id(planned(gone))["machine:ws-1"]
    assert action.change is Change.REPLACE
    assert "gone" in action.reason


def test_a_rule_somebody_removed_is_put_back() -> None:
    seen = everything()
    bare = replace(seen, firewalls=tuple(replace(firewall, inbound=()) for firewall in seen.firewalls))
    action = by_id(planned(bare))["firewalls"]
    assert action.change is Change.CHANGE
    assert "webserver" in action.reason


def test_a_foreign_address_in_dns_is_found() -> None:
    seen = everything()
    records = tuple(replace(each, values=("203.0.113.1",)) if each.type == "A" else each for each in seen.records)
    assert by_id(planned(replace(seen, records=records)))["dns"].change is Change.CHANGE


def test_another_size_is_refused_before_anything_is_lost() -> None:
    bigger = read_settings({**REHEARSAL_ANSWERS, "machines.database_size": "s-2vcpu-2gb"})
    with pytest.raises(AnswersError, match="db-1 is a s-1vcpu-1gb"):
        planned(everything(), settings=bigger)


def test_a_size_nobody_knows_has_no_price() -> None:
    strange = read_settings({**REHEARSAL_ANSWERS, "machines.database_size": "gigantic"})
    assert planned(NOTHING, FleetRecord.new(SETTINGS.deployment), strange).price_per_month is None


def test_every_wait_is_for_something_that_is_planned() -> None:
    plan = planned(NOTHING, FleetRecord.new(SETTINGS.deployment))
    ids = {action.id for action in plan.actions}
    assert all(set(action.waits_for) <= ids for action in plan.actions)
