"""Who a rehearsal is on this host: a short prefix for all it makes, and blocks of addresses that collide with nothing.

The blocks are of private ranges: a vendor's or Cloudflare's real prefix could lead packets out of this machine.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.contract import Addresses
from rehearsal.room.programs import run
from state.errors import HostError, StateError
from state.files import write_file

MOST_REHEARSALS = 100
_FIRST_OCTET = 88
_ROWS = 64  # of 254 addresses: .0 and .255 are avoided, some software takes them for a network's
_FILE = "block.json"
_SERVICES = ("api", "s3", "dns", "acme", "apt")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Block:
    """Pure arithmetic on the number of a rehearsal; nothing here looks at the system.

    10.(88+index).x.y and fdb1:1dba:index::/48, by third byte or fourth group: 0 the link to the host, 64-127 public
    addresses, 128-191 private ones, 200 the foreign host, 201 the edge, 255 services.
    """

    index: int

    @property
    def prefix(self) -> str:
        """What every name on this host starts with, followed by a dash."""
        return f"by{self.index}"

    @property
    def network_v4(self) -> str:
        return f"{self._v4}.0.0/16"

    @property
    def network_v6(self) -> str:
        return f"{self._v6}::/48"

    @property
    def public_v4(self) -> str:
        return f"{self._v4}.64.0/18"

    @property
    def public_v6(self) -> str:
        return f"{self._v6}:64::/64"

    @property
    def private_v4(self) -> str:
        """The private network all machines are in."""
        return f"{self._v4}.128.0/18"

    @property
    def foreign_v4(self) -> str:
        return f"{self._v4}.200.0/24"

    @property
    def foreign_v6(self) -> str:
        return f"{self._v6}:200::/64"

    @property
    def edge_v4(self) -> str:
        """What the rehearsal publishes as Cloudflare's ranges, with :attr:`edge_v6`."""
        return f"{self._v4}.201.0/24"

    @property
    def edge_v6(self) -> str:
        return f"{self._v6}:201::/64"

    def uplink_v4(self, host: int) -> str:
        """1 is the build machine, 2 the router; from 10 on the build machine's other addresses."""
        return f"{self._v4}.0.{host}"

    def uplink_v6(self, host: int) -> str:
        return f"{self._v6}::{host:x}"

    def service_v4(self, service: str) -> str:
        """The address of ``api``, ``s3``, ``dns``, ``acme`` or ``apt``, on the router's ``lo``."""
        return f"{self._v4}.255.{_SERVICES.index(service) + 1}"

    def service_v6(self, service: str) -> str:
        return f"{self._v6}:255::{_SERVICES.index(service) + 1:x}"

    def services(self) -> tuple[tuple[str, str], ...]:
        """(v4, v6) of every service."""
        return tuple((self.service_v4(name), self.service_v6(name)) for name in _SERVICES)

    def machine(self, machine_id: int) -> Addresses:
        """A machine's addresses; the same again only after 16,256 other machines."""
        row, column = divmod(machine_id % (_ROWS * 254), 254)
        return Addresses(
            public_ipv4=f"{self._v4}.{64 + row}.{column + 1}",
            public_ipv6=f"{self._v6}:64::{row * 256 + column + 1:x}",
            private_ipv4=f"{self._v4}.{128 + row}.{column + 1}",
        )

    @property
    def _v4(self) -> str:
        return f"10.{_FIRST_OCTET + self.index}"

    @property
    def _v6(self) -> str:
        return f"fdb1:1dba:{self.index:x}"


