"""Cloudflare keeps the contract of name servers, before its own description; proxied records; faults; pages."""

from __future__ import annotations

import pytest

from providers.catalog import vendor_of
from providers.cloudflare.dns import Cloudflare, open_dns
from providers.cloudflare.records import canonical, record_body, record_value
from providers.contract import DnsProof, RecordSet
from providers.edge import Edge
from state.clock import SystemClock
from state.errors import AnswersError, NotFound, ProviderError, Unauthorized, UsageError
from state.secret import Secret
from tests.providers.cloudflare.conftest import ZONE
from tests.providers.cloudflare.fake import ALL_RIGHTS, TOKEN, FakeCloudflare
from tests.providers.contract import DnsContract
from tests.providers.fake import FAULTS, Fault, Faulty
from tests.providers.scripted import FakeClock, Scripted, answer

A = RecordSet("@", "A", ("203.0.113.1", "203.0.113.2"), 60)


class TestCloudflareDns(DnsContract):
    """The suite, unchanged."""


def standing(provider: Cloudflare, name: str = "@", type_: str = "A") -> RecordSet | None:
    return next((one for one in provider.record_sets(ZONE) if (one.name, one.type) == (name, type_)), None)


def test_a_proxied_set_has_the_vendors_ttl_and_keeps_its_way(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str
) -> None:
    provider.put_record_set(ZONE, A, proxied=True)
    assert standing(provider) == RecordSet("@", "A", A.values, 1)
    assert provider.proxied_sets(ZONE) == {("@", "A")}
    before = set(vendor.records[zone])
    vendor.asked.clear()
    provider.put_record_set(ZONE, A)
    assert [line for line in vendor.asked if not line.startswith("GET")] == [], "nothing changed, nothing written"
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 60))
    assert provider.proxied_sets(ZONE) == {("@", "A")}, "a new address of it is proxied as the others are"
    assert all(record["proxied"] and record["ttl"] == 1 for record in vendor.records[zone].values())
    assert len(before & set(vendor.records[zone])) == 1
    provider.put_record_set(ZONE, A, proxied=False)
    assert standing(provider) == A
    assert provider.proxied_sets(ZONE) == frozenset()


def test_a_naked_set_becomes_proxied_in_place(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    provider.put_record_set(ZONE, A)
    ids = set(vendor.records[zone])
    provider.put_record_set(ZONE, A, proxied=True)
    assert set(vendor.records[zone]) == ids


def test_a_type_that_cannot_be_proxied_is_refused(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    provider.zones()
    with pytest.raises(UsageError) as caught:
        provider.put_record_set(ZONE, RecordSet("@", "TXT", ("x",), 60), proxied=True)
    assert "AAAA" in caught.value.hint
    assert vendor.records[zone] == {}


def test_new_values_come_before_old_ones_go(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    provider.put_record_set(ZONE, A)
    vendor.asked.clear()
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.9",), 60))
    writes = [line.split()[0] for line in vendor.asked if not line.startswith("GET")]
    assert writes == ["POST", "DELETE", "DELETE"]


def test_a_ttl_that_the_vendor_refuses_is_told_in_its_words(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str
) -> None:
    # The description knows the 30 seconds of enterprises; the fake is no enterprise.
    with pytest.raises(ProviderError) as caught:
        provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1",), 30))
    assert "TTL must be between 60 and 86400" in caught.value.detail


def test_a_zone_nobody_added_is_named_with_what_to_do(provider: Cloudflare, vendor: FakeCloudflare) -> None:
    with pytest.raises(NotFound) as caught:
        provider.record_sets("elsewhere.example")
    assert "elsewhere.example" in caught.value.summary
    assert "control panel" in caught.value.hint


@pytest.mark.parametrize("lack", ["right", "account"])
def test_a_token_for_one_zone_only_makes_none_and_says_what_to_do(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str, lack: str
) -> None:
    provider.ensure_zone(ZONE)
    if lack == "right":
        vendor.rights = ALL_RIGHTS - {"zone:edit"}
    else:
        vendor.accounts = []
    with pytest.raises(ProviderError) as caught:
        provider.ensure_zone("new.example")
    assert "Add new.example in Cloudflare's control panel" in caught.value.hint


def test_lists_are_read_over_the_page_boundary(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    vendor.page = 20
    for number in range(40):
        vendor.add_zone(f"zone{number}.example.net")
    assert len(provider.zones()) == 41
    addresses = tuple(f"203.0.113.{number}" for number in range(1, 41))
    provider.put_record_set(ZONE, RecordSet("@", "A", addresses, 60))
    vendor.asked.clear()
    found = standing(provider)
    assert found is not None
    assert set(found.values) == set(addresses)
    assert [line[-2:] for line in vendor.asked] == ["=1", "=2"], "two full pages, and no third one"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_set_is_right_whatever_becomes_of_the_first_try(
    provider: Cloudflare, vendor: FakeCloudflare, faulty: Faulty, zone: str, method: str, fault: Fault
) -> None:
    provider.put_record_set(ZONE, A)
    faulty.lay(method, "dns_records", fault)
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 120))
    assert standing(provider) == RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 120)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_zone_is_made_once(provider: Cloudflare, vendor: FakeCloudflare, faulty: Faulty, fault: Fault) -> None:
    faulty.lay("POST", "/zones", fault)
    provider.ensure_zone(ZONE)
    assert [zone["name"] for zone in vendor.zones.values()] == [ZONE]


def test_a_vendor_that_stays_down_is_given_up_without_the_token(
    provider: Cloudflare, vendor: FakeCloudflare, faulty: Faulty, clock: FakeClock
) -> None:
    provider.zones()
    faulty.lay("GET", "/zones", FAULTS["500"], times=1000)
    began = clock.monotonic()
    with pytest.raises(ProviderError) as caught:
        provider.zones()
    assert clock.monotonic() - began <= 180
    assert caught.value.hint
    assert TOKEN not in caught.value.text()


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(400, 6003, "Invalid request headers"), (401, 1000, "Invalid API Token"), (403, 9109, "Invalid access token")],
)
def test_a_token_that_is_none(status: int, code: int, message: str) -> None:
    body = {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}
    driver = Cloudflare(Secret("x" * 40), clock=FakeClock(), transport=Scripted(answer(status, body)))
    with pytest.raises(Unauthorized) as caught:
        driver.zones()
    assert "does not accept the token" in caught.value.summary
    assert message in caught.value.detail


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("TXT", "v=spf1 -all"),
        ("TXT", 'with "quotes" and \\ one'),
        ("TXT", "x" * 600),
        ("SRV", "10 20 5060 sip.example.org"),
        ("CAA", "0 issue ca.example.net"),
        ("CAA", "0 issue ;"),
        ("MX", "10 mail.example.org"),
        ("NS", "ns.example.net"),
    ],
)
def test_a_value_survives_the_way_there_and_back(type_: str, value: str) -> None:
    body = record_body("example.org", type_, value, 60, False)
    assert record_value({**body, "content": body.get("content", "")}) == value


