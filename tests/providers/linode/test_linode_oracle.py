"""Machines, networks and firewalls: the vendor's own client and our driver send the same for the same wish."""

from __future__ import annotations

import linode_api4 as sdk
import pytest

from providers.contract import InboundRule, MachineSpec, Protocols
from providers.linode.driver import Linode
from providers.linode.labels import machine_label
from tests.providers.linode import linode_catalogue as catalogue
from tests.providers.linode.linode_oracle import compare, page
from tests.providers.oracle import Wish
from tests.providers.scripted import Step, answer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq0zUQo0Zl2mQnV1m4m5XH8W2K0v0vO6mFq1d1m2J3S"
ACTION = "by-demo-made-ws-1-1"
NOW = "2026-01-01T00:00:00"

MACHINE = {
    "id": 7,
    "label": machine_label("ws-1", ACTION),
    "status": "running",
    "region": "us-east",
    "type": "g6-nanode-1",
    "tags": ["by-demo-fleet", ACTION],
    "ipv4": ["203.0.113.7"],
    "ipv6": "2001:db8::7/128",
    "created": NOW,
}
SPEC = MachineSpec(
    name="ws-1",
    region="us-east",
    size="g6-nanode-1",
    image="linode/debian12",
    network_id="5",
    user_data="#cloud-config\n",
    tags=("by-demo-fleet",),
    ssh_key_ids=("3",),
)
RULES = {
    "inbound_policy": "DROP",
    "inbound": [
        {
            "action": "ACCEPT",
            "protocol": "TCP",
            "addresses": {"ipv4": ["203.0.113.7/32"], "ipv6": ["2001:db8::7/128"]},
            "ports": "1035",
        },
        {"action": "ACCEPT", "protocol": "ICMP", "addresses": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}},
    ],
    "outbound_policy": "ACCEPT",
    "outbound": [],
}
INBOUND = (
    InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128")),
    InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0", "::/0")),
)
TAGS = ["by-demo-role", "fw-by-demo-fw"]
FIREWALL = {"id": 9, "label": "by-demo-fw", "status": "enabled", "tags": TAGS, "rules": RULES}
OPEN = {**FIREWALL, "rules": {**RULES, "inbound": []}}
DEVICE = {"id": 11, "entity": {"id": 7, "type": "linode"}}
NETWORK = {
    "id": 5,
    "label": "by-demo-net",
    "description": "by-demo-net",
    "region": "us-east",
    "subnets": [{"id": 6, "label": "machines", "ipv4": "10.20.0.0/16", "linodes": []}],
}
IMAGE = {
    "id": "private/19",
    "label": "by-demo-1",
    "description": "by-demo-1",
    "is_public": False,
    "type": "manual",
    "size": 1536,
    "status": "available",
    "created": NOW,
}


def machine_of(their: sdk.LinodeClient) -> sdk.Instance:
    return sdk.Instance(their, 7)


def create_machine(their: sdk.LinodeClient) -> object:
    return their.linode.instance_create(
        "g6-nanode-1",
        "us-east",
        image="linode/debian12",
        authorized_keys=[KEY],
        label=machine_label("ws-1", ACTION),
        tags=["by-demo-fleet", ACTION],
        metadata=their.linode.build_instance_metadata(user_data="#cloud-config\nhostname: ws-1\n"),
        firewall=9,
        interface_generation="legacy_config",
        interfaces=[
            sdk.ConfigInterface(purpose="public", primary=True),
            sdk.ConfigInterface(purpose="vpc", subnet_id=6),
        ],
    )


def looked_up_machine() -> tuple[Step, ...]:
    """What our create asks before it asks for the machine."""
    key = {"id": 3, "label": "by-demo-key", "ssh_key": KEY}
    firewall = {**FIREWALL, "tags": ["by-demo-fleet", "fw-by-demo-fw"]}
    return (page(), page(key), answer(200, NETWORK), page(firewall), answer(200, MACHINE), page(*catalogue.TYPES))


