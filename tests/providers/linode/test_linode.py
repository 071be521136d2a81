"""What is Linode's own: rights, prices, labels that are too short, one firewall a machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
import yaml

from providers.catalog import vendor_of
from providers.contract import InboundRule, MachineSpec, MachineStatus, Network, Protocols
from providers.linode import VENDOR
from providers.linode.driver import Linode
from providers.linode.firewalls import read
from providers.linode.labels import FIREWALL, label_of, machine_label, machine_name, name_of
from state.errors import DeadlineExceeded, NotFound, ProviderError, Unauthorized, UsageError
from state.secret import Secret
from tests.providers.contract import ACTION, FLEET, KEY, ROLE
from tests.providers.description import judge
from tests.providers.fake import Faulty, lost
from tests.providers.linode.linode_description import linode
from tests.providers.linode.linode_fake import TOKEN, LinodeFake
from tests.providers.scripted import FakeClock

SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128"))
WEB = InboundRule(Protocols.TCP, 443, ("0.0.0.0/0", "::/0"))
#: The longest name a deployment can have, with what labels do not take.
LONG = "by-a--deployment-with-a-long-nam"


# Who we are, and what there is


def test_the_catalogue_opens_it(cloud: LinodeFake, clock: FakeClock) -> None:
    driver = vendor_of("linode").open({}, {"linode.token": Secret(TOKEN)}, clock, cloud)
    assert driver.check_credentials().name == "Example Ltd"
    driver.close()
    assert VENDOR.secret_names == ("linode.token",)


def test_a_wrong_token_is_refused(cloud: LinodeFake, clock: FakeClock) -> None:
    driver = Linode(Secret("00" * 32), clock=clock, transport=cloud)
    with pytest.raises(Unauthorized) as caught:
        driver.check_credentials()
    driver.close()
    assert "Invalid Token" in caught.value.detail
    assert caught.value.hint


@pytest.mark.parametrize("told", [True, False])
def test_missing_rights_are_named_with_what_they_are_for(provider: Linode, cloud: LinodeFake, told: bool) -> None:
    cloud.scopes = ("linodes:read_write", "images:read_write", "ips:read_only", "account:read_write", "vpc:read_write")
    cloud.tells_scopes = told
    account = provider.check_credentials()
    assert account.status == "active"
    assert account.missing_rights == (
        "databases:read_write (managed databases)",
        "domains:read_write (DNS)",
        "firewall:read_write (firewalls of the machines)",
        "object_storage:read_write (keys for buckets)",
    )


def test_a_token_that_may_only_read_lacks_the_writing(provider: Linode, cloud: LinodeFake) -> None:
    scopes = ("account", "databases", "domains", "firewall", "images", "ips", "linodes", "object_storage", "vpc")
    cloud.scopes = tuple(f"{scope}:read_only" for scope in scopes)
    missing = provider.check_credentials().missing_rights
    assert [each.partition(":")[0] for each in missing] == [scope for scope in scopes if scope != "ips"]


def test_a_restricted_user_cannot_tag(provider: Linode, cloud: LinodeFake) -> None:
    cloud.restricted = True
    assert "unrestricted user" in provider.check_credentials().missing_rights[0]


def test_regions_have_all_that_a_machine_needs(provider: Linode) -> None:
    """The last one is on the second page."""
    found = [(region.slug, region.available) for region in provider.regions()]
    assert found == [("us-east", True), ("de-fra-2", True), ("id-cgk", False), ("gb-lon", True)]


def test_prices_are_the_regions_own(provider: Linode) -> None:
    def offered(region: str) -> list[tuple[str, Decimal]]:
        return [(size.slug, size.price_per_month) for size in provider.sizes(region)]

    assert offered("us-east") == [
        ("g6-nanode-1", Decimal(5)),
        ("g6-standard-1", Decimal(12)),
        ("g6-dedicated-2", Decimal(36)),
    ]
    assert offered("de-fra-2")[-1] == ("g7-premium-2", Decimal(43))
    assert offered("id-cgk")[0] == ("g6-nanode-1", Decimal("6.0"))


def test_images_are_those_that_read_our_user_data(provider: Linode) -> None:
    assert [(image.slug, image.distribution, image.name) for image in provider.images()] == [
        ("linode/debian12", "Debian", "12"),
        ("linode/debian13", "Debian", "13"),
        ("linode/ubuntu24.04", "Ubuntu", "24.04 LTS"),
    ]


def test_the_corrected_description_still_refuses_what_is_wrong() -> None:
    def said(method: str, path: str, body: object = None) -> str:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return " ".join(
            judge(httpx.Request(method, f"https://api.linode.com{path}", json=body, headers=headers), linode())
        )

    machine = {"region": "us-east", "type": "g6-nanode-1"}
    assert said("POST", "/v4/linode/instances", machine) == ""
    assert "required" in said("POST", "/v4/linode/instances", {"type": "g6-nanode-1"})
    assert "unknown field .size" in said("POST", "/v4/linode/instances", {**machine, "size": "x"})
    assert "is too long" in said("POST", "/v4/linode/instances", {**machine, "label": "x" * 65})
    assert "does not match" in said("POST", "/v4/linode/instances", {**machine, "label": "by--demo"})
    assert "unknown query parameter" in said("GET", "/v4/regions?per_page=5")
    assert said("GET", "/v4/regions/none") == "no such operation"


# Labels


@pytest.mark.parametrize("name", ["by-demo-fw-webserver", f"{LONG}-fw-autoscaler", "by-a--b-net", "1st", "ab", "x-"])
@pytest.mark.parametrize("longest", [32, 50, 64])
def test_a_name_comes_back_from_its_label(name: str, longest: int) -> None:
    label = label_of(name, longest)
    assert 3 <= len(label) <= longest
    assert "--" not in label
    assert label[0].isalpha()
    assert label[-1].isalnum()
    assert name_of(label, name, longest) == name
    assert name_of(label, f"{name} and what somebody wrote", longest) == label


def test_names_that_begin_alike_have_labels_of_their_own() -> None:
    names = [f"{LONG}-fw-{role}" for role in ("webserver", "autoscaler", "database")]
    assert len({label_of(name, FIREWALL) for name in names}) == 3


def test_a_machines_name_comes_back_from_its_label() -> None:
    label = machine_label("ws-1", ACTION)
    assert machine_name(label) == "ws-1"
    assert label != machine_label("ws-1", "by-other-made-ws-1-1")
    assert machine_name("somebody.else") == "somebody.else"
    for wrong in ("ws 1", "ws--1", "", "w" * 60):
        with pytest.raises(UsageError):
            machine_label(wrong, ACTION)


def test_two_deployments_may_have_a_machine_of_the_same_name(provider: Linode, spec: MachineSpec) -> None:
    ours = provider.create_machine(spec, ACTION)
    theirs = provider.create_machine(replace(spec, tags=("by-other-fleet",)), "by-other-made-ws-1-1")
    assert (ours.name, theirs.name) == ("ws-1", "ws-1")
    assert [machine.id for machine in provider.machines("by-other-fleet")] == [theirs.id]


def test_long_names_live_in_every_kind_of_thing(provider: Linode, spec: MachineSpec, region: str) -> None:
    network = provider.ensure_network(f"{LONG}-net", region)
    assert provider.networks(LONG) == (network,)
    firewall = provider.put_firewall(f"{LONG}-fw-autoscaler", ROLE, (SSH,))
    assert provider.put_firewall(f"{LONG}-fw-autoscaler", ROLE, (SSH, WEB)).id == firewall.id
    assert [(one.name, one.tag) for one in provider.firewalls(LONG)] == [(f"{LONG}-fw-autoscaler", ROLE)]
    machine = provider.create_machine(spec, ACTION)
    name = f"{LONG}-image-{'0f' * 8}"
    assert provider.snapshot(machine.id, name).name == name
    assert [image.name for image in provider.snapshots(LONG)] == [name]


# Machines


def test_a_machine_asks_for_the_firewall_and_the_network_it_is_in(
    provider: Linode, faulty: Faulty, spec: MachineSpec
) -> None:
    sent: list[dict[str, object]] = []

    def keep(request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
        sent.append(json.loads(request.content))
        return go_on()

    for number in (1, 2):
        faulty.lay("POST", "/v4/linode/instances", keep)
        provider.create_machine(spec, f"by-demo-made-ws-{number}-1")
    assert sent[0]["authorized_keys"] == [KEY]
    assert "firewall_id" not in sent[0]
    assert len(str(sent[0]["root_pass"])) == 64
    assert sent[0]["root_pass"] != sent[1]["root_pass"]


def test_the_host_name_is_in_the_user_data(provider: Linode, cloud: LinodeFake, spec: MachineSpec) -> None:
    given = "#cloud-config\nusers:\n- name: admin\nssh_keys:\n  ed25519_private: |\n    one\n    two\n"
    provider.create_machine(replace(spec, name="db-1", user_data=given), ACTION)
    [machine] = cloud.machines.values()
    assert machine["_user_data"].startswith("#cloud-config\n")
    assert yaml.safe_load(machine["_user_data"]) == {**yaml.safe_load(given), "hostname": "db-1"}


def test_a_refused_machine_shows_the_reason_and_no_password(
    provider: Linode, cloud: LinodeFake, spec: MachineSpec
) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.create_machine(replace(spec, size="g6-nanode-9"), ACTION)
    assert "type: A valid plan type by that ID was not found" in caught.value.detail
    assert "root_pass" not in caught.value.text()
    with pytest.raises(NotFound):
        provider.create_machine(replace(spec, ssh_key_ids=("99",)), ACTION)
    with pytest.raises(NotFound):
        provider.create_machine(replace(spec, network_id="99"), ACTION)
    assert cloud.machines == {}


def test_more_machines_than_a_page_holds_are_all_found(provider: Linode, cloud: LinodeFake, spec: MachineSpec) -> None:
    first = int(provider.create_machine(spec, ACTION).id)
    for number in range(first + 1, first + 26):
        tags = [FLEET, f"by-demo-made-ws-{number}-1"]
        cloud.machines[number] = {**cloud.machines[first], "id": number, "label": f"ws-{number}", "tags": tags}
    found = provider.machines(FLEET)
    assert [machine.id for machine in found] == [str(number) for number in range(first, first + 26)]
    assert len({machine.private_ipv4 for machine in found}) == 26
    assert provider.create_machine(spec, f"by-demo-made-ws-{first + 25}-1").id == str(first + 25)


def test_a_machine_that_is_still_being_made_is_switched_when_it_is_there(provider: Linode, spec: MachineSpec) -> None:
    machine = provider.create_machine(spec, ACTION)
    provider.power_off(machine.id)
    assert provider.machine(machine.id).status is MachineStatus.OFF


def test_a_machine_that_never_comes_is_given_up_by_name(
    provider: Linode, cloud: LinodeFake, clock: FakeClock, spec: MachineSpec
) -> None:
    machine = provider.create_machine(spec, ACTION)
    cloud.machines[int(machine.id)]["_next"] = ["provisioning"] * 10_000
    with pytest.raises(DeadlineExceeded) as caught:
        provider.power_off(machine.id)
    assert f"machine {machine.id} to be off" in caught.value.summary


def test_a_lost_answer_makes_no_second_image(
    provider: Linode, faulty: Faulty, cloud: LinodeFake, spec: MachineSpec
) -> None:
    machine = provider.create_machine(spec, ACTION)
    faulty.lay("POST", "/v4/images", lost)
    made = provider.snapshot(machine.id, "by-demo-image")
    assert made.size_gib == Decimal("1.5")
    assert len(cloud.images) == 1


# Firewalls


def test_a_machine_is_never_without_its_firewall(provider: Linode, cloud: LinodeFake, spec: MachineSpec) -> None:
    firewall = provider.put_firewall("by-demo-fw-webserver", ROLE, (SSH,))
    machine = provider.create_machine(spec, ACTION)
    other = provider.create_machine(replace(spec, tags=(FLEET,)), "by-demo-made-db-1-1")
    assert cloud.guards(firewall.id) == {machine.id}
    assert cloud.unguarded == [cloud.machines[int(other.id)]["label"]]


@pytest.mark.parametrize("there_before", [True, False])
def test_a_firewall_guards_the_machines_that_were_there(
    provider: Linode, cloud: LinodeFake, spec: MachineSpec, there_before: bool
) -> None:
    if there_before:
        provider.put_firewall("by-demo-fw-webserver", "by-demo-role-none", (SSH,))
    machine = provider.create_machine(spec, ACTION)
    firewall = provider.put_firewall("by-demo-fw-webserver", ROLE, (SSH,))
    assert cloud.guards(firewall.id) == {machine.id}
    assert provider.firewalls("by-demo-") == (firewall,)


def test_a_firewall_leaves_the_machines_of_its_old_tag(provider: Linode, cloud: LinodeFake, spec: MachineSpec) -> None:
    firewall = provider.put_firewall("by-demo-fw-webserver", ROLE, (SSH,))
    provider.create_machine(spec, ACTION)
    other = provider.create_machine(replace(spec, tags=("by-demo-role-database",)), "by-demo-made-db-1-1")
    provider.put_firewall("by-demo-fw-webserver", "by-demo-role-database", (SSH,))
    assert cloud.guards(firewall.id) == {other.id}


def test_a_change_is_one_request_that_replaces_all_rules(provider: Linode, cloud: LinodeFake) -> None:
    firewall = provider.put_firewall("by-demo-fw-webserver", ROLE, (SSH,))
    cloud.asked.clear()
    provider.put_firewall("by-demo-fw-webserver", ROLE, (WEB,))
    writes = [line for line in cloud.asked if not line.startswith("GET")]
    assert writes == [f"PUT /v4/networking/firewalls/{firewall.id}/rules"]
    cloud.asked.clear()
    provider.put_firewall("by-demo-fw-webserver", ROLE, (WEB,))
    assert all(line.startswith("GET") for line in cloud.asked)
    assert cloud.firewalls[int(firewall.id)]["rules"]["inbound_policy"] == "DROP"


def test_one_that_was_switched_off_or_opened_by_hand_is_put_right(provider: Linode, cloud: LinodeFake) -> None:
    firewall = cloud.firewalls[int(provider.put_firewall("by-demo-fw", ROLE, (SSH,)).id)]
    firewall["status"] = "disabled"
    firewall["rules"]["inbound_policy"] = "ACCEPT"
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    assert (firewall["status"], firewall["rules"]["inbound_policy"]) == ("enabled", "DROP")


def test_two_firewalls_for_one_machine_are_refused_before_it_is_made(
    provider: Linode, cloud: LinodeFake, spec: MachineSpec
) -> None:
    provider.put_firewall("by-demo-fw-webserver", ROLE, (SSH,))
    provider.put_firewall("by-demo-fw-fleet", FLEET, (SSH,))
    with pytest.raises(UsageError) as caught:
        provider.create_machine(spec, ACTION)
    assert "by-demo-fw-webserver and by-demo-fw-fleet" in caught.value.summary
    assert cloud.machines == {}


def test_a_rule_has_255_sources_at_most(provider: Linode, cloud: LinodeFake) -> None:
    def many(number: int) -> InboundRule:
        return InboundRule(Protocols.TCP, 443, tuple(f"198.51.{each // 256}.{each % 256}/32" for each in range(number)))

    for wrong in (many(256), many(0)):
        with pytest.raises(UsageError):
            provider.put_firewall("by-demo-fw", ROLE, (wrong,))
    assert cloud.firewalls == {}
    assert provider.put_firewall("by-demo-fw", ROLE, (many(255),)).inbound == (many(255),)


def test_rules_that_somebody_wrote_by_hand_are_read_and_are_none_of_ours() -> None:
    everywhere = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
    rules = [
        {"action": "ACCEPT", "protocol": "TCP", "ports": "22-24, 80", "addresses": everywhere},
        {"action": "ACCEPT", "protocol": "IPENCAP", "addresses": {"ipv4": ["pl:system:somewhere"]}},
        {"action": "DROP", "protocol": "UDP", "ports": "53", "addresses": everywhere},
    ]
    firewall = read({"id": 7, "label": "mine", "tags": ["web", "fw-nothing"], "rules": {"inbound": rules}})
    assert (firewall.name, firewall.tag) == ("mine", "web,fw-nothing")
    assert [rule.port for rule in firewall.inbound] == [-1, -1, -1]


def test_a_network_is_waited_for_until_its_machines_have_left(
    provider: Linode, cloud: LinodeFake, network: Network, spec: MachineSpec
) -> None:
    machine = provider.create_machine(spec, ACTION)
    with pytest.raises(DeadlineExceeded) as caught:
        provider.delete_network(network.id)
    assert caught.value.hint
    provider.delete_machine(machine.id)
    provider.delete_network(network.id)
    assert cloud.networks == {}
