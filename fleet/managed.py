"""The database that the provider runs for a deployment: found by its name, made once, open to exact addresses only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

from fleet.deployment import Deployment
from fleet.plan import policy_of
from fleet.policy import database_sources
from providers.contract import Provider
from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase, ManagedDatabases
from providers.sources import checked_sources
from recipes.context import ManagedServer
from state.clock import wait_until
from state.errors import AnswersError, ProviderError, Stopped
from state.fleet_record import FleetRecord

#: Linode speaks of 10 to 15 minutes and of half an hour on a bad day, the others of less.
READY_DEADLINE_S = 2700.0


def databases_of(provider: Provider) -> ManagedDatabases:
    """The provider as one that runs databases.

    Raises:
        AnswersError: it runs none.
    """
    if not provider.capabilities.supports_managed_database:
        raise AnswersError(
            f"{provider.label} runs no databases.", hint="set database.kind to mariadb, or choose another provider"
        )
    return cast("ManagedDatabases", provider)


def is_managed(deployment: Deployment, record: FleetRecord | None) -> bool:
    """Whether the answers want such a database, or a build has made one."""
    return bool(deployment.settings.database_size or (record is not None and record.database_id))


def own_database(deployment: Deployment) -> ManagedDatabase | None:
    """The deployment's own; one whose name only begins so is another deployment's."""
    name = deployment.names.database
    found = databases_of(deployment.access.provider).databases(name)
    return next((each for each in found if each.name == name), None)


def database_price(sizes: Sequence[DatabaseSize], slug: str) -> Decimal | None:
    """US dollars a month, None where no source says it.

    Raises:
        AnswersError: there is no such size.
    """
    for size in sizes:
        if size.slug == slug:
            return size.price_per_month
    raise AnswersError(
        f"The provider has no managed database of size {slug!r} in this region.",
        hint=f"set database.size to one of: {', '.join(size.slug for size in sizes) or 'none, in this region'}",
    )


def bring_database(deployment: Deployment, record: FleetRecord, cancel: threading.Event) -> bool:
    """It exists, can be logged in to, and the record knows it.

    Args:
        record: its machines' addresses are known: they are who may connect, from the first moment on.
        cancel: when set, it is no longer waited for; the next build goes on waiting.

    Returns:
        Whether it was made now.

    Raises:
        DeadlineExceeded: it is not ready within 45 minutes.
        ProviderError: it is ready, and the provider tells no password for it.
    """
    one = deployment
    databases = databases_of(one.access.provider)
    there = own_database(one)
    if there is None:
        # written down before the provider hears of it: whoever is cut off here knows what to look for
        one.record.update(lambda old: replace(old, database_id=one.names.database))
        spec = DatabaseSpec(
            name=one.names.database,
            engine=Engine.MYSQL,
            region=one.settings.region,
            size=one.settings.database_size,
            network_id=record.network_id,
            sources=_wanted_sources(one, record),
        )
        there = databases.ensure_database(spec)
    id_, made = there.id, record.database_id != there.id
    one.record.update(lambda old: replace(old, database_id=id_))

    def ready() -> ManagedDatabase | None:
        if cancel.is_set():
            raise Stopped(f"It was stopped while the provider makes {one.names.database}; the next build waits for it.")
        found = databases.database(id_)
        return found if found.ready else None

    found = wait_until(
        f"the managed database {one.names.database}",
        ready,
        timeout_s=READY_DEADLINE_S,
        clock=one.clock,
        longest_s=5.0,
        hint="look at it in the provider's control panel, then run buildyard build: it goes on waiting",
    )
    if found.password is None:
        raise ProviderError(
            f"The provider tells no password for {one.names.database}.",
            hint="give the token the right to read databases' credentials, then run buildyard build",
        )
    return made


def bring_sources(deployment: Deployment, record: FleetRecord) -> tuple[int, int]:
    """Lets in exactly the fleet's machines; nothing to do while there is no database.

    Returns:
        How many lists were changed, and how many were right already.
    """
    if not is_managed(deployment, record):
        return (0, 0)
    there = own_database(deployment)
    if there is None:
        return (0, 0)
    wanted = _wanted_sources(deployment, record)
    if set(there.sources) == set(wanted):
        return (0, 1)
    databases_of(deployment.access.provider).put_database_sources(there.id, wanted)
    return (1, 0)


def server_of(deployment: Deployment) -> ManagedServer | None:
    """Where recipes find it; None while it cannot be logged in to."""
    found = own_database(deployment)
    if found is None or not found.ready or found.password is None:
        return None
    deployment.redact.add(found.password)
    return ManagedServer(found.host, found.port, found.user, found.password, found.ca_pem)


def _wanted_sources(deployment: Deployment, record: FleetRecord) -> tuple[str, ...]:
    policy = policy_of(deployment.settings, record, deployment.operators, "")
    return checked_sources(database_sources(policy.fleet))
