"""What Exoscale alone has: two credentials, zones with hosts of their own, labels for tags, keys without ids."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.catalog import account_found, open_provider
from providers.contract import InboundRule, MachineSpec, Protocols
from providers.exoscale import VENDOR, api
from providers.exoscale.driver import Exoscale
from state.errors import ProviderError, Unauthorized, Unavailable, UsageError
from state.secret import Secret
from tests.providers.contract import ACTION, FLEET, KEY
from tests.providers.exoscale.exoscale_description import exoscale
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import KEY as API_KEY
from tests.providers.exoscale.exoscale_organization import SECRET, ZONES, an_id
from tests.providers.fake import Faulty
from tests.providers.scripted import FakeClock

SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128"))
WEB = InboundRule(Protocols.TCP, 443, ("0.0.0.0/0", "::/0"))


def rsa_key() -> str:
    blob = b"\0\0\0\7ssh-rsa" + b"\1" * 500
    return f"ssh-rsa {base64.b64encode(blob).decode()} somebody"


# Credentials


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_wrong_credentials_are_refused_whatever_the_vendor_calls_it(
    fake: WholeExoscaleFake, clock: FakeClock, status: int, wrong: str
) -> None:
    fake.stranger_status = status
    key, secret = ("EXO" + "0" * 24, SECRET) if wrong == "key" else (API_KEY, "0" * 43)
    driver = Exoscale(Secret(key), Secret(secret), clock=clock, transport=fake)
    with pytest.raises(Unauthorized) as caught:
        driver.check_credentials()
    driver.close()
    assert "Invalid request signature" in caught.value.detail
    assert caught.value.hint
    assert secret not in caught.value.text()
    assert key not in caught.value.text()


def test_rights_that_are_missing_are_named_with_what_they_are_for(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    fake.forbidden = ("/v2/dns-domain", "/v2/api-key", "/v2/organization")
    account = provider.check_credentials()
    assert account.missing_rights == (
        "list-dns-domains of dns (the site's address, certificates)",
        "list-api-keys of iam (keys for buckets)",
    )
    assert account.name == "an organization that may not be read"
    with pytest.raises(Unauthorized, match="certificates"):
        account_found(provider)


def test_a_key_that_may_nothing_is_refused(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    fake.forbidden = ("/v2/",)
    with pytest.raises(Unauthorized, match="or its role allows nothing"):
        provider.check_credentials()


def test_the_organization_is_named(provider: Exoscale) -> None:
    assert account_found(provider) == "valid, account Example Inc.; no right is missing"


def test_the_wizard_opens_the_driver_in_the_zone_of_the_answers(fake: WholeExoscaleFake, clock: FakeClock) -> None:
    secrets = {"exoscale.key": Secret(API_KEY), "exoscale.secret": Secret(SECRET)}
    opened = open_provider("exoscale", {"provider.region": "de-fra-1"}, secrets, clock=clock, transport=fake)
    opened.check_credentials()
    assert fake.zone == "de-fra-1"
    assert opened.dns_proof().lego_name == "exoscale"
    assert {name for _, name in opened.dns_proof().secret_variables} == set(VENDOR.secret_names)
    opened.close()


def test_a_region_of_another_cloud_is_no_zone(fake: WholeExoscaleFake, clock: FakeClock) -> None:
    # somebody chose another provider first, and its region is still among the answers
    secrets = {"exoscale.key": Secret(API_KEY), "exoscale.secret": Secret(SECRET)}
    opened = open_provider("exoscale", {"provider.region": "fra1"}, secrets, clock=clock, transport=fake)
    assert [region.slug for region in opened.regions()] == list(ZONES)
    opened.close()


def test_credentials_are_checked_before_they_are_kept() -> None:
    key, secret = VENDOR.questions
    assert (key.check(API_KEY), secret.check(SECRET)) == ("", "")
    assert key.check("dop_v1_0123456789")
    assert secret.check(f"{SECRET}\n")


# Zones


def test_a_list_comes_whole(provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake) -> None:
    # there are no pages: what would be a second page elsewhere is in the same answer
    machine = provider.create_machine(spec, ACTION)
    one = fake.instances[api.unzoned(machine.id)[1]]
    for number in range(250):
        copy = an_id("copy", number)
        fake.instances[copy] = {**one, "id": copy, "private-networks": []}
        fake._places[copy] = spec.region
    fake.asked.clear()
    assert len(provider.machines(FLEET)) == 251
    assert fake.asked.count("GET /v2/instance") == len(ZONES)


def test_things_of_all_zones_are_found(provider: Exoscale, spec: MachineSpec) -> None:
    here = provider.create_machine(spec, ACTION)
    elsewhere = provider.ensure_network("by-demo-elsewhere", "de-fra-1")
    other = replace(spec, region="de-fra-1", network_id=elsewhere.id)
    there = provider.create_machine(other, "by-demo-made-ws-2-1")
    assert {machine.id for machine in provider.machines(FLEET)} == {here.id, there.id}
    assert {network.region for network in provider.networks("by-demo-")} == {spec.region, "de-fra-1"}
    with pytest.raises(UsageError):
        provider.create_machine(replace(spec, region="de-fra-1"), "by-demo-made-ws-3-1")


class Outage(httpx.BaseTransport):
    """One zone does not answer."""

    def __init__(self, inner: httpx.BaseTransport, zone: str) -> None:
        self._inner, self._zone = inner, zone

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._zone in request.url.host:
            raise httpx.ConnectError("connection refused")
        return self._inner.handle_request(request)


def test_an_outage_elsewhere_is_no_concern_of_a_deployment(fake: WholeExoscaleFake, clock: FakeClock) -> None:
    def machines_of(zone: str) -> tuple[object, ...]:
        driver = Exoscale(Secret(API_KEY), Secret(SECRET), clock=clock, zone=zone, transport=Outage(fake, "at-vie-1"))
        try:
            return driver.machines(FLEET)
        finally:
            driver.close()

    began = clock.monotonic()
    assert machines_of("ch-gva-2") == ()
    assert clock.monotonic() - began < 15
    with pytest.raises(Unavailable):
        machines_of("at-vie-1")
    # who does not know where the deployment is must not think that it is nowhere
    with pytest.raises(Unavailable):
        machines_of("")


def test_a_zone_elsewhere_that_limits_us_is_no_concern_either(fake: WholeExoscaleFake, clock: FakeClock) -> None:
    faulty = Faulty(fake)
    driver = Exoscale(Secret(API_KEY), Secret(SECRET), clock=clock, zone="ch-gva-2", transport=faulty)
    driver.machines(FLEET)

    def limited(request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
        return go_on() if "ch-gva-2" in request.url.host else httpx.Response(429, headers={"Retry-After": "60"})

    faulty.lay("GET", "/v2/instance", limited, times=100)
    assert driver.machines(FLEET) == ()
    driver.close()


def test_a_zone_whose_name_is_no_hosts_is_left_out(provider: Exoscale, faulty: Faulty) -> None:
    named = {"zones": [{"name": "ch-gva-2"}, {"name": "evil.example/"}]}
    faulty.lay("GET", "/v2/zone", lambda *_: httpx.Response(200, json=named))
    assert [region.slug for region in provider.regions()] == ["ch-gva-2"]


@pytest.mark.parametrize("name", ["ch-gva-2.evil.example", "", "../x", "ch-gva-2@evil"])
def test_nothing_but_a_zones_name_becomes_a_host(provider: Exoscale, name: str) -> None:
    with pytest.raises(UsageError):
        provider._zones.at(name)


@pytest.mark.parametrize("an_id_of_others", ["7", "@ch-gva-2", "7@"])
def test_an_id_of_another_cloud_is_refused(provider: Exoscale, an_id_of_others: str) -> None:
    with pytest.raises(UsageError):
        provider.machine(an_id_of_others)


# Operations


def test_a_failed_operation_says_why(provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake) -> None:
    fake.fail_next = "unavailable"
    with pytest.raises(ProviderError, match="operation failed") as caught:
        provider.create_machine(spec, ACTION)
    assert "unavailable: it did not work" in caught.value.detail
    assert caught.value.hint


def test_a_thing_that_went_while_it_was_deleted_is_gone(
    provider: Exoscale, spec: MachineSpec, fake: WholeExoscaleFake
) -> None:
    machine = provider.create_machine(spec, ACTION)
    fake.fail_next = "not-found"
    provider.delete_machine(machine.id)


def test_a_quota_is_no_conflict(provider: Exoscale, faulty: Faulty, region: str) -> None:
    faulty.lay("POST", "/private-network", lambda *_: httpx.Response(409, json={"message": "Quota exceeded: 32"}))
    with pytest.raises(api.QuotaReached) as caught:
        provider.ensure_network("by-demo-net", region)
    assert "Quotas" in caught.value.hint


# Tags


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z0-9_:-]{1,127}", fullmatch=True), unique=True, max_size=8))
def test_tags_come_back_from_labels_the_vendor_takes(tags: list[str]) -> None:
    labels = api.labels_of(tags)
    assert api.tags_of(labels) == tuple(tags)
    for value in labels.values():
        assert re.fullmatch(r"[^0-9][A-Za-z0-9*+!_?-]{0,127}", value)


def test_labels_of_others_are_no_tags() -> None:
    assert api.tags_of({"env": "prod", "buildyard-x": "a", "buildyard-1": "b", "buildyard-0": "!1a+b"}) == ("1a:b", "b")
    assert api.tags_of(None) == ()


def test_a_tag_that_is_too_long_is_refused_before_anything_is_made(provider: Exoscale, spec: MachineSpec) -> None:
    longest = "t" * provider.capabilities.longest_tag
    assert provider.create_machine(replace(spec, tags=(longest,)), ACTION).tags == (longest, ACTION)
    with pytest.raises(UsageError):
        provider.create_machine(replace(spec, tags=(f"{longest}t",)), "by-demo-made-ws-2-1")
    assert len(provider.machines(longest)) == 1


# SSH keys


def test_a_key_is_kept_in_its_name(provider: Exoscale, fake: WholeExoscaleFake) -> None:
    fake.keys["laptop"] = {"name": "laptop", "fingerprint": "00"}
    fake.keys["my.key"] = {"name": "my.key", "fingerprint": "00"}
    made = provider.ensure_ssh_key("by-demo-key", f"{KEY} somebody@somewhere")
    assert (made.name, made.public_key) == ("by-demo-key", KEY)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}", made.id)
    assert provider.ssh_keys("by-demo-") == (made,)
    assert {(key.id, key.name, key.public_key) for key in provider.ssh_keys("") if key != made} == {
        ("laptop", "laptop", ""),
        ("my.key", "my.key", ""),
    }


@pytest.mark.parametrize("wrong", ["ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", rsa_key()])
def test_a_key_that_cannot_be_kept_is_refused(provider: Exoscale, wrong: str) -> None:
    with pytest.raises(UsageError):
        provider.ensure_ssh_key("by-demo-key", wrong)


# The judge


def test_the_description_judges_signature_body_and_path() -> None:
    (judge,) = exoscale()

    def problems(method: str, path: str, *, header: str = "", **more: object) -> list[str]:
        request = httpx.Request(method, f"{judge.host_url}{path}", headers={"Authorization": header}, **more)  # type: ignore[arg-type]
        request.read()
        return judge.problems(request)

    good = f"EXO2-HMAC-SHA256 credential=EXO1,expires=1,signature={'a' * 43}="
    with_query = good.replace(",expires", ",signed-query-args=visibility,expires")
    uuid = an_id("x")
    assert problems("GET", "/v2/instance", header=good) == []
    assert problems("GET", "/v2/template?visibility=public", header=with_query) == []
    assert problems("GET", "/v2/template?visibility=public", header=good)
    assert problems("GET", "/v2/template?visibility=mine", header=with_query)
    assert problems("GET", "/v2/instance")
    assert problems("GET", "/v2/instance", header="Bearer EXO1")
    assert problems("GET", "/v2/zone", header=good)
    attach = f"/v2/security-group/{uuid}:attach"
    assert problems("PUT", attach, header=good, json={"instance": {"id": uuid}}) == []
    assert problems("PUT", attach, header=good, json={"instance": {"id": uuid, "name": "x"}})
    assert problems("PUT", attach, header=good, json={})
    assert problems("PUT", f"/v2/instance/{uuid}:start", header=good)
    assert problems("PUT", f"/v2/instance/{uuid}:start", header=good, json={}) == []
