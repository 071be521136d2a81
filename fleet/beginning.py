"""What a run makes before it can take its lease: a key to the store in which the lease lies, and the fleet record."""

from __future__ import annotations

from dataclasses import replace

from fleet.deployment import STATE_KEY, Deployment
from fleet.store_keys import ensure_own_key
from state.fleet_record import FleetRecord
from state.fleet_store import refuse_foreign
from state.paths import DeploymentPaths


def begin(deployment: Deployment, paths: DeploymentPaths) -> None:
    """To be called when the name was found to be free; repeated it changes nothing.

    Raises:
        StateError: the record is another deployment's.
        ProviderError: the key cannot be made.
    """
    one, settings = deployment, deployment.settings
    first = FleetRecord.new(settings.deployment, one.lineage)
    if (seen := one.record.last_seen()) is not None:
        refuse_foreign(seen, first, str(paths.fleet_record))
    one.secret(STATE_KEY)
    ensure_own_key(one, paths.lease_place)
    one.record.create(first)
    # Where the deployment is, is fixed with its first run; a record of version 1 did not say.
    one.record.update(
        lambda old: old if old.provider else replace(old, provider=settings.provider, region=settings.region)
    )
