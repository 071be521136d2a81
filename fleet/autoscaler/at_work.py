"""What the service is given on the autoscaler's machine: leases, policy, probers, the place of its status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.probing import Looking, Prober, Probing
from fleet.autoscaler.published import publish
from fleet.autoscaler.service import Surroundings
from fleet.deployment import Deployment
from fleet.lease_store import bucket_lease_store
from fleet.links import Links
from fleet.scaling import policy_in_force
from recipes.context import Role
from state.errors import StateError
from state.fleet_record import FleetRecord

#: There while this machine leads: work that one autoscaler does for all looks for it (renewal of the certificate).
LEADER_FILE = Path("/run/buildyard-autoscaler/leader")


def surroundings(
    deployment: Deployment,
    me: str,
    stop: threading.Event,
    alive: Callable[[], None],
    leader_file: Path = LEADER_FILE,
) -> Surroundings:
    """Everything the service of this machine needs. The store is asked when the service needs it, not before.

    Args:
        deployment: as seen from inside.
        me: name of this machine.
        stop: set when the service shall end.
        alive: called each second.
        leader_file: see :data:`LEADER_FILE`.
    """

    def read_policy() -> ScalingPolicy:
        policy = policy_in_force(deployment.sealed_state())
        if policy is None:
            raise StateError("There is no scaling policy yet.", hint="run buildyard build")
        return policy

    def start_probing(record: FleetRecord) -> Probing:
        looking = Looking.at_site(deployment.settings.domain, deployment.access.site_ca_pem)
        probing = Probing(looking, deployment.clock)
        probing.look_from(probers(deployment, me, record))
        return probing

    def publish_(status: Mapping[str, Any]) -> None:
        publish(deployment.sealed_state(), status)

    def leads(does: bool) -> None:
        if does:
            leader_file.touch()
        else:
            leader_file.unlink(missing_ok=True)

    return Surroundings(
        me=me,
        leases=bucket_lease_store(deployment),
        read_policy=read_policy,
        start_probing=start_probing,
        publish=publish_,
        stop=stop,
        alive=alive,
        leads=leads,
    )


def probers(deployment: Deployment, me: str, record: FleetRecord) -> tuple[Prober, ...]:
    """This machine, and the database machine: it is always there, and only it knows how the database is."""
    database = next(machine for machine in record.machines if machine.role == Role.DATABASE.value)
    # A connection for each start: one that is kept would be as dead as the prober that ended with it.
    return (
        Prober(me),
        Prober(
            database.name,
            connect=lambda: Links(deployment).to(database),
            has_database=True,
            identity=database.private_ipv4,
        ),
    )
