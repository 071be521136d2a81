"""The vendor's Go client as an oracle: for the same wish our driver sends what it would send.

Vultr has no client for Python that can be installed beside ours (its own pins old versions of urllib3), so these are
the requests of github.com/vultr/govultr v3.32.0, written down from its functions and the JSON names of its structs.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from providers.contract import FULL_ACCESS, InboundRule, MachineSpec, Protocols, RecordSet
from providers.databases import Engine
from providers.vultr.driver import Vultr
from state.secret import Secret
from tests.providers.contract import KEY, OTHER_KEY
from tests.providers.scripted import FakeClock
from tests.providers.vultr.vultr_fake import TOKEN, VultrCloud
from tests.providers.vultr.vultr_wish import (
    PAGE,
    USER_DATA,
    ZONE,
    Recorded,
    Wish,
    World,
    database,
    group_id,
    record_id,
    remember,
    store_id,
    tcp,
    twice,
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    cloud = VultrCloud(page_size=500)
    wire = Recorded(cloud)
    our = Vultr(Secret(TOKEN), clock=FakeClock(), region="ams", transport=wire)
    network, key = our.ensure_network("by-oracle-net", "ams"), our.ensure_ssh_key("by-oracle-key", KEY)
    firewall = our.put_firewall("by-oracle-fw", "by-oracle-role", (tcp(22, "203.0.113.7/32"),))
    our.ensure_zone(ZONE)
    our.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    spec = MachineSpec("db-1", "ams", "vc2-1c-1gb", "debian-12-x64", network.id, USER_DATA, ("by-oracle-fleet",))
    machine = our.create_machine(spec, "by-oracle-made-db-1-1")
    yield World(our, wire, network, key, firewall, machine, our.ensure_database(database("by-oracle-db", network.id)))
    our.close()
    assert cloud.problems == []


WISHES = (
    Wish("account", lambda w: w.our.check_credentials(), lambda _: ("GET", "/v2/account", {}, None)),
    Wish("list regions", lambda w: w.our.regions(), lambda _: ("GET", "/v2/regions", PAGE, None)),
    Wish("list sizes", lambda w: w.our.sizes("ams"), lambda _: ("GET", "/v2/plans", PAGE, None)),
    Wish("list images", lambda w: w.our.images(), lambda _: ("GET", "/v2/os", PAGE, None)),
    Wish("list keys", lambda w: w.our.ssh_keys(""), lambda _: ("GET", "/v2/ssh-keys", PAGE, None)),
    Wish(
        "create key",
        lambda w: w.our.ensure_ssh_key("by-oracle-other", OTHER_KEY),
        lambda _: ("POST", "/v2/ssh-keys", {}, {"name": "by-oracle-other", "ssh_key": OTHER_KEY}),
    ),
    Wish(
        "delete key",
        lambda w: (
            remember(w, key=w.our.ensure_ssh_key("by-oracle-third", OTHER_KEY).id),
            w.our.delete_ssh_key(w.made["key"]),
        ),
        lambda w: ("DELETE", f"/v2/ssh-keys/{w.made['key']}", {}, None),
    ),
    Wish(
        "create network",
        lambda w: w.our.ensure_network("by-oracle-net-2", "ewr"),
        lambda _: (
            "POST",
            "/v2/vpcs",
            {},
            {"region": "ewr", "description": "by-oracle-net-2", "v4_subnet": "", "v4_subnet_mask": 0},
        ),
        {"v4_subnet": "the API chooses one that is free", "v4_subnet_mask": "with it"},
    ),
    Wish(
        "delete network",
        lambda w: (
            remember(w, network=w.our.ensure_network("by-oracle-net-3", "ewr").id),
            w.our.delete_network(w.made["network"]),
        ),
        lambda w: ("DELETE", f"/v2/vpcs/{w.made['network']}", {}, None),
    ),
    Wish(
        "create machine",
        lambda w: w.our.create_machine(w.spec("ws-1"), "by-oracle-made-ws-1-1"),
        lambda w: (
            "POST",
            "/v2/instances",
            {},
            {
                "region": "ams",
                "plan": "vc2-1c-1gb",
                "label": "ws-1",
                "hostname": "ws-1",
                "tags": ["by-oracle-fleet", "by-oracle-role", "by-oracle-made-ws-1-1"],
                "os_id": 2136,
                "firewall_group_id": w.firewall.id,
                "enable_ipv6": True,
                "attach_vpc": [w.network.id],
                "sshkey_id": [w.key.id],
                "backups": "disabled",
                "user_data": base64.b64encode(USER_DATA.encode()).decode(),
                "activation_email": False,
                "block_devices": None,
            },
        ),
        {"block_devices": "newer than the description, and null says nothing"},
    ),
    # Theirs would ask for ?tag=: called deprecated in the description; ours chooses from all.
    Wish("list machines", lambda w: w.our.machines("by-oracle-fleet"), lambda _: ("GET", "/v2/instances", PAGE, None)),
    Wish(
        "get machine",
        lambda w: w.our.machine(w.machine.id),
        lambda w: ("GET", f"/v2/instances/{w.machine.id}", {}, None),
    ),
    Wish(
        "power off",
        lambda w: w.our.power_off(w.machine.id),
        lambda w: ("POST", f"/v2/instances/{w.machine.id}/halt", {}, None),
    ),
    Wish(
        "power on",
        lambda w: (w.our.power_off(w.machine.id), w.our.power_on(w.machine.id)),
        lambda w: ("POST", f"/v2/instances/{w.machine.id}/start", {}, None),
    ),
    Wish(
        "delete machine",
        lambda w: (
            remember(w, machine=w.our.create_machine(w.spec("ws-2"), "by-oracle-made-ws-2-1").id),
            w.our.delete_machine(w.made["machine"]),
        ),
        lambda w: ("DELETE", f"/v2/instances/{w.made['machine']}", {}, None),
    ),
    Wish(
        "create firewall",
        lambda w: w.our.put_firewall("by-oracle-fw-3", "by-oracle-none", (tcp(22, "203.0.113.7/32"),)),
        lambda _: ("POST", "/v2/firewalls", {}, {"description": "by-oracle-fw-3 (by-oracle-none)"}),
    ),
    Wish(
        "put a machine under a firewall",
        lambda w: w.our.put_firewall("by-oracle-fw-2", "by-oracle-made-db-1-1", (tcp(22, "203.0.113.7/32"),)),
        lambda w: (
            "PATCH",
            f"/v2/instances/{w.machine.id}",
            {},
            {"firewall_group_id": group_id(w, "by-oracle-fw-2"), "tags": None, "ddos_protection": None},
        ),
        {"tags": "null could take the machine's tags away", "ddos_protection": "not ours to change"},
    ),
    Wish(
        "add a rule",
        lambda w: twice(w, tcp(443, "198.51.100.0/24"), tcp(22, "203.0.113.7/32")),
        lambda w: (
            "POST",
            f"/v2/firewalls/{w.firewall.id}/rules",
            {},
            {"ip_type": "v4", "protocol": "tcp", "subnet": "198.51.100.0", "subnet_size": 24, "port": "443"},
        ),
    ),
    Wish(
        "add a rule for v6",
        lambda w: twice(w, tcp(443, "::/0"), tcp(22, "203.0.113.7/32")),
        lambda w: (
            "POST",
            f"/v2/firewalls/{w.firewall.id}/rules",
            {},
            {"ip_type": "v6", "protocol": "tcp", "subnet": "::", "subnet_size": 0, "port": "443"},
        ),
    ),
    Wish(
        "add a rule for ICMP",
        lambda w: twice(w, InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0",)), tcp(22, "203.0.113.7/32")),
        lambda w: (
            "POST",
            f"/v2/firewalls/{w.firewall.id}/rules",
            {},
            {"ip_type": "v4", "protocol": "icmp", "subnet": "0.0.0.0", "subnet_size": 0},
        ),
    ),
    Wish(
        "remove a rule",
        lambda w: (
            remember(w, rule=str(next(iter(w.wire.cloud.groups[w.firewall.id].rules)))),
            twice(w, tcp(80, "203.0.113.7/32")),
        ),
        lambda w: ("DELETE", f"/v2/firewalls/{w.firewall.id}/rules/{w.made['rule']}", {}, None),
    ),
    Wish(
        "rename a firewall",
        lambda w: w.our.put_firewall("by-oracle-fw", "by-oracle-else", (tcp(22, "203.0.113.7/32"),)),
        lambda w: ("PUT", f"/v2/firewalls/{w.firewall.id}", {}, {"description": "by-oracle-fw (by-oracle-else)"}),
    ),
    Wish(
        "delete firewall",
        lambda w: w.our.delete_firewall(w.firewall.id),
        lambda w: ("DELETE", f"/v2/firewalls/{w.firewall.id}", {}, None),
    ),
    Wish(
        "make snapshot",
        lambda w: w.our.snapshot(w.machine.id, "by-oracle-image"),
        lambda w: ("POST", "/v2/snapshots", {}, {"instance_id": w.machine.id, "description": "by-oracle-image"}),
    ),
    Wish("list snapshots", lambda w: w.our.snapshots(""), lambda _: ("GET", "/v2/snapshots", PAGE, None)),
    Wish(
        "delete snapshot",
        lambda w: (
            remember(w, snapshot=w.our.snapshot(w.machine.id, "by-oracle-image-2").id),
            w.our.delete_snapshot(w.made["snapshot"]),
        ),
        lambda w: ("DELETE", f"/v2/snapshots/{w.made['snapshot']}", {}, None),
    ),
    Wish(
        "create zone",
        lambda w: w.our.ensure_zone("other.example.org"),
        lambda _: ("POST", "/v2/domains", {}, {"domain": "other.example.org"}),
    ),
    Wish("list zones", lambda w: w.our.zones(), lambda _: ("GET", "/v2/domains", PAGE, None)),
    Wish(
        "list records", lambda w: w.our.record_sets(ZONE), lambda _: ("GET", f"/v2/domains/{ZONE}/records", PAGE, None)
    ),
    Wish(
        "create record of the apex",
        lambda w: w.our.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.9",), 60)),
        lambda _: (
            "POST",
            f"/v2/domains/{ZONE}/records",
            {},
            {"name": "", "type": "A", "data": "203.0.113.9", "ttl": 60},
        ),
    ),
    Wish(
        "create record with a priority",
        lambda w: w.our.put_record_set(ZONE, RecordSet("m", "MX", ("10 mail.example.org.",), 60)),
        lambda _: (
            "POST",
            f"/v2/domains/{ZONE}/records",
            {},
            {"name": "m", "type": "MX", "data": "mail.example.org", "ttl": 60, "priority": 10},
        ),
    ),
    Wish(
        "change record",
        lambda w: w.our.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 90)),
        lambda w: (
            "PATCH",
            f"/v2/domains/{ZONE}/records/{record_id(w, 'www')}",
            {},
            {"data": "203.0.113.1", "ttl": 90},
        ),
    ),
    Wish(
        "delete record",
        lambda w: (remember(w, record=record_id(w, "www")), w.our.delete_record_set(ZONE, "www", "A")),
        lambda w: ("DELETE", f"/v2/domains/{ZONE}/records/{w.made['record']}", {}, None),
    ),
    Wish(
        "create database",
        lambda w: w.our.ensure_database(database("by-oracle-two", w.network.id)),
        lambda w: (
            "POST",
            "/v2/databases",
            {},
            {
                "database_engine": "pg",
                "database_engine_version": "16",
                "region": "ams",
                "plan": "vultr-dbaas-hobbyist-cc-1-25-1",
                "label": "by-oracle-two",
                "vpc_id": w.network.id,
                "trusted_ips": ["10.1.96.0/20", "203.0.113.7/32"],
            },
        ),
    ),
    Wish("list databases", lambda w: w.our.databases(""), lambda _: ("GET", "/v2/databases", {}, None)),
    Wish(
        "list sizes of databases",
        lambda w: w.our.database_sizes("ams", Engine.MYSQL),
        lambda _: ("GET", "/v2/databases/plans", {}, None),
    ),
    Wish(
        "change a database's sources",
        lambda w: w.our.put_database_sources(w.database.id, ("203.0.113.8/32",)),
        lambda w: ("PUT", f"/v2/databases/{w.database.id}", {}, {"trusted_ips": ["203.0.113.8/32"]}),
    ),
    Wish(
        "delete database",
        lambda w: (
            remember(w, database=w.our.ensure_database(database("by-oracle-three", w.network.id)).id),
            w.our.delete_database(w.made["database"]),
        ),
        lambda w: ("DELETE", f"/v2/databases/{w.made['database']}", {}, None),
    ),
    Wish(
        "make a bucket key",
        lambda w: w.our.create_bucket_key("by-oracle-store-own-abc", FULL_ACCESS),
        lambda _: (
            "POST",
            "/v2/object-storage",
            {},
            {"cluster_id": 6, "tier_id": 2, "label": "by-oracle-store-abc@ams"},
        ),
    ),
    Wish(
        "list bucket keys",
        lambda w: w.our.bucket_keys("by-oracle-store-own-abc"),
        lambda _: ("GET", "/v2/object-storage", PAGE, None),
    ),
    Wish(
        "list tiers",
        lambda w: w.our.create_bucket_key("by-oracle-store-own-xyz", FULL_ACCESS),
        lambda _: ("GET", "/v2/object-storage/clusters/6/tiers", {}, None),
    ),
    Wish(
        "list buckets",
        lambda w: (
            remember(w, pair=w.our.create_bucket_key("by-oracle-store-own-def", FULL_ACCESS)[0]),
            w.wire.cloud.buckets.update({store_id(w, "def"): ["one"]}),
            w.our.delete_bucket_key(w.made["pair"]),
        ),
        lambda w: ("GET", f"/v2/object-storage/{store_id(w, 'def')}/bucket", {}, None),
    ),
    Wish(
        "delete bucket key",
        lambda w: (
            remember(w, pair=w.our.create_bucket_key("by-oracle-store-own-ghi", FULL_ACCESS)[0]),
            remember(w, store=store_id(w, "ghi")),
            w.our.delete_bucket_key(w.made["pair"]),
        ),
        lambda w: ("DELETE", f"/v2/object-storage/{w.made['store']}", {}, None),
    ),
)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish, world: World) -> None:
    begin = len(world.wire.sent)
    wish.ours(world)
    sent = world.wire.sent[begin:]
    method, path, query, body = wish.theirs(world)
    if body is not None:
        assert set(wish.omitted) <= set(body)
        body = {name: value for name, value in body.items() if name not in wish.omitted}
    assert (method, path, dict(query), body) in sent
    assert all(sent_body == body for one, where, _, sent_body in sent if (one, where) == (method, path))
