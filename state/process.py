"""Which process this is, so that a pid used again by another process is never taken for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, unmistakably, as long as the world lasts.

    Attributes:
        pid: its number, which another process may get later.
        started_at: clock ticks after boot at which it started.
        boot_id: the boot of the machine it runs in.
        pid_namespace: the namespace its number is from (a container has numbers of its own).
    """

    pid: int
    started_at: int
    boot_id: str
    pid_namespace: int

    @classmethod
    def of_this_process(cls) -> ProcessIdentity:
        """The process that asks."""
        pid = os.getpid()
        state_and_start = _state_and_start(pid)
        return cls(pid, state_and_start[1] if state_and_start else 0, _boot_id(), _pid_namespace())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ProcessIdentity:
        """From what :meth:`as_data` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return cls(int(data["pid"]), int(data["started_at"]), str(data["boot_id"]), int(data["pid_namespace"]))

    def as_data(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "pid": self.pid,
            "started_at": self.started_at,
            "boot_id": self.boot_id,
            "pid_namespace": self.pid_namespace,
        }

    def is_from_here(self) -> bool:
        """Whether it belongs to this boot of this machine, so that :meth:`is_alive` can know."""
        return self.boot_id == _boot_id() and self.pid_namespace == _pid_namespace()

    def is_alive(self) -> bool:
        """Whether it runs now, here. A zombie does not run; a process of another boot does not either."""
        if not self.is_from_here():
            return False
        found = _state_and_start(self.pid)
        return found is not None and found[0] not in "ZXx" and found[1] == self.started_at


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """proc(5): the name in brackets may hold anything; after it come the state (field 3) … and the start (field 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
