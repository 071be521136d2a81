"""Things as DigitalOcean's API shows them, and as our driver is asked for them."""

from __future__ import annotations

from typing import Any

import httpx

from providers.contract import InboundRule, MachineSpec, Protocols
from tests.providers.scripted import answer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq0zUQo0Zl2mQnV1m4m5XH8W2K0v0vO6mFq1d1m2J3S"
FIREWALL_ID = "bb4b2611-3d72-467b-8602-280330ecd65c"
VPC = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"

MACHINE = {
    "id": 7,
    "name": "ws-1",
    "status": "active",
    "region": {"slug": "fra1"},
    "size_slug": "s-1vcpu-1gb",
    "size": {"price_monthly": 6.0},
    "tags": ["by-demo-fleet"],
    "networks": {"v4": [], "v6": []},
    "created_at": "2026-01-01T00:00:00Z",
}
RECORD = {"id": 9, "type": "A", "name": "@", "data": "203.0.113.1", "ttl": 60}
EVERYWHERE = {"addresses": ["0.0.0.0/0", "::/0"]}
FIREWALL = {
    "name": "by-demo-fw",
    "tags": ["by-demo-role"],
    "inbound_rules": [
        {"protocol": "tcp", "ports": "1035", "sources": {"addresses": ["203.0.113.7/32"]}},
        {"protocol": "icmp", "ports": "0", "sources": EVERYWHERE},
    ],
    "outbound_rules": [
        {"protocol": "tcp", "ports": "1-65535", "destinations": EVERYWHERE},
        {"protocol": "udp", "ports": "1-65535", "destinations": EVERYWHERE},
        {"protocol": "icmp", "ports": "0", "destinations": EVERYWHERE},
    ],
}
INBOUND = (
    InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32",)),
    InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0", "::/0")),
)
SPEC = MachineSpec(
    name="ws-1",
    region="fra1",
    size="s-1vcpu-1gb",
    image="debian-12-x64",
    network_id=VPC,
    user_data="#cloud-config\n",
    tags=("by-demo-fleet",),
    ssh_key_ids=("3",),
)
CREATE = {
    "name": "ws-1",
    "region": "fra1",
    "size": "s-1vcpu-1gb",
    "image": "debian-12-x64",
    "ssh_keys": [3],
    "ipv6": True,
    "tags": ["by-demo-fleet", "by-demo-made-ws-1-1"],
    "user_data": "#cloud-config\n",
    "vpc_uuid": VPC,
    "with_droplet_agent": False,
}


def empty(items: str) -> httpx.Response:
    return answer(200, {items: [], "links": {}, "meta": {"total": 0}})


def one(items: str, thing: dict[str, Any]) -> httpx.Response:
    return answer(200, {items: [thing], "links": {}, "meta": {"total": 1}})
