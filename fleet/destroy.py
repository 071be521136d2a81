"""Ends a deployment: all it made at the provider, and then looks whether anything is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from fleet.deployment import BUCKETS, Deployment
from fleet.dns import as_host, records_made, remove_record, still_there
from fleet.images import images_of
from fleet.leftovers import end_machine, machines_made
from fleet.managed import databases_of, is_managed, own_database
from fleet.observe import Observed, observe
from fleet.planned import PLAN_KEY
from fleet.slots import roles_of
from fleet.store_keys import end_key
from recipes.context import Role
from state.clock import wait_until
from state.errors import BuildyardError, ProviderError
from state.events import Event, Kind
from state.fleet_record import DnsRecord, FleetRecord

#: A private network is not deleted while a database is in it; AWS takes some minutes for its last copy of one.
DATABASE_END_S = 1200.0


@dataclass(frozen=True, slots=True)
class _Doomed:
    id: str
    target: str
    end: Callable[[], None]


def destroy(deployment: Deployment, before_each: Callable[[], None] = lambda: None) -> int:
    """Removes everything, the newest layers first; repeated after a fault it goes on where it was.

    Args:
        before_each: called before each thing that is removed; raises when nothing may be changed any more (the lease
            is lost, the user stopped it).

    Returns:
        How many things were removed.

    Raises:
        ProviderError: something is left afterwards; says what.
        BuildyardError: what ``before_each`` raises.
    """
    one = deployment
    count = 0
    observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    record = one.record.load() or FleetRecord.new(one.settings.deployment)
    records = records_made(one.settings, observed, record)
    machines = machines_made(one.names, observed, record)
    for other in (each for each in observed.machines if each not in machines):
        text = f"{other.name} (id {other.id}) carries the tag {one.names.tag}, but no build made it: it stays."
        one.emit(Event(Kind.NOTE, text=text))
    everything = tuple(_all(one, replace(observed, machines=machines), records))
    plan = [{"id": doomed.id, "target": doomed.target, "change": "destroy"} for doomed in everything]
    one.emit(Event(Kind.NOTE, text=f"{len(everything)} things are removed", data={PLAN_KEY: plan}))
    for doomed in everything:
        one.emit(Event(Kind.ACTION_STARTED, text=doomed.target, action=doomed.id, data={"change": "destroy"}))
        try:
            before_each()
            doomed.end()
        except BuildyardError as problem:
            data = {"ok": False, "summary": problem.summary, "detail": problem.detail, "hint": problem.hint}
            one.emit(Event(Kind.ACTION_FINISHED, text=problem.summary, action=doomed.id, data=data))
            raise
        one.emit(Event(Kind.ACTION_FINISHED, text=doomed.target, action=doomed.id, data={"ok": True, "changed": 1}))
        count += 1
    before_each()
    one.access.provider.delete_tags(one.names.owns_tag)
    _nothing_left(one, records)
    one.emit(Event(Kind.NOTE, text=f"The DNS zone of {one.settings.domain} stays; it costs nothing."))
    return count


def _all(one: Deployment, observed: Observed, records: Sequence[DnsRecord]) -> Iterator[_Doomed]:
    provider = one.access.provider
    for made in records:
        yield _Doomed(
            f"destroy:dns:{made.zone}:{made.name}:{made.type}",
            f"DNS record {as_host(made.name, made.zone)} {made.type}",
            lambda made=made: remove_record(one, made),  # type: ignore[misc]
        )
    # an autoscaler first: it would mend what goes after it
    first = one.names.role_tag(Role.AUTOSCALER)
    for machine in sorted(observed.machines, key=lambda machine: first not in machine.tags):
        yield _Doomed(
            f"destroy:machine:{machine.id}",
            f"machine {machine.name}",
            lambda machine=machine: _end_machine(one, machine.id, machine.name),  # type: ignore[misc]
        )
    for image in images_of(one):
        yield _Doomed(
            f"destroy:image:{image.id}",
            f"image {image.name}",
            lambda image=image: provider.delete_snapshot(image.id),  # type: ignore[misc]
        )
    if is_managed(one, one.record.load()) and (managed := own_database(one)) is not None:
        # after the machines: an autoscaler would go on with its list of who may connect
        yield _Doomed("destroy:database", f"managed database {managed.name}", lambda: _end_database(one, managed.id))
    for firewall in observed.firewalls:
        yield _Doomed(
            f"destroy:firewall:{firewall.name}",
            f"cloud firewall {firewall.name}",
            lambda firewall=firewall: provider.delete_firewall(firewall.id),  # type: ignore[misc]
        )
    if observed.ssh_key is not None:
        key = observed.ssh_key
        yield _Doomed("destroy:ssh-key", f"SSH key {key.name}", lambda: provider.delete_ssh_key(key.id))
    if observed.network is not None:
        network = observed.network
        yield _Doomed("destroy:network", f"private network {network.name}", lambda: provider.delete_network(network.id))
    for role in roles_of(one.settings):
        yield _Doomed(
            f"destroy:store-key:{role.value}",
            f"key of each {role.value} to the object store",
            lambda role=role: end_key(one, role.value),  # type: ignore[misc]
        )
    # the bucket with the state goes last of all, and then the build machine's own key to the store
    for purpose in BUCKETS:
        yield _Doomed(
            f"destroy:bucket:{purpose}",
            f"bucket {one.bucket_name(purpose)}",
            lambda purpose=purpose: one.bucket(purpose).delete_bucket(),  # type: ignore[misc]
        )


def _end_machine(one: Deployment, machine_id: str, name: str) -> None:
    end_machine(one, machine_id, name)

    def without(record: FleetRecord) -> FleetRecord:
        known = record.machine(name)
        return record.without(name) if known is not None and known.provider_id in ("", machine_id) else record

    one.record.update(without)


def _end_database(one: Deployment, database_id: str) -> None:
    databases_of(one.access.provider).delete_database(database_id)
    wait_until(
        f"the end of the managed database {one.names.database}",
        lambda: own_database(one) is None,
        timeout_s=DATABASE_END_S,
        clock=one.clock,
        longest_s=5.0,
        hint="repeat buildyard destroy in some minutes",
    )
    one.record.update(lambda old: replace(old, database_id=""))


def _nothing_left(one: Deployment, records: Sequence[DnsRecord]) -> None:
    left = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    record = one.record.load() or FleetRecord.new(one.settings.deployment)
    names = [f"machine {machine.name}" for machine in machines_made(one.names, left, record)]
    names += [f"firewall {firewall.name}" for firewall in left.firewalls]
    names += [f"image {image.name}" for image in images_of(one)]
    names += [f"network {left.network.name}"] if left.network else []
    names += [f"SSH key {left.ssh_key.name}"] if left.ssh_key else []
    names += [f"DNS record {as_host(made.name, made.zone)} {made.type}" for made in still_there(one, records)]
    if names:
        raise ProviderError(
            "Not everything is gone: " + ", ".join(names) + ".", hint="repeat buildyard destroy in a minute"
        )
