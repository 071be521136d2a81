"""A control group per machine: limits, figures, and a kill that spares nobody of it and nobody else.

All machines in one group would share one ``payload`` group: ``cgroup.kill`` in one machine then kills units of another.
Two kinds of host: systemd as PID 1 (a scope per machine, delegated), or none (own groups in every mounted hierarchy,
v1 and v2 alike).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehearsal.room.programs import attempt, run
from state.clock import Clock, wait_until

_PARENT = "buildyard"
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 70; shift; done; shift; exec "$@"'
_PERIOD_US = 100_000
_V2_CONTROLLERS = ("cpu", "memory", "pids", "io", "cpuset")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a machine may use at most."""

    cpus: int
    memory_mib: int


class Cgroup(Protocol):
    """The control group of one machine."""

    def enter(self, limits: Limits) -> list[str]:
        """Makes it; the words to put before a program so that it starts inside."""

    def pids(self) -> tuple[int, ...]:
        """All processes in it."""

    def remove(self, clock: Clock) -> None:
        """Kills what is left in it, then removes it; nothing when it is gone already."""

    def freeze(self, frozen: bool) -> None:
        """Stops all its processes where they are, or lets them go on."""

    def figures(self) -> dict[str, int]:
        """``cpu_us`` used since the start and ``memory_bytes`` now; what is unknown is missing."""


def cgroup_of(rehearsal: str, machine: str) -> Cgroup:
    """The control group of a machine, of the kind this host has.

    Args:
        rehearsal: the rehearsal's prefix, such as ``by0``.
        machine: the machine's name on this host, such as ``by0-m7``.
    """
    if Path("/run/systemd/system").is_dir():
        return ScopeCgroup(rehearsal, machine)
    return PlainCgroup(rehearsal, machine)


def machines_of(rehearsal: str) -> tuple[str, ...]:
    """The names of all machines of a rehearsal that have a control group."""
    if Path("/run/systemd/system").is_dir():
        units = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{rehearsal}-*.scope"])
        return tuple(sorted(line.split()[0].removesuffix(".scope") for line in units.splitlines() if line.strip()))
    parents = [root / _PARENT / rehearsal for root, _ in _hierarchies()]
    return tuple(
        sorted({item.name for parent in parents if parent.is_dir() for item in parent.iterdir() if item.is_dir()})
    )


