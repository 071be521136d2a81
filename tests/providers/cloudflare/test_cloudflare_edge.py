"""What Cloudflare is before the site: its mode of TLS, its own certificate, its networks, its log-in, its token."""

from __future__ import annotations

from typing import Any

import pytest

from providers.cloudflare.dns import Cloudflare
from providers.contract import Account, RecordSet
from providers.edge import AccessGate
from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unauthorized, UsageError
from tests.providers.cloudflare.conftest import ZONE
from tests.providers.cloudflare.fake import ALL_RIGHTS, V4, V6, FakeCloudflare
from tests.providers.fake import FAULTS, Fault, Faulty, limited

GATE = AccessGate("admin pages", "example.org/wp-admin", ("ann@example.org", "@example.net"), 12)


@pytest.fixture(autouse=True)
def _zone_there(zone: str) -> None:
    """Every edge here stands before a zone."""


def test_the_token_has_all_rights_and_trying_changes_nothing(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str
) -> None:
    provider.put_record_set(ZONE, RecordSet("@", "A", ("203.0.113.1",), 60))
    provider.put_access_gate(ZONE, GATE)
    before = repr((vendor.records, vendor.settings, vendor.apps, vendor.policies))
    assert provider.check_credentials(ZONE, access=True) == Account("Example's account", "active", ())
    assert repr((vendor.records, vendor.settings, vendor.apps, vendor.policies)) == before


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        ("zone:read", ("Zone: Read",)),
        ("dns:edit", ("DNS: Edit",)),
        ("settings:edit", ("Zone Settings: Edit",)),
        ("access:edit", ("Access: Apps and Policies: Edit",)),
    ],
)
def test_a_missing_right_is_named(
    provider: Cloudflare, vendor: FakeCloudflare, lacking: str, missing: tuple[str, ...]
) -> None:
    vendor.rights = ALL_RIGHTS - {lacking}
    assert provider.check_credentials(ZONE, access=True).missing_rights == missing


def test_access_is_asked_for_only_where_it_is_wanted(provider: Cloudflare, vendor: FakeCloudflare) -> None:
    vendor.rights = ALL_RIGHTS - {"access:edit"}
    assert provider.check_credentials(ZONE).missing_rights == ()
    assert not any("access" in line for line in vendor.asked)


def test_a_zone_that_the_token_does_not_see_is_no_missing_right(provider: Cloudflare) -> None:
    with pytest.raises(NotFound):
        provider.check_credentials("elsewhere.example")


def test_a_wrong_token_is_refused(provider: Cloudflare, vendor: FakeCloudflare) -> None:
    vendor.token = "d2" * 20
    with pytest.raises(Unauthorized) as caught:
        provider.check_credentials(ZONE)
    assert "Invalid format for Authorization header" in caught.value.detail
    assert caught.value.hint


def test_a_vendor_that_limits_is_no_missing_right(provider: Cloudflare, faulty: Faulty) -> None:
    faulty.lay("DELETE", "dns_records", limited, times=1000)
    with pytest.raises(RateLimited):
        provider.check_credentials(ZONE)


@pytest.mark.parametrize("mode", ["strict", "full", "flexible", "off"])
def test_only_the_strict_mode_will_do(provider: Cloudflare, vendor: FakeCloudflare, zone: str, mode: str) -> None:
    vendor.settings[zone]["ssl"] = mode
    assert provider.ssl_mode(ZONE) == mode
    if mode == "strict":
        provider.require_strict(ZONE)
        return
    with pytest.raises(Conflict) as caught:
        provider.require_strict(ZONE)
    assert mode in caught.value.summary
    assert caught.value.detail
    assert "Full (strict)" in caught.value.hint


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_edge_shows_its_certificate_or_not(
    provider: Cloudflare, vendor: FakeCloudflare, faulty: Faulty, zone: str, fault: Fault
) -> None:
    assert not provider.origin_pulls(ZONE)
    faulty.lay("PATCH", "settings", fault)
    provider.put_origin_pulls(ZONE, True)
    assert provider.origin_pulls(ZONE)
    assert vendor.settings[zone] == {"ssl": "full", "tls_client_auth": "on"}
    provider.put_origin_pulls(ZONE, False)
    assert not provider.origin_pulls(ZONE)


def test_the_published_networks(provider: Cloudflare) -> None:
    assert provider.published_ranges() == (tuple(V4), tuple(V6))


