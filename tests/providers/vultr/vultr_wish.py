"""An account with one of each, whose requests are kept, and a wish that both clients can do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from providers.contract import Firewall, InboundRule, Machine, MachineSpec, Network, Protocols, SshKey
from providers.databases import DatabaseSpec, Engine, ManagedDatabase
from providers.vultr.driver import Vultr
from tests.providers.vultr.vultr_fake import VultrCloud

ZONE = "oracle.example.org"
USER_DATA = "#cloud-config\nhostname: ws-1\n"
PAGE = {"per_page": "500"}  # ListOptions.PerPage


class Recorded(httpx.BaseTransport):
    """Passes requests on and keeps them."""

    def __init__(self, cloud: VultrCloud) -> None:
        self.cloud = cloud
        self.sent: list[tuple[str, str, dict[str, str], Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        body = json.loads(request.content) if request.content else None
        self.sent.append((request.method, request.url.path, dict(request.url.params), body))
        return self.cloud.handle_request(request)


@dataclass
class World:
    """An account with one of each."""

    our: Vultr
    wire: Recorded
    network: Network
    key: SshKey
    firewall: Firewall
    machine: Machine
    database: ManagedDatabase
    made: dict[str, str] = field(default_factory=dict)

    def spec(self, name: str) -> MachineSpec:
        tags = ("by-oracle-fleet", "by-oracle-role")
        return MachineSpec(name, "ams", "vc2-1c-1gb", "debian-12-x64", self.network.id, USER_DATA, tags, (self.key.id,))


def tcp(port: int, *sources: str) -> InboundRule:
    return InboundRule(Protocols.TCP, port, sources)


def database(name: str, network_id: str) -> DatabaseSpec:
    sources = ("203.0.113.7/32", "10.1.96.0/20")
    return DatabaseSpec(name, Engine.POSTGRES, "ams", "vultr-dbaas-hobbyist-cc-1-25-1", network_id, sources, "16")


@dataclass(frozen=True)
class Wish:
    """One thing both can do.

    Attributes:
        ours: does it.
        theirs: method, path, query and body of the Go client.
        omitted: fields that theirs sends and ours does not, each with the reason.
    """

    name: str
    ours: Callable[[World], object]
    theirs: Callable[[World], tuple[str, str, Mapping[str, str], Any]]
    omitted: Mapping[str, str] = field(default_factory=dict)


def group_id(world: World, name: str) -> str:
    return next(each.id for each in world.our.firewalls(name))


def record_id(world: World, name: str) -> str:
    zone = world.wire.cloud.zones[ZONE]
    return next(each["id"] for each in zone.values() if each["name"] == name)


def store_id(world: World, suffix: str) -> str:
    stores = world.wire.cloud.stores
    return next(each for each, (body, _) in stores.items() if body["label"] == f"by-oracle-store-{suffix}@ams")


def twice(world: World, *rules: InboundRule) -> object:
    return world.our.put_firewall("by-oracle-fw", "by-oracle-role", rules)


def remember(world: World, **made: str) -> None:
    world.made.update(made)