def test_a_long_text_is_sent_in_strings_of_255() -> None:
    sent = record_body("example.org", "TXT", "x" * 600, 60, False)["content"]
    assert [len(part) - 2 for part in sent.split(" ")] == [255, 255, 90]


def test_text_that_somebody_sent_without_quotes_is_the_same() -> None:
    assert canonical("TXT", "plain text") == canonical("TXT", '"plain text"') == canonical("TXT", '"plain " "text"')


@pytest.mark.parametrize(("type_", "value"), [("MX", "mail.example.org"), ("SRV", "a b c d"), ("CAA", "0 issue")])
def test_a_value_of_another_form_is_refused(type_: str, value: str) -> None:
    with pytest.raises(UsageError):
        record_body("example.org", type_, value, 60, False)


def test_lego_proves_the_domain_with_the_same_token() -> None:
    driver = Cloudflare(Secret(TOKEN), clock=SystemClock())
    assert driver.dns_proof() == DnsProof("cloudflare", (("CF_DNS_API_TOKEN", "cloudflare.token"),))
    elsewhere = Cloudflare(Secret(TOKEN), clock=SystemClock(), api_url="https://cloud.test")
    assert elsewhere.dns_proof().environment == (("CLOUDFLARE_BASE_URL", "https://cloud.test/client/v4"),)


def test_the_catalogue_opens_it_for_dns_and_not_for_machines() -> None:
    vendor = vendor_of("cloudflare")
    secrets = {"cloudflare.token": Secret(TOKEN)}
    opened = vendor.open_dns({}, secrets, SystemClock())
    assert isinstance(opened, Cloudflare)
    assert isinstance(opened, Edge)
    assert not isinstance(
        vendor_of("digitalocean").open_dns({}, {"digitalocean.token": Secret("x")}, SystemClock()), Edge
    )
    assert isinstance(open_dns({}, secrets, SystemClock(), None), Cloudflare)
    with pytest.raises(AnswersError):
        vendor.open({}, secrets, SystemClock())
    check = vendor.questions[0].check
    assert check is not None
    assert "global" in check("0123456789abcdef0123456789abcdef01234")
    assert check("too short")
    assert check(TOKEN) == ""
