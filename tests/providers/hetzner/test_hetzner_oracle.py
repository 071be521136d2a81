"""The vendor's own client as an oracle: it and our driver send the same for the same wish, to the same API on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

import hcloud
import httpx
import pytest
from hcloud.firewalls.domain import (
    Firewall,
    FirewallResource,
    FirewallResourceLabelSelector,
    FirewallRule,
)
from hcloud.images.domain import Image
from hcloud.locations.domain import Location
from hcloud.networks.domain import Network, NetworkSubnet
from hcloud.server_types.domain import ServerType
from hcloud.servers.domain import Server
from hcloud.ssh_keys.domain import SSHKey
from hcloud.zones.domain import Zone, ZoneRecord, ZoneRRSet

from providers.contract import InboundRule, MachineSpec, Protocols, RecordSet
from providers.hetzner import api
from providers.hetzner.driver import Hetzner
from tests.providers.contract import ACTION, FLEET, KEY, ROLE, ZONE
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import make
from tests.providers.hetzner.hetzner_fake import TOKEN
from tests.providers.oracle import Bridge, Sent
from tests.providers.scripted import FakeClock

INBOUND = (
    InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128")),
    InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0", "::/0")),
)
RULES = [
    FirewallRule("in", "tcp", ["203.0.113.7/32", "2001:db8::7/128"], port="1035"),
    FirewallRule("in", "icmp", ["0.0.0.0/0", "::/0"]),
]
LABEL = FirewallResource("label_selector", label_selector=FirewallResourceLabelSelector(ROLE))


@dataclass
class Made:
    """The things that stand in both clouds before a wish; they have the same numbers there."""

    key: int
    network: int
    firewall: int
    server: int
    image: int

    def spec(self, image: str = "debian-12") -> MachineSpec:
        tags = (FLEET, ROLE)
        return MachineSpec("ws-2", "fsn1", "cx23", image, str(self.network), "#cloud-config\n", tags, (str(self.key),))


def _labels(action: str) -> dict[str, str]:
    return {FLEET: "", ROLE: "", action: "", api.NAME_LABEL: "ws-2"}


def _create(their: hcloud.Client, made: Made, image: Image) -> object:
    return their.servers.create(
        name=ACTION,
        server_type=ServerType(name="cx23"),
        image=image,
        location=Location(name="fsn1"),
        ssh_keys=[SSHKey(id=made.key)],
        networks=[Network(id=made.network)],
        firewalls=[Firewall(id=made.firewall)],
        user_data="#cloud-config\n",
        labels=_labels(ACTION),
    )


@dataclass(frozen=True)
class Wish:
    """One thing both can do; ``line`` is the request to compare: method and the end of the path.

    ``only_ours`` is what our query has beside theirs.
    """

    name: str
    line: str
    ours: Callable[[Hetzner, Made], object]
    theirs: Callable[[hcloud.Client, Made], object]
    only_ours: tuple[tuple[str, str], ...] = ()


WWW = ZoneRRSet(zone=Zone(name=ZONE), name="www", type="A")


WISHES = (
    Wish("list regions", "GET /locations", lambda our, _: our.regions(), lambda their, _: their.locations.get_all()),
    Wish(
        "list sizes",
        "GET /server_types",
        lambda our, _: our.sizes("fsn1"),
        lambda their, _: their.server_types.get_all(),
    ),
    Wish(
        "list images",
        "GET /images",
        lambda our, _: our.images(),
        lambda their, _: their.images.get_all(type=["system"], architecture=["x86"]),
        # The vendor's client 2.27 takes a status and sends the size of the page in its place.
        only_ours=(("status", "available"),),
    ),
    Wish("list keys", "GET /ssh_keys", lambda our, _: our.ssh_keys(""), lambda their, _: their.ssh_keys.get_all()),
    Wish(
        "create key",
        "POST /ssh_keys",
        lambda our, _: our.ensure_ssh_key("by-new-key", "ssh-ed25519 AAAAnew"),
        lambda their, _: their.ssh_keys.create("by-new-key", "ssh-ed25519 AAAAnew"),
    ),
    Wish(
        "delete key",
        "DELETE /ssh_keys/ID",
        lambda our, made: our.delete_ssh_key(str(made.key)),
        lambda their, made: their.ssh_keys.delete(SSHKey(id=made.key)),
    ),
    Wish(
        "create network",
        "POST /networks",
        lambda our, _: our.ensure_network("by-new-net", "fsn1"),
        lambda their, _: their.networks.create(
            name="by-new-net",
            ip_range="10.0.0.0/16",
            subnets=[NetworkSubnet(ip_range="10.0.0.0/24", type="cloud", network_zone="eu-central")],
            labels={api.REGION_LABEL: "fsn1"},
        ),
    ),
    Wish(
        "delete network",
        "DELETE /networks/ID",
        lambda our, made: (our.delete_machine(str(made.server)), our.delete_network(str(made.network))),
        lambda their, made: (
            their.servers.delete(Server(id=made.server)).wait_until_finished(),
            their.networks.delete(Network(id=made.network)),
        ),
    ),
    Wish(
        "create machine",
        "POST /servers",
        lambda our, made: our.create_machine(made.spec(), ACTION),
        lambda their, made: _create(their, made, Image(name="debian-12")),
    ),
    Wish(
        "create machine from a snapshot",
        "POST /servers",
        lambda our, made: our.create_machine(made.spec(str(made.image)), ACTION),
        lambda their, made: _create(their, made, Image(id=made.image)),
    ),
    Wish(
        "list machines by tag",
        "GET /servers",
        lambda our, _: our.machines(FLEET),
        lambda their, _: their.servers.get_all(label_selector=FLEET),
    ),
    Wish(
        "get machine",
        "GET /servers/ID",
        lambda our, made: our.machine(str(made.server)),
        lambda their, made: their.servers.get_by_id(made.server),
    ),
    Wish(
        "delete machine",
        "DELETE /servers/ID",
        lambda our, made: our.delete_machine(str(made.server)),
        lambda their, made: their.servers.delete(Server(id=made.server)),
    ),
    Wish(
        "power off",
        "POST /servers/ID/actions/poweroff",
        lambda our, made: our.power_off(str(made.server)),
        lambda their, made: their.servers.power_off(Server(id=made.server)),
    ),
    Wish(
        "power on",
        "POST /servers/ID/actions/poweron",
        lambda our, made: (our.power_off(str(made.server)), our.power_on(str(made.server))),
        lambda their, made: (
            their.servers.power_off(Server(id=made.server)).wait_until_finished(),
            their.servers.power_on(Server(id=made.server)),
        ),
    ),
    Wish(
        "get action",
        "GET /actions/ID",
        lambda our, made: our.power_off(str(made.server)),
        lambda their, made: their.servers.power_off(Server(id=made.server)).wait_until_finished(),
    ),
    Wish(
        "make snapshot",
        "POST /servers/ID/actions/create_image",
        lambda our, made: our.snapshot(str(made.server), "by-new-image"),
        lambda their, made: their.servers.create_image(Server(id=made.server), "by-new-image", "snapshot"),
    ),
    Wish(
        "list snapshots",
        "GET /images",
        lambda our, _: our.snapshots(""),
        lambda their, _: their.images.get_all(type=["snapshot"]),
        only_ours=(("status", "available"),),
    ),
    Wish(
        "delete snapshot",
        "DELETE /images/ID",
        lambda our, made: our.delete_snapshot(str(made.image)),
        lambda their, made: their.images.delete(Image(id=made.image)),
    ),
    Wish(
        "find a firewall",
        "GET /firewalls",
        lambda our, _: our.put_firewall("by-demo-fw", ROLE, INBOUND),
        # The vendor's looks for one and asks for no page; a page of 50 says the same of at most one.
        lambda their, _: their.firewalls.get_list(name="by-demo-fw", page=1, per_page=50),
    ),
    Wish(
        "create firewall",
        "POST /firewalls",
        lambda our, _: our.put_firewall("by-new-fw", ROLE, INBOUND),
        lambda their, _: their.firewalls.create("by-new-fw", RULES, resources=[LABEL]),
    ),
    Wish(
        "change firewall",
        "POST /firewalls/ID/actions/set_rules",
        lambda our, _: our.put_firewall("by-demo-fw", ROLE, INBOUND),
        lambda their, made: their.firewalls.set_rules(Firewall(id=made.firewall), RULES),
    ),
    Wish(
        "apply firewall to another label",
        "POST /firewalls/ID/actions/apply_to_resources",
        lambda our, _: our.put_firewall("by-demo-fw", FLEET, INBOUND),
        lambda their, made: their.firewalls.apply_to_resources(
            Firewall(id=made.firewall),
            [FirewallResource("label_selector", label_selector=FirewallResourceLabelSelector(FLEET))],
        ),
    ),
    Wish(
        "take firewall off",
        "POST /firewalls/ID/actions/remove_from_resources",
        lambda our, made: our.delete_firewall(str(made.firewall)),
        lambda their, made: their.firewalls.remove_from_resources(
            Firewall(id=made.firewall), [LABEL, FirewallResource("server", server=Server(id=made.server))]
        ),
    ),
    Wish("list zones", "GET /zones", lambda our, _: our.zones(), lambda their, _: their.zones.get_all()),
    Wish(
        "create zone",
        "POST /zones",
        lambda our, _: our.ensure_zone("new.example.org"),
        lambda their, _: their.zones.create(name="new.example.org", mode="primary"),
    ),
    Wish(
        "list records",
        f"GET /zones/{ZONE}/rrsets",
        lambda our, _: our.record_sets(ZONE),
        lambda their, _: their.zones.get_rrset_all(Zone(name=ZONE)),
    ),
    Wish(
        "create record",
        f"POST /zones/{ZONE}/rrsets",
        lambda our, _: our.put_record_set(ZONE, RecordSet("@", "TXT", ("one",), 60)),
        lambda their, _: their.zones.create_rrset(
            Zone(name=ZONE), name="@", type="TXT", ttl=60, records=[ZoneRecord('"one"')]
        ),
    ),
    Wish(
        "change record",
        f"POST /zones/{ZONE}/rrsets/www/A/actions/set_records",
        lambda our, _: our.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.2",), 60)),
        lambda their, _: their.zones.set_rrset_records(WWW, records=[ZoneRecord("203.0.113.2")]),
    ),
    Wish(
        "change a record's TTL",
        f"POST /zones/{ZONE}/rrsets/www/A/actions/change_ttl",
        lambda our, _: our.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 90)),
        lambda their, _: their.zones.change_rrset_ttl(WWW, ttl=90),
    ),
    Wish(
        "delete record",
        f"DELETE /zones/{ZONE}/rrsets/www/A",
        lambda our, _: our.delete_record_set(ZONE, "www", "A"),
        lambda their, _: their.zones.delete_rrset(WWW),
    ),
)


class Recorded(HetznerCloud):
    """Keeps what it was sent, and judges it only when told: furnishing it and the vendor's client are not the point."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self.judges = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        url = urlsplit(str(request.url))
        body = json.loads(request.content) if request.content else None
        self.sent.append((request.method, unquote(url.path), sorted(parse_qsl(url.query)), body))
        if self.judges:
            return super().handle_request(request)
        self.count += 1
        self.settle()
        return self._serve(request)


