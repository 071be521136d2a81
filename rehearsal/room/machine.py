"""One nspawn machine: booted, found again from the system, powered, entered. It outlives its starter."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.room.cgroup import Limits, cgroup_of
from rehearsal.room.programs import ENVIRONMENT, attempt
from state.clock import Clock, wait_until
from state.errors import DeadlineExceeded, MachineError

# $1 is the machine's folder; paths in it are relative, so that no character in its name can break mount's options.
# nspawn ends with 133 when the machine rebooted itself; the firewall of its own namespace ($2, or "") is empty then.
_SUPERVISE = """
cd "$1" || exit 70
space=$2
shift 2
mkdir -p disk root || exit 70
mount -o loop,discard disk.img disk || exit 71
mkdir -p disk/upper disk/work || exit 71
mount -t overlay overlay -o lowerdir=image,upperdir=disk/upper,workdir=disk/work root || exit 72
while :; do
  "$@"
  status=$?
  [ "$status" -eq 133 ] || exit "$status"
  [ -z "$space" ] || nsenter --net="$space" nft flush ruleset
done
"""
_CAPABILITIES = "CAP_NET_ADMIN"
_LOG = "console.log"


@dataclass(frozen=True, slots=True)
class MachineHome:
    """Where a machine lives.

    Attributes:
        rehearsal: prefix of its rehearsal, such as ``by0``.
        name: its name on this host, unique here; starts with the rehearsal's prefix.
        directory: its folder, with ``disk.img`` (``disk.make_disk``); console.log comes to lie here.
    """

    rehearsal: str
    name: str
    directory: Path


def boot(
    home: MachineHome,
    *,
    image: Path,
    network_namespace: str,
    limits: Limits,
    binds: Sequence[tuple[Path, str]] = (),
    owns_network: bool = False,
    clock: Clock,
) -> None:
    """Boots a machine with its own systemd; returns when it was started. One that runs is left alone.

    Args:
        home: where it lives.
        image: the root file system that lies under its disk (``image.ensure_image``); never written to.
        network_namespace: name of a namespace in /run/netns that exists and is addressed.
        limits: what it may use.
        binds: (folder on this host, folder in the machine) to be shared with it.
        owns_network: nobody else is in the namespace, so that a reboot may empty its firewall.

    Raises:
        MachineError: it did not start; the detail holds the end of its console.
    """
    if nspawn_pid(home.name) is not None:
        return
    group = cgroup_of(home.rehearsal, home.name)
    group.remove(clock)  # what an earlier start of the same machine left
    (home.directory / "root").mkdir(exist_ok=True)
    link = home.directory / "image"
    if not link.is_symlink() or link.readlink() != image:
        link.unlink(missing_ok=True)
        link.symlink_to(image)
    space = f"/run/netns/{network_namespace}"
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--keep-unit",
        "--register=no",
        "--boot",
        f"--directory={home.directory / 'root'}",
        f"--machine={home.name}",
        f"--network-namespace-path={space}",
        f"--capability={_CAPABILITIES}",
        "--bind=/dev/fuse",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        *(f"--bind={_escaped(source)}:{target}" for source, target in binds),
    ]
    # Slave, not private: a namespace or disk that is unmounted on the host must not live on in here.
    unshare = ["unshare", "--mount", "--propagation=slave"]
    supervise = [*unshare, "sh", "-c", _SUPERVISE, home.name, str(home.directory), space if owns_network else ""]
    with (home.directory / _LOG).open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", *group.enter(limits), *supervise, *nspawn],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**ENVIRONMENT, "SYSTEMD_NSPAWN_LOCK": "0"},
            cwd="/",
            check=True,
            timeout=30,
        )
    try:
        wait_until(f"{home.name} to start", lambda: _started(home), timeout_s=20, clock=clock, first_s=0.02)
    except DeadlineExceeded as late:
        raise MachineError(f"The machine {home.name} did not start.", detail=console(home)) from late


def _started(home: MachineHome) -> bool:
    return leader_pid(home.name) is not None


def _escaped(path: Path) -> str:
    """A path for nspawn's --bind, where a colon separates."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def nspawn_pid(name: str) -> int | None:
    """The nspawn process of a machine, found in the process table; None when it is off.

    A container on this host may hold a rehearsal too, with a machine of the same name: its processes are not ours.
    """
    own_space = Path("/proc/self/ns/pid").readlink()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if (
                words[0].endswith(b"systemd-nspawn")
                and f"--machine={name}".encode() in words
                and (folder / "ns/pid").readlink() == own_space
            ):
                return int(folder.name)
        except OSError:
            continue
    return None


def leader_pid(name: str) -> int | None:
    """PID 1 of a machine as this host numbers it; None while it is off or not yet in its namespaces."""
    parent = nspawn_pid(name)
    if parent is None:
        return None
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            status = (folder / "status").read_text(encoding="utf-8", errors="replace")
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            if int(fields["PPid"]) == parent and fields["NSpid"].split()[-1] == "1" and fields["Name"] == "systemd":
                return int(folder.name)
    return None


def power_off(home: MachineHome, *, clock: Clock, grace_s: float = 30) -> None:
    """Shuts the machine down in order; after ``grace_s`` its plug is pulled. Nothing when it is off."""
    pid = nspawn_pid(home.name)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # nspawn hands it on as systemd's own signal to halt
        with contextlib.suppress(DeadlineExceeded):
            wait_until(f"{home.name} to halt", lambda: nspawn_pid(home.name) is None, timeout_s=grace_s, clock=clock)
    cut_power(home, clock=clock)


def cut_power(home: MachineHome, *, clock: Clock) -> None:
    """Pulls the plug: kills all its processes, removes its control group and what nspawn left."""
    cgroup_of(home.rehearsal, home.name).remove(clock)
    forget(home.name)


def forget(name: str) -> None:
    """Removes what nspawn leaves on the host of a machine that is off."""
    for folder in ("propagate", "unix-export"):
        shutil.rmtree(Path("/run/systemd/nspawn") / folder / name, ignore_errors=True)


def reboot(home: MachineHome, *, clock: Clock) -> None:
    """Reboots the machine in order, as its own ``reboot`` does.

    Raises:
        MachineError: it is off.
    """
    pid = leader_pid(home.name)
    if pid is None:
        raise MachineError(f"The machine {home.name} is off and cannot be rebooted.")
    os.kill(pid, signal.SIGRTMIN + 5)  # systemd: start reboot.target
    wait_until(f"{home.name} to reboot", lambda: leader_pid(home.name) not in (pid, None), timeout_s=60, clock=clock)


def execute(
    name: str, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a program inside a machine, as its root, without SSH.

    Raises:
        MachineError: the machine is off.
    """
    pid = leader_pid(name)
    if pid is None:
        raise MachineError(f"The machine {name} is off.")
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/"]
    return attempt(["nsenter", f"--target={pid}", *spaces, "--", *argv], stdin=stdin, timeout_s=timeout_s)


def console(home: MachineHome, lines: int = 20) -> str:
    """The end of what the machine wrote to its console."""
    try:
        text = (home.directory / _LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
