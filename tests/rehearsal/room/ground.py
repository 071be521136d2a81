"""What the tests of the machine room stand on: a room with two machines, a customer's keys, and looking around."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from rehearsal.contract import MachineRequest
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from state.errors import MachineError

CLOCK = SystemClock()
IMAGES = platformdirs.user_cache_path("buildyard") / "images"


@dataclass(frozen=True)
class Keys:
    """A customer's key, and the host key that cloud-init gives to machines."""

    user: Path
    host: Path

    def user_data(self) -> str:
        private = "\n".join("    " + line for line in self.host.read_text().strip().splitlines())
        public = self.host.with_suffix(".pub").read_text().strip()
        return (
            f"#cloud-config\nssh_keys:\n  ed25519_private: |\n{private}\n  ed25519_public: {public}\n"
            "write_files:\n- path: /etc/ssh/sshd_config.d/10-buildyard.conf\n  content: |\n    Port 1035\n"
        )

    def request(self, room: Room, machine_id: int, release: str = "bookworm") -> MachineRequest:
        key = self.user.with_suffix(".pub").read_text().strip()
        there = room.reserve(machine_id)
        return MachineRequest(machine_id, f"box-{machine_id}", release, 1, 512, 4, (key,), self.user_data(), there)

    def ssh(self, address: str, *words: str, known: Path) -> subprocess.CompletedProcess[str]:
        pinned = " ".join(self.host.with_suffix(".pub").read_text().split()[:2])
        known.write_text(f"[{address}]:1035 {pinned}\n")
        options = ["IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=3", f"UserKnownHostsFile={known}"]
        argv = ["ssh", "-F", "none", "-p", "1035", "-i", str(self.user)]
        argv += [word for option in options for word in ("-o", option)]
        return subprocess.run(
            [*argv, f"root@{address}", *words], capture_output=True, text=True, timeout=30, check=False
        )


def settled(room: Room, machine_id: int) -> str:
    """Waits until the machine has booted; the state systemd gives itself."""

    def state() -> str | None:
        with suppress(MachineError):
            said = room.exec_in(machine_id, ["systemctl", "is-system-running"]).stdout.strip()
            return said if said in ("running", "degraded") else None
        return None

    return wait_until(f"machine {machine_id} to boot", state, timeout_s=60, clock=CLOCK)


def knock(room: Room, namespace: str, address: str, port: int) -> str:
    """What a host in that namespace ("" is this one) meets at a port: open, refused, prohibited or silence."""
    program = (
        "import socket,sys\n"
        "try:\n socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close(); print('open')\n"
        "except ConnectionRefusedError: print('refused')\n"
        "except TimeoutError: print('silence')\n"
        "except OSError as e: print('prohibited' if e.errno in (13, 101, 113) else e)\n"
    )
    argv = [sys.executable, "-c", program, address, str(port)]
    if namespace:
        return room.exec_from(namespace, argv).stdout.strip()
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def everything() -> dict[str, list[str]]:
    """What a rehearsal could leave on the host."""
    found: dict[str, list[str]] = {}
    programs = {
        "links": ["ip", "-o", "link"],
        "addresses": ["ip", "-o", "addr"],
        "routes": ["ip", "route", "show", "table", "all"],
        "routes6": ["ip", "-6", "route", "show", "table", "all"],
        "namespaces": ["ip", "netns"],
        "nft": ["nft", "list", "ruleset"],
        "mounts": ["cat", "/proc/self/mounts"],
        "loops": ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
        "groups": ["find", "/sys/fs/cgroup", "-type", "d", "-path", "*buildyard*"],
        "sysctls": ["sysctl", "net.ipv4.ip_forward", "fs.inotify.max_user_instances"],
        "nspawn": ["find", "/run/systemd/nspawn", "-mindepth", "2"],
        "processes": ["ps", "-eo", "args"],
    }
    for what, argv in programs.items():
        lines = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
        found[what] = sorted(re.sub(r"(valid_lft|preferred_lft|expires|age) \S+", "", line) for line in lines)
    return found


def lines_of(found: dict[str, list[str]], marks: tuple[str, ...]) -> dict[str, list[str]]:
    """The lines that name something of a rehearsal."""
    return {what: [line for line in lines if any(mark in line for mark in marks)] for what, lines in found.items()}


def octets_of(prefix: str) -> str:
    """How the v4 addresses of a rehearsal begin."""
    return f"10.{88 + int(prefix.removeprefix('by'))}."