WISHES = (
    Wish("list regions", lambda our: our.regions(), lambda: (page(),), lambda their: their.regions()),
    Wish(
        "list sizes",
        lambda our: our.sizes("us-east"),
        lambda: (page(catalogue.REGIONS[0]), page(), page()),
        lambda their: their.linode.types(),
    ),
    Wish(
        "list what regions lack",
        lambda our: our.sizes("us-east"),
        lambda: (page(catalogue.REGIONS[0]), page(), page()),
        lambda their: their.regions.availability(),
        at=1,
    ),
    Wish("list images", lambda our: our.images(), lambda: (page(),), lambda their: their.images()),
    Wish(
        "create key",
        lambda our: our.ensure_ssh_key("by-demo-key", KEY),
        lambda: (page(), page(), answer(200, {"id": 3, "label": "by-demo-key", "ssh_key": KEY})),
        lambda their: their.profile.ssh_key_upload(KEY, "by-demo-key"),
    ),
    Wish("list keys", lambda our: our.ssh_keys("by-"), lambda: (page(),), lambda their: their.profile.ssh_keys()),
    Wish(
        "delete key",
        lambda our: our.delete_ssh_key("3"),
        lambda: (answer(200, {}),),
        lambda their: sdk.SSHKey(their, 3).delete(),
    ),
    Wish(
        "create network",
        lambda our: our.ensure_network("by-demo-net", "us-east"),
        lambda: (page(), answer(200, NETWORK)),
        lambda their: their.vpcs.create(
            "by-demo-net",
            "us-east",
            subnets=[{"label": "machines", "ipv4": "10.20.0.0/16"}],
            description="by-demo-net",
        ),
    ),
    Wish("list networks", lambda our: our.networks("by-"), lambda: (page(),), lambda their: their.vpcs()),
    Wish(
        "delete network",
        lambda our: our.delete_network("5"),
        lambda: (answer(200, NETWORK), answer(200, {})),
        lambda their: sdk.VPC(their, 5).delete(),
    ),
    Wish(
        "create machine",
        lambda our: our.create_machine(SPEC, ACTION),
        looked_up_machine,
        create_machine,
        at=4,
        # Their newer API makes do with keys; the description demands a password whenever there is an image.
        ours_alone=("root_pass",),
    ),
    Wish("list machines", lambda our: our.machines("by-x"), lambda: (page(),), lambda their: their.linode.instances()),
    Wish(
        "list private addresses",
        lambda our: our.machines("by-demo-fleet"),
        lambda: (page(MACHINE), page(), page(*catalogue.TYPES)),
        lambda their: their.vpcs.ips(),
        at=1,
    ),
    Wish(
        "get machine",
        lambda our: our.machine("7"),
        lambda: (answer(200, MACHINE), page(), page(*catalogue.TYPES)),
        lambda their: their.load(sdk.Instance, 7),
        at=0,
    ),
    Wish(
        "delete machine",
        lambda our: our.delete_machine("7"),
        lambda: (answer(200, {}),),
        lambda their: machine_of(their).delete(),
    ),
    Wish(
        "power off",
        lambda our: our.power_off("7"),
        lambda: (answer(200, MACHINE), answer(200, {}), answer(200, {**MACHINE, "status": "offline"})),
        lambda their: machine_of(their).shutdown(),
        at=1,
    ),
    Wish(
        "power on",
        lambda our: our.power_on("7"),
        lambda: (answer(200, {**MACHINE, "status": "offline"}), answer(200, {}), answer(200, MACHINE)),
        lambda their: machine_of(their).boot(),
        at=1,
    ),
    Wish(
        "create firewall",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (page(), page(), answer(200, FIREWALL), page(), page()),
        lambda their: their.networking.firewall_create("by-demo-fw", RULES, tags=TAGS),
        at=2,
    ),
    Wish(
        "change rules",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (page(OPEN), answer(200, RULES), page(), page()),
        lambda their: sdk.Firewall(their, 9).update_rules(RULES),
        at=1,
    ),
    Wish(
        "list who is guarded",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (page(FIREWALL), page(), page()),
        lambda their: list(sdk.Firewall(their, 9, FIREWALL).devices),
    ),
    Wish(
        "guard a machine",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (
            page(FIREWALL),
            page({**MACHINE, "tags": ["by-demo-role"]}),
            page(),
            page(*catalogue.TYPES),
            page(),
            answer(200, DEVICE),
        ),
        lambda their: sdk.Firewall(their, 9).device_create(7),
    ),
    Wish(
        "no longer guard a machine",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (
            page({**FIREWALL, "tags": ["by-old", TAGS[1]]}),
            answer(200, FIREWALL),
            page(),
            page(DEVICE),
            answer(200, {}),
        ),
        lambda their: sdk.FirewallDevice(their, 11, 9).delete(),
    ),
    Wish(
        "list firewalls",
        lambda our: our.firewalls("by-"),
        lambda: (page(),),
        lambda their: their.networking.firewalls(),
    ),
    Wish(
        "delete firewall",
        lambda our: our.delete_firewall("9"),
        lambda: (answer(200, {}),),
        lambda their: sdk.Firewall(their, 9).delete(),
    ),
    Wish(
        "list disks",
        lambda our: our.snapshot("7", "by-demo-1"),
        lambda: (
            page(),
            page(),
            page({"id": 71, "filesystem": "ext4", "size": 100, "status": "ready"}),
            answer(200, IMAGE),
            page(IMAGE),
        ),
        lambda their: list(sdk.Instance(their, 7, MACHINE).disks),
        at=2,
    ),
    Wish(
        "make snapshot",
        lambda our: our.snapshot("7", "by-demo-1"),
        lambda: (
            page(),
            page(),
            page({"id": 71, "filesystem": "ext4", "size": 100, "status": "ready"}),
            answer(200, IMAGE),
            page(IMAGE),
        ),
        lambda their: their.images.create(71, label="by-demo-1", description="by-demo-1", cloud_init=True),
        at=3,
    ),
    Wish(
        "delete snapshot",
        lambda our: our.delete_snapshot("private/19"),
        lambda: (answer(200, {}),),
        lambda their: sdk.Image(their, "private/19").delete(),
    ),
)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish[Linode, sdk.LinodeClient]) -> None:
    compare(wish)
