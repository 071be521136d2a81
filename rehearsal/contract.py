"""The seam inside the rehearsal: the HTTP side asks, the machine side does.

``api/`` keeps what the vendor's API promises (ids, tags, records) in its store and calls these; the machine side
knows namespaces, disks and cgroups and nothing of HTTP. Everything here may be repeated: what is so already stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Addresses:
    """A machine's addresses; the private one has no v6, as at most vendors."""

    public_ipv4: str
    public_ipv6: str
    private_ipv4: str


@dataclass(frozen=True, slots=True)
class MachineRequest:
    """A machine to be made.

    Attributes:
        id: a number, unique in this rehearsal, never used again.
        release: Debian's release name, or the id of a snapshot as ``snapshot:ID``.
        public_keys: OpenSSH keys for root, given to cloud-init.
        user_data: cloud-init's text, "" for none.
        packages: what its image brings besides the vendor's usual; only for machines the vendor runs itself.
    """

    id: int
    name: str
    release: str
    cpus: int
    memory_mib: int
    disk_gib: int
    public_keys: tuple[str, ...]
    user_data: str
    addresses: Addresses
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """What the cloud firewall lets through to one machine; None for a machine that no firewall guards (all is let in).

    ``accepts`` are (protocol, first port, last port, source CIDR); ICMP has ports 0.
    """

    addresses: Addresses
    accepts: tuple[tuple[str, int, int, str], ...] | None


class MachineRoom(Protocol):
    """The machines and the network of one rehearsal."""

    def reserve(self, machine_id: int) -> Addresses:
        """The addresses the machine with that id has or will have; pure arithmetic on the rehearsal's block."""

    def create(self, request: MachineRequest) -> None:
        """Makes disk, namespace and cgroup and boots it; returns when it was started, not when it is reached."""

    def is_running(self, machine_id: int) -> bool: ...
    def power_off(self, machine_id: int) -> None: ...
    def power_on(self, machine_id: int) -> None: ...
    def reboot(self, machine_id: int) -> None: ...
    def delete(self, machine_id: int) -> None:
        """Ends it and removes all it left: namespace, links, mounts, loop device, disk, cgroup."""

    def present(self) -> tuple[int, ...]:
        """Ids of all machines that exist, running or not, read from the system, not from memory."""

    def snapshot(self, machine_id: int, snapshot_id: str) -> None: ...
    def delete_snapshot(self, snapshot_id: str) -> None: ...

    def execute(self, machine_id: int, argv: Sequence[str], *, stdin: str = "") -> str:
        """Runs a program in a machine as its root: the vendor's hand in the machines it runs itself.

        Raises:
            MachineError: it is off, or the program failed.
        """

    def apply_filters(self, filters: tuple[Filter, ...]) -> None:
        """Replaces the whole cloud firewall in one nftables transaction: never a moment without rules."""
