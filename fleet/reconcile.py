"""What the account has under our tags and names, against what the fleet record says: ours, orphan, missing, foreign.

An orphan is what a run of this very deployment made and nobody needs. What anybody else made, another deployment of
Buildyard among them, is foreign: it is shown, and nothing here can touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import cast

from fleet.deployment import Deployment
from fleet.dns import as_host, foreign_records
from fleet.images import image_name
from fleet.leftovers import end_machine, is_mould, leftovers, machines_made
from fleet.managed import databases_of, is_managed
from fleet.observe import Observed, observe
from fleet.slots import roles_of
from fleet.store_keys import OWN
from providers.contract import BucketKeys, Network, SshKey
from recipes.context import Role
from state.fleet_record import FleetRecord, MachineRecord

#: What all names of Buildyard's things begin with.
PREFIX = "by-"


class Standing(StrEnum):
    """How a thing stands to this deployment."""

    OURS = "ours"
    ORPHAN = "orphan"
    MISSING = "missing"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the account, or one that should be there.

    Attributes:
        kind: what it is, in words (``machine``, ``cloud firewall``).
        name: its name; a DNS record's is the host and the type.
        id: the provider's, "" where it is missing.
        why: what makes it an orphan, missing or foreign.
        price_per_month: US dollars; None where it is unknown, 0 for what costs nothing.
        end: removes it; for orphans only.
    """

    kind: str
    name: str
    id: str
    standing: Standing
    why: str = ""
    price_per_month: Decimal | None = Decimal(0)
    end: Callable[[], None] | None = None


def reconcile(deployment: Deployment) -> tuple[Thing, ...]:
    """Looks at the whole account and compares; changes nothing.

    Raises:
        StateError: a database machine is newer than the record: then the record is the one that is wrong.
        ProviderError: the provider does not answer.
    """
    one = deployment
    # The order matters: what is made between the two looks is in the record before the provider has it.
    observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    record = one.record.load() or FleetRecord.new(one.settings.deployment)
    return (
        *_machines(one, observed, record),
        *_images(one, record),
        *_databases(one, record),
        *_firewalls(one, record),
        *_named(record, "private network", one.access.provider.networks(PREFIX), one.names.network),
        *_named(record, "SSH key", one.access.provider.ssh_keys(PREFIX), one.names.ssh_key),
        *_store_keys(one, record),
        *_records(one, observed, record),
    )


def delete_orphans(things: Iterable[Thing], before_each: Callable[[], None], tell: Callable[[str], None]) -> int:
    """Removes the orphans, and nothing else.

    Args:
        before_each: called before each; raises when nothing may be changed any more.
        tell: hears of each that is gone.

    Returns:
        How many are gone.
    """
    count = 0
    for thing in things:
        if thing.standing is Standing.ORPHAN and thing.end is not None:
            before_each()
            thing.end()
            tell(f"{thing.kind} {thing.name} is gone.")
            count += 1
    return count


def _machines(one: Deployment, observed: Observed, record: FleetRecord) -> Iterator[Thing]:
    orphans = {machine.id for machine in leftovers(one.names, observed, record)}
    made = {machine.id for machine in machines_made(one.names, observed, record)}
    for machine in observed.machines:
        price = machine.price_per_month
        if machine.id in orphans:

            def end(id_: str = machine.id, name: str = machine.name) -> None:
                end_machine(one, id_, name)

            why = "a run that was cut off made it, and the fleet record does not know it"
            yield Thing("machine", machine.name, machine.id, Standing.ORPHAN, why, price, end)
        elif machine.id not in made:
            why = f"it carries the tag {one.names.tag}, but no run of this deployment made it"
            yield Thing("machine", machine.name, machine.id, Standing.FOREIGN, why, price)
        else:
            why = "the autoscaler takes an image of it" if is_mould(one.names, machine) else ""
            yield Thing("machine", machine.name, machine.id, Standing.OURS, why, price)
    there = {machine.id for machine in observed.machines}
    for known in record.machines:
        if known.provider_id and known.provider_id not in there:
            yield Thing("machine", known.name, "", Standing.MISSING, _missing(known))


def _missing(known: MachineRecord) -> str:
    mends = "the autoscaler replaces it" if known.role == Role.WEBSERVER.value else "buildyard build makes it anew"
    return f"the fleet record knows it as {known.provider_id}, the provider does not; {mends}"