@pytest.mark.parametrize(
    "ranges",
    [
        {"ipv4_cidrs": [], "ipv6_cidrs": V6},
        {"ipv4_cidrs": V4, "ipv6_cidrs": []},
        {"ipv4_cidrs": ["0.0.0.0/0"], "ipv6_cidrs": V6},
        {"ipv4_cidrs": V4, "ipv6_cidrs": ["::/0"]},
        {"ipv4_cidrs": V6, "ipv6_cidrs": V4},
        {"ipv4_cidrs": ["198.18.0.1/20"], "ipv6_cidrs": V6},
        {"ipv4_cidrs": ["nonsense"], "ipv6_cidrs": V6},
    ],
)
def test_networks_that_cannot_be_are_refused(
    provider: Cloudflare, vendor: FakeCloudflare, ranges: dict[str, Any]
) -> None:
    vendor.ranges = ranges
    with pytest.raises(ProviderError) as caught:
        provider.published_ranges()
    assert caught.value.hint


def test_a_gate_is_made_changed_and_removed(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    provider.put_access_gate(ZONE, GATE)
    vendor.asked.clear()
    provider.put_access_gate(ZONE, GATE)
    assert [line for line in vendor.asked if not line.startswith("GET")] == [], "nothing changed, nothing written"
    assert provider.access_gates(ZONE) == (GATE,)
    (app,) = vendor.apps[zone].values()
    (policy,) = vendor.policies[app["id"]].values()
    assert (app["type"], app["domain"], app["session_duration"]) == ("self_hosted", "example.org/wp-admin", "12h")
    assert policy["include"] == [{"email": {"email": "ann@example.org"}}, {"email_domain": {"domain": "example.net"}}]
    changed = AccessGate("admin pages, again", GATE.place, ("bob@example.org",), 24)
    provider.put_access_gate(ZONE, changed)
    assert provider.access_gates(ZONE) == (changed,)
    assert list(vendor.apps[zone]) == [app["id"]]
    provider.delete_access_gate(ZONE, GATE.place)
    provider.delete_access_gate(ZONE, GATE.place)
    assert provider.access_gates(ZONE) == ()


def test_who_was_let_in_by_hand_is_let_in_no_more(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    provider.put_access_gate(ZONE, GATE)
    (app_id,) = vendor.apps[zone]
    vendor.add_policy(app_id, {"name": "friends", "decision": "allow", "include": [{"everyone": {}}]})
    assert '{"everyone": {}}' in provider.access_gates(ZONE)[0].allowed
    provider.put_access_gate(ZONE, GATE)
    assert provider.access_gates(ZONE) == (GATE,)


def test_rules_of_the_whole_account_are_not_touched_but_told(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str
) -> None:
    provider.put_access_gate(ZONE, GATE)
    (app_id,) = vendor.apps[zone]
    rule = {"name": "staff", "decision": "allow", "include": [{"everyone": {}}], "reusable": True}
    vendor.add_policy(app_id, rule)
    with pytest.raises(Conflict) as caught:
        provider.put_access_gate(ZONE, GATE)
    assert "staff" in caught.value.summary
    assert len(vendor.policies[app_id]) == 2


def test_another_kind_of_application_is_no_gate(provider: Cloudflare, vendor: FakeCloudflare, zone: str) -> None:
    vendor.apps[zone]["b"] = {"id": "b", "type": "bookmark", "domain": GATE.place, "name": "a link"}
    provider.put_access_gate(ZONE, GATE)
    provider.delete_access_gate(ZONE, GATE.place)
    assert list(vendor.apps[zone]) == ["b"]


@pytest.mark.parametrize("allowed", [(), ("ann",), ("",), ("ann@example.org ",)])
def test_a_gate_for_nobody_or_nonsense_is_refused(
    provider: Cloudflare, vendor: FakeCloudflare, zone: str, allowed: tuple[str, ...]
) -> None:
    provider.access_gates(ZONE)
    with pytest.raises(UsageError):
        provider.put_access_gate(ZONE, AccessGate("x", GATE.place, allowed))
    assert vendor.apps[zone] == {}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("part", ["/access/apps", "/policies"])
def test_a_gate_is_made_once_whatever_becomes_of_the_first_try(
    provider: Cloudflare, vendor: FakeCloudflare, faulty: Faulty, zone: str, part: str, fault: Fault
) -> None:
    faulty.lay("POST", part, fault)
    provider.put_access_gate(ZONE, GATE)
    assert provider.access_gates(ZONE) == (GATE,)
    assert [len(policies) for policies in vendor.policies.values()] == [1]
