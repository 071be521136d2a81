"""Linode's DNS, managed databases and keys to the object store: what is theirs alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.contract import (
    FULL_ACCESS,
    BucketAccess,
    BucketGrant,
    BucketKey,
    DnsProof,
    InboundRule,
    Network,
    Permission,
    Protocols,
    RecordSet,
)
from providers.databases import DatabaseSpec, Engine
from providers.linode.driver import Linode
from providers.linode.records import record_value, time_to_live_s
from state.errors import NotFound, UsageError
from tests.providers.contract import ZONE
from tests.providers.fake import Faulty, lost
from tests.providers.linode.linode_fake import LinodeFake
from tests.providers.linode.linode_services import CA_PEM

GRANTS = (BucketGrant("by-demo-config", Permission.READ), BucketGrant("by-demo-assets", Permission.READ_WRITE))


# DNS


@pytest.mark.parametrize(
    ("wanted_s", "sent_s"), [(0, 30), (29, 30), (30, 30), (60, 30), (120, 120), (299, 120), (301, 300), (9**9, 2419200)]
)
def test_a_time_to_live_is_the_longest_that_is_not_longer_than_wanted(wanted_s: int, sent_s: int) -> None:
    assert time_to_live_s(wanted_s) == sent_s


def test_what_was_written_is_not_written_again(provider: Linode, cloud: LinodeFake) -> None:
    provider.ensure_zone(ZONE)
    wanted = RecordSet("www", "A", ("203.0.113.1", "203.0.113.2"), 60)
    provider.put_record_set(ZONE, wanted)
    cloud.asked.clear()
    provider.put_record_set(ZONE, wanted)
    assert all(line.startswith("GET") for line in cloud.asked)


def test_new_values_are_added_before_old_ones_go(provider: Linode, cloud: LinodeFake) -> None:
    provider.ensure_zone(ZONE)
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1",), 30))
    cloud.asked.clear()
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.2",), 30))
    writes = [line.partition(" ")[0] for line in cloud.asked if not line.startswith("GET")]
    assert writes == ["POST", "DELETE"]


@pytest.mark.parametrize(
    "wrong",
    [
        RecordSet("_sip._tcp", "SRV", ("10 5 5060 sip.example.org",), 300),
        RecordSet("@", "CAA", ("128 issue ca.example.net",), 300),
        RecordSet("@", "MX", ("mail.example.org",), 300),
    ],
    ids=lambda one: one.type,
)
def test_what_linode_does_not_take_is_refused(provider: Linode, cloud: LinodeFake, wrong: RecordSet) -> None:
    provider.ensure_zone(ZONE)
    with pytest.raises(UsageError):
        provider.put_record_set(ZONE, wrong)
    assert provider.record_sets(ZONE) == ()


def test_records_of_others_are_read(provider: Linode) -> None:
    srv = {"type": "SRV", "priority": 10, "weight": 5, "port": 5060, "target": "sip.example.org"}
    assert record_value(srv) == "10 5 5060 sip.example.org"


def test_zones_go_over_pages_and_copies_of_others_are_none(provider: Linode, cloud: LinodeFake) -> None:
    for number in range(26):
        provider.ensure_zone(f"zone{number}.example.org")
    cloud.zones.zones[9] = {"id": 9, "domain": "copy.example.org", "type": "slave", "status": "active"}
    assert len(provider.zones()) == 26
    assert "copy.example.org" not in provider.zones()
    with pytest.raises(NotFound):
        provider.record_sets("copy.example.org")


def test_lego_proves_the_domain_with_the_token(provider: Linode, cloud: LinodeFake) -> None:
    assert provider.dns_proof() == DnsProof(
        "linode", (("LINODE_TOKEN", "linode.token"),), (("LINODE_PROPAGATION_TIMEOUT", "1200"),)
    )


# Managed databases


def test_prices_of_databases_are_told(provider: Linode) -> None:
    sizes = [
        (size.slug, size.price_per_month, size.disk_gib) for size in provider.database_sizes("us-east", Engine.MYSQL)
    ]
    assert sizes == [("g6-nanode-1", 16, 25), ("g6-standard-1", 32, 50)]
    assert provider.database_sizes("gb-lon", Engine.MYSQL) == ()


@pytest.mark.parametrize(
    ("engine", "version", "made"),
    [
        (Engine.MYSQL, "", "8.4"),
        (Engine.MYSQL, "8", "8.4"),
        (Engine.POSTGRES, "", "16"),
        (Engine.POSTGRES, "9", "9"),
    ],
)
def test_the_newest_fitting_version_is_taken(
    provider: Linode, database_spec: DatabaseSpec, engine: Engine, version: str, made: str
) -> None:
    spec = DatabaseSpec("by-demo-db", engine, "us-east", "g6-nanode-1", "", ("203.0.113.7/32",), version)
    found = provider.ensure_database(spec)
    assert (found.version, found.ready, found.host, found.password) == (made, False, "", None)


def test_what_a_database_cannot_be_is_refused_before_it_is_made(provider: Linode, cloud: LinodeFake) -> None:
    for name, sources, version in (
        ("by-a-name-of-more-than-32-characters", ("203.0.113.7/32",), ""),
        ("by--demo", ("203.0.113.7/32",), ""),
        ("by-demo-db", ("2001:db8::7/128",), ""),
        ("by-demo-db", ("203.0.113.7/32",), "5.7"),
    ):
        with pytest.raises(UsageError):
            provider.ensure_database(DatabaseSpec(name, Engine.MYSQL, "us-east", "g6-nanode-1", "", sources, version))
    assert cloud.databases.databases == {}
    for wrong in ("123", "mysql/", "redis/1", "mysql/../1"):
        with pytest.raises(NotFound):
            provider.database(wrong)


def test_a_database_is_reached_by_tls_with_its_authority(provider: Linode, database_spec: DatabaseSpec) -> None:
    made = provider.ensure_database(database_spec)
    while not provider.database(made.id).ready:
        pass
    found = provider.database(made.id)
    assert (found.ca_pem, found.user, found.database, found.port) == (CA_PEM, "akmadmin", "defaultdb", 3306)
    assert "s3cur3" not in repr(found)
    # One change after the other: the API takes the second only when the first is done.
    provider.put_database_sources(made.id, ("203.0.113.8/32",))
    provider.put_database_sources(made.id, ("203.0.113.9/32",))
    assert provider.database(made.id).sources == ("203.0.113.9/32",)


def test_a_number_that_two_engines_use_is_two_databases(provider: Linode, database_spec: DatabaseSpec) -> None:
    first = provider.ensure_database(database_spec)
    second = provider.ensure_database(replace(database_spec, name="by-demo-other", engine=Engine.POSTGRES))
    assert (first.id, second.id) == ("mysql/1", "postgresql/1")
    assert {database.name for database in provider.databases("by-demo-")} == {"by-demo-database", "by-demo-other"}


# The object store


@pytest.fixture
def buckets(cloud: LinodeFake) -> None:
    cloud.keyring.buckets += [{"label": grant.bucket, "region": "us-east"} for grant in GRANTS]


def test_bucket_keys_are_made_replaced_and_deleted(provider: Linode, buckets: None) -> None:
    first, secret = provider.create_bucket_key("by-demo-state", GRANTS)
    assert secret.reveal()
    other, _ = provider.create_bucket_key("by-demo-state-of-another", FULL_ACCESS)
    second, _ = provider.create_bucket_key("by-demo-state", GRANTS)
    assert second != first
    assert provider.bucket_keys("by-demo-state") == (BucketKey(second, frozenset(GRANTS)),)
    assert provider.bucket_keys("by-demo-state-of-another") == (BucketKey(other, frozenset(FULL_ACCESS)),)
    provider.delete_bucket_key(first)
    provider.delete_bucket_key(second)
    provider.delete_bucket_key(second)
    assert provider.bucket_keys("by-demo-state") == ()


def test_a_key_for_everything_names_every_region_with_a_store(provider: Linode, cloud: LinodeFake) -> None:
    provider.create_bucket_key("by-demo-own", FULL_ACCESS)
    [key] = cloud.keyring.keys.values()
    assert [region["id"] for region in key["regions"]] == ["de-fra-2", "gb-lon", "id-cgk", "us-east"]


def test_a_key_whose_answer_was_lost_is_replaced(
    provider: Linode, cloud: LinodeFake, faulty: Faulty, buckets: None
) -> None:
    name = f"by-{'a' * 30}-store-autoscaler-0f0f0f0f"
    faulty.lay("POST", "/v4/object-storage/keys", lost)
    access_key, _ = provider.create_bucket_key(name, GRANTS)
    assert [key.access_key for key in provider.bucket_keys(name)] == [access_key]
    assert len(cloud.keyring.keys) == 1


def test_a_key_for_a_bucket_that_is_not_there_is_refused(provider: Linode, cloud: LinodeFake, buckets: None) -> None:
    with pytest.raises(NotFound) as caught:
        provider.create_bucket_key("by-demo", (*GRANTS, BucketGrant("by-demo-none", Permission.READ)))
    assert "by-demo-none" in caught.value.summary
    assert cloud.keyring.keys == {}


def test_the_usual_store_of_a_region_is_taken(provider: Linode) -> None:
    assert provider.bucket_access("us-east") == BucketAccess("https://us-east-9.linodeobjects.com", "us-east-1")
    with pytest.raises(NotFound):
        provider.bucket_access("de-fra-2")


# Lost answers


@pytest.mark.parametrize("part", ["firewalls", "sshkeys", "vpcs", "domains", "records", "mysql"])
def test_what_a_lost_answer_made_is_adopted(
    provider: Linode, faulty: Faulty, cloud: LinodeFake, network: Network, database_spec: DatabaseSpec, part: str
) -> None:
    provider.ensure_zone(ZONE)
    cloud.asked.clear()
    faulty.lay("POST", part, lost)
    rule = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32",))
    {
        "firewalls": lambda: provider.put_firewall("by-demo-fw", "by-demo-role", (rule,)),
        "sshkeys": lambda: provider.ensure_ssh_key("by-demo-key", "ssh-ed25519 AAAA"),
        "vpcs": lambda: provider.ensure_network("by-demo-other-net", "us-east"),
        "domains": lambda: provider.ensure_zone("other.example.org"),
        "records": lambda: provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1",), 30)),
        "mysql": lambda: provider.ensure_database(database_spec),
    }[part]()
    assert sum(line.startswith("POST") for line in cloud.asked) == 1
