"""A second opinion: Prism reads each vendor's whole description, as published, and says nothing against our requests.

The first one is ``description.py``, stricter and in this process; AWS publishes no OpenAPI, its judge is moto. Where
Prism or the description is wrong it is listed here and in ``docs/providers/``, and it is tried that it still is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from providers.cloudflare.dns import Cloudflare
from providers.contract import FULL_ACCESS, BucketKeys, Provider
from providers.digitalocean.driver import DigitalOcean
from providers.exoscale.driver import Exoscale
from providers.http import Patience
from providers.linode.driver import Linode
from providers.linode.records import time_to_live_s
from providers.vultr.driver import Vultr
from state.clock import SystemClock
from state.secret import Secret
from tests.providers.cloudflare.described import cloudflare
from tests.providers.cloudflare.fake import TOKEN as CLOUDFLARE_TOKEN
from tests.providers.cloudflare.fake import FakeCloudflare
from tests.providers.contract import ZONE, DnsContract, ProviderContract, network, region, spec  # noqa: F401 - fixtures
from tests.providers.databases import DatabaseContract, database_spec  # noqa: F401 - a fixture
from tests.providers.description import CHECKOUT, folder
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import KEY, SECRET
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import make as hetzner
from tests.providers.hetzner.hetzner_fake import TOKEN as HETZNER_TOKEN
from tests.providers.linode.linode_fake import TOKEN as LINODE_TOKEN
from tests.providers.linode.linode_fake import LinodeFake
from tests.providers.prism import Door, Elsewhere, Second, prism
from tests.providers.rehearsed import PaperNames, PaperRoom, serving
from tests.providers.scripted import FakeClock
from tests.providers.vultr.vultr_fake import TOKEN as VULTR_TOKEN
from tests.providers.vultr.vultr_fake import VultrCloud

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(600)]

AN_ID = "b6d9a1f2-3c4e-4f5a-8b7c-0d1e2f3a4b5c"


@dataclass(frozen=True, slots=True)
class Known:
    """What Prism says against a request that is right; the vendor's page in ``docs/providers`` has the same words.

    Attributes:
        lines: regular expression of the requests that it says it of.
        says: in Prism's words.
        sample: method, path and body of such a request.
    """

    lines: str
    says: str
    sample: tuple[str, str, Any]

    def excuses(self, violation: str) -> bool:
        """Whether a violation is this one."""
        line, _, said = violation.partition(": ")
        return re.fullmatch(self.lines, line.partition("?")[0]) is not None and said == self.says


class Taken(httpx.BaseTransport):
    """Takes everything."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={})


class Opinion:
    """What a vendor's class gives: its description, its cloud on paper and its driver over a transport.

    Attributes:
        vendor: its name.
        file: of its description among the whole ones.
        base: the path of the description's server.
        create: path of a request that cannot be without a body.
        known: what Prism says wrongly.
    """

    vendor: str
    file: str
    base: str
    create: str
    known: tuple[Known, ...] = ()

    @contextmanager
    def cloud(self) -> Iterator[httpx.BaseTransport]:
        raise NotImplementedError

    def driver(self, transport: httpx.BaseTransport) -> Any:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def door(self, request: pytest.FixtureRequest) -> Iterator[Door]:
        door = Door(request.cls.base)
        yield door
        door.close()

    @pytest.fixture(scope="class")
    def prism_url(self, request: pytest.FixtureRequest, door: Door) -> Iterator[str]:
        with prism(folder() / "full" / request.cls.file, door.url) as url:
            yield url

    @pytest.fixture
    def provider(self, door: Door, prism_url: str) -> Iterator[Any]:
        second = Second(prism_url, self.base)
        with self.cloud() as door.cloud:
            driver = self.driver(second)
            yield driver
            driver.close()
        assert second.count
        wrong = [each for each in second.violations if not any(known.excuses(each) for known in self.known)]
        assert wrong == [], "\n".join(wrong)

    def said(self, prism_url: str, method: str, path: str, body: Any) -> list[str]:
        """What Prism says against one request."""
        with Second(prism_url, self.base) as second:
            second.handle_request(httpx.Request(method, f"https://vendor.example{path}", json=body))
            return second.violations

    def test_a_wrong_request_is_noticed(self, door: Door, prism_url: str) -> None:
        door.cloud = Taken()
        said = self.said(prism_url, "POST", self.create, {})
        assert any("request.body" in each for each in said), said

    def test_what_is_said_wrongly_is_still_said_and_written_down(self, door: Door, prism_url: str) -> None:
        door.cloud = Taken()
        page = CHECKOUT / "docs" / "providers" / f"{self.vendor}.md"
        for known in self.known:
            said = self.said(prism_url, *known.sample)
            assert any(known.excuses(each) for each in said), (known, said)
            assert f"`{known.says}`" in page.read_text("utf-8"), (known.says, page)


