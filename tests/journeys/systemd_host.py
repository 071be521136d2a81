"""A Debian of its own as a host: its systemd is PID 1, cgroup v2 its only tree, nothing of ours is on its disk.

It has all capabilities, as a server has. What it takes to reach the package registries (sources, proxies, certificates,
pip's settings) is read from this machine when it is made.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rehearsal.room import leftovers, machine, shared
from rehearsal.room.block import Block, claim, locked, release
from rehearsal.room.cgroup import Limits, cgroup_of
from rehearsal.room.disk import make_disk
from rehearsal.room.image import apt_settings, archives
from rehearsal.room.network import uplink
from rehearsal.room.programs import ENVIRONMENT, attempt, run
from rehearsal.room.room import REGISTRY
from rehearsal.services.resolver import host_resolvers
from state.clock import SystemClock, wait_until
from state.errors import MachineError

CLOCK = SystemClock()
HOUSE = Path(__file__).resolve().parents[2]
CHECKOUT = "/root/My Buildyard"
DISK_GIB = 30
MEMORY_MIB = 12 * 1024
LOOPS = 128
#: A run's lines fit, a page does not.
LOGGED_CHARACTERS = 20_000
#: Debian's base system is what mmdebstrap calls *important*; a server has the rest of these too.
INCLUDED = ("openssh-server", "dbus", "libpam-systemd", "ca-certificates", "curl")
_APT = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
#: What would change this machine's kernel and devices, which the host shares.
_MASKED = (
    "systemd-sysctl.service",
    "systemd-modules-load.service",
    "systemd-binfmt.service",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
)
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_LENT_BUNDLE = "/srv/lent/ca.pem"
_ON_DISK = 'mount -o loop,discard "$1/disk.img" "$1/root" && shift && exec "$@"'

#: What could be left there, in blocks that start with a line "[what]".
LOOK = r"""
cd /
part() { echo "[$1]"; shift; "$@" 2>&1 | sort; }
own=$(findmnt --noheadings --output MAJ:MIN --target /)
part links sh -c 'ip -o link | cut -d: -f2 | cut -d@ -f1'
part addresses sh -c 'ip -o addr | tr -s " " | cut -d" " -f2-4'
part routes ip route show table all
part routes6 ip -6 -o route show table all type unicast
part netns ip netns
part nft nft list ruleset
part mounts cat /proc/self/mounts
part propagation findmnt --list --noheadings --output TARGET,PROPAGATION
part losetup sh -c "losetup --list --noheadings --output BACK-MAJ:MIN,BACK-FILE | grep -F ' $own ' || true"
part cgroup sh -c 'find /sys/fs/cgroup -type d'
part sysctl sh -c "sysctl -a -r '^net[.]' | grep -v -e conntrack_count -e icmp_msgs"
part units sh -c 'systemctl list-units --all --plain --no-legend "by*" "buildyard*"'
part ps sh -c 'ps -e -o args | grep -v -e "sort$" -e "[p]art "'
"""


@dataclass(frozen=True)
class SystemdHost:
    """One that is booted.

    Attributes:
        folder: everything of it on this machine.
        block: its link to this machine is that of a rehearsal's router, so that a dead test is cleaned up as one.
        log: where everything said there is kept.
    """

    folder: Path
    block: Block
    log: IO[str]

    @property
    def name(self) -> str:
        return f"{self.block.prefix}-host"

    def ssh(self, script: str, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """A script of sh, run in the checkout by who logs in there as root; it goes into the log."""
        quoted = [shlex.quote(word) for word in words]
        argv = ["ssh", "-F", "none", "-i", str(self.folder / "key"), "-o", f"UserKnownHostsFile={self.folder}/known"]
        argv += ["-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=15"]
        argv += [f"root@{self.block.uplink_v4(2)}", "sh", "-s", "--", *quoted]
        text = f"cd '{CHECKOUT}' || exit 70\n{script}\n"
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=timeout_s, check=False)
        said = done.stdout[:LOGGED_CHARACTERS] + done.stderr
        self.tell(f"$ {script.strip()} {' '.join(words)}\n{said}exit code {done.returncode}\n")
        return done

    def look(self) -> dict[str, list[str]]:
        """What there is on it, from its own namespaces, nobody logged in."""
        text = machine.execute(self.name, ["sh", "-c", LOOK]).stdout
        blocks = re.split(r"^\[(\w+)\]\n", text, flags=re.MULTILINE)[1:]
        return {what: lines.splitlines() for what, lines in zip(blocks[::2], blocks[1::2], strict=True)}

    def tell(self, text: str) -> None:
        """Writes into the log."""
        self.log.write(text)
        self.log.flush()


@contextmanager
def booted(release_name: str, folder: Path, log: IO[str]) -> Iterator[SystemdHost]:
    """A host of that release, fresh; nothing of it is left afterwards, whatever happens.

    Args:
        release_name: of Debian.
        folder: to live in.
        log: what happens is written there.
    """
    folder.mkdir(parents=True)
    REGISTRY.mkdir(exist_ok=True)
    with locked(REGISTRY):
        leftovers.remove_dead(REGISTRY, CLOCK)
    block = claim(folder, REGISTRY)
    host = SystemdHost(folder, block, log)
    process: subprocess.Popen[bytes] | None = None
    try:
        with locked(REGISTRY):
            shared.open_host(block, REGISTRY)
        binds = _install(host, release_name)
        process = _boot(host, binds)
        wait_until("the host to start", lambda: machine.leader_pid(host.name), timeout_s=30, clock=CLOCK, first_s=0.1)
        run(["ip", "addr", "replace", f"{block.uplink_v4(1)}/24", "dev", uplink(block)])
        run(["ip", "link", "set", uplink(block), "up"])
        wait_until("the host to boot", lambda: _state(host), timeout_s=120, clock=CLOCK)
        wait_until("its sshd", lambda: host.ssh("true").returncode == 0, timeout_s=60, clock=CLOCK)
        yield host
    finally:
        _remove(host, process)


def _install(host: SystemdHost, release_name: str) -> list[tuple[Path, str]]:
    """Makes its disk and what is on it.

    Returns:
        folders of this machine that it has to see: (here, there).
    """
    folder = host.folder
    make_disk(folder, DISK_GIB)
    (folder / "root").mkdir()
    sources = "".join(f"{archive.line()}\n" for archive in archives(release_name))
    settings = apt_settings(_APT)
    options = [f"--aptopt={line.rstrip(';')}" for line in settings]
    made = ["mmdebstrap", "--mode=root", "--variant=important", f"--include={','.join(INCLUDED)}", *options]
    _on_disk(folder, [*made, release_name, str(folder / "root"), "-"], stdin=sources)

    files = folder / "files"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")])
    inet = f"static\n  address {host.block.uplink_v4(2)}/24\n  gateway {host.block.uplink_v4(1)}"
    pip, binds = _pip_settings()
    texts = {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost\n",
        "etc/resolv.conf": "".join(f"nameserver {address}\n" for address in host_resolvers()),
        "etc/network/interfaces": f"auto lo\niface lo inet loopback\nauto host0\niface host0 inet {inet}\n",
        "etc/apt/apt.conf.d/90-lent": "".join(f"{line}\n" for line in settings),
        "etc/pip.conf": pip,
        "root/.ssh/authorized_keys": (folder / "key.pub").read_text(),
        # On a server the kernel makes these.
        "etc/tmpfiles.d/loop.conf": "".join(f"b /dev/loop{n} 0660 root disk - 7:{n}\n" for n in range(LOOPS)),
    }
    for name, text in texts.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(text)
    (files / "root/.ssh").chmod(0o700)
    for unit in _MASKED:
        (files / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
        (files / "etc/systemd/system" / unit).symlink_to("/dev/null")
    if _BUNDLE.exists():
        (files / _LENT_BUNDLE.lstrip("/")).parent.mkdir(parents=True)
        shutil.copy(_BUNDLE, files / _LENT_BUNDLE.lstrip("/"))
    run(["git", "clone", "--quiet", str(HOUSE), str(files / CHECKOUT.lstrip("/"))])
    _on_disk(folder, ["cp", "-a", "--remove-destination", f"{files}/.", str(folder / "root")])
    return binds


def _on_disk(folder: Path, argv: Sequence[str], stdin: str = "") -> None:
    """A program that sees the host's disk mounted; nobody else does, and it ends with the program."""
    wrapped = ["unshare", "--mount", "--propagation=slave", "sh", "-c", _ON_DISK, "sh", str(folder), *argv]
    run(wrapped, stdin=stdin, timeout_s=900)


