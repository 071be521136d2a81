"""Exoscale's managed databases, DNS and keys for buckets, beyond what the suites ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Permission, RecordSet
from providers.databases import DatabaseSpec, Engine
from providers.exoscale.bucket_keys import grants_of, policy
from providers.exoscale.driver import Exoscale
from state.errors import Conflict, NotFound, ProviderError, UsageError
from tests.providers.contract import ZONE
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import an_id
from tests.providers.fake import FAULTS, Faulty

GRANTS = (
    BucketGrant("by-demo-config", Permission.READ),
    BucketGrant("by-demo-assets", Permission.READ_WRITE),
)


# Managed databases


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_database_is_made_once_whatever_becomes_of_the_first_try(
    provider: Exoscale,
    faulty: Faulty,
    fake: WholeExoscaleFake,
    database_spec: DatabaseSpec,
    fault: Callable[..., httpx.Response],
) -> None:
    faulty.lay("POST", "/dbaas-mysql", fault)
    made = provider.ensure_database(database_spec)
    assert [one.id for one in provider.databases("by-demo-")] == [made.id]
    assert set(made.sources) == set(database_spec.sources)
    # the vendor's default would keep it from being deleted with its deployment
    assert fake.services[database_spec.name]["termination-protection"] is False


def test_plans_that_are_not_for_this_organization_are_left_out(provider: Exoscale, region: str) -> None:
    slugs = [size.slug for size in provider.database_sizes(region, Engine.POSTGRES)]
    assert slugs == ["hobbyist-2", "startup-4", "business-4"]


def test_the_same_name_in_another_zone_is_a_conflict(provider: Exoscale, database_spec: DatabaseSpec) -> None:
    provider.ensure_database(database_spec)
    with pytest.raises(Conflict, match="another one"):
        provider.ensure_database(replace(database_spec, region="de-fra-1"))


def test_the_version_is_said_when_somebody_wants_one(
    provider: Exoscale, fake: WholeExoscaleFake, database_spec: DatabaseSpec
) -> None:
    made = provider.ensure_database(replace(database_spec, engine=Engine.POSTGRES, version="16"))
    assert made.version == "16"
    with pytest.raises(UsageError):
        provider.ensure_database(replace(database_spec, name="d" * 64))


def test_a_database_that_the_vendor_does_not_make_says_why(
    provider: Exoscale, faulty: Faulty, database_spec: DatabaseSpec
) -> None:
    failed = {"id": "5f8c3a46-6f2b-5d7e-9a57-3d3a4f4c9a11", "state": "failure", "reason": "fault", "message": "no room"}
    faulty.lay("POST", "/dbaas-mysql", lambda *_: httpx.Response(200, json=failed))
    with pytest.raises(ProviderError) as caught:
        provider.ensure_database(database_spec)
    assert "fault: no room" in caught.value.detail


# DNS


def test_the_vendors_own_records_are_not_shown(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    provider.ensure_zone(ZONE)
    assert provider.record_sets(ZONE) == ()
    assert len(fake.records[an_id("domain", ZONE)]) == 4
    with pytest.raises(NotFound) as caught:
        provider.record_sets("unknown.example")
    assert "registrar" in caught.value.hint


def test_records_the_description_makes_hard_are_kept(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    provider.ensure_zone(ZONE)
    for ttl_s in (60, 90):
        # a change may not say a priority of 0, so it says none
        for wanted in (
            RecordSet("@", "MX", ("0 mail.example.org",), ttl_s),
            RecordSet("_sip._tcp", "SRV", ("1 2 5060 sip.example.org",), ttl_s),
            RecordSet("@", "CAA", ("0 iodef mailto:a@example.org",), ttl_s),
            RecordSet("@", "TXT", ("v=spf1 -all",), ttl_s),
            RecordSet("*", "AAAA", ("2001:db8::1",), ttl_s),
        ):
            provider.put_record_set(ZONE, wanted)
            assert wanted in provider.record_sets(ZONE)
    content = {record["type"]: record["content"] for record in fake.records[an_id("domain", ZONE)].values()}
    assert content["CAA"] == '0 iodef "mailto:a@example.org"'


@pytest.mark.parametrize(
    "wrong",
    [
        RecordSet("@", "A", ("203.0.113.1",), 0),
        RecordSet("@", "MX", ("mail.example.org",), 60),
        RecordSet("@", "CAA", ("issue",), 60),
    ],
)
def test_a_record_that_cannot_be_is_refused_before_any_is_changed(
    provider: Exoscale, fake: WholeExoscaleFake, wrong: RecordSet
) -> None:
    provider.ensure_zone(ZONE)
    with pytest.raises(UsageError):
        provider.put_record_set(ZONE, wrong)
    assert provider.record_sets(ZONE) == ()


# Keys for buckets


def test_bucket_keys_are_made_replaced_and_deleted(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    first, secret = provider.create_bucket_key("by-demo-state", GRANTS)
    assert secret.reveal()
    other, _ = provider.create_bucket_key("by-demo-state-of-another", FULL_ACCESS)
    second, _ = provider.create_bucket_key("by-demo-state", GRANTS)
    assert second != first
    assert provider.bucket_keys("by-demo-state") == (BucketKey(second, frozenset(GRANTS)),)
    assert provider.bucket_keys("by-demo-state-of-another") == (BucketKey(other, frozenset(FULL_ACCESS)),)
    assert len(fake.roles) == 2
    provider.delete_bucket_key(first)
    provider.delete_bucket_key(second)
    provider.delete_bucket_key(second)
    assert [role["name"] for role in fake.roles.values()] == ["by-demo-state-of-another"]


def test_other_grants_change_the_role(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    provider.create_bucket_key("by-demo-state", GRANTS)
    key, _ = provider.create_bucket_key("by-demo-state", GRANTS[:1])
    assert provider.bucket_keys("by-demo-state") == (BucketKey(key, frozenset(GRANTS[:1])),)
    assert len(fake.roles) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("part", ["/iam-role", "/api-key"])
def test_one_key_is_left_whatever_becomes_of_the_first_try(
    provider: Exoscale, faulty: Faulty, fake: WholeExoscaleFake, part: str, fault: Callable[..., httpx.Response]
) -> None:
    faulty.lay("POST", part, fault)
    key, _ = provider.create_bucket_key("by-demo-state", GRANTS)
    assert provider.bucket_keys("by-demo-state") == (BucketKey(key, frozenset(GRANTS)),)
    assert len(fake.roles) == 1


def test_roles_of_others_are_neither_changed_nor_removed(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    mine = {"id": "5f8c3a46-6f2b-5d7e-9a57-3d3a4f4c9a11", "name": "operations"}
    fake.roles[mine["id"]] = mine
    fake.api_keys["EXOmine"] = {"name": "operations", "key": "EXOmine", "role-id": mine["id"]}
    assert provider.bucket_keys("operations") == (BucketKey("EXOmine", frozenset()),)
    provider.delete_bucket_key("EXOmine")
    assert list(fake.roles.values()) == [mine]


def test_a_policy_that_somebody_changed_is_not_taken_for_ours() -> None:
    assert grants_of(policy(GRANTS)) == frozenset(GRANTS)
    wider = policy(GRANTS)
    wider["services"]["sos"]["rules"].append({"action": "allow", "expression": "true"})
    assert grants_of(wider) == frozenset()
    assert grants_of({**policy(GRANTS), "default-service-strategy": "allow"}) == frozenset()
    assert (
        grants_of({"default-service-strategy": "deny", "services": {"sos": {"type": "allow"}, "dns": {}}})
        == frozenset()
    )
    assert grants_of(None) == frozenset()


@pytest.mark.parametrize(
    "wrong",
    [
        BucketGrant("a' || true || 'b", Permission.READ),
        BucketGrant("", Permission.READ),
        BucketGrant("by-demo-config", Permission.FULL),
    ],
)
def test_a_grant_that_would_be_more_than_it_says_is_refused(provider: Exoscale, wrong: BucketGrant) -> None:
    with pytest.raises(UsageError):
        provider.create_bucket_key("by-demo-state", (*GRANTS, wrong))


def test_the_object_store_is_the_zones(provider: Exoscale) -> None:
    access = provider.bucket_access("de-fra-1")
    assert (access.endpoint_url, access.region) == ("https://sos-de-fra-1.exo.io", "de-fra-1")
