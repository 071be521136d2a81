"""Real machines in the machine room: what a customer of the rehearsal's cloud would notice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from rehearsal.room.room import Room
from state.clock import wait_until
from state.errors import MachineError, NotFound
from tests.rehearsal.room.ground import CLOCK, Keys, settled

pytestmark = pytest.mark.machines


def test_ssh_answers_on_1035_with_the_pinned_host_key_v4_and_v6(room: Room, keys: Keys, tmp_path: Path) -> None:
    there = room.reserve(1)
    for address in (there.public_ipv4, there.public_ipv6):
        done = keys.ssh(address, "hostname", known=tmp_path / "known")
        assert (done.returncode, done.stdout.strip()) == (0, "box-1"), done.stderr


def test_another_host_key_is_no_way_in(room: Room, keys: Keys, tmp_path: Path) -> None:
    swapped = Keys(keys.user, keys.user)
    done = swapped.ssh(room.reserve(1).public_ipv4, "true", known=tmp_path / "known")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_a_machine_boots_whole_and_has_what_was_bought(room: Room) -> None:
    assert settled(room, 1) == "running", room.exec_in(1, ["systemctl", "--failed"]).stdout
    disk_kib = int(room.exec_in(1, ["df", "--output=size", "/"]).stdout.split()[-1])
    assert 3.6 * 1024**2 < disk_kib < 4.0 * 1024**2
    ids = {room.exec_in(number, ["cat", "/etc/machine-id"]).stdout.strip() for number in (1, 2)}
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)
    assert room.figures(1)["memory_bytes"] < 512 * 1024**2
    assert "status: done" in room.exec_in(1, ["cloud-init", "status"]).stdout


def test_a_machine_cannot_take_more_memory_than_bought(room: Room) -> None:
    eaten = "-c", "x = bytearray(700 * 1024 * 1024); print(len(x))"
    greedy = room.exec_in(1, ["systemd-run", "--wait", "--pipe", "--quiet", "python3", *eaten])
    assert greedy.returncode != 0
    assert settled(room, 1) in ("running", "degraded")


def test_power_off_on_and_reboot(room: Room) -> None:
    room.exec_in(2, ["sh", "-c", "echo kept > /srv/kept; nft add table inet mine; sync"])
    room.power_off(2)
    assert not room.is_running(2)
    assert 2 in room.present()
    with pytest.raises(MachineError, match="off"):
        room.exec_in(2, ["true"])
    # nobody is there who could refuse: as with a machine that has no current
    private = room.reserve(2).private_ipv4
    knock = room.exec_from(room.router_namespace, ["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{private}/1035"])
    assert knock.returncode != 0
    assert "refused" not in knock.stderr
    room.power_off(2)
    room.power_on(2)
    settled(room, 2)
    room.power_on(2)
    assert room.exec_in(2, ["cat", "/srv/kept"]).stdout == "kept\n"
    assert "mine" not in room.exec_in(2, ["nft", "list", "tables"]).stdout
    before = room.exec_in(2, ["cat", "/proc/sys/kernel/random/boot_id", "/etc/machine-id"]).stdout
    room.exec_in(2, ["nft", "add", "table", "inet", "mine"])
    room.reboot(2)
    settled(room, 2)
    assert room.exec_in(2, ["cat", "/srv/kept"]).stdout == "kept\n"
    assert "mine" not in room.exec_in(2, ["nft", "list", "tables"]).stdout
    assert before.split()[1] in room.exec_in(2, ["cat", "/etc/machine-id"]).stdout


def test_a_machine_that_reboots_itself_comes_back_and_one_that_halts_stays_off(room: Room) -> None:
    started = room.exec_in(2, ["systemctl", "show", "-P", "UserspaceTimestampMonotonic"]).stdout
    room.exec_in(2, ["systemctl", "--no-block", "reboot"])

    def is_back() -> bool:
        with suppress(MachineError):
            shown = room.exec_in(2, ["systemctl", "show", "-P", "UserspaceTimestampMonotonic"])
            return shown.returncode == 0 and shown.stdout not in ("", started)
        return False

    wait_until("the reboot", is_back, timeout_s=60, clock=CLOCK)
    settled(room, 2)
    room.exec_in(2, ["systemctl", "--no-block", "poweroff"])
    wait_until("the halt", lambda: not room.is_running(2), timeout_s=60, clock=CLOCK)
    room.power_on(2)
    settled(room, 2)


def test_a_full_disk_is_the_machines_own(room: Room) -> None:
    room.exec_in(2, ["fallocate", "-l", "3500M", "/srv/big"])
    full = room.exec_in(2, ["sh", "-c", "head -c 900M /dev/zero > /srv/more"])
    assert "No space left" in full.stderr
    assert room.exec_in(1, ["sh", "-c", "head -c 5M /dev/zero > /srv/fits"]).returncode == 0
    room.exec_in(2, ["rm", "/srv/big", "/srv/more"])


def test_a_machine_from_a_snapshot_has_the_files_and_an_identity_of_its_own(
    room: Room, keys: Keys, tmp_path: Path
) -> None:
    room.exec_in(1, ["sh", "-c", "echo data > /srv/data; rm -f /usr/bin/ab2; rm /etc/debian_version"])
    room.snapshot(1, "golden")
    assert room.is_running(1)
    room.create(keys.request(room, 4, "snapshot:golden"))
    room.delete_snapshot("golden")
    try:
        assert settled(room, 4) == "running"
        assert room.exec_in(4, ["cat", "/srv/data"]).stdout == "data\n"
        assert room.exec_in(4, ["cat", "/etc/debian_version"]).returncode != 0  # removed there, so not here
        ids = {room.exec_in(number, ["cat", "/etc/machine-id"]).stdout for number in (1, 4)}
        assert len(ids) == 2
        assert room.exec_in(4, ["hostname"]).stdout == "box-4\n"
        assert keys.ssh(room.reserve(4).public_ipv4, "hostname", known=tmp_path / "known").stdout == "box-4\n"
        with pytest.raises(NotFound):
            room.create(keys.request(room, 5, "snapshot:golden"))
    finally:
        room.delete(4)
        room.delete(5)
