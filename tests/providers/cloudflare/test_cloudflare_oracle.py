"""The vendor's own client as an oracle: it and our driver send the same for the same wish."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cloudflare
import httpx
import pytest

from providers.cloudflare.dns import Cloudflare
from providers.contract import RecordSet
from providers.edge import AccessGate
from state.secret import Secret
from tests.providers.cloudflare.fake import TOKEN, ok
from tests.providers.description import Description, judge
from tests.providers.scripted import FakeClock, Scripted, Step, answer

ZONE_ID, RECORD_ID, ACCOUNT_ID = "a1" * 16, "b2" * 16, "c3" * 16
APP_ID, POLICY_ID = "f174e90a-fafe-4643-bbbc-4a0ed4fc8415", "699d98642c564d2e855e9661899b7252"
RECORD = {"id": RECORD_ID, "type": "A", "name": "example.org", "content": "203.0.113.1", "ttl": 60, "proxied": False}
GATE = AccessGate("admin pages", "example.org/wp-admin", ("ann@example.org", "@example.net"))
APP = {
    "type": "self_hosted",
    "name": "admin pages",
    "domain": "example.org/wp-admin",
    "session_duration": "24h",
    "app_launcher_visible": False,
}
POLICY: dict[str, Any] = {
    "name": "buildyard",
    "decision": "allow",
    "include": [{"email": {"email": "ann@example.org"}}, {"email_domain": {"domain": "example.net"}}],
}
ID = f"/client/v4/zones/{ZONE_ID}"


def listed(*items: Any) -> httpx.Response:
    told = {"page": 1, "per_page": 50, "count": len(items), "total_count": len(items)}
    return answer(200, ok(list(items), result_info=told))


def zone() -> httpx.Response:
    return listed({"id": ZONE_ID, "name": "example.org"})


def done(result: Any = None) -> httpx.Response:
    return answer(200, ok(result or {"id": RECORD_ID}))


def put(type_: str, *values: str, proxied: bool | None = None, ttl_s: int = 60) -> Callable[[Cloudflare], object]:
    return lambda our: our.put_record_set("example.org", RecordSet("@", type_, values, ttl_s), proxied=proxied)


def made(**body: Any) -> Callable[[cloudflare.Cloudflare], object]:
    return lambda their: their.dns.records.create(zone_id=ZONE_ID, name="example.org", **body)


@dataclass(frozen=True)
class Wish:
    """One thing both can do; ``steps`` are the answers ours needs on its way, ``at`` the request to compare."""

    name: str
    ours: Callable[[Cloudflare], object]
    steps: Callable[[], tuple[Step, ...]]
    theirs: Callable[[cloudflare.Cloudflare], object]
    at: int = -1


WISHES = (
    Wish(
        "list zones", lambda our: our.zones(), lambda: (listed(),), lambda their: their.zones.list(per_page=50, page=1)
    ),
    Wish(
        "find a zone",
        lambda our: our.ensure_zone("example.org"),
        lambda: (zone(),),
        lambda their: their.zones.list(name="example.org", per_page=50, page=1),
    ),
    Wish(
        "list accounts",
        lambda our: our.ensure_zone("example.org"),
        lambda: (listed(), listed({"id": ACCOUNT_ID}), done({"id": ZONE_ID})),
        lambda their: their.accounts.list(per_page=50, page=1),
        at=1,
    ),
    Wish(
        "make a zone",
        lambda our: our.ensure_zone("example.org"),
        lambda: (listed(), listed({"id": ACCOUNT_ID}), done({"id": ZONE_ID})),
        lambda their: their.zones.create(account={"id": ACCOUNT_ID}, name="example.org", type="full"),
    ),
    Wish(
        "list records",
        lambda our: our.record_sets("example.org"),
        lambda: (zone(), listed()),
        lambda their: their.dns.records.list(zone_id=ZONE_ID, per_page=50, page=1),
    ),
    Wish(
        "list records of a type",
        put("A", "203.0.113.1"),
        lambda: (zone(), listed(RECORD)),
        lambda their: their.dns.records.list(zone_id=ZONE_ID, type="A", per_page=50, page=1),
    ),
    Wish(
        "make an address",
        put("A", "203.0.113.1"),
        lambda: (zone(), listed(), done()),
        made(type="A", content="203.0.113.1", ttl=60, proxied=False),
    ),
    Wish(
        "make a proxied address",
        put("AAAA", "2001:db8::1", proxied=True),
        lambda: (zone(), listed(), done()),
        made(type="AAAA", content="2001:db8::1", ttl=1, proxied=True),
    ),
    Wish(
        "make a text",
        put("TXT", "v=spf1 -all"),
        lambda: (zone(), listed(), done()),
        made(type="TXT", content='"v=spf1 -all"', ttl=60),
    ),
    Wish(
        "make a mail server",
        put("MX", "10 mail.example.org"),
        lambda: (zone(), listed(), done()),
        made(type="MX", content="mail.example.org", priority=10, ttl=60),
    ),
    Wish(
        "make an authority",
        put("CAA", "0 issue ca.example.net"),
        lambda: (zone(), listed(), done()),
        made(type="CAA", data={"flags": 0, "tag": "issue", "value": "ca.example.net"}, ttl=60),
    ),
    Wish(
        "make a service",
        put("SRV", "10 20 5060 sip.example.org"),
        lambda: (zone(), listed(), done()),
        made(type="SRV", data={"priority": 10, "weight": 20, "port": 5060, "target": "sip.example.org"}, ttl=60),
    ),
    Wish(
        "change a record",
        put("A", "203.0.113.1", proxied=True),
        lambda: (zone(), listed(RECORD), done()),
        lambda their: their.dns.records.edit(
            RECORD_ID, zone_id=ZONE_ID, name="example.org", type="A", content="203.0.113.1", ttl=1, proxied=True
        ),
    ),
    Wish(
        "delete a record",
        lambda our: our.delete_record_set("example.org", "@", "A"),
        lambda: (zone(), listed(RECORD), done()),
        lambda their: their.dns.records.delete(RECORD_ID, zone_id=ZONE_ID),
    ),
    Wish(
        "mode of TLS",
        lambda our: our.ssl_mode("example.org"),
        lambda: (zone(), done({"id": "ssl", "value": "strict"})),
        lambda their: their.zones.settings.get("ssl", zone_id=ZONE_ID),
    ),
    Wish(
        "show a certificate to webservers",
        lambda our: our.put_origin_pulls("example.org", True),
        lambda: (zone(), done({"id": "tls_client_auth", "value": "on"})),
        lambda their: their.zones.settings.edit("tls_client_auth", zone_id=ZONE_ID, value="on"),
    ),
    Wish(
        "published networks",
        lambda our: our.published_ranges(),
        lambda: (done({"ipv4_cidrs": ["198.18.0.0/20"], "ipv6_cidrs": ["2001:db8::/32"]}),),
        lambda their: their.ips.list(),
    ),
    Wish(
        "list gates",
        lambda our: our.access_gates("example.org"),
        lambda: (zone(), listed()),
        lambda their: their.zero_trust.access.applications.list(zone_id=ZONE_ID, per_page=50, page=1),
    ),
    Wish(
        "make a gate",
        lambda our: our.put_access_gate("example.org", GATE),
        lambda: (zone(), listed(), done({**APP, "id": APP_ID}), listed(), done({"id": POLICY_ID})),
        lambda their: their.zero_trust.access.applications.create(zone_id=ZONE_ID, **APP),  # type: ignore[call-overload]
        at=2,
    ),
    Wish(
        "change a gate",
        lambda our: our.put_access_gate("example.org", GATE),
        lambda: (
            zone(),
            listed({**APP, "id": APP_ID, "name": "old"}),
            done({**APP, "id": APP_ID}),
            listed({**POLICY, "id": POLICY_ID}),
        ),
        lambda their: their.zero_trust.access.applications.update(APP_ID, zone_id=ZONE_ID, **APP),  # type: ignore[call-overload]
        at=2,
    ),
    Wish(
        "remove a gate",
        lambda our: our.delete_access_gate("example.org", GATE.place),
        lambda: (zone(), listed({**APP, "id": APP_ID}), done()),
        lambda their: their.zero_trust.access.applications.delete(APP_ID, zone_id=ZONE_ID),
    ),
    Wish(
        "let somebody through",
        lambda our: our.put_access_gate("example.org", GATE),
        lambda: (zone(), listed(), done({**APP, "id": APP_ID}), listed(), done({"id": POLICY_ID})),
        lambda their: their.zero_trust.access.applications.policies.create(APP_ID, zone_id=ZONE_ID, **POLICY),
    ),
    Wish(
        "let others through",
        lambda our: our.put_access_gate("example.org", GATE),
        lambda: (
            zone(),
            listed({**APP, "id": APP_ID}),
            listed({**POLICY, "id": POLICY_ID, "include": []}),
            done({"id": POLICY_ID}),
        ),
        lambda their: their.zero_trust.access.applications.policies.update(
            POLICY_ID, app_id=APP_ID, zone_id=ZONE_ID, **POLICY
        ),
    ),
    Wish(
        "take a rule back",
        lambda our: our.put_access_gate("example.org", GATE),
        lambda: (
            zone(),
            listed({**APP, "id": APP_ID}),
            listed({**POLICY, "id": POLICY_ID}, {"id": "other", "name": "by hand"}),
            done(),
        ),
        lambda their: their.zero_trust.access.applications.policies.delete("other", app_id=APP_ID, zone_id=ZONE_ID),
    ),
)


def shape(request: httpx.Request) -> tuple[str, str, list[tuple[str, str]], Any]:
    body = json.loads(request.content) if request.content else None
    return request.method, request.url.path, sorted(request.url.params.multi_items()), body


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish, descriptions: tuple[Description, ...]) -> None:
    theirs: list[httpx.Request] = []

    def caught(request: httpx.Request) -> httpx.Response:
        theirs.append(request)
        return listed() if request.method == "GET" else done()

    http_client = httpx.Client(transport=httpx.MockTransport(caught))
    with cloudflare.Cloudflare(api_token=TOKEN, http_client=http_client) as client:
        wish.theirs(client)
    transport = Scripted(*wish.steps())
    driver = Cloudflare(Secret(TOKEN), clock=FakeClock(), transport=transport)
    wish.ours(driver)
    driver.close()
    assert transport.steps == []
    assert shape(transport.asked[wish.at]) == shape(theirs[0])
    assert theirs[0].headers["Authorization"] == transport.asked[wish.at].headers["Authorization"]
    assert [problem for asked in transport.asked for problem in judge(asked, descriptions)] == []
