"""The authoritative name server: PowerDNS with sqlite, driven by its HTTP API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from rehearsal.api.backends import RecordRefused
from rehearsal.services.resolver import Resolver
from rehearsal.services.unit import ETC, Service, unit_text
from state.errors import HostError
from state.secret import Secret

#: 53 on the same addresses is the resolver's.
DNS_PORT = 5300
_API_PORT = 8091
_SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
_DATABASE = "/var/lib/rehearsal-dns/pdns.sqlite3"


def name_service(addresses: tuple[str, ...], api_key: Secret) -> Service:
    """PowerDNS.

    Args:
        addresses: to listen on.
        api_key: of its HTTP API, which listens on the router's loopback.
    """
    settings = [
        "launch=gsqlite3",
        f"gsqlite3-database={_DATABASE}",
        f"local-address={','.join(addresses)}",
        f"local-port={DNS_PORT}",
        "webserver=yes",
        "webserver-address=127.0.0.1",
        f"webserver-port={_API_PORT}",
        "api=yes",
        f"api-key={api_key.reveal()}",
        # What was changed a moment ago is what is asked for next: nothing is cached.
        "cache-ttl=0",
        "query-cache-ttl=0",
        "negquery-cache-ttl=0",
        "zone-cache-refresh-interval=0",
        "socket-dir=/run/rehearsal-dns",
        "disable-syslog=yes",
        "security-poll-suffix=",
        # The last number is how long a resolver may remember that a name is missing.
        "default-soa-content=ns1.rehearsal.internal hostmaster.@ 0 10800 3600 604800 30",
    ]
    make = f"test -e {_DATABASE} || (sqlite3 {_DATABASE}.new <{_SCHEMA} && mv {_DATABASE}.new {_DATABASE})"
    return Service(
        name="dns",
        unit=unit_text(
            "Name server of the rehearsal",
            "StateDirectory=rehearsal-dns",
            "RuntimeDirectory=rehearsal-dns",
            f"ExecStartPre=/bin/sh -c '{make}'",
            f"ExecStart=/usr/sbin/pdns_server --config-dir={ETC}/dns --guardian=no --daemon=no --write-pid=no",
        ),
        files=(("dns/pdns.conf", "\n".join(settings) + "\n"),),
        doors=tuple((address, DNS_PORT) for address in addresses),
        ready=("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{_API_PORT}/"),
        packages=("pdns-server", "pdns-backend-sqlite3", "sqlite3"),
    )


class PowerDns:
    """PowerDNS's zones (:class:`rehearsal.api.backends.NameServer`).

    Args:
        api_key: of its HTTP API.
        resolver: told which zones there are.
        client: for tests; by default one for the router's loopback.
    """

    def __init__(self, api_key: Secret, resolver: Resolver, client: httpx.Client | None = None) -> None:
        self._resolver = resolver
        self._client = client or httpx.Client(
            base_url=f"http://127.0.0.1:{_API_PORT}/api/v1/servers/localhost",
            headers={"X-API-Key": api_key.reveal()},
            timeout=20,
        )

    def create_zone(self, zone: str) -> None:
        """Makes a zone; one that is there stays."""
        answer = self._ask("POST", "/zones", {"name": zone, "kind": "Native", "nameservers": []})
        if answer.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
            raise RecordRefused(_reason(answer))
        self._resolver.serve(self.zones())

    def delete_zone(self, zone: str) -> None:
        """Removes a zone; nothing when it is gone."""
        self._ask("DELETE", f"/zones/{_zone_id(zone)}")
        self._resolver.serve(self.zones())

    def zones(self) -> tuple[str, ...]:
        """The names of all zones."""
        return tuple(zone["name"] for zone in self._ask("GET", "/zones").json())

    def put_rrset(self, zone: str, name: str, type_: str, ttl_s: int, contents: tuple[str, ...]) -> None:
        """Makes the values of a name and type exactly these."""
        rrset: dict[str, Any] = {"name": name, "type": type_, "changetype": "DELETE"}
        if contents:
            records = [{"content": content, "disabled": False} for content in contents]
            rrset |= {"changetype": "REPLACE", "ttl": ttl_s, "records": records}
        answer = self._ask("PATCH", f"/zones/{_zone_id(zone)}", {"rrsets": [rrset]})
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RecordRefused(_reason(answer))

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise HostError("The rehearsal's name server does not answer.", detail=str(error)) from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise HostError("The rehearsal's name server failed.", detail=answer.text[:500])
        return answer


def _zone_id(zone: str) -> str:
    return quote(zone, safe=".")


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
