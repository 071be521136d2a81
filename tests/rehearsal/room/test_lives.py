"""Rooms that die, come back, live side by side, and go without a trace."""

from __future__ import annotations

import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from rehearsal.contract import Filter
from rehearsal.room.cgroup import cgroup_of
from rehearsal.room.leftovers import remove_all
from rehearsal.room.room import Room
from state.clock import wait_until
from tests.rehearsal.room.ground import CLOCK, IMAGES, Keys, everything, knock, lines_of, octets_of, settled

pytestmark = pytest.mark.machines


def test_machines_outlive_the_program_that_made_them(room: Room, keys: Keys, tmp_path: Path) -> None:
    program = tmp_path / "maker.py"
    program.write_text(
        "import pickle, os, signal, sys\nfrom pathlib import Path\nfrom rehearsal.room.room import Room\n"
        "room = Room(Path(sys.argv[1]), images=Path(sys.argv[2]))\nroom.create(pickle.loads(sys.stdin.buffer.read()))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    request = pickle.dumps(keys.request(room, 6))
    argv = [sys.executable, str(program), str(room.directory), str(IMAGES)]
    died = subprocess.run(argv, input=request, check=False, timeout=120, cwd=Path.cwd())
    assert died.returncode == -signal.SIGKILL
    later = Room(room.directory, images=IMAGES)
    later.up()
    try:
        assert 6 in later.present()
        assert later.is_running(6)
        assert settled(later, 6) == "running"
    finally:
        later.delete(6)
    assert 6 not in room.present()


def test_a_machine_whose_making_was_interrupted_is_made_again(room: Room, keys: Keys, tmp_path: Path) -> None:
    program = tmp_path / "maker.py"
    program.write_text(
        "import pickle, os, signal, sys\nfrom pathlib import Path\nfrom rehearsal.room import room as it\n"
        "it.plant = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "it.Room(Path(sys.argv[1]), images=Path(sys.argv[2])).create(pickle.loads(sys.stdin.buffer.read()))\n"
    )
    request = keys.request(room, 8)
    argv = [sys.executable, str(program), str(room.directory), str(IMAGES)]
    died = subprocess.run(argv, input=pickle.dumps(request), check=False, timeout=120, cwd=Path.cwd())
    assert died.returncode == -signal.SIGKILL
    assert not room.is_running(8)
    try:
        room.create(request)
        assert settled(room, 8) == "running"
    finally:
        room.delete(8)
    assert not [line for line in everything()["mounts"] if str(room.directory) in line]


def test_two_rooms_live_side_by_side_and_each_goes_without_a_trace(room: Room, keys: Keys, tmp_path: Path) -> None:
    marks = (f"{room.block.prefix}-", f"{room.block.prefix}/", str(room.directory))
    before = lines_of(everything(), marks)
    other = Room(tmp_path / "other", images=IMAGES)
    try:
        other.up()
        mine = other.block.prefix
        assert mine != room.block.prefix
        other.create(keys.request(other, 1))
        settled(other, 1)
        done = keys.ssh(other.reserve(1).public_ipv4, "hostname", known=tmp_path / "known")
        assert done.stdout == "box-1\n", done.stderr
        assert knock(room, other.foreign_namespace, room.reserve(1).private_ipv4, 1035) != "open"
    finally:
        other.down()
    others = (f"{mine}-", f"{mine}/", str(other.directory), octets_of(mine))
    assert not any(lines_of(everything(), others).values())
    after = lines_of(everything(), marks)
    for what in ("nspawn", "mounts", "loops", "links", "namespaces"):
        assert after[what] == before[what] != [], what
    assert settled(room, 1) in ("running", "degraded")
    assert knock(room, room.foreign_namespace, room.reserve(1).public_ipv4, 1035) == "open"


def test_a_rehearsal_whose_folder_is_gone_is_removed_by_the_next_one(room: Room, keys: Keys, tmp_path: Path) -> None:
    dead = Room(tmp_path / "dead", images=IMAGES)
    dead.up()
    mine = dead.block.prefix
    dead.create(keys.request(dead, 1))
    shutil.rmtree(dead.directory)
    assert any(lines_of(everything(), (f"{mine}-",)).values())
    room.up()

    def is_gone() -> bool:
        return not any(lines_of(everything(), (f"{mine}-", str(dead.directory))).values())

    wait_until("its last process to be reaped", is_gone, timeout_s=10, clock=CLOCK)
    assert settled(room, 1) in ("running", "degraded")


def test_deleting_a_machine_frees_its_namespace_and_disk_while_others_run(room: Room, keys: Keys) -> None:
    def spaces() -> int:
        inodes = set()
        for folder in Path("/proc").glob("[0-9]*"):
            for mount in _mounts(folder):
                if " nsfs " in mount and room.block.prefix in mount:
                    inodes.add(mount.split(" ")[3])
        return len(inodes)

    room.create(keys.request(room, 9))
    settled(room, 9)
    with_it = spaces()
    # one that stands still goes, too
    cgroup_of(room.block.prefix, f"{room.block.prefix}-m9").freeze(True)
    room.delete(9)
    assert spaces() == with_it - 1
    assert not [line for line in everything()["loops"] if "/machines/9/" in line]
    room.delete(9)


def _mounts(folder: Path) -> list[str]:
    with suppress(OSError):
        return (folder / "mountinfo").read_text().splitlines()
    return []


def test_up_again_changes_nothing(room: Room) -> None:
    pid = room.exec_in(1, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    room.apply_filters((Filter(room.reserve(1), ()),))
    try:
        Room(room.directory, images=IMAGES).up()
        assert knock(room, "", room.reserve(1).public_ipv4, 1035) == "prohibited"
        assert room.exec_in(1, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout == pid
    finally:
        room.apply_filters(())


def test_after_a_restart_of_the_host_its_machines_are_there_again(keys: Keys, tmp_path: Path) -> None:
    room = Room(tmp_path / "a, room: of one's own", images=IMAGES)  # nor may a folder's name break anything
    try:
        room.up()
        for machine_id in (1, 2):
            room.create(keys.request(room, machine_id))
        settled(room, 1)
        room.power_off(2)
        room.apply_filters((Filter(room.reserve(1), ()),))
        block = room.block
        remove_all(block, room.directory, CLOCK)  # all that a restart takes away
        assert not room.is_running(1)
        room.up()
        assert room.block == block
        assert settled(room, 1) == "running"
        assert not room.is_running(2)
        assert knock(room, "", room.reserve(1).public_ipv4, 1035) == "prohibited"
    finally:
        room.down()


def test_machines_are_made_side_by_side(keys: Keys, tmp_path: Path) -> None:
    room = Room(tmp_path / "room", images=IMAGES)
    try:
        room.up()
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda number: room.create(keys.request(room, number)), range(1, 6)))
            assert room.present() == (1, 2, 3, 4, 5)
            assert set(pool.map(lambda number: settled(room, number), room.present())) == {"running"}
            reached = pool.map(
                lambda n: keys.ssh(room.reserve(n).public_ipv4, "hostname", known=tmp_path / f"k{n}").stdout,
                room.present(),
            )
            assert list(reached) == [f"box-{number}\n" for number in room.present()]
            list(pool.map(room.delete, room.present()))
        assert room.present() == ()
    finally:
        room.down()
