"""The resolver of the machines: dnsmasq. It knows the rehearsal's zones and asks the host's resolvers for others."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from pathlib import Path

from rehearsal.services.unit import ETC, Service, unit_text
from state.files import write_file

#: systemd-resolved's own list of upstream servers; /etc/resolv.conf names only its loopback stub then.
_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
_HOST = Path("/etc/resolv.conf")
ZONES_FILE = "resolver/zones"


def resolver_service(addresses: tuple[str, ...], upstream: Iterable[str]) -> Service:
    """dnsmasq without a cache: what was changed a moment ago is what is asked for next.

    Args:
        addresses: to listen on, port 53.
        upstream: the host's resolvers.
    """
    settings = [
        "port=53",
        *(f"listen-address={address}" for address in addresses),
        "bind-interfaces",
        "no-hosts",
        "no-resolv",
        "cache-size=0",
        "user=root",
        "log-facility=-",
        *(f"server={server}" for server in upstream),
        f"servers-file={ETC}/{ZONES_FILE}",
    ]
    return Service(
        name="resolver",
        unit=unit_text(
            "Resolver of the rehearsal's machines",
            f"ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file={ETC}/resolver/dnsmasq.conf",
            "ExecReload=/bin/kill -HUP $MAINPID",
        ),
        files=(("resolver/dnsmasq.conf", "\n".join(settings) + "\n"),),
        doors=tuple((address, 53) for address in addresses),
        packages=("dnsmasq-base",),
    )


def host_resolvers() -> tuple[str, ...]:
    """The resolvers this host asks, without those on its loopback, which the router does not reach."""
    found: list[str] = []
    for file in (_HOST, _RESOLVED):
        if not file.exists():
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver" and _is_far(words[1]):
                found.append(words[1])
    return tuple(dict.fromkeys(found))


class Resolver:
    """Tells dnsmasq which zones the name server has.

    Args:
        zones_file: the file it reads again when told to.
        server: the name server as dnsmasq writes it, ``address#port``.
        reload: tells it.
    """

    def __init__(self, zones_file: Path, server: str, reload: Callable[[], None]) -> None:
        self._zones_file = zones_file
        self._server = server
        self._reload = reload

    def serve(self, zones: Iterable[str]) -> None:
        """From now on these zones are asked of the name server."""
        text = zones_text(zones, self._server)
        if not self._zones_file.exists() or self._zones_file.read_text(encoding="utf-8") != text:
            write_file(self._zones_file, text.encode())
            self._reload()


def zones_text(zones: Iterable[str], server: str) -> str:
    """The list of zones as dnsmasq reads it."""
    return "".join(f"server=/{zone.rstrip('.')}/{server}\n" for zone in sorted(zones))


def _is_far(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # The router forwards no v6 to the outside.
    return parsed.version == 4 and not parsed.is_loopback