def _images(one: Deployment, record: FleetRecord) -> Iterator[Thing]:
    provider = one.access.provider
    if not provider.capabilities.supports_snapshots:
        return
    autoscaled = any(known.role == Role.AUTOSCALER.value for known in record.machines)
    current = image_name(one)
    for image in provider.snapshots(PREFIX):

        def end(id_: str = image.id) -> None:
            provider.delete_snapshot(id_)

        if not one.names.owns_image(image.name):
            yield Thing("image", image.name, image.id, Standing.FOREIGN, "another deployment's", None)
        elif autoscaled and current in ("", image.name):
            # the build machine cannot tell which one is in force: the autoscaler removes what is not
            yield Thing("image", image.name, image.id, Standing.OURS, "", None)
        else:
            why = "no autoscaler makes webservers from it"
            yield Thing("image", image.name, image.id, Standing.ORPHAN, why, None, end)


def _databases(one: Deployment, record: FleetRecord) -> Iterator[Thing]:
    if not one.access.provider.capabilities.supports_managed_database:
        return
    databases = databases_of(one.access.provider)
    there = databases.databases(PREFIX)
    kind, own = "managed database", one.names.database
    for each in there:

        def end(id_: str = each.id) -> None:
            databases.delete_database(id_)

        if each.name != own:
            yield Thing(kind, each.name, each.id, Standing.FOREIGN, "another deployment's", each.price_per_month)
        elif is_managed(one, record):
            yield Thing(kind, each.name, each.id, Standing.OURS, "", each.price_per_month)
        else:
            why = "the answers want none, and the fleet record knows of none"
            yield Thing(kind, each.name, each.id, Standing.ORPHAN, why, each.price_per_month, end)
    if record.database_id and own not in {each.name for each in there}:
        yield Thing(kind, own, "", Standing.MISSING, "buildyard build makes it anew, empty")


def _firewalls(one: Deployment, record: FleetRecord) -> Iterator[Thing]:
    provider = one.access.provider
    wanted = {one.names.firewall(role) for role in roles_of(one.settings)}
    made = {one.names.firewall(role) for role in Role}
    there = provider.firewalls(PREFIX)
    for firewall in there:

        def end(id_: str = firewall.id) -> None:
            provider.delete_firewall(id_)

        if firewall.name in wanted:
            yield Thing("cloud firewall", firewall.name, firewall.id, Standing.OURS)
        elif firewall.name in made:
            why = "of a role that the answers no longer have"
            yield Thing("cloud firewall", firewall.name, firewall.id, Standing.ORPHAN, why, end=end)
        else:
            yield Thing("cloud firewall", firewall.name, firewall.id, Standing.FOREIGN, "another deployment's")
    names = {firewall.name for firewall in there}
    for name in sorted(wanted - names) if record.machines else ():
        yield Thing("cloud firewall", name, "", Standing.MISSING, "buildyard build makes it anew")


def _named(record: FleetRecord, kind: str, there: Sequence[Network | SshKey], own: str) -> Iterator[Thing]:
    for each in there:
        if each.name == own:
            yield Thing(kind, each.name, each.id, Standing.OURS)
        else:
            yield Thing(kind, each.name, each.id, Standing.FOREIGN, "another deployment's")
    if record.machines and own not in {each.name for each in there}:
        yield Thing(kind, own, "", Standing.MISSING, "buildyard build makes it anew")


def _store_keys(one: Deployment, record: FleetRecord) -> Iterator[Thing]:
    if not one.access.provider.capabilities.supports_bucket_keys:
        return
    buckets = cast("BucketKeys", one.access.provider)
    wanted = {OWN, *(role.value for role in roles_of(one.settings))}
    for holder in sorted({OWN, *(role.value for role in Role), *record.store_keys}):
        name = one.names.store_key(holder, one.bucket_suffix)
        for key in buckets.bucket_keys(name):

            def end(access_key: str = key.access_key) -> None:
                buckets.delete_bucket_key(access_key)

            known = record.store_keys.get(holder)
            if holder in wanted and (holder == OWN or known in (None, key.access_key)):
                yield Thing("store key", name, key.access_key, Standing.OURS)
            else:
                why = "nobody has its secret half any more"
                yield Thing("store key", name, key.access_key, Standing.ORPHAN, why, end=end)


def _records(one: Deployment, observed: Observed, record: FleetRecord) -> Iterator[Thing]:
    there = {(each.name, each.type): set(each.values) for each in observed.records}
    for made in record.dns:
        name = f"{as_host(made.name, made.zone)} {made.type}"
        values = there.get((made.name, made.type), set()) if made.zone == observed.zone else set()
        if values & set(made.values):
            yield Thing("DNS record", name, ", ".join(made.values), Standing.OURS)
        else:
            yield Thing("DNS record", name, "", Standing.MISSING, "buildyard build makes it anew")
    for each in foreign_records(one.settings, observed, record):
        name = f"{as_host(each.name, observed.zone)} {each.type}"
        why = "it leads elsewhere, and Buildyard did not make it"
        yield Thing("DNS record", name, ", ".join(each.values), Standing.FOREIGN, why)
