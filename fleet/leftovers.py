"""Machines at the provider that Buildyard made and no longer needs: what a run that was cut off left behind."""

from __future__ import annotations

from fleet.deployment import Deployment
from fleet.names import MOULD, Names
from fleet.observe import Observed
from providers.contract import Machine
from recipes.context import Role
from state.clock import wait_until
from state.errors import StateError
from state.fleet_record import FleetRecord

#: Clouds say "deleted" some seconds before a machine has left its network.
GONE_DEADLINE_S = 180.0


def machines_made(names: Names, observed: Observed, record: FleetRecord) -> tuple[Machine, ...]:
    """Machines that a build made: they carry an action tag of ours, or the record knows them.

    One without was made by somebody else, whatever it carries beside: it is its owner's to remove.
    """
    known = {machine.provider_id for machine in record.machines if machine.provider_id}
    return tuple(
        machine
        for machine in observed.machines
        if machine.id in known or any(names.made_by(tag) is not None for tag in machine.tags)
    )


def leftovers(names: Names, observed: Observed, record: FleetRecord) -> tuple[Machine, ...]:
    """Machines that a build made and that the record does not know.

    A mould is the autoscaler's, which has it while it makes an image and removes it when it was left behind.

    Raises:
        StateError: one of them is a database machine newer than the record: then the record is the one that is wrong.
    """
    kept = {machine.provider_id for machine in record.machines if machine.provider_id}
    for known in record.machines:
        # asked for by a run that did not live to read the answer: it is adopted
        adopted = observed.machine(known.name, names.action_tag(known.name, known.epoch))
        if not known.provider_id and adopted is not None:
            kept.add(adopted.id)
    autoscaled = any(known.role == Role.AUTOSCALER.value for known in record.machines)
    found = []
    for machine in machines_made(names, observed, record):
        if machine.id not in kept and not (autoscaled and is_mould(names, machine)):
            _refuse_newer_database(names, machine, record)
            found.append(machine)
    return tuple(found)


def is_mould(names: Names, machine: Machine) -> bool:
    """Whether it was made only for an image to be taken of it."""
    return any(made is not None and made[0] == MOULD for made in map(names.made_by, machine.tags))


def end_machine(deployment: Deployment, machine_id: str, name: str) -> None:
    """Deletes the machine and waits until it is gone.

    Raises:
        DeadlineExceeded: the provider still lists it.
    """
    one, provider = deployment, deployment.access.provider
    provider.delete_machine(machine_id)
    wait_until(
        f"{name} to be gone at {provider.label}",
        lambda: all(machine.id != machine_id for machine in provider.machines(one.names.tag)),
        timeout_s=GONE_DEADLINE_S,
        clock=one.clock,
    )


def _refuse_newer_database(names: Names, machine: Machine, record: FleetRecord) -> None:
    """A record put back from an old copy must not cost the database that was made after it."""
    name, epoch = next(made for made in map(names.made_by, machine.tags) if made is not None)
    known = record.machine(name)
    if names.role_tag(Role.DATABASE) in machine.tags and (known is None or known.epoch < epoch):
        raise StateError(
            f"The provider has a database machine {name} (id {machine.id}) that the fleet record does not know.",
            detail="It is newer than the record, so the record may be an old copy. Nothing was changed.",
            hint="put back the newest copy of fleet.json; or, if that machine holds nothing, delete it at the provider",
        )
