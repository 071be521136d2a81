"""Route 53: spelling, whole sets, pages, and what others made there."""

from __future__ import annotations

import pytest

from providers.aws import records
from providers.aws.driver import Amazon
from providers.contract import RecordSet
from state.errors import NotFound, UsageError
from tests.providers.aws.aws_cloud import Cloud
from tests.providers.contract import ZONE
from tests.providers.fake import FAULTS


@pytest.mark.parametrize(
    ("type_", "value", "wire"),
    [
        ("A", "203.0.113.1", "203.0.113.1"),
        ("AAAA", "2001:db8::1", "2001:db8::1"),
        ("CNAME", "other.example.org", "other.example.org."),
        ("MX", "10 mail.example.org", "10 mail.example.org."),
        ("SRV", "1 2 443 ws.example.org", "1 2 443 ws.example.org."),
        ("CAA", "0 issue ca.example.net", '0 issue "ca.example.net"'),
        ("CAA", "0 iodef mailto:a@example.net", '0 iodef "mailto:a@example.net"'),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", 'a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("TXT", "ä", '"\\303\\244"'),
        ("TXT", "x" * 300, '"' + "x" * 255 + '" "' + "x" * 45 + '"'),
    ],
)
def test_values_are_spelt_as_aws_does_and_read_back(type_: str, value: str, wire: str) -> None:
    assert records.sent(type_, value) == wire
    assert records.given(type_, wire) == value


def test_a_caa_without_its_parts_is_refused() -> None:
    with pytest.raises(UsageError):
        records.sent("CAA", "0 issue")


def test_names_are_read_whatever_their_characters(provider: Amazon) -> None:
    provider.ensure_zone(ZONE)
    for name in ("*", "*.shop", "_acme-challenge.www"):
        provider.put_record_set(ZONE, RecordSet(name, "TXT", ("one",), 60))
        assert [one.values for one in provider.record_sets(ZONE) if one.name == name] == [("one",)]
        provider.delete_record_set(ZONE, name, "TXT")
        assert name not in {one.name for one in provider.record_sets(ZONE)}
    assert records._relative(f"\\052.{ZONE}.", ZONE) == "*"


def test_more_sets_than_a_page_holds_are_all_listed(provider: Amazon, cloud: Cloud) -> None:
    provider.ensure_zone(ZONE)
    zone_id = cloud.look("route53").list_hosted_zones()["HostedZones"][0]["Id"]
    sets = [
        {"Name": f"n{n}.{ZONE}", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "203.0.113.1"}]}
        for n in range(305)
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": one} for one in sets]
    cloud.look("route53").change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    cloud.asked.clear()
    found = [one.name for one in provider.record_sets(ZONE) if one.type == "A"]
    assert sorted(found) == sorted(f"n{n}" for n in range(305))
    assert cloud.operations().count("ListResourceRecordSets") == 2  # 300 a page


def test_a_change_is_one_atomic_upsert(provider: Amazon, cloud: Cloud) -> None:
    provider.ensure_zone(ZONE)
    cloud.asked.clear()
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1", "203.0.113.2", "203.0.113.1"), 60))
    (batch,) = [params["ChangeBatch"] for name, params in cloud.asked if name == "ChangeResourceRecordSets"]
    assert [change["Action"] for change in batch["Changes"]] == ["UPSERT"]
    assert batch["Changes"][0]["ResourceRecordSet"]["ResourceRecords"] == [
        {"Value": "203.0.113.1"},
        {"Value": "203.0.113.2"},
    ]


def test_an_alias_of_somebody_is_left_out_and_alone(provider: Amazon, cloud: Cloud) -> None:
    provider.ensure_zone(ZONE)
    zone_id = cloud.look("route53").list_hosted_zones()["HostedZones"][0]["Id"]
    alias = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": "d1.cloudfront.net", "EvaluateTargetHealth": False}
    body = {"Name": f"cdn.{ZONE}", "Type": "A", "AliasTarget": alias}
    changes = [{"Action": "CREATE", "ResourceRecordSet": body}]
    cloud.look("route53").change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    assert "cdn" not in {one.name for one in provider.record_sets(ZONE)}
    listed = cloud.look("route53").list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    assert f"cdn.{ZONE}." in {one["Name"] for one in listed}


def test_a_private_zone_of_that_name_is_not_ours(provider: Amazon, cloud: Cloud) -> None:
    cloud.look("route53").create_hosted_zone(
        Name=ZONE, CallerReference="private", HostedZoneConfig={"PrivateZone": True}
    )
    assert provider.zones() == ()
    provider.ensure_zone(ZONE)
    assert provider.zones() == (ZONE,)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_zone_is_made_once_whatever_becomes_of_the_first_try(provider: Amazon, cloud: Cloud, fault: object) -> None:
    cloud.lay("POST", "CreateHostedZone", fault)  # type: ignore[arg-type]
    provider.ensure_zone(ZONE)
    zones = cloud.look("route53").list_hosted_zones()["HostedZones"]
    assert [zone["Name"] for zone in zones] == [f"{ZONE}."]
    assert set(cloud.refused) <= {"HostedZoneAlreadyExists"}
    cloud.refused.clear()


def test_a_zone_that_is_not_there_is_said_so(provider: Amazon) -> None:
    with pytest.raises(NotFound, match=ZONE):
        provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1",), 60))