class WithBucketKeys:
    """The one part of the drivers that no contract has."""

    def test_a_bucket_key_comes_and_goes(self, provider: Provider) -> None:
        keys: BucketKeys = provider  # type: ignore[assignment]
        provider.regions()
        access_key, _ = keys.create_bucket_key("by-demo-store-own-abc", FULL_ACCESS)
        assert access_key in [each.access_key for each in keys.bucket_keys("by-demo-store-own-abc")]
        keys.delete_bucket_key(access_key)


def paper(make: Callable[[], Any]) -> Callable[[Any], Any]:
    """A cloud on paper whose own judge is asked too: what comes out of Prism is what went in."""

    @contextmanager
    def cloud(_self: object) -> Iterator[httpx.BaseTransport]:
        made = make()
        yield made
        assert made.problems == []

    return cloud


#: What Prism says of a path that the description does not have; it passes the request on.
NO_ROUTE = "request Selected route not found"


class TestDigitalOcean(Opinion, ProviderContract, DatabaseContract, WithBucketKeys):
    vendor, file, base, create = "digitalocean", "digitalocean.json", "", "/v2/droplets"
    token = Secret("dop_v1_" + "0f" * 32)

    @contextmanager
    def cloud(self) -> Iterator[httpx.BaseTransport]:
        with serving(self.token, PaperRoom(), PaperNames()) as url, Elsewhere(url) as rehearsal:
            yield rehearsal

    def driver(self, transport: httpx.BaseTransport) -> DigitalOcean:
        patience = Patience(settle_s=0.2, call_s=10)
        return DigitalOcean(self.token, clock=SystemClock(), transport=transport, patience=patience)


class TestExoscale(Opinion, ProviderContract, DatabaseContract, WithBucketKeys):
    vendor, file, base, create = "exoscale", "exoscale.json", "/v2", "/v2/instance"
    cloud = paper(lambda: WholeExoscaleFake(KEY, SECRET))
    # Prism takes ``{id}:start`` for ``{id}``.
    known = (
        Known(
            r"PUT /v2/(instance/[^/]+:(start|stop)|private-network/[^/]+:attach)",
            'request.path.id Request path parameter id must match format "uuid"',
            ("PUT", f"/v2/instance/{AN_ID}:start", {}),
        ),
        Known(
            r"PUT /v2/instance/[^/]+:stop",
            "request Body parameter is required",
            ("PUT", f"/v2/instance/{AN_ID}:stop", None),
        ),
    )

    def driver(self, transport: httpx.BaseTransport) -> Exoscale:
        return Exoscale(Secret(KEY), Secret(SECRET), clock=FakeClock(), transport=transport)


class TestHetzner(Opinion, ProviderContract):
    vendor, file, base, create = "hetzner", "hetzner.json", "/v1", "/v1/servers"
    cloud = paper(HetznerCloud)
    known = (
        Known(
            "POST /v1/servers",
            "request.body.ssh_keys.0 Request body property ssh_keys.0 must be string",
            ("POST", "/v1/servers", {"name": "ws-1", "server_type": "cx23", "image": "debian-12", "ssh_keys": [1]}),
        ),
        Known(
            "POST /v1/servers",
            "request.body.image Request body property image must be string",
            ("POST", "/v1/servers", {"name": "ws-1", "server_type": "cx23", "image": 2}),
        ),
    )

    def driver(self, transport: httpx.BaseTransport) -> Any:
        return hetzner(HETZNER_TOKEN, transport, FakeClock())


