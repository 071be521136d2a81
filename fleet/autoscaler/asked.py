"""What an owner asked for one webserver: kept in the policy, and meant for that machine, not for the next so named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from state.errors import UsageError
from state.fleet_record import FleetRecord, MachineRecord, Stage


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing asked for one webserver.

    Attributes:
        machine: its name; names are used again.
        asked_at: seconds since the epoch. Only a webserver that served before is meant.
    """

    machine: str
    asked_at: float


def ask(machine: MachineRecord, now: float) -> Asked:
    """Asks something for that machine, whatever the clock here says: it may be behind the autoscaler's."""
    return Asked(machine.name, max(now, served_since(machine) + 1.0))


def served_since(machine: MachineRecord) -> float:
    """Seconds since the epoch from which it served; of one that is not built yet, when it was asked for."""
    if machine.ready_at or not machine.created_at:
        return machine.ready_at
    return datetime.fromisoformat(machine.created_at).timestamp()


def serving_webserver(record: FleetRecord | None, name: str) -> MachineRecord:
    """The webserver of that name that serves, well or ill: of others nothing can be asked.

    Raises:
        UsageError: there is none, it is not built yet, or it goes already.
    """
    machine = webserver(record, name)
    if machine.leaving:
        raise UsageError(
            f"{name} goes already.", detail=machine.leaving, hint="buildyard watch shows what becomes of it"
        )
    if machine.stage is not Stage.READY:
        raise UsageError(f"{name} is still being built.", hint="repeat this when it serves; buildyard watch shows it")
    return machine


def webserver(record: FleetRecord | None, name: str) -> MachineRecord:
    """The webserver of that name.

    Raises:
        UsageError: there is none; names those there are.
    """
    found = {each.name: each for each in (record.machines if record is not None else ()) if each.role == "webserver"}
    if name not in found:
        raise UsageError(f"There is no webserver {name}.", hint=f"one of: {', '.join(found) or 'none is built'}")
    return found[name]


def adding(before: Iterable[Asked], one: Asked) -> tuple[Asked, ...]:
    """With this one, in place of an earlier one for the same name."""
    return tuple(sorted((*dropping(before, one.machine), one), key=lambda each: each.machine))


def dropping(before: Iterable[Asked], name: str) -> tuple[Asked, ...]:
    """Without what was asked for that name."""
    return tuple(each for each in before if each.machine != name)


def still_meant(before: Iterable[Asked], record: FleetRecord | None) -> tuple[Asked, ...]:
    """Without what was asked for machines that are gone, though another one may have the name now."""
    machines = {each.name: each for each in record.machines} if record is not None else {}
    return tuple(
        each for each in before if each.machine in machines and served_since(machines[each.machine]) < each.asked_at
    )
