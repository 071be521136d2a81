"""The operator moved: both firewall layers learn the new address, though SSH does not work from it yet."""

from __future__ import annotations

from collections.abc import Callable

from fleet.context import publish_operators
from fleet.deployment import Deployment
from fleet.firewalls import bring_firewalls
from fleet.links import Links
from fleet.lockout import confirm
from recipes.signed import OPERATORS_FILE
from state.clock import wait_until
from state.errors import MachineError, StateError
from state.fleet_record import MachineRecord

#: The machines' cron pulls each minute; the rest is for the pull itself.
DEADLINE_S = 90.0
PULL = ("buildyard-pull", OPERATORS_FILE)
#: The pull waits 90 s for one that runs already, then for the store.
PULL_TIMEOUT_S = 180.0


def allow(deployment: Deployment, before_each: Callable[[], None]) -> None:
    """The cloud's firewalls by its API, the machines' own by the signed list they pull from the bucket each minute.

    Args:
        before_each: called before each change; raises when nothing may be changed any more (the lease is lost).
    """
    record = deployment.record.load()
    if record is None:
        raise StateError("There is no fleet yet.", hint="buildyard build")
    before_each()
    bring_firewalls(deployment, record)
    before_each()
    publish_operators(deployment, anew=True)


def settle(deployment: Deployment, *, patient: bool) -> tuple[str, ...]:
    """Until SSH works from here to every machine, it has the list, and a fresh login has confirmed it.

    Args:
        patient: waits until the machines' cron has pulled the list; else this machine may not be meant to be let in.

    Returns:
        Machines that do not let this one in; none when patient.

    Raises:
        DeadlineExceeded: a machine did not let us in, or not any more.
        MachineError: a machine cannot pull the list.
    """
    record = deployment.record.load()
    links = Links(deployment)
    shut = []
    try:
        for machine in record.machines if record is not None else ():
            if patient:
                _wait_until_let_in(deployment, links, machine)
            elif not _let_in(links, machine):
                shut.append(machine.name)
                continue
            # The login may have been by the list from before: only what is in force now is worth a confirmation.
            pulled = links.to(machine).run(PULL, timeout_s=PULL_TIMEOUT_S, as_root=True)
            if pulled.exit_code != 0:
                said = pulled.stderr.decode(errors="replace").strip()
                raise MachineError(
                    f"{machine.name} cannot take the new list.", detail=said, hint="buildyard allow again"
                )
            confirm(links, machine, deployment.clock)
    finally:
        links.close()
    return tuple(shut)


def _let_in(links: Links, machine: MachineRecord) -> bool:
    try:
        links.to(machine)
    except MachineError:
        return False
    return True


def _wait_until_let_in(deployment: Deployment, links: Links, machine: MachineRecord) -> None:
    wait_until(
        f"{machine.name} to let this machine in by SSH",
        lambda: _let_in(links, machine),
        timeout_s=DEADLINE_S,
        clock=deployment.clock,
        hint="if the address is right, look for buildyard-pull in the log of that machine's console",
    )
