"""Firewall groups: the tag in the description, machines that join in time, rules changed without a gap."""

from __future__ import annotations

import re

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract import InboundRule, MachineSpec, Protocols
from providers.vultr import firewalls
from providers.vultr.driver import Vultr
from state.errors import Conflict, UsageError
from tests.providers.contract import ACTION, FLEET, ROLE
from tests.providers.fake import FAULTS, Faulty
from tests.providers.vultr.vultr_fake import VultrCloud

FIREWALL = "by-demo-fw-webserver"
NAMES = st.text("abcXYZ019_:.-", min_size=1, max_size=80)


def rule(port: int, *sources: str) -> InboundRule:
    return InboundRule(Protocols.TCP, port, sources or ("203.0.113.7/32",))


def changes(cloud: VultrCloud) -> list[str]:
    """What was asked of rules and machines, without ids."""
    asked = [line for line in cloud.asked if line.startswith(("POST", "DELETE", "PATCH", "PUT"))]
    return [re.sub(r"/[0-9a-f-]{36}|/\d+$", "", line.replace("/v2", "")) for line in asked]


@settings(max_examples=30)
@given(NAMES, NAMES)
def test_a_description_is_read_back_as_it_was_written(name: str, tag: str) -> None:
    assert firewalls.read_description(firewalls.described(name, tag)) == (name, tag)


def test_a_group_made_by_hand_guards_no_tag(provider: Vultr, cloud: VultrCloud) -> None:
    assert firewalls.read_description("my own group") == ("my own group", "")
    with pytest.raises(UsageError, match="blanks"):
        provider.put_firewall("by demo", ROLE, (rule(443),))
    assert cloud.groups == {}