def _furnished() -> tuple[Recorded, Made]:
    cloud = Recorded()
    driver = make(TOKEN, cloud, FakeClock())
    key = driver.ensure_ssh_key("by-demo-key", KEY)
    network = driver.ensure_network("by-demo-net", "fsn1")
    firewall = driver.put_firewall("by-demo-fw", ROLE, ())
    tags = (FLEET, ROLE)
    spec = MachineSpec("ws-1", "fsn1", "cx23", "debian-12", network.id, "#cloud-config\n", tags, (key.id,))
    server = driver.create_machine(spec, "by-demo-made-db-1-1")
    image = driver.snapshot(server.id, "by-demo-image")
    driver.ensure_zone(ZONE)
    driver.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    cloud.sent.clear()
    return cloud, Made(*(int(each.id) for each in (key, network, firewall, server, image)))


@pytest.fixture
def vendors() -> Iterator[tuple[hcloud.Client, Recorded]]:
    cloud, _ = _furnished()
    client = hcloud.Client(token=TOKEN, poll_interval=0.001)
    client._client._session.mount("https://", Bridge(cloud))
    yield client, cloud
    client._client._session.close()


def _picked(cloud: Recorded, line: str) -> Sent:
    pattern = re.escape(line.replace(" ", " /v1")).replace("ID", r"\d+")
    found = [sent for sent in cloud.sent if re.fullmatch(pattern, f"{sent[0]} {sent[1]}")]
    assert found, cloud.sent
    return found[0]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish, vendors: tuple[hcloud.Client, Recorded]) -> None:
    client, theirs = vendors
    cloud, made = _furnished()
    cloud.judges = True
    driver = make(TOKEN, cloud, FakeClock())
    wish.ours(driver, made)
    wish.theirs(client, made)
    method, path, query, body = _picked(theirs, wish.line)
    assert _picked(cloud, wish.line) == (method, path, sorted([*query, *wish.only_ours]), body)
    assert cloud.problems == []
