"""Exoscale's security groups, instances and templates, beyond what the suites ask."""

from __future__ import annotations

import base64
import email
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from providers.contract import InboundRule, MachineSpec, MachineStatus, Network, Protocols
from providers.exoscale import VENDOR, api, prices, user_data
from providers.exoscale.driver import Exoscale
from state.errors import Conflict, NotFound, ProviderError, UsageError
from tests.providers.contract import ACTION, FLEET, ROLE
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import an_id
from tests.providers.fake import FAULTS, Faulty

SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128"))
WEB = InboundRule(Protocols.TCP, 443, ("0.0.0.0/0", "::/0"))


# Firewalls


def test_a_machine_is_born_behind_its_firewalls(provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake) -> None:
    fleet = provider.put_firewall("by-demo-fw-fleet", FLEET, (SSH,))
    role = provider.put_firewall("by-demo-fw-role", ROLE, (WEB,))
    provider.put_firewall("by-demo-fw-other", "by-demo-role-database", (SSH,))
    fake.asked.clear()
    machine = provider.create_machine(spec, ACTION)
    groups = fake.instances[api.unzoned(machine.id)[1]]["security-groups"]
    assert {group["id"] for group in groups} == {fleet.id, role.id}
    assert not [line for line in fake.asked if "security-group/" in line]


def test_a_firewall_guards_machines_that_are_there_and_the_vendors_own_group_no_longer(
    provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake
) -> None:
    machine = provider.create_machine(spec, ACTION)
    uuid = api.unzoned(machine.id)[1]
    assert fake.instances[uuid]["security-groups"] == [{"id": an_id("group", "default")}]
    fake.asked.clear()
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    assert fake.instances[uuid]["security-groups"] == [{"id": firewall.id}]
    changes = [line.replace(firewall.id, "ours") for line in fake.asked if not line.startswith("GET")]
    assert changes == [
        "POST /v2/security-group",
        "POST /v2/security-group/ours/rules",
        "POST /v2/security-group/ours/rules",
        "PUT /v2/security-group/ours:attach",
        f"PUT /v2/security-group/{an_id('group', 'default')}:detach",
    ]
    provider.delete_firewall(firewall.id)
    assert fake.instances[uuid]["security-groups"] == []


