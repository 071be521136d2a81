"""The certificate authority that speaks ACME: pebble, Let's Encrypt's own test server.

It makes a new root at each start and forgets its accounts: fetch the root at each use.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import httpx

from rehearsal.services.unit import ETC, Service, unit_text
from state.errors import HostError

ACME_PORT = 14000
ROOT_PORT = 15000


def acme_service(address: str, dns_server: str, certificate: Path, key: Path) -> Service:
    """pebble.

    Args:
        address: to listen on.
        dns_server: the authoritative server it looks challenges up at, ``address:port``.
        certificate: chain of its own HTTPS as PEM.
        key: its key as PEM.
    """
    settings = {
        "pebble": {
            "listenAddress": f"{address}:{ACME_PORT}",
            "managementListenAddress": f"{address}:{ROOT_PORT}",
            "certificate": f"{ETC}/acme/server.pem",
            "privateKey": f"{ETC}/acme/server.key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
    }
    return Service(
        name="acme",
        unit=unit_text(
            "ACME server of the rehearsal",
            "Environment=PEBBLE_VA_NOSLEEP=1",
            f"ExecStart=/usr/bin/pebble -config {ETC}/acme/pebble.json -dnsserver {dns_server} -strict",
        ),
        files=(
            ("acme/pebble.json", json.dumps(settings, indent=1)),
            ("acme/server.pem", certificate.read_text(encoding="ascii")),
            ("acme/server.key", key.read_text(encoding="ascii")),
        ),
        doors=((address, ACME_PORT), (address, ROOT_PORT)),
        packages=("pebble",),
    )


def directory_url(address: str) -> str:
    """Where an ACME client begins."""
    return f"https://{address}:{ACME_PORT}/dir"


def root_url(address: str) -> str:
    """Where the root of what it issues is fetched."""
    return f"https://{address}:{ROOT_PORT}/roots/0"


def fetch_root(address: str, ca_file: Path) -> str:
    """The root certificate of this start of pebble as PEM.

    Args:
        address: pebble's.
        ca_file: the rehearsal's CA, which vouches for pebble's own HTTPS.

    Raises:
        HostError: it does not answer.
    """
    try:
        answer = httpx.get(root_url(address), verify=ssl.create_default_context(cafile=ca_file), timeout=10)
        return answer.raise_for_status().text
    except httpx.HTTPError as error:
        raise HostError("The rehearsal's ACME server does not answer.", detail=str(error)) from error
