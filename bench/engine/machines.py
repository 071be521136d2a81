"""Rehearsal machines to measure on: booted, reached by SSH as root on port 1035, host keys pinned."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from recipes.keys import make_ssh_key
from recipes.ssh import Address, wait_for_ssh
from rehearsal.contract import MachineRequest
from rehearsal.room.room import Room
from state.clock import SystemClock
from state.secret import Secret

BOOT_S = 120.0


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines that run; they share one host key, which only matters to who must not know them apart."""

    room: Room
    addresses: tuple[Address, ...]
    key: Secret
    public_key: str


@contextmanager
def machines(count: int, *, disk_gib: int = 8, memory_mib: int = 1024) -> Iterator[Machines]:
    """So many machines with Debian's own packages, gone when the block ends."""
    host_private, host_public = make_ssh_key("host")
    private, public = make_ssh_key("operator")
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        images = platformdirs.user_cache_path("buildyard") / "images"
        room = Room(Path(folder) / "room", images=images, resolver=_name_server(), use_apt_cache=False)
        try:
            room.up()
            for number in range(1, count + 1):
                there = room.reserve(number)
                data = _user_data(host_private, host_public)
                room.create(
                    MachineRequest(
                        number, f"bench-{number}", "bookworm", 2, memory_mib, disk_gib, (public,), data, there
                    )
                )
            addresses = tuple(
                Address(room.reserve(number).public_ipv4, 1035, "root", host_public) for number in range(1, count + 1)
            )
            for address in addresses:
                link = wait_for_ssh(address, private, timeout_s=BOOT_S, clock=SystemClock())
                settled = ["systemctl", "is-system-running", "--wait"]  # "degraded" is an end of the boot as well
                link.run(settled, timeout_s=BOOT_S)
                link.close()
            yield Machines(room, addresses, private, public)
        finally:
            room.down()


def _name_server() -> str:
    """The host's own, so that machines can reach the package registry."""
    for line in Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            return words[1]
    return ""


def _user_data(private: Secret, public: str) -> str:
    lines = "\n".join(f"    {line}" for line in private.reveal().strip().splitlines())
    return (
        f"#cloud-config\nssh_keys:\n  ed25519_private: |\n{lines}\n  ed25519_public: {public}\n"
        "write_files:\n- path: /etc/ssh/sshd_config.d/10-port.conf\n  content: |\n    Port 1035\n"
    )
