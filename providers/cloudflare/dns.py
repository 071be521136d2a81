"""Cloudflare: DNS for machines that stand elsewhere, and the edge before the site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx

from providers.cloudflare import api
from providers.cloudflare.access import Gates
from providers.cloudflare.records import Records
from providers.contract import Account, DnsProof, RecordSet
from providers.edge import AccessGate, Edge
from providers.http import Api, BearerToken, Patience
from providers.refusals import Forbidden
from state.clock import Clock
from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from state.questions import Answered
from state.secret import Secret

LIVE_URL = "https://api.cloudflare.com"
#: Its token among the secrets.
TOKEN = "cloudflare.token"

#: Modes in which Cloudflare checks the webserver's certificate; the second is sold to enterprises only
#: (developers.cloudflare.com/ssl/origin-configuration/ssl-modes).
STRICT = frozenset({"strict", "origin_pull"})

#: What is wrong with the other ones.
_WEAK: Mapping[str, str] = {
    "off": "Visitors get no HTTPS at all.",
    "flexible": "Cloudflare comes to the webservers without TLS: whoever is on the way reads along, and a webserver "
    "that sends visitors to HTTPS sends them in circles.",
    "full": "Cloudflare takes any certificate: whoever is on the way can pretend to be the webserver.",
}
#: A list with a network wider than these is wrong: the widest of Cloudflare's own are a /13 and a /29.
_LEAST_PREFIX = {4: 8, 6: 16}

_ORIGIN_PULLS = "tls_client_auth"
_NO_RECORD = "0" * 32
_NO_GATE = "00000000-0000-0000-0000-000000000000"


class Cloudflare:
    """What a token of Cloudflare lets one do; see :class:`providers.edge.Edge`.

    Args:
        token: an API token.
        clock: where time comes from.
        api_url: where the API answers.
        transport: for tests.
        patience: how long requests may take.
        ca_pem_file: the only authority trusted, None for the system's.
    """

    name = "cloudflare"
    label = "Cloudflare"

    def __init__(
        self,
        token: Secret,
        *,
        clock: Clock,
        api_url: str = LIVE_URL,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
        ca_pem_file: Path | None = None,
    ) -> None:
        self._api = Api(
            dialect=api.DIALECT,
            base_url=api_url,
            auth=BearerToken(token, self.label),
            hidden=(token,),
            clock=clock,
            transport=transport,
            patience=patience or Patience(),
            ca_pem_file=ca_pem_file,
        )
        self._records = Records(self._api)
        self._gates = Gates(self._api)

    def close(self) -> None:
        self._api.close()

    # The token

    def check_credentials(self, zone: str, *, access: bool = False) -> Account:
        try:
            zone_id = self._records.zone_id(zone)
            name = self._api.read(
                api.ZONES, lambda body: str(body[api.RESULT][0]["account"]["name"]), query={"name": zone}
            )
        except Forbidden:
            # Nothing else can be tried without it.
            return Account(name=self.label, status="active", missing_rights=("Zone: Read",))
        # A token does not tell what it may do (that is a right of its own), so each right is tried without changing
        # anything: what is not there is deleted, and a setting is written as it is. The right is asked for first.
        tries: dict[str, Callable[[], object]] = {
            "DNS: Edit": lambda: self._api.call(api.DELETE_RECORD.at(zone=zone_id, id=_NO_RECORD)),
            "Zone Settings: Edit": lambda: self.put_origin_pulls(zone, self.origin_pulls(zone)),
        }
        if access:
            tries["Access: Apps and Policies: Edit"] = lambda: self._api.call(
                api.DELETE_GATE.at(zone=zone_id, id=_NO_GATE)
            )
        return Account(name, "active", tuple(right for right, attempt in tries.items() if not _may(attempt)))

    # DNS

    def zones(self) -> tuple[str, ...]:
        return self._records.zones()

    def ensure_zone(self, zone: str) -> None:
        try:
            self._records.ensure_zone(zone)
        except (Forbidden, NotFound) as error:
            error.hint = f"Add {zone} in Cloudflare's control panel and let the token into it, then try again."
            raise

    def record_sets(self, zone: str) -> tuple[RecordSet, ...]:
        return self._records.sets(zone)

    def put_record_set(self, zone: str, record_set: RecordSet, *, proxied: bool | None = None) -> None:
        self._records.put(zone, record_set, proxied)

    def delete_record_set(self, zone: str, name: str, type_: str) -> None:
        self._records.put(zone, RecordSet(name=name, type=type_, values=(), ttl_s=0))

    def proxied_sets(self, zone: str) -> frozenset[tuple[str, str]]:
        return self._records.proxied_sets(zone)

    def dns_proof(self) -> DnsProof:
        environment: tuple[tuple[str, str], ...] = ()
        if self._api.base_url != LIVE_URL:
            environment = (("CLOUDFLARE_BASE_URL", f"{self._api.base_url}{api.ROOT}"),)
        return DnsProof("cloudflare", (("CF_DNS_API_TOKEN", TOKEN),), environment)

    # The edge

    def ssl_mode(self, zone: str) -> str:
        return self._setting(zone, "ssl")

    def require_strict(self, zone: str) -> None:
        mode = self.ssl_mode(zone)
        if mode not in STRICT:
            raise Conflict(
                f"Cloudflare does not check the webservers' certificate for {zone} (SSL mode {mode}).",
                detail=_WEAK.get(mode, "This program does not know that mode."),
                hint="In Cloudflare's control panel, under SSL/TLS, Overview, choose Full (strict).",
            )

    def origin_pulls(self, zone: str) -> bool:
        return self._setting(zone, _ORIGIN_PULLS) == "on"

    def put_origin_pulls(self, zone: str, on: bool) -> None:
        operation = api.PATCH_SETTING.at(zone=self._records.zone_id(zone), setting=_ORIGIN_PULLS)
        self._api.call(operation, body={"value": "on" if on else "off"})

    def published_ranges(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        def read(body: Any) -> tuple[list[str], list[str]]:
            return list(body[api.RESULT]["ipv4_cidrs"]), list(body[api.RESULT]["ipv6_cidrs"])

        v4, v6 = self._api.read(api.RANGES, read)
        return _checked(v4, 4), _checked(v6, 6)

    def access_gates(self, zone: str) -> tuple[AccessGate, ...]:
        return self._gates.all(self._records.zone_id(zone))

    def put_access_gate(self, zone: str, gate: AccessGate) -> None:
        self._gates.put(self._records.zone_id(zone), gate)

    def delete_access_gate(self, zone: str, place: str) -> None:
        self._gates.delete(self._records.zone_id(zone), place)

    def _setting(self, zone: str, setting: str) -> str:
        operation = api.SETTING.at(zone=self._records.zone_id(zone), setting=setting)
        return self._api.read(operation, lambda body: str(body[api.RESULT]["value"]))


def open_dns(
    answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Edge:
    """As :class:`providers.vendor.Vendor` wants it.

    A rehearsal that plays Cloudflare says where: ``cloudflare.api_url`` and ``cloudflare.ca_pem_file``.
    """
    authority = str(answers.get("cloudflare.ca_pem_file") or "")
    return Cloudflare(
        secrets[TOKEN],
        clock=clock,
        api_url=str(answers.get("cloudflare.api_url") or LIVE_URL),
        transport=transport,
        ca_pem_file=Path(authority) if authority else None,
    )


def _may(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Forbidden:
        return False
    except (Unauthorized, RateLimited, Unavailable):
        raise
    except ProviderError:
        return True  # it was let in and found nothing to do
    return True


def _checked(ranges: list[str], version: int) -> tuple[str, ...]:
    try:
        found = [ip_network(text) for text in ranges]
    except ValueError as error:
        raise _no_ranges(str(error)) from error
    if not found or any(one.version != version or one.prefixlen < _LEAST_PREFIX[version] for one in found):
        raise _no_ranges(f"IPv{version}: {' '.join(ranges) or 'none'}")
    return tuple(dict.fromkeys(map(str, found)))


def _no_ranges(detail: str) -> ProviderError:
    return ProviderError(
        "The list of networks that Cloudflare publishes is not usable.",
        detail=detail,
        hint="Nothing was changed. Compare https://www.cloudflare.com/ips and try again later.",
    )