def claim(directory: Path, registry: Path) -> Block:
    """The block of the rehearsal in ``directory``: the one it had, or a free one, which it then keeps.

    Args:
        directory: the rehearsal's folder.
        registry: where the rehearsals of this host enter themselves; empty after a restart of the host.

    Raises:
        HostError: its block is used by another, or none is free.
        StateError: its record cannot be read.
    """
    registry.mkdir(parents=True, exist_ok=True)
    with locked(registry):
        file = directory / _FILE
        if file.exists():
            block = _read(file)
            owner = owner_of(block, registry)
            if owner not in (None, directory):
                raise HostError(
                    f"The addresses {block.network_v4} of this rehearsal are used by another one now.",
                    detail=f"It lives in {owner}.",
                    hint="destroy the other one first",
                )
        else:
            block = _free(registry)
            write_file(file, json.dumps({"version": 1, "index": block.index}).encode())
        write_file(registry / block.prefix, str(directory).encode())
        return block


def release(block: Block, directory: Path, registry: Path) -> None:
    """Gives the block back."""
    with locked(registry):
        if owner_of(block, registry) == directory:
            (registry / block.prefix).unlink()
        (directory / _FILE).unlink(missing_ok=True)


def claimed(directory: Path) -> Block | None:
    """The block a rehearsal has, None when it has none."""
    file = directory / _FILE
    return _read(file) if file.exists() else None


def owner_of(block: Block, registry: Path) -> Path | None:
    """The folder of the rehearsal that has this block now."""
    try:
        return Path((registry / block.prefix).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


@contextmanager
def locked(directory: Path, name: str = "lock") -> Iterator[None]:
    """What must not be done twice at the same time; the kernel lets go when the holder dies."""
    descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def choose(taken_indexes: frozenset[int], known: tuple[Network, ...]) -> Block | None:
    """The first block that no rehearsal has and that touches no network known here.

    When every block lies within a wider route (a company's 10.0.0.0/8), one that no narrower route touches is taken.
    """
    blocks = [Block(index) for index in range(MOST_REHEARSALS) if index not in taken_indexes]
    narrow = tuple(net for net in known if net.prefixlen >= (16 if net.version == 4 else 48))
    for nets in (known, narrow):
        for block in blocks:
            mine = (ipaddress.ip_network(block.network_v4), ipaddress.ip_network(block.network_v6))
            if not any(net.version == own.version and own.overlaps(net) for net in nets for own in mine):
                return block
    return None


def _free(registry: Path) -> Block:
    taken = {int(file.name[2:]) for file in registry.glob("by*")}
    for folder in (Path("/run/netns"), Path("/sys/class/net")):  # what a dead rehearsal left is not ours to use
        for name in folder.iterdir() if folder.is_dir() else ():
            number = name.name.partition("-")[0].removeprefix("by")
            if name.name.startswith("by") and number.isdigit():
                taken.add(int(number))
    block = choose(frozenset(taken), _known_networks())
    if block is None:
        raise HostError(
            "No block of addresses is free for another rehearsal.",
            detail=f"{len(taken)} are in use.",
            hint="buildyard destroy",
        )
    return block


def _known_networks() -> tuple[Network, ...]:
    """Where this host can reach: its routes but the default one, and its name servers."""
    found: list[Network] = []
    for family in ("-4", "-6"):
        for route in json.loads(run(["ip", "-j", family, "route", "show", "table", "all"]) or "[]"):
            target = route.get("dst", "default")
            if target != "default" and not target.startswith(("fe80:", "ff00:")):
                found.append(ipaddress.ip_network(target, strict=False))
    resolvers = Path("/etc/resolv.conf")
    for line in resolvers.read_text(encoding="utf-8", errors="replace").splitlines() if resolvers.exists() else ():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            found.append(ipaddress.ip_network(words[1].partition("%")[0]))
    return tuple(found)


def _read(file: Path) -> Block:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        index = int(record["index"]) if record["version"] == 1 else -1
    except (ValueError, KeyError, TypeError) as broken:
        raise StateError(f"{file} cannot be read.", detail=str(broken), hint="destroy this rehearsal") from broken
    if not 0 <= index < MOST_REHEARSALS:
        raise StateError(f"{file} is of another version of this program.", hint="destroy this rehearsal with that")
    return Block(index)
