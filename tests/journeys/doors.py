"""Knocks at port 22 of every machine from the moment it exists: from the build machine, and from within itself.

From within there is no firewall in between: it tells whether anything listens, not whether somebody may come in.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rehearsal.contract import Addresses
from rehearsal.room.block import claimed

SSH_PORT = 1035
_CLONE_NEWNET = 0x40000000
_PAUSE_S = 0.025
_LEAST_PAUSE_S = 0.002
#: Every answer (open, refused, prohibited) comes at once; silence is a drop.
_PATIENCE_S = 0.02


@dataclass
class Knocks:
    """At one machine, from one side.

    Attributes:
        rounds: how often every address was tried.
        opened: addresses whose port 22 answered.
        ssh_after_s: when the port that shall be open was seen open first; proof that knocking shows it.
    """

    machine: str
    within: bool
    rounds: int = 0
    seconds: float = 0.0
    opened: set[str] = field(default_factory=set)
    ssh_after_s: float | None = None


class Doors:
    """Watches while it is entered.

    Args:
        folder: the rehearsal's; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.knocks: list[Knocks] = []
        self._folder = folder
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._begin(self._look_for_machines)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _look_for_machines(self) -> None:
        seen: set[str] = set()
        while not self._done.wait(_PAUSE_S):
            block = claimed(self._folder)
            if block is None:
                continue
            for space in Path("/run/netns").glob(f"{block.prefix}-m*"):
                if space.name not in seen:
                    seen.add(space.name)
                    addresses = block.machine(int(space.name.rpartition("-m")[2]))
                    for within in (False, True):
                        knocks = Knocks(space.name, within)
                        self.knocks.append(knocks)
                        self._begin(self._knock, space, addresses, knocks)

    def _knock(self, space: Path, addresses: Addresses, knocks: Knocks) -> None:
        public = (addresses.public_ipv4, addresses.public_ipv6)
        targets = (*public, addresses.private_ipv4, "127.0.0.1", "::1") if knocks.within else public
        while knocks.within and not enter(space):
            if self._done.wait(_PAUSE_S):
                return
        began = turn = time.monotonic()
        # on a busy machine a round takes longer: then the pause is shorter
        while not self._done.wait(max(_LEAST_PAUSE_S, _PAUSE_S - (time.monotonic() - turn))):
            turn = time.monotonic()
            knocks.opened.update(address for address in targets if answers(address, 22))
            if knocks.ssh_after_s is None and answers(public[0], SSH_PORT):
                knocks.ssh_after_s = time.monotonic() - began
            knocks.rounds += 1
            knocks.seconds = time.monotonic() - began


def answers(address: str, port: int, patience_s: float = _PATIENCE_S) -> bool:
    """Whether somebody there takes connections."""
    with suppress(OSError):
        socket.create_connection((address, port), patience_s).close()
        return True
    return False


def enter(space: Path) -> bool:
    """This thread, and no other, goes into the namespace; False while that is not complete."""
    try:
        descriptor = os.open(space, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) == 0
    finally:
        os.close(descriptor)
