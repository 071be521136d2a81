"""The places of a fleet: which machines there shall be, and which of them are the answers' to decide.

In development mode the answers name every machine. In production the number of webservers belongs to the autoscaler as
soon as the first build is finished (:attr:`state.fleet_record.FleetRecord.handed_over`): then the record says which
there are, and a build neither makes nor removes one.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.names import Names
from fleet.settings import Mode, Settings
from recipes.context import Role
from state.fleet_record import FleetRecord, MachineRecord


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the fleet: the machine that fills it may be replaced, the slot stays."""

    role: Role
    number: int
    size: str


def roles_of(settings: Settings) -> tuple[Role, ...]:
    """The roles that have a machine, once each."""
    return tuple(settings.sizes)


def slot_machine(names: Names, slot: Slot) -> str:
    """The name of the machine that fills it."""
    return names.machine(slot.role, slot.number)


def is_handed_over(settings: Settings, record: FleetRecord | None) -> bool:
    """Whether the autoscaler owns the webservers' number by now."""
    return settings.mode is Mode.PRODUCTION and record is not None and record.handed_over


def slots_of(settings: Settings, record: FleetRecord | None) -> tuple[Slot, ...]:
    """Every place that a build looks after, in the order in which machines are made.

    Machines that leave have none: nothing more is done to them.
    """
    numbers = {Role.DATABASE: (1,), Role.AUTOSCALER: tuple(range(1, settings.autoscalers + 1))}
    known = record.machines if record is not None else ()
    there = {machine.slot for machine in known if machine.role == Role.WEBSERVER.value and not machine.leaving}
    first = set() if is_handed_over(settings, record) else set(range(1, settings.webservers + 1))
    numbers[Role.WEBSERVER] = tuple(sorted(there | first if settings.mode is Mode.PRODUCTION else first))
    return tuple(Slot(role, number, size) for role, size in settings.sizes.items() for number in numbers[role])


def members(settings: Settings, record: FleetRecord) -> tuple[MachineRecord, ...]:
    """The recorded machines whose addresses count in everybody's rules: those that leave still serve their last
    visitors."""
    if settings.mode is Mode.PRODUCTION:
        return record.machines
    names = Names(settings.deployment)
    wanted = {slot_machine(names, slot) for slot in slots_of(settings, record)}
    return tuple(machine for machine in record.machines if machine.name in wanted)
