"""Vultr's DNS, managed databases and object storage."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import store_keys
from fleet.adopting import ADOPTER
from fleet.names import Names, bucket_suffix
from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Network, Permission, RecordSet
from providers.databases import DatabaseSpec, Engine
from providers.vultr.driver import Vultr
from providers.vultr.records import record_body, record_value
from providers.vultr.storage import deployment_of
from recipes.context import Role
from state.errors import NotFound, UsageError
from state.secret import Secret
from tests.providers.contract import ZONE
from tests.providers.fake import FAULTS, Faulty
from tests.providers.scripted import FakeClock
from tests.providers.vultr.vultr_fake import TOKEN, VultrCloud

OWN, WEBSERVER, ADOPTING = (f"by-demo-store-{holder}-a1b2c3" for holder in ("build-machine", "webserver", "adopter"))
READ = (BucketGrant("by-demo-config-a1b2c3", Permission.READ),)


@settings(max_examples=30)
@given(st.text(st.characters(codec="ascii", exclude_characters='"\r\n'), min_size=1))
def test_a_text_is_read_back_as_it_was_written(text: str) -> None:
    assert record_value({"type": "TXT", **record_body("TXT", text, 60)}) == text


@pytest.mark.parametrize(
    ("type_", "value", "data", "priority"),
    [
        ("MX", "10 Mail.example.org.", "mail.example.org", 10),
        ("SRV", "5 0 5060 sip.example.org.", "0 5060 sip.example.org", 5),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"', None),
        ("CAA", "0 issue ;", '0 issue ";"', None),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1", None),
        ("CNAME", "Other.example.org.", "other.example.org", None),
    ],
)
def test_values_are_sent_in_the_vendors_form(type_: str, value: str, data: str, priority: int | None) -> None:
    body = record_body(type_, value, 60)
    assert (body["data"], body.get("priority")) == (data, priority)
    again = record_body(type_, record_value({"type": type_, **body}), 60)
    assert again == body


@pytest.mark.parametrize(
    ("type_", "value"), [("TXT", 'say "hello"'), ("MX", "mail.example.org"), ("CAA", "0 issue"), ("SRV", "x 1 2 host")]
)
def test_values_that_cannot_be_there_are_refused_before_anything_changes(
    provider: Vultr, cloud: VultrCloud, type_: str, value: str
) -> None:
    provider.ensure_zone(ZONE)
    before = dict(cloud.zones[ZONE])
    with pytest.raises(UsageError):
        provider.put_record_set(ZONE, RecordSet("www", type_, (value,), 60))
    assert cloud.zones[ZONE] == before


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_record_is_made_once(provider: Vultr, cloud: VultrCloud, faulty: Faulty, fault: object) -> None:
    provider.ensure_zone(ZONE)
    faulty.lay("POST", "/records", fault)  # type: ignore[arg-type]
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    assert sum(each["name"] == "www" for each in cloud.zones[ZONE].values()) == 1


def test_a_zone_that_is_not_there_is_not_found(provider: Vultr) -> None:
    with pytest.raises(NotFound):
        provider.record_sets("nobody.example.org")


def test_a_database_is_closed_from_its_first_moment(
    provider: Vultr, cloud: VultrCloud, database_spec: DatabaseSpec, network: Network
) -> None:
    made = provider.ensure_database(database_spec)
    assert (made.ready, made.password, made.host) == (False, None, "")
    body = cloud.databases[made.id][0]
    assert body["trusted_ips"] == ["10.20.0.0/16", "203.0.113.7/32"]
    assert (body["vpc_id"], body["database_engine_version"]) == (network.id, "8")
    assert not any(line.startswith("PUT") for line in cloud.asked)


def test_a_databases_host_is_the_private_one_and_its_password_is_hidden(
    provider: Vultr, cloud: VultrCloud, database_spec: DatabaseSpec
) -> None:
    made = provider.ensure_database(database_spec)
    while not (found := provider.database(made.id)).ready:
        pass
    assert found.host.startswith("vultr-prod-")
    assert (found.port, found.user, found.database) == (16751, "vultradmin", "defaultdb")
    assert found.ca_pem.startswith("-----BEGIN CERTIFICATE-----")
    assert found.price_per_month == Decimal(15)
    assert "AVNS" not in repr(found)


def test_only_sizes_that_run_the_engine_are_offered(provider: Vultr) -> None:
    slugs = [size.slug for size in provider.database_sizes("ams", Engine.POSTGRES)]
    assert slugs == ["vultr-dbaas-hobbyist-cc-1-25-1", "vultr-dbaas-business-cc-2-80-4"]


def test_databases_of_other_engines_are_passed_over(provider: Vultr, cloud: VultrCloud) -> None:
    body = {
        "id": str(uuid.UUID(int=7)),
        "label": "by-demo-cache",
        "database_engine": "valkey",
        "region": "ams",
        "plan": "x",
    }
    cloud.databases[body["id"]] = (body, 0)
    assert provider.databases("by-demo-") == ()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_database_is_made_once_whatever_becomes_of_the_first_try(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, database_spec: DatabaseSpec, fault: object
) -> None:
    faulty.lay("POST", "/v2/databases", fault)  # type: ignore[arg-type]
    provider.ensure_database(database_spec)
    assert len(cloud.databases) == 1


def test_all_holders_of_a_deployment_share_one_subscription(provider: Vultr, cloud: VultrCloud) -> None:
    access_key, secret = provider.create_bucket_key(OWN, FULL_ACCESS)
    assert provider.create_bucket_key(WEBSERVER, READ) == (access_key, secret)
    assert [body["label"] for body, _ in cloud.stores.values()] == ["by-demo-store-a1b2c3@ams"]
    # The truth, whatever was asked for: it opens everything.
    assert provider.bucket_keys(WEBSERVER) == (BucketKey(access_key, frozenset(FULL_ACCESS)),)
    assert not provider.capabilities.narrow_bucket_keys
    assert provider.bucket_keys("by-other-store-webserver-a1b2c3") == ()
    other, _ = provider.create_bucket_key("by-demo-store-build-machine-ffffff", FULL_ACCESS)
    assert other != access_key


def test_a_subscription_ends_with_its_last_bucket_only(provider: Vultr, cloud: VultrCloud) -> None:
    access_key, _ = provider.create_bucket_key(OWN, FULL_ACCESS)
    (store_id,) = cloud.stores
    cloud.buckets[store_id] = ["by-demo-state-a1b2c3"]
    assert provider.create_bucket_key(ADOPTING, READ)[0] == access_key
    provider.delete_bucket_key(access_key)
    assert store_id in cloud.stores
    cloud.buckets[store_id] = []
    provider.delete_bucket_key(access_key)
    provider.delete_bucket_key(access_key)
    assert cloud.stores == {}
    assert provider.bucket_keys(OWN) == ()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_subscription_is_made_once(provider: Vultr, cloud: VultrCloud, faulty: Faulty, fault: object) -> None:
    faulty.lay("POST", "/v2/object-storage", fault)  # type: ignore[arg-type]
    assert provider.create_bucket_key(OWN, FULL_ACCESS)[1].reveal()
    assert len(cloud.stores) == 1


@pytest.mark.parametrize(
    ("of", "host"),
    [("ams", "ams1"), ("fra", "ams1"), ("ewr", "ewr1"), ("sjc", "ewr1")],
    ids=["own", "same continent", "own of two", "closed, so same country"],
)
def test_the_store_is_the_nearest_that_takes_customers(provider: Vultr, of: str, host: str) -> None:
    access = provider.bucket_access(of)
    assert (access.endpoint_url, access.region) == (f"https://{host}.vultrobjects.com", "us-east-1")


def test_a_store_on_another_continent_is_not_chosen_silently(provider: Vultr) -> None:
    with pytest.raises(UsageError, match="continent of jnb") as caught:
        provider.bucket_access("jnb")
    assert caught.value.hint == "choose one of these regions: ams, ewr"


def test_a_deployment_stays_in_the_store_it_has(
    provider: Vultr, cloud: VultrCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Vultr(Secret(TOKEN), clock=FakeClock(), region="fra", transport=cloud)
    driver.create_bucket_key(OWN, FULL_ACCESS)
    driver.close()
    nearer = {"id": 1, "region": "fra", "hostname": "fra1.vultrobjects.com", "deploy": "yes"}
    monkeypatch.setattr("tests.providers.vultr.vultr_services.CLUSTERS", [nearer])
    assert provider.bucket_access("ams").endpoint_url == "https://fra1.vultrobjects.com"
    monkeypatch.undo()
    clusters = [
        {"id": 6, "region": "ams", "hostname": "ams1.vultrobjects.com", "deploy": "no"},
        {"id": 9, "region": "fra", "hostname": "fra1.vultrobjects.com", "deploy": "yes"},
    ]
    monkeypatch.setattr("tests.providers.vultr.vultr_services.CLUSTERS", clusters)
    assert provider.bucket_access("fra").endpoint_url == "https://ams1.vultrobjects.com"


def test_without_a_region_nothing_is_bought(cloud: VultrCloud) -> None:
    driver = Vultr(Secret(TOKEN), clock=FakeClock(), transport=cloud)
    with pytest.raises(NotFound):
        driver.create_bucket_key(ADOPTING, READ)
    driver.close()
    assert cloud.stores == {}


def test_the_holder_is_left_out_of_the_label() -> None:
    assert deployment_of("by-a-store-b-store-build-machine-1f") == "by-a-store-b-store-1f"
    assert deployment_of("by-demo-state") == "by-demo-state"


def test_the_names_of_a_fleets_keys_are_understood() -> None:
    names, suffix = Names("a-store"), bucket_suffix("a" * 36)
    holders = (store_keys.OWN, ADOPTER, *(role.value for role in Role))
    assert {deployment_of(names.store_key(holder, suffix)) for holder in holders} == {f"{names.prefix}-store-{suffix}"}
