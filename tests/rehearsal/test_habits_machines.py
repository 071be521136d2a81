"""Habits of other vendors on machines: what the network does, and that a rehearsal keeps them until told otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rehearsal import cloud, habits
from rehearsal.room.room import Room
from tests.rehearsal.live_cloud import CLOCK, Cloud, active, eventually, reads
from tests.rehearsal.room.ground import knock

pytestmark = pytest.mark.machines


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Cloud]:
    directory = tmp_path / "rehearsal"
    try:
        yield Cloud(cloud.up(directory, chosen=habits.parse(["no-private-filtering", "no-snapshots"]), clock=CLOCK))
    finally:
        cloud.down(directory, purge=True, clock=CLOCK)


def test_a_vendor_whose_firewall_leaves_the_private_network_alone(up: Cloud) -> None:
    directory = Path(up.described.directory)
    room = Room(directory)
    body = {"size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64", "names": ["one", "two"]}
    one, two = [made["id"] for made in up.ask("POST", "/droplets", json=body)["droplets"]]
    rule = {"protocol": "tcp", "ports": "443", "sources": {"addresses": ["192.0.2.1"]}}
    up.ask("POST", "/firewalls", json={"name": "wall", "droplet_ids": [one], "inbound_rules": [rule]})
    for id_ in (one, two):
        eventually("the machines", lambda id_=id_: active(up, id_), 60)
    there, peer = room.reserve(one), up.described.namespaces.router.replace("-router", f"-m{two}")

    def meets(address: str) -> str:
        return knock(room, peer, address, 9)  # nobody listens there: refused is what the machine itself says

    def snapshot() -> int:
        with up.api() as client:
            return client.post(f"/droplets/{one}/actions", json={"type": "snapshot"}).status_code

    def differs() -> bool:
        return (meets(there.public_ipv4), meets(there.private_ipv4)) == ("prohibited", "refused")

    eventually("the other vendor's ways", differs)
    assert snapshot() == httpx.codes.UNPROCESSABLE_ENTITY
    up.kill_api()
    eventually("the API", lambda: reads(lambda: up.ask("GET", "/account")))
    assert cloud.up(directory, clock=CLOCK) == up.described
    assert differs(), "habits are kept until others are chosen"
    for word, status in (("refuse-every=1", 429), ("fail-every=1", 500)):
        cloud.up(directory, chosen=habits.parse([word]), clock=CLOCK)
        with up.api() as client:
            assert client.get("/account").status_code == status
    cloud.up(directory, chosen=habits.parse(["none"]), clock=CLOCK)
    assert (meets(there.public_ipv4), meets(there.private_ipv4)) == ("prohibited", "prohibited")
    assert snapshot() == httpx.codes.CREATED
