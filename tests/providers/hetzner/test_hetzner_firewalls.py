"""Hetzner's firewalls reach a label's servers some seconds late; no server of ours is without one for a moment."""

from __future__ import annotations

import pytest

from providers.contract import InboundRule, MachineSpec, Protocols
from providers.hetzner.driver import Hetzner
from state.errors import ProviderError, UsageError
from tests.providers.contract import ACTION, ROLE
from tests.providers.fake import Faulty, lost
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import bring_up

SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128"))
WEB = InboundRule(Protocols.TCP, 443, ("0.0.0.0/0", "::/0"))


def test_a_machine_is_made_with_its_firewall(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    provider.put_firewall("by-demo-fw-other", "by-demo-role-other", (SSH,))
    machine = bring_up(provider, spec)
    assert cloud.guards == {(int(machine.id), int(firewall.id))}
    assert cloud.exposed == set()


def test_by_its_label_alone_it_would_stand_open_for_a_while(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    monkeypatch.setattr("providers.hetzner.firewalls.Firewalls.guarding", lambda *_: [])
    bring_up(provider, spec)
    assert cloud.exposed


def test_machines_that_are_there_are_guarded_when_it_is_put(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    machine = bring_up(provider, spec)
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    assert (int(machine.id), int(firewall.id)) in cloud.guards
    applied = [action["status"] for action in cloud.actions.values() if action["command"] == "apply_firewall"]
    assert applied == ["success"]


def test_a_change_is_one_request_that_names_all_rules(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    machine = bring_up(provider, spec)
    cloud.asked.clear()
    changed = provider.put_firewall("by-demo-fw", ROLE, (SSH, WEB))
    assert changed.inbound == (SSH, WEB)
    changes = [line for line in cloud.asked if not line.startswith("GET")]
    assert changes == [f"POST /v1/firewalls/{firewall.id}/actions/set_rules"]
    assert (int(machine.id), int(firewall.id)) in cloud.guards
    assert cloud.exposed == set()


def test_an_answer_lost_on_a_change_is_asked_for_again(cloud: HetznerCloud, provider: Hetzner, faulty: Faulty) -> None:
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    faulty.lay("POST", "/set_rules", lost)
    assert provider.put_firewall("by-demo-fw", ROLE, (WEB,)).inbound == (WEB,)


def test_it_moves_to_another_tag(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    left = bring_up(provider, spec)
    other = MachineSpec("as-1", spec.region, spec.size, spec.image, spec.network_id, "#", ("by-demo-role-other",))
    joined = bring_up(provider, other, "by-demo-made-as-1-1")
    moved = provider.put_firewall("by-demo-fw", "by-demo-role-other", (SSH,))
    assert (moved.id, moved.tag) == (firewall.id, "by-demo-role-other")
    assert cloud.guards == {(int(joined.id), int(firewall.id))}
    assert left.id != joined.id


def test_answers_lost_on_a_move_and_on_a_deletion_are_asked_for_again(
    cloud: HetznerCloud, provider: Hetzner, faulty: Faulty, spec: MachineSpec
) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    bring_up(provider, spec)
    for method, part in (("POST", "/apply_to"), ("POST", "/remove_from"), ("DELETE", "/firewalls")):
        faulty.lay(method, part, lost)
    assert provider.put_firewall("by-demo-fw", "by-demo-role-other", (SSH,)).tag == "by-demo-role-other"
    faulty.lay("POST", "/remove_from", lost)
    provider.delete_firewall(firewall.id)
    assert not cloud.firewalls


def test_it_is_taken_off_its_machines_and_then_deleted(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    machine = bring_up(provider, spec)
    provider.delete_machine(machine.id)
    provider.delete_firewall(firewall.id)
    assert not cloud.firewalls


def test_it_is_deleted_while_a_machine_still_has_it(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    bring_up(provider, spec)
    provider.delete_firewall(firewall.id)
    assert not cloud.firewalls
    assert not cloud.guards


def test_what_others_wrote_by_hand_is_listed_and_differs(cloud: HetznerCloud, provider: Hetzner) -> None:
    made = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    usual = {"description": None, "destination_ips": [], "source_ips": ["0.0.0.0/0"], "port": None}
    cloud.firewalls[int(made.id)]["rules"] = [
        usual | {"direction": "in", "protocol": "esp"},
        usual | {"direction": "in", "protocol": "tcp", "port": "80-90"},
        usual | {"direction": "out", "protocol": "tcp", "port": "443", "source_ips": [], "destination_ips": ["::/0"]},
    ]
    found = provider.firewalls("by-demo-")[0]
    assert [rule.port for rule in found.inbound] == [-1, -1, -1]
    assert found.inbound[0].sources == ("in:esp:0.0.0.0/0",)
    assert found.inbound[2].sources == ("out:tcp:::/0",)
    assert provider.put_firewall("by-demo-fw", ROLE, (SSH,)).inbound == (SSH,)


def _addresses(count: int) -> tuple[str, ...]:
    return tuple(f"198.51.{number // 250}.{number % 250}/32" for number in range(count))


@pytest.mark.parametrize(
    "rules",
    [
        (InboundRule(Protocols.TCP, 443, ()),),
        (InboundRule(Protocols.TCP, 443, _addresses(101)),),
        tuple(InboundRule(Protocols.TCP, port, _addresses(84)) for port in range(1, 7)),
    ],
    ids=["no source", "101 in a rule", "504 in all"],
)
def test_what_the_vendor_would_refuse_is_refused_before_anything_is_made(
    cloud: HetznerCloud, provider: Hetzner, rules: tuple[InboundRule, ...]
) -> None:
    with pytest.raises(UsageError):
        provider.put_firewall("by-demo-fw", ROLE, rules)
    assert cloud.asked == []


def test_as_many_as_the_vendor_takes_are_sent(provider: Hetzner) -> None:
    rules = tuple(InboundRule(Protocols.TCP, port, _addresses(100)) for port in range(1, 6))
    assert provider.put_firewall("by-demo-fw", ROLE, rules).inbound == rules


def test_a_change_that_fails_on_a_machine_says_so(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    bring_up(provider, spec)
    cloud.failing.append("apply_firewall")
    with pytest.raises(ProviderError) as caught:
        provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    assert "action_failed" in caught.value.detail


def test_a_change_that_fails_on_a_machine_that_left_is_no_failure(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    machine = bring_up(provider, spec, ACTION)
    cloud.failing.append("apply_firewall")
    cloud.PATIENCE = 3  # so that it is still there when the firewall is put, and gone before that is over
    provider.delete_machine(machine.id)
    assert provider.put_firewall("by-demo-fw", ROLE, (SSH,)).inbound == (SSH,)
    assert cloud.failing == []
