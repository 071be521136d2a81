"""The site's names in DNS: what shall be there, what Buildyard put there, and what is somebody else's.

Only what Buildyard made is ever changed or removed: a record that leads elsewhere may be a live site's
(docs/decisions/0008). What was made is in the fleet record, written before the provider is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from fleet.deployment import Deployment
from fleet.observe import Observed, relative
from fleet.policy import node_of
from fleet.settings import Settings
from providers.contract import Dns, RecordSet
from providers.edge import Edge
from providers.names import PROXIED
from recipes.context import Node, Role
from state.errors import AnswersError, Conflict
from state.fleet_record import DnsRecord, FleetRecord, MachineRecord

#: Short, so that a webserver that left the fleet is forgotten soon; DigitalOcean's least is 30.
TTL_S = 60
#: Types of the site's records.
ADDRESSES = ("A", "AAAA")
#: Types by which a name leads its visitors somewhere.
LEADING = (*ADDRESSES, "CNAME")


def wanted_records(settings: Settings, fleet: Sequence[Node]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(host, type, addresses) of the site: every webserver, round robin."""
    webservers = [node for node in fleet if node.role is Role.WEBSERVER]
    v4 = tuple(sorted(node.public_ipv4 for node in webservers if node.public_ipv4))
    v6 = tuple(sorted(node.public_ipv6 for node in webservers if node.public_ipv6))
    families = (("A", v4), ("AAAA", v6))
    return tuple((host, kind, values) for host in settings.hosts for kind, values in families if values)


def visited(record: FleetRecord) -> tuple[Node, ...]:
    """The machines whose addresses belong into the site's records, as far as their role does."""
    return tuple(node_of(machine) for machine in record.machines if machine.may_be_visited)


def is_in_dns(machine: MachineRecord, record: FleetRecord) -> bool:
    """Whether one of its addresses is among those that were put into DNS."""
    values = {value for made in record.dns for value in made.values}
    return bool({machine.public_ipv4, machine.public_ipv6} & values)


def own_values(record: FleetRecord) -> frozenset[str]:
    """Every address that is, or when it was put into DNS was, one of our machines'."""
    machines = {address for machine in record.machines for address in (machine.public_ipv4, machine.public_ipv6)}
    return frozenset(machines - {""}).union(*(made.values for made in record.dns))


def foreign_records(settings: Settings, observed: Observed, record: FleetRecord) -> tuple[RecordSet, ...]:
    """Records at the site's names that lead visitors elsewhere, and that Buildyard did not make."""
    zone, ours = observed.zone, own_values(record)
    names = {relative(host, zone) for host in settings.hosts} if zone else set()
    made = {each.key for each in record.dns}
    return tuple(
        each
        for each in observed.records
        if each.name in names
        and each.type in LEADING
        and (zone, each.name, each.type) not in made
        and not set(each.values) <= ours
    )


def stale_records(settings: Settings, zone: str, fleet: Sequence[Node], record: FleetRecord) -> tuple[DnsRecord, ...]:
    """Records that Buildyard made and the answers no longer want; without a fleet yet, all types of a name count."""
    wanted = [(host, kind) for host, kind, _ in wanted_records(settings, fleet)]
    wanted = wanted or [(host, kind) for host in settings.hosts for kind in ADDRESSES]
    keys = {(zone, relative(host, zone), kind) for host, kind in wanted} if zone else set()
    return tuple(made for made in record.dns if made.key not in keys)


def as_host(name: str, zone: str) -> str:
    """A name inside a zone as a person writes it."""
    return zone if name == "@" else f"{name}.{zone}"


def said(records: Sequence[RecordSet], zone: str) -> str:
    """Records for a person."""
    return ", ".join(f"{as_host(each.name, zone)} {each.type} {' '.join(each.values)}" for each in records)


