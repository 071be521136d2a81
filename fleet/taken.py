"""A name that somebody else's deployment uses at the provider: refused before it is touched.

Names and tags at the provider follow from the deployment's name alone, so two of one name in one account would take
each other's machines for their own.
"""

from __future__ import annotations

from fleet.deployment import Deployment
from fleet.observe import observe
from state.errors import Conflict


def refuse_taken_name(deployment: Deployment) -> None:
    """What is under this name must be ours: a deployment that was never built from here has nothing yet.

    Raises:
        Conflict: there is something already.
    """
    one = deployment
    record = one.record.last_seen()  # what was built from here, whatever others did since
    if record is not None and record.epoch > 0:
        return  # each run writes its epoch down before it makes anything
    observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    found = [f"machine {machine.name}" for machine in observed.machines]
    found += [f"firewall {firewall.name}" for firewall in observed.firewalls]
    found += [f"network {observed.network.name}"] if observed.network else []
    found += [f"SSH key {observed.ssh_key.name}"] if observed.ssh_key else []
    if found:
        raise Conflict(
            f"The name {one.settings.deployment} is taken at {one.access.provider.label}.",
            detail=f"There is: {', '.join(found)}. None of it was made from here; nothing was changed.",
            hint="give this deployment another name (deployment.name), "
            "or end the other one on the build machine that made it",
        )
