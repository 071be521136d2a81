"""Taking a rehearsal off the host, its own or one that died: only what is provably that rehearsal's.

Proof is the registry: it says which folder a prefix was given to. Things that only look like ours are left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
from pathlib import Path

from rehearsal.room.block import Block, claimed, owner_of
from rehearsal.room.cgroup import cgroup_of, machines_of
from rehearsal.room.disk import close_all
from rehearsal.room.machine import forget
from rehearsal.room.network import namespaces, remove_cloud
from rehearsal.room.programs import run
from rehearsal.room.shared import close_host
from state.clock import Clock, wait_until

_LOOP_GET_STATUS64 = 0x4C05  # linux/loop.h; its answer begins with the backing file's file system
_LOOP_INFO64_BYTES = 232


def remove_all(block: Block, directory: Path, clock: Clock) -> None:
    """Ends every process of a rehearsal and removes its groups, namespaces, links and tables; folders stay."""
    for name in machines_of(block.prefix):
        cgroup_of(block.prefix, name).remove(clock)
        forget(name)
    _end_processes(block, clock)
    remove_cloud(block)
    close_host(block)
    close_all(directory)
    wait_until(f"the disks in {directory} to be let go", lambda: not loops_of(directory), timeout_s=30, clock=clock)


def remove_dead(registry: Path, clock: Clock) -> tuple[str, ...]:
    """Removes rehearsals whose folder is gone; call it with the registry locked.

    Returns:
        their prefixes.
    """
    removed = []
    for entry in sorted(registry.glob("by*")):
        if not entry.name.removeprefix("by").isdigit():
            continue
        block = Block(int(entry.name.removeprefix("by")))
        directory = owner_of(block, registry)
        if directory is not None and claimed(directory) != block:
            remove_all(block, directory, clock)
            entry.unlink()
            removed.append(block.prefix)
    return tuple(removed)


def loops_of(directory: Path) -> tuple[str, ...]:
    """Loop devices on disks in a folder.

    All containers of a host share its loop devices: a folder of the same name in one of them is on another file system.
    """
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            loop = backing.parts[3]
            if backing.read_text(encoding="utf-8").startswith(f"{directory}/"):
                with Path("/dev", loop).open("rb") as device:
                    status = fcntl.ioctl(device, _LOOP_GET_STATUS64, bytes(_LOOP_INFO64_BYTES))
                if struct.unpack_from("=Q", status)[0] == directory.stat().st_dev:
                    found.append(loop)
    return tuple(found)


def _end_processes(block: Block, clock: Clock) -> None:
    """Ends what still runs in the rehearsal's namespaces: services, and programs a test has left there."""
    spared = {os.getpid(), os.getppid()}

    def ended() -> bool:
        pids = {int(pid) for space in namespaces(block) for pid in run(["ip", "netns", "pids", space]).split()}
        for pid in pids - spared:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids - spared

    wait_until(f"the programs in {block.prefix}'s namespaces to end", ended, timeout_s=20, clock=clock, first_s=0.05)
