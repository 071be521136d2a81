"""Hetzner's records stand as in a zone file: quoted texts, hosts with a final dot, TTLs of its own."""

from __future__ import annotations

import pytest

from providers.contract import RecordSet
from providers.hetzner.driver import Hetzner
from providers.hetzner.records import read_value, written
from state.errors import NotFound, ProviderError, UsageError
from tests.providers.contract import ZONE
from tests.providers.hetzner.hetzner_cloud import HetznerCloud


@pytest.mark.parametrize(
    ("type_", "value", "sent"),
    [
        ("A", "203.0.113.1", "203.0.113.1"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("CNAME", "Shop.example.org.", "shop.example.org."),
        ("MX", "10 mail.example.org", "10 mail.example.org."),
        ("SRV", "1 2 443 sip.example.org", "1 2 443 sip.example.org."),
        ("CAA", "0 issue ca.example.net", '0 issue "ca.example.net"'),
        ("CAA", "0 issue ;", '0 issue ";"'),
        ("TXT", "", '""'),
        ("TXT", 'v=spf1 "a" \\ b', '"v=spf1 \\"a\\" \\\\ b"'),
        ("TXT", "x" * 256, f'"{"x" * 255}" "x"'),
    ],
)
def test_values_are_written_as_in_a_zone_file_and_read_back(type_: str, value: str, sent: str) -> None:
    assert written(type_, value) == sent
    assert written(type_, read_value(type_, sent, ZONE)) == sent


def test_hosts_relative_to_the_zone_are_read_whole() -> None:
    assert read_value("CNAME", "www", ZONE) == f"www.{ZONE}"
    assert read_value("MX", "10 @", ZONE) == f"10 {ZONE}"


def test_a_caa_record_without_its_parts_is_refused() -> None:
    with pytest.raises(UsageError):
        written("CAA", "letsencrypt.org")


@pytest.mark.parametrize(("wanted_s", "taken_s"), [(0, 60), (30, 60), (61, 61), (2**31, 2**31 - 1)])
def test_a_ttl_the_vendor_does_not_take_becomes_the_nearest(provider: Hetzner, wanted_s: int, taken_s: int) -> None:
    provider.ensure_zone(ZONE)
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), wanted_s))
    assert RecordSet("www", "A", ("203.0.113.1",), taken_s) in provider.record_sets(ZONE)


def test_sets_without_a_ttl_have_their_zones_and_the_soa_is_the_vendors(provider: Hetzner) -> None:
    provider.ensure_zone(ZONE)
    names = ("hydrogen.ns.hetzner.com", "oxygen.ns.hetzner.com")
    assert provider.record_sets(ZONE) == (RecordSet("@", "NS", names, 3600),)


def test_what_is_right_already_is_not_sent_again(cloud: HetznerCloud, provider: Hetzner) -> None:
    provider.ensure_zone(ZONE)
    wanted = RecordSet("www", "A", ("203.0.113.1", "203.0.113.2"), 60)
    provider.put_record_set(ZONE, wanted)
    cloud.asked.clear()
    provider.put_record_set(ZONE, wanted)
    assert cloud.asked == [f"GET /v1/zones/{ZONE}/rrsets/www/A"]


def test_more_values_than_the_vendor_takes_are_refused(cloud: HetznerCloud, provider: Hetzner) -> None:
    provider.ensure_zone(ZONE)
    addresses = tuple(f"203.0.113.{number}" for number in range(51))
    with pytest.raises(UsageError):
        provider.put_record_set(ZONE, RecordSet("www", "A", addresses, 60))
    assert len(cloud.sets) == 2


def test_more_sets_than_a_page_holds_are_all_listed(cloud: HetznerCloud, provider: Hetzner) -> None:
    provider.ensure_zone(ZONE)
    zone = cloud.zones[ZONE]
    for number in range(60):
        cloud.put_set(zone, f"host-{number}", "A", 60, [{"value": "203.0.113.1"}])
    assert len(provider.record_sets(ZONE)) == 61


def test_a_subdomain_is_no_zone_here(provider: Hetzner) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.ensure_zone(f"shop.{ZONE}")
    assert "public suffix" in caught.value.detail


def test_a_zone_that_is_not_there_is_not_found(provider: Hetzner) -> None:
    with pytest.raises(NotFound):
        provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    with pytest.raises(NotFound):
        provider.record_sets(ZONE)


def test_no_values_remove_the_set(provider: Hetzner) -> None:
    provider.ensure_zone(ZONE)
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    provider.put_record_set(ZONE, RecordSet("www", "A", (), 60))
    assert "www" not in [one.name for one in provider.record_sets(ZONE)]