def _hierarchies() -> list[tuple[Path, bool]]:
    """(mount point, is it v2) of all mounted hierarchies."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, target, kind, *_ = line.split(" ")
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(target), kind == "cgroup2"))
    return found


def _tree_pids(group: Path) -> set[int]:
    pids: set[int] = set()
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):  # it may end while it is read
            pids.update(int(line) for line in (Path(folder) / "cgroup.procs").read_text().split())
    return pids


def _remove_tree(group: Path) -> bool:
    """Whether it is gone; a killed process leaves the list of its group a moment before the group itself."""
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True


@dataclass(frozen=True, slots=True)
class PlainCgroup:
    """Own folders in every hierarchy; for hosts without systemd."""

    rehearsal: str
    machine: str

    def enter(self, limits: Limits) -> list[str]:
        procs = []
        for root, is_v2 in _hierarchies():
            group = root
            for part in (_PARENT, self.rehearsal, self.machine):
                if is_v2:
                    _enable_controllers(group)
                group /= part
                group.mkdir(exist_ok=True)
                for name in ("cpuset.cpus", "cpuset.mems"):  # v1 starts them empty, and then nothing may enter
                    if not is_v2 and (group / name).exists():
                        (group / name).write_text((group.parent / name).read_text())
            _write_limits(group, limits)
            procs.append(str(group / "cgroup.procs"))
        return ["sh", "-c", _ENTER, "enter", *procs, "--"]

    def pids(self) -> tuple[int, ...]:
        return tuple(sorted(set().union(*(_tree_pids(group) for group in self._groups()))))

    def remove(self, clock: Clock) -> None:
        self.freeze(False)  # what stands still does not die either

        def killed() -> bool:
            pids = self.pids()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        wait_until(f"the processes of {self.machine} to end", killed, timeout_s=30, clock=clock, first_s=0.02)
        for group in self._groups():
            wait_until(
                f"the group of {self.machine} to be empty",
                lambda group=group: _remove_tree(group),  # type: ignore[misc]
                timeout_s=30,
                clock=clock,
                first_s=0.02,
            )
            for parent in (group.parent, group.parent.parent):
                with contextlib.suppress(OSError):  # another machine or rehearsal is still in it
                    parent.rmdir()

    def freeze(self, frozen: bool) -> None:
        for group in self._groups():
            _freeze(group, frozen)

    def figures(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for group in self._groups():
            found.update(_read_figures(group))
        return found

    def _groups(self) -> list[Path]:
        groups = [root / _PARENT / self.rehearsal / self.machine for root, _ in _hierarchies()]
        return [group for group in groups if group.is_dir()]


@dataclass(frozen=True, slots=True)
class ScopeCgroup:
    """A systemd scope; for hosts where systemd is PID 1 and owns the tree."""

    rehearsal: str
    machine: str

    def enter(self, limits: Limits) -> list[str]:
        attempt(["systemctl", "reset-failed", self._unit])
        return [
            "systemd-run",
            "--scope",
            "--quiet",
            "--collect",
            f"--unit={self._unit}",
            f"--description=Machine {self.machine} of the rehearsal {self.rehearsal}",
            f"--slice={_PARENT}-{self.rehearsal}.slice",
            "--property=Delegate=yes",
            f"--property=CPUQuota={limits.cpus * 100}%",
            f"--property=MemoryMax={limits.memory_mib}M",
            "--",
        ]

    def pids(self) -> tuple[int, ...]:
        group = self._group()
        return tuple(sorted(_tree_pids(group))) if group else ()

    def remove(self, clock: Clock) -> None:
        self.freeze(False)  # what stands still does not die either

        def ended() -> bool:
            if not self.pids():
                return True
            attempt(["systemctl", "kill", "--signal=KILL", self._unit])
            return False

        wait_until(f"the processes of {self.machine} to end", ended, timeout_s=30, clock=clock, first_s=0.02)
        attempt(["systemctl", "stop", self._unit])
        attempt(["systemctl", "reset-failed", self._unit])
        for units, parent in (
            (f"{self.rehearsal}-*.scope", f"{_PARENT}-{self.rehearsal}.slice"),
            (f"{_PARENT}-*.slice", f"{_PARENT}.slice"),
        ):
            if not run(["systemctl", "list-units", "--plain", "--no-legend", units]).strip():
                attempt(["systemctl", "stop", parent])

    def freeze(self, frozen: bool) -> None:
        group = self._group()
        if group:
            _freeze(group, frozen)

    def figures(self) -> dict[str, int]:
        group = self._group()
        return _read_figures(group) if group else {}

    @property
    def _unit(self) -> str:
        return f"{self.machine}.scope"

    def _group(self) -> Path | None:
        path = attempt(["systemctl", "show", "--property=ControlGroup", "--value", self._unit]).stdout.strip()
        roots = [root for root, is_v2 in _hierarchies() if is_v2]
        return roots[0] / path.lstrip("/") if path and roots else None


def _freeze(group: Path, frozen: bool) -> None:
    """By v2's switch or v1's; where both are, either stops it and both let go."""
    for name, word in (("cgroup.freeze", "1" if frozen else "0"), ("freezer.state", "FROZEN" if frozen else "THAWED")):
        if (group / name).exists():
            (group / name).write_text(word)


def _enable_controllers(group: Path) -> None:
    """Hands the controllers we limit with down to the groups below."""
    there = (group / "cgroup.controllers").read_text().split()
    for controller in _V2_CONTROLLERS:
        if controller in there:
            with contextlib.suppress(OSError):  # processes in it (not the root of the tree): then without limits
                (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _write_limits(group: Path, limits: Limits) -> None:
    memory_bytes = str(limits.memory_mib * 1024 * 1024)
    quota_us = str(limits.cpus * _PERIOD_US)
    wanted = (
        ("cpu.max", f"{quota_us} {_PERIOD_US}"),
        ("cpu.cfs_quota_us", quota_us),
        ("memory.max", memory_bytes),
        ("memory.limit_in_bytes", memory_bytes),
    )
    for name, value in wanted:
        if (group / name).exists():
            (group / name).write_text(value)


def _read_figures(group: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):
        found["cpu_us"] = int((group / "cpuacct.usage").read_text()) // 1000
    with contextlib.suppress(OSError):
        lines = dict(line.split(" ", 1) for line in (group / "cpu.stat").read_text().splitlines())
        if "usage_usec" in lines:
            found.setdefault("cpu_us", int(lines["usage_usec"]))
    for name in ("memory.usage_in_bytes", "memory.current"):
        with contextlib.suppress(OSError):
            found["memory_bytes"] = int((group / name).read_text())
    return found
