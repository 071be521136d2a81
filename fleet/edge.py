"""What stands before the site: made ready before anything is built behind it, and its networks followed.

From which networks it comes is kept in the fleet record, as the last good list: the policy is made from that, on the
build machine and on an autoscaler alike (docs/decisions/0021). The list is public, so looking needs no right of anyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from fleet.deployment import Deployment
from fleet.dns import TTL_S, edge_of
from fleet.observe import zone_for
from fleet.settings import Settings
from providers.contract import Dns, RecordSet
from providers.edge import Edge
from state.errors import ProviderError, Unauthorized
from state.events import Event, Kind
from state.fleet_record import FleetRecord


@dataclass(frozen=True, slots=True)
class Ranges:
    """The networks an edge comes from.

    Attributes:
        networks: CIDRs, those of IPv4 first; the last good ones where a new list was not taken.
        refused: why a new list was not taken, "" when it was.
    """

    networks: tuple[str, ...]
    refused: str = ""


def look_up(edge: Edge, last: Sequence[str]) -> Ranges:
    """The list that is published now, held to the last good one.

    Args:
        edge: who publishes it.
        last: the last good list, empty when there was none.

    Raises:
        ProviderError: it cannot be had or taken, and there is no earlier one.
    """
    try:
        v4, v6 = edge.published_ranges()
        found = (*sorted(v4, key=ip_network), *sorted(v6, key=ip_network))
        _refuse_shrunk(last, found)
    except ProviderError as problem:
        if not last:
            raise
        return Ranges(tuple(last), " ".join(filter(None, (problem.summary, problem.detail))))
    return Ranges(found)


def expected(settings: Settings, dns: Dns, record: FleetRecord) -> tuple[FleetRecord, str]:
    """For a plan: the record as it will be when :func:`prepare` has looked, and what differs, "" for nothing.

    Raises:
        BuildyardError: there is no list, or nobody who could stand before the site.
    """
    edge = edge_of(settings, dns)
    if edge is None:
        return record, ""
    found = look_up(edge, record.edge_ranges)
    reason = said(record.edge_ranges, found.networks)
    return replace(record, edge_ranges=found.networks), reason


def prepare(deployment: Deployment) -> bool:
    """Makes the edge ready to stand before the site; whether that changed anything.

    Nothing is closed here, and nobody is kept out meanwhile. The edge shows webservers its certificate before they
    demand it, and names that lead to webservers already lead to it before the firewalls let nobody else in.

    Raises:
        Unauthorized: the token lacks a right.
        Conflict: the edge would not check the webservers' certificate.
        BuildyardError: it does not answer, or publishes no list.
    """
    one, edge = deployment, edge_of(deployment.settings, deployment.access.dns)
    if edge is None:
        return False
    zone = zone_for(one.settings.domain, edge.zones())
    account = edge.check_credentials(zone)
    if account.missing_rights:
        raise Unauthorized(
            f"The token for {edge.label} lacks rights: {', '.join(account.missing_rights)}.",
            hint=f"Give it these for the zone {zone} in {edge.label}'s control panel, then build again.",
        )
    edge.require_strict(zone)
    changed = follow(one)
    if not edge.origin_pulls(zone):
        edge.put_origin_pulls(zone, True)
        changed = True
    return _lead_through(one, edge, zone) or changed


def follow(deployment: Deployment) -> bool:
    """Takes over the list that is published now, and tells what came and went; whether it differs.

    Raises:
        BuildyardError: there is no list, not even an earlier one.
    """
    one, edge = deployment, edge_of(deployment.settings, deployment.access.dns)
    if edge is None:
        return False
    record = one.record.load()
    last = record.edge_ranges if record is not None else ()
    found = look_up(edge, last)
    if found.refused:
        text = f"{found.refused} The last good list of {edge.label}'s networks stays: {len(last)} networks."
        one.emit(Event(Kind.NOTE, text=text))
    if found.networks == last:
        return False
    one.record.update(lambda old: replace(old, edge_ranges=found.networks))
    one.emit(Event(Kind.NOTE, text=f"{edge.label}: {said(last, found.networks)}."))
    return True


def said(before: Sequence[str], now: Sequence[str]) -> str:
    """The difference of two lists for a person, "" when there is none."""
    came = [f"+ {each}" for each in now if each not in before]
    went = [f"- {each}" for each in before if each not in now]
    if not before and came:
        return f"visitors come from its {len(came)} networks only"
    return f"its networks changed: {', '.join((*came, *went))}" if came or went else ""


def _refuse_shrunk(last: Sequence[str], now: Sequence[str]) -> None:
    """The rule of ``buildyard-cloudflare-ranges`` on the machines."""
    for version in (4, 6):
        before, after = _covered(last, version), _covered(now, version)
        if after * 2 < before:
            raise ProviderError(
                f"The published list covers {100 * after // before} % of the IPv{version} addresses of the last one.",
                detail="Less than half is taken for a mistake.",
                hint="Compare it with what the vendor publishes; webservers keep serving by the last list meanwhile.",
            )


def _covered(networks: Sequence[str], version: int) -> int:
    parsed = [network for network in map(ip_network, networks) if network.version == version]
    merged: Iterable[IPv4Network | IPv6Network] = collapse_addresses(parsed)  # type: ignore[type-var]
    return sum(each.num_addresses for each in merged)


def _lead_through(one: Deployment, edge: Edge, zone: str) -> bool:
    """Names that were made to lead to webservers lead to the edge; they keep their values."""
    record, proxied = one.record.load(), edge.proxied_sets(zone)
    direct = [
        made
        for made in (record.dns if record is not None else ())
        if made.zone == zone and made.values and (made.name, made.type) not in proxied
    ]
    there = {(each.name, each.type): each for each in edge.record_sets(zone)} if direct else {}
    standing = [there[made.name, made.type] for made in direct if (made.name, made.type) in there]
    for each in standing:
        edge.put_record_set(zone, RecordSet(each.name, each.type, each.values, TTL_S), proxied=True)
    return bool(standing)