def bring_dns(deployment: Deployment, observed: Observed, record: FleetRecord) -> tuple[int, int]:
    """Makes the site's names lead to the webservers, and takes back the names that are no longer the site's.

    Returns:
        How many record sets were changed, and how many were right already.

    Raises:
        Conflict: one of the names leads elsewhere by a record that is not ours; nothing was changed.
    """
    one, dns, zone = deployment, deployment.access.dns, observed.zone
    if foreign := foreign_records(one.settings, observed, record):
        raise Conflict(
            f"{as_host(foreign[0].name, zone)} leads elsewhere, by a record that Buildyard did not make.",
            detail=f"There is: {said(foreign, zone)}. It stays as it is, and so does the site it leads to.",
            hint="to let visitors come to the new site, delete that record at the provider, then run buildyard build; "
            "to keep the old one, choose another site.domain",
        )
    fleet = visited(record)
    there = {(each.name, each.type): tuple(sorted(each.values)) for each in observed.records}
    changed = unchanged = 0
    for made in stale_records(one.settings, zone, fleet, record):
        remove_record(one, made)
        changed += 1
    known = {made.key: made for made in record.dns}
    for host, kind, values in wanted_records(one.settings, fleet):
        made = DnsRecord(zone, relative(host, zone), kind, values)
        before = known.get(made.key)
        is_proxied = (made.name, kind) in observed.proxied
        same = there.get((made.name, kind)) == values and is_proxied is one.settings.proxied
        if not same:
            # a run that is cut off here knows both the old addresses and the new ones as its own
            both = tuple(dict.fromkeys((*values, *(before.values if before else ()))))
            one.record.update(lambda old, both=both, made=made: old.with_dns(replace(made, values=both)))  # type: ignore[misc]
            put_records(one.settings, dns, zone, RecordSet(made.name, kind, values, TTL_S))
            changed += 1
        one.record.update(lambda old, made=made: old.with_dns(made))  # type: ignore[misc]
        unchanged += same
    return changed, unchanged


def put_records(settings: Settings, dns: Dns, zone: str, wanted: RecordSet) -> None:
    """Makes the set exactly this; visitors come to the edge where one shall stand before the site.

    Raises:
        AnswersError: who serves the zone cannot stand before a site.
    """
    if edge := edge_of(settings, dns):
        edge.put_record_set(zone, wanted, proxied=True)
    elif isinstance(dns, Edge):
        dns.put_record_set(zone, wanted, proxied=False)
    else:
        dns.put_record_set(zone, wanted)


def edge_of(settings: Settings, dns: Dns) -> Edge | None:
    """What shall stand before the site; None where visitors come to the webservers.

    Raises:
        AnswersError: who serves the zone cannot.
    """
    if not settings.proxied:
        return None
    if not isinstance(dns, Edge):
        raise AnswersError(
            f"{dns.label} serves the zone, and cannot stand before the site.",
            hint=f"set {settings.dns}.{PROXIED} to false, or choose another dns.kind",
        )
    return dns


def records_made(settings: Settings, observed: Observed, record: FleetRecord) -> tuple[DnsRecord, ...]:
    """All that Buildyard made: what the record says, and what at the site's names leads to one of its machines."""
    zone, ours = observed.zone, own_values(record)
    machines = {address for each in observed.machines for address in (each.public_ipv4, each.public_ipv6)}
    ours |= {str(ip_address(address)) for address in machines - {""}}
    names = {relative(host, zone) for host in settings.hosts} if zone else set()
    found = {made.key: made for made in record.dns}
    for each in observed.records:
        values = tuple(value for value in each.values if value in ours)
        if each.name in names and each.type in ADDRESSES and values:
            found.setdefault((zone, each.name, each.type), DnsRecord(zone, each.name, each.type, values))
    return tuple(found.values())


def remove_record(deployment: Deployment, made: DnsRecord) -> None:
    """Takes out of a record set what Buildyard put there; values that somebody added stay."""
    dns = deployment.access.dns
    standing = _standing(deployment, made)
    ours = set(made.values) | own_values(_record(deployment))
    left = tuple(value for value in standing.values if value not in ours) if standing else ()
    if standing and left and left != standing.values:
        dns.put_record_set(made.zone, replace(standing, values=left))
    elif standing and not left:
        dns.delete_record_set(made.zone, made.name, made.type)
    deployment.record.update(lambda old: old.without_dns(made.key))


def still_there(deployment: Deployment, made: Sequence[DnsRecord]) -> tuple[DnsRecord, ...]:
    """Those of which a value still is in DNS."""
    found = []
    for each in made:
        standing = _standing(deployment, each)
        if standing is not None and set(standing.values) & set(each.values):
            found.append(each)
    return tuple(found)


def _standing(deployment: Deployment, made: DnsRecord) -> RecordSet | None:
    dns = deployment.access.dns
    if made.zone not in dns.zones():
        return None
    found = (each for each in dns.record_sets(made.zone) if (each.name, each.type) == (made.name, made.type))
    return next(found, None)


def _record(deployment: Deployment) -> FleetRecord:
    return deployment.record.load() or FleetRecord.new(deployment.settings.deployment)