class TestLinode(Opinion, ProviderContract, DatabaseContract, WithBucketKeys):
    vendor, file, base, create = "linode", "linode.yaml", "", "/v4/linode/instances"
    cloud = paper(LinodeFake)
    known = (
        Known(r"DELETE /v4/images/private/\d+", NO_ROUTE, ("DELETE", "/v4/images/private/19", None)),
        Known("GET /v4/object-storage/endpoints", NO_ROUTE, ("GET", "/v4/object-storage/endpoints", None)),
        Known(
            r"(POST|PUT) /v4/domains/\d+/records(/\d+)?",
            "request.body.name Request body property name must NOT have fewer than 1 characters",
            ("POST", "/v4/domains/1/records", {"type": "A", "name": "", "target": "203.0.113.1", "ttl_sec": 300}),
        ),
        Known(
            "POST /v4/linode/instances",
            "request.body Request body must NOT have additional properties; found 'interface_generation'",
            (
                "POST",
                "/v4/linode/instances",
                {"type": "g6-nanode-1", "region": "us-east", "interface_generation": "linode"},
            ),
        ),
        *(
            Known(
                "POST /v4/networking/firewalls",
                f"request.body.rules Request body property rules must NOT have additional properties; found '{name}'",
                ("POST", "/v4/networking/firewalls", {"label": "by-demo-fw", "rules": {name: "DROP"}}),
            )
            for name in ("inbound_policy", "outbound_policy")
        ),
    )

    def driver(self, transport: httpx.BaseTransport) -> Linode:
        return Linode(Secret(LINODE_TOKEN), clock=FakeClock(), transport=transport)

    def kept_ttl_s(self, wanted_s: int) -> int:
        return time_to_live_s(wanted_s)


class TestVultr(Opinion, ProviderContract, DatabaseContract, WithBucketKeys):
    vendor, file, base, create = "vultr", "vultr.json", "/v2", "/v2/instances"
    cloud = paper(VultrCloud)
    known = (
        Known(r"\w+ /v2/databases(/.+)?", NO_ROUTE, ("GET", "/v2/databases", None)),
        Known(
            r"GET /v2/object-storage/clusters/\d+/tiers", NO_ROUTE, ("GET", "/v2/object-storage/clusters/6/tiers", None)
        ),
        Known(r"GET /v2/object-storage/[^/]+/bucket", NO_ROUTE, ("GET", f"/v2/object-storage/{AN_ID}/bucket", None)),
    )

    def driver(self, transport: httpx.BaseTransport) -> Vultr:
        return Vultr(Secret(VULTR_TOKEN), clock=FakeClock(), region="ams", transport=transport)


_RECORDS = f"/client/v4/zones/{'a1' * 16}/dns_records"
_NEW_RECORD = {"type": "A", "name": "example.org", "content": "203.0.113.1", "ttl": 60}


class TestCloudflare(Opinion, DnsContract):
    vendor, file, base, create = "cloudflare", "cloudflare.json", "/client/v4", _RECORDS
    known = (
        Known(r"\w+ /client/v4/.+", "request Invalid security scheme used", ("GET", _RECORDS, None)),
        Known(
            r"DELETE /client/v4/zones/\w+/dns_records/\w+",
            "request Body parameter is required",
            ("DELETE", f"{_RECORDS}/{'b2' * 16}", None),
        ),
        Known(
            r"POST /client/v4/zones/\w+/dns_records",
            "request.body Request body must have required property 'content'",
            (
                "POST",
                _RECORDS,
                {"type": "CAA", "name": "example.org", "data": {"flags": 0, "tag": "issue", "value": "a.example"}},
            ),
        ),
        *(
            Known(
                r"(POST|PATCH) /client/v4/zones/\w+/dns_records(/\w+)?",
                f"request.body Request body must have required property '{name}'",
                ("POST", _RECORDS, _NEW_RECORD),
            )
            for name in ("id", "created_on", "modified_on", "proxiable")
        ),
    )

    @pytest.fixture(scope="class", autouse=True)
    def _described(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
        descriptions = cloudflare(tmp_path_factory.mktemp("cloudflare"))
        request.cls.cloud = paper(lambda: FakeCloudflare(descriptions))

    def driver(self, transport: httpx.BaseTransport) -> Cloudflare:
        patience = Patience(settle_s=2)
        return Cloudflare(Secret(CLOUDFLARE_TOKEN), clock=FakeClock(), transport=transport, patience=patience)