def test_new_rules_come_before_old_ones_go(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    fake.asked.clear()
    moved = replace(SSH, sources=("203.0.113.8/32", "2001:db8::7/128"))
    assert provider.put_firewall("by-demo-fw", ROLE, (moved,)).inbound == (moved,)
    changes = [line.split(" ")[0] for line in fake.asked if not line.startswith("GET")]
    assert changes == ["POST", "DELETE"]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_rule_is_added_once_whatever_becomes_of_the_first_try(
    provider: Exoscale, faulty: Faulty, fake: WholeExoscaleFake, fault: Callable[..., httpx.Response]
) -> None:
    faulty.lay("POST", "/rules", fault)
    firewall = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    assert firewall.inbound == (SSH,)
    assert len(fake.groups[firewall.id]["rules"]) == 2


def test_rules_made_by_hand_go(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    made = provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    rules = fake.groups[made.id]["rules"]
    ingress = {"flow-direction": "ingress"}
    rules += [
        {"id": an_id("hand", 1), **ingress, "protocol": "tcp", "start-port": 1, "end-port": 65535, "network": "::/0"},
        {"id": an_id("hand", 2), **ingress, "protocol": "gre", "network": "0.0.0.0/0"},
        {"id": an_id("hand", 3), **ingress, "protocol": "icmp", "icmp": {"type": 8, "code": 0}, "network": "::/0"},
        {"id": an_id("hand", 4), **ingress, "protocol": "tcp", "start-port": 22, "end-port": 22,
         "security-group": {"id": an_id("group", "default")}},
        {"id": an_id("hand", 5), "flow-direction": "egress", "protocol": "all", "network": "0.0.0.0/0"},
    ]  # fmt: skip
    [seen] = provider.firewalls("by-demo-fw")
    assert [rule.port for rule in seen.inbound if rule.port not in (1035, 22)] == [-1, -1]
    assert set(provider.put_firewall("by-demo-fw", ROLE, (SSH,)).inbound) == {SSH}
    assert len(fake.groups[made.id]["rules"]) == 2


def test_a_group_of_somebody_else_is_left_alone(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    with pytest.raises(Conflict, match="is not for by-demo-role-database"):
        provider.put_firewall("by-demo-fw", "by-demo-role-database", (SSH,))
    with pytest.raises(UsageError):
        provider.put_firewall("by-demo-fw-2", ROLE, (replace(SSH, sources=()),))
    with pytest.raises(UsageError):
        provider.put_firewall("by-demo-fw-2", ROLE, (replace(SSH, sources=("nobody",)),))
    assert [one.name for one in provider.firewalls("by-demo")] == ["by-demo-fw"]


# Machines


def test_user_data_is_the_callers_and_brings_the_private_network_up(
    provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake
) -> None:
    machine = provider.create_machine(spec, ACTION)
    sent = base64.b64decode(fake.instances[api.unzoned(machine.id)[1]]["user-data"])
    first, second = email.message_from_bytes(sent).get_payload()
    assert first.get_content_type() == "text/cloud-config"
    assert first.get_payload(decode=True).decode() == spec.user_data
    assert second.get_content_type() == "text/cloud-boothook"
    assert "DHCP=ipv4" in second.get_payload(decode=True).decode()
    with pytest.raises(UsageError, match="takes 32768"):
        user_data.encoded("#cloud-config\n" + "#" * 25_000)


def test_a_machine_whose_making_was_cut_off_is_put_on_its_network_when_it_is_adopted(
    provider: Exoscale, faulty: Faulty, spec: MachineSpec
) -> None:
    faulty.lay("PUT", ":attach", lambda *_: httpx.Response(400, json={"message": "no"}))
    with pytest.raises(ProviderError):
        provider.create_machine(spec, ACTION)
    [left] = provider.machines(ACTION)
    assert left.private_ipv4 == ""
    adopted = provider.create_machine(spec, ACTION)
    assert adopted.id == left.id
    assert adopted.private_ipv4.startswith("10.101.")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_machine_joins_its_network_once_whatever_becomes_of_the_first_try(
    provider: Exoscale, faulty: Faulty, spec: MachineSpec, fake: WholeExoscaleFake, fault: Callable[..., httpx.Response]
) -> None:
    faulty.lay("PUT", ":attach", fault)
    machine = provider.create_machine(spec, ACTION)
    assert machine.private_ipv4
    assert len(fake.instances[api.unzoned(machine.id)[1]]["private-networks"]) == 1


def test_a_machine_on_its_way_out_is_none(provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake) -> None:
    machine = provider.create_machine(spec, ACTION)
    fake.instances[api.unzoned(machine.id)[1]]["state"] = "expunging"
    assert provider.machines(FLEET) == ()
    with pytest.raises(NotFound):
        provider.machine(machine.id)


@pytest.mark.parametrize(
    ("state", "status"),
    [("starting", MachineStatus.BUILDING), ("migrating", MachineStatus.RUNNING), ("error", MachineStatus.OFF)],
)
def test_states_are_read(
    provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake, state: str, status: MachineStatus
) -> None:
    machine = provider.create_machine(spec, ACTION)
    fake.instances[api.unzoned(machine.id)[1]]["state"] = state
    assert provider.machine(machine.id).status is status


# Sizes, images and prices


def test_sizes_without_a_known_price_are_left_out(provider: Exoscale, region: str) -> None:
    slugs = [size.slug for size in provider.sizes(region)]
    assert slugs == ["standard.micro", "standard.tiny", "standard.small", "standard.medium"]
    assert prices.price_per_month("gpu3.small") is None
    # 730 hours of 0.01458 and of 20 GiB at 0.00014
    assert prices.price_per_month("standard.tiny") == Decimal("12.69")
    assert VENDOR.from_usd_per_month == int(2 * Decimal("12.69"))


def test_images_are_the_newest_of_each_system(provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake) -> None:
    images = {image.slug: f"{image.distribution} {image.name}" for image in provider.images()}
    assert images == {
        "debian-12": "Debian 12 (Bookworm)",
        "debian-13": "Debian 13 (Trixie)",
        "ubuntu-24.04": "Ubuntu 24.04 LTS",
    }
    machine = provider.create_machine(spec, ACTION)
    template = fake.instances[api.unzoned(machine.id)[1]]["template"]["id"]
    assert fake.templates[template]["created-at"] == "2026-09-05T00:00:00Z"
    for image, size in (("debian-9", spec.size), (spec.image, "standard.none")):
        with pytest.raises(UsageError):
            provider.create_machine(replace(spec, image=image, size=size), "by-demo-made-ws-2-1")


def test_an_image_of_another_zone_is_refused(provider: Exoscale, spec: MachineSpec) -> None:
    image = provider.snapshot(provider.create_machine(spec, ACTION).id, "by-demo-image-1")
    elsewhere = provider.ensure_network("by-demo-elsewhere", "de-fra-1")
    with pytest.raises(UsageError, match="not in de-fra-1"):
        provider.create_machine(
            replace(spec, region="de-fra-1", network_id=elsewhere.id, image=image.id), "by-demo-made-ws-2-1"
        )


@pytest.mark.parametrize("part", [":create-snapshot", ":promote"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_image_is_made_once_and_its_snapshot_goes(
    provider: Exoscale,
    faulty: Faulty,
    spec: MachineSpec,
    fake: WholeExoscaleFake,
    part: str,
    fault: Callable[..., httpx.Response],
) -> None:
    machine = provider.create_machine(spec, ACTION)
    faulty.lay("POST", part, fault)
    image = provider.snapshot(machine.id, "by-demo-image-1")
    assert provider.snapshots("by-demo-") == (image,)
    assert image.size_gib == Decimal("20.00")
    assert fake.snapshots == {}


# Networks


def test_networks_without_a_range_of_their_own_are_listed(provider: Exoscale, network: Network) -> None:
    provider._zones.do(provider._zones.at(network.region), api.CREATE_NETWORK, "it", body={"name": "by-hand"})
    assert {one.name: one.ip_range for one in provider.networks("by-")} == {
        "by-demo-net": "10.101.0.0/20",
        "by-hand": "",
    }