def _pip_settings() -> tuple[str, list[tuple[Path, str]]]:
    """This machine's settings of pip, environment included, as one file; and the folders they speak of."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
    )
    settings: dict[str, str] = {}
    binds: dict[Path, str] = {}
    for line in listed.stdout.splitlines():  # the environment's come first, and count most
        name, _, quoted = line.partition("=")
        value = quoted.strip("'\"").replace("\\n", " ")
        if name.endswith(".cert"):
            value = _LENT_BUNDLE
        elif settings.setdefault(name.rpartition(".")[2], value) == value:
            for path in (Path(word.removeprefix("file://")) for word in value.split()):
                if path.is_absolute() and path.exists():
                    # An index speaks of what lies beside it.
                    seen = Path("/", *path.parts[1:3]) if path.is_dir() else path
                    binds[seen] = str(seen)
        settings.setdefault(name.rpartition(".")[2], value)
    text = "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    return text, list(binds.items())


def _boot(host: SystemdHost, binds: Sequence[tuple[Path, str]]) -> subprocess.Popen[bytes]:
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--keep-unit",
        "--register=no",
        "--boot",
        f"--directory={host.folder / 'root'}",
        f"--machine={host.name}",
        "--private-network",
        f"--network-veth-extra={uplink(host.block)}:host0",
        "--capability=all",
        "--system-call-filter=@mount @keyring @raw-io bpf",
        "--bind=/dev/fuse",
        "--bind=/dev/loop-control",
        *(f"--bind-ro={here}:{there}" for here, there in binds),
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
    ]
    group = cgroup_of(host.block.prefix, host.name)
    # A test that is killed takes its host with it.
    words = [*group.enter(Limits(os.cpu_count() or 1, MEMORY_MIB)), "setpriv", "--pdeathsig", "KILL"]
    words += ["unshare", "--mount", "--propagation=slave", "sh", "-c", _ON_DISK, "sh", str(host.folder), *nspawn]
    environment = {"UNIFIED_HIERARCHY": "1", "API_VFS_WRITABLE": "1", "LOCK": "0"}
    env = {**ENVIRONMENT, **{f"SYSTEMD_NSPAWN_{name}": value for name, value in environment.items()}}
    with (host.folder / "console.log").open("wb") as console:
        return subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=console, stderr=console)


def _state(host: SystemdHost) -> str | None:
    with suppress(MachineError):
        said = machine.execute(host.name, ["systemctl", "is-system-running"]).stdout.strip()
        return said if said in ("running", "degraded") else None
    return None


def _remove(host: SystemdHost, process: subprocess.Popen[bytes] | None) -> None:
    console = host.folder / "console.log"
    if console.exists():
        host.tell("\nthe host's console:\n" + console.read_text(errors="replace")[-8000:])
    cgroup_of(host.block.prefix, host.name).remove(CLOCK)
    machine.forget(host.name)
    if process is not None:
        process.wait(timeout=30)
    leftovers.remove_all(host.block, host.folder, CLOCK)
    release(host.block, host.folder, REGISTRY)
    with locked(REGISTRY):
        if not any(entry.name[2:].isdigit() for entry in REGISTRY.glob("by*")):
            shared.restore_host(REGISTRY)
    attempt(["rm", "-rf", "--one-file-system", "--", str(host.folder)], timeout_s=120)