def test_a_machine_is_made_inside_its_firewall(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    firewall = provider.put_firewall(FIREWALL, ROLE, (rule(443),))
    provider.put_firewall("by-demo-fw-database", "by-demo-role-database", (rule(2035),))
    made = provider.create_machine(spec, ACTION)
    assert cloud.instances[made.id].body["firewall_group_id"] == firewall.id
    assert not any(line.startswith("PATCH") for line in cloud.asked)


def test_a_machine_that_is_there_joins_when_the_rules_are(
    provider: Vultr, cloud: VultrCloud, spec: MachineSpec
) -> None:
    made = provider.create_machine(spec, ACTION)
    cloud.asked.clear()
    firewall = provider.put_firewall(FIREWALL, ROLE, (rule(443), rule(80)))
    assert cloud.instances[made.id].body["firewall_group_id"] == firewall.id
    assert changes(cloud) == ["POST /firewalls", "POST /firewalls/rules", "POST /firewalls/rules", "PATCH /instances"]


def test_what_is_new_is_let_in_before_what_is_old_is_shut_out(provider: Vultr, cloud: VultrCloud) -> None:
    provider.put_firewall(FIREWALL, ROLE, (rule(443), rule(80)))
    cloud.asked.clear()
    changed = provider.put_firewall(FIREWALL, ROLE, (rule(443), rule(1035, "203.0.113.0/24", "2001:db8::/32")))
    assert changes(cloud) == ["POST /firewalls/rules", "POST /firewalls/rules", "DELETE /firewalls/rules"]
    assert set(changed.inbound) == {rule(443), rule(1035, "203.0.113.0/24", "2001:db8::/32")}
    cloud.asked.clear()
    assert provider.put_firewall(FIREWALL, ROLE, changed.inbound) == changed
    assert changes(cloud) == []


def test_a_full_firewall_is_changed_a_rule_at_a_time(provider: Vultr, cloud: VultrCloud) -> None:
    most = provider.capabilities.most_firewall_rules
    provider.put_firewall(FIREWALL, ROLE, tuple(rule(port) for port in range(1, most + 1)))
    cloud.asked.clear()
    wanted = tuple(rule(port) for port in range(3, most + 3))
    assert set(provider.put_firewall(FIREWALL, ROLE, wanted).inbound) == set(wanted)
    assert changes(cloud) == ["DELETE /firewalls/rules", "POST /firewalls/rules"] * 2


def test_each_source_counts_as_a_rule_before_anything_is_made(provider: Vultr, cloud: VultrCloud) -> None:
    sources = tuple(f"203.0.113.{number}/32" for number in range(26))
    with pytest.raises(UsageError, match="would have 52") as caught:
        provider.put_firewall(FIREWALL, ROLE, (rule(80, *sources), rule(443, *sources)))
    assert caught.value.hint
    for wrong in (rule(80, "everybody"), InboundRule(Protocols.TCP, 80, ())):
        with pytest.raises(UsageError):
            provider.put_firewall(FIREWALL, ROLE, (wrong,))
    assert cloud.groups == {}


def test_two_firewalls_for_one_machine_are_refused_before_it_is_made(
    provider: Vultr, cloud: VultrCloud, spec: MachineSpec
) -> None:
    provider.put_firewall("by-demo-fw-fleet", FLEET, (rule(1035),))
    provider.put_firewall(FIREWALL, ROLE, (rule(443),))
    with pytest.raises(UsageError, match="one firewall group"):
        provider.create_machine(spec, ACTION)
    assert cloud.instances == {}


def test_a_machine_in_another_group_is_a_conflict(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    provider.put_firewall("by-demo-fw-fleet", FLEET, (rule(1035),))
    made = provider.create_machine(spec, ACTION)
    with pytest.raises(Conflict, match=made.id):
        provider.put_firewall(FIREWALL, ROLE, (rule(443),))
    assert len(cloud.groups) == 1


def test_another_tag_moves_the_firewall(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    provider.put_firewall(FIREWALL, FLEET, (rule(443),))
    first = provider.create_machine(spec, ACTION)
    second = provider.create_machine(
        MachineSpec("x-1", spec.region, spec.size, spec.image, spec.network_id, "", ("x",)), "y"
    )
    moved = provider.put_firewall(FIREWALL, "x", (rule(443),))
    assert cloud.instances[first.id].body["firewall_group_id"] == ""
    assert cloud.instances[second.id].body["firewall_group_id"] == moved.id
    assert provider.firewalls(FIREWALL) == (moved,)


def test_rules_that_somebody_wrote_by_hand_are_seen_and_removed(provider: Vultr, cloud: VultrCloud) -> None:
    firewall = provider.put_firewall(FIREWALL, ROLE, (rule(443),))
    rules = cloud.groups[firewall.id].rules
    common = {"action": "accept", "notes": "", "ip_type": "v4", "subnet": "0.0.0.0", "subnet_size": 0, "source": ""}
    rules[901] = {"id": 901, "protocol": "tcp", "port": "80:90", **common}
    rules[902] = {"id": 902, "protocol": "gre", "port": "", **common}
    rules[903] = {"id": 903, "protocol": "tcp", "port": "443", **common, "source": "cloudflare"}
    rules[904] = {**rules[min(rules)], "id": 904}
    (seen,) = provider.firewalls(FIREWALL)
    assert seen.inbound != firewall.inbound
    assert provider.put_firewall(FIREWALL, ROLE, (rule(443),)) == firewall
    assert len(rules) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("part", ["/v2/firewalls", "/rules"])
def test_group_and_rules_are_made_once(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, part: str, fault: object
) -> None:
    faulty.lay("POST", part, fault)  # type: ignore[arg-type]
    made = provider.put_firewall(FIREWALL, ROLE, (rule(443), rule(80)))
    assert set(made.inbound) == {rule(443), rule(80)}
    assert [len(group.rules) for group in cloud.groups.values()] == [2]


def test_a_machine_deleted_meanwhile_is_no_error(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, spec: MachineSpec
) -> None:
    provider.create_machine(spec, ACTION)
    faulty.lay("PATCH", "/v2/instances/", lambda *_: httpx.Response(404, json={"error": "instance not found"}))
    assert provider.put_firewall(FIREWALL, ROLE, (rule(443),)).inbound == (rule(443),)
