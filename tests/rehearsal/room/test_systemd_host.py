"""The machine room on a host where systemd is PID 1 and cgroup v2 the only tree: a Debian booted as such a host."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs
import pytest

import rehearsal
from rehearsal.room import machine
from rehearsal.room.cgroup import Limits, PlainCgroup
from rehearsal.room.image import ensure_image
from rehearsal.room.programs import ENVIRONMENT
from state.clock import SystemClock, wait_until
from state.errors import MachineError

pytestmark = [pytest.mark.machines, pytest.mark.timeout(600)]

CLOCK = SystemClock()
IMAGES = platformdirs.user_cache_path("buildyard") / "images"
HOUSE = Path(rehearsal.__file__).parent.parent
NAME = f"byhost-{os.getpid()}"
PROGRAM = """
import os
import stat
import subprocess
from pathlib import Path
from rehearsal.contract import MachineRequest
from rehearsal.room.cgroup import cgroup_of
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until

def left():
    programs = (["ip", "-o", "link"], ["ip", "netns"], ["nft", "list", "ruleset"], ["cat", "/proc/self/mounts"],
                ["ip", "route"], ["sysctl", "net.ipv4.ip_forward"],
                ["find", "/sys/fs/cgroup", "-name", "*by0*"], ["systemctl", "list-units", "--all", "by*", "buildyard*"])
    return [subprocess.run(argv, capture_output=True, text=True).stdout for argv in programs]

for number in range(64):  # the kernel shares them with the outer host, which may use the first ones
    os.mknod(f"/dev/loop{number}", 0o600 | stat.S_IFBLK, os.makedev(7, number))
subprocess.run(["iptables", "-P", "FORWARD", "DROP"], check=True)  # as Docker leaves it
before = left()
room = Room(Path("/srv/room"), images=Path("/srv/images"))
try:
    room.up()
    rules = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True).stdout
    assert rules.count("ACCEPT") == 2, rules
    room.create(MachineRequest(1, "inner", "bookworm", 1, 512, 4, (), "", room.reserve(1)))
    def state():
        said = room.exec_in(1, ["systemctl", "is-system-running"]).stdout.strip()
        return said if said in ("running", "degraded") else None
    print("STATE", wait_until("the machine", state, timeout_s=90, clock=SystemClock()))
    group = cgroup_of(room.block.prefix, "by0-m1")
    print("KIND", type(group).__name__, len(group.pids()) > 3)
    print("UNIT", subprocess.run(["systemctl", "is-active", "by0-m1.scope"], capture_output=True, text=True).stdout)
    room.snapshot(1, "s")
    room.power_off(1)
    assert not room.is_running(1)
    room.power_on(1)
    wait_until("the machine", state, timeout_s=90, clock=SystemClock())
    room.reboot(1)
    wait_until("the machine", state, timeout_s=90, clock=SystemClock())
    room.delete(1)
finally:
    room.down()
after = left()
for a, b in zip(before, after):
    assert a == b, sorted(set(a.splitlines()) ^ set(b.splitlines()))
print("GONE")
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """The name of a booted Debian that has all rights, loop devices and a network of its own."""
    extra = ("systemd-container", "mmdebstrap", "procps", "e2fsprogs")
    image = ensure_image(IMAGES, "bookworm", extra)
    inner = ensure_image(IMAGES, "bookworm")
    group = PlainCgroup(NAME, NAME)
    argv = [
        *group.enter(Limits(2, 4096)),
        "systemd-nspawn",
        "--quiet",
        "--keep-unit",
        "--register=no",
        "--boot",
        f"--directory={image}",
        "--volatile=overlay",
        f"--machine={NAME}",
        "--private-network",
        "--capability=all",
        "--system-call-filter=@mount @keyring @raw-io bpf",
        "--bind=/dev/fuse",
        "--bind=/dev/loop-control",
        f"--bind-ro={HOUSE}:/srv/house",
        f"--bind-ro={inner}:/srv/images/{inner.name}",
        f"--bind={tmp_path}:/srv/room",
        "--console=pipe",
        "--link-journal=no",
    ]
    env = {**ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}
    env["SYSTEMD_NSPAWN_LOCK"] = "0"
    log = (tmp_path.parent / "host.log").open("wb")
    with log, subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            wait_until("the host to boot", lambda: _is_up(NAME), timeout_s=60, clock=CLOCK)
            yield NAME
        finally:
            group.remove(CLOCK)
            machine.forget(NAME)
            process.wait(timeout=20)


def _is_up(name: str) -> bool:
    with suppress(MachineError):
        return machine.execute(name, ["systemctl", "is-system-running"]).stdout.strip() in ("running", "degraded")
    return False


def test_machines_live_in_scopes_and_go_without_a_trace(host: str) -> None:
    argv = ["env", "PYTHONPATH=/srv/house", "PYTHONDONTWRITEBYTECODE=1", "python3", "-c", textwrap.dedent(PROGRAM)]
    done = machine.execute(host, argv, timeout_s=300)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "STATE running" in done.stdout
    assert "KIND ScopeCgroup True" in done.stdout
    assert "UNIT active" in done.stdout
    assert "GONE" in done.stdout
