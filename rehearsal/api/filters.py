"""From the vendor's firewalls to what the machine room lets through: one pure function, and who calls it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rehearsal.api import bodies
from rehearsal.api.answers import unprocessable
from rehearsal.api.engines import PORT
from rehearsal.contract import Addresses, Filter, MachineRoom
from rehearsal.store import Store, Thing

Accept = tuple[str, int, int, str]


def compile_filters(machines: Sequence[tuple[Thing, Addresses]], firewalls: Sequence[Thing]) -> tuple[Filter, ...]:
    """What is let through to each machine: the union of all firewalls that name it or one of its tags.

    Args:
        machines: droplets (id and tags are looked at) with their addresses.
        firewalls: as the API stores them.
    """
    return tuple(_filter(machine, addresses, machines, firewalls) for machine, addresses in machines)


def database_filters(
    clusters: Sequence[tuple[Thing, Addresses]], machines: Sequence[tuple[Thing, Addresses]]
) -> tuple[Filter, ...]:
    """What is let through to managed databases: their port, from their trusted sources; from everybody without any.

    A source whose machines are gone stays in the list and lets nobody in: it must not open the cluster to all.

    Args:
        clusters: as the API stores them, with their machines' addresses.
        machines: droplets with their addresses.
    """
    return tuple(
        Filter(addresses, tuple(("tcp", PORT, PORT, source) for source in sorted(_trusted(cluster["rules"], machines))))
        for cluster, addresses in clusters
    )


class Guard:
    """Keeps the machine room's rules equal to the store's firewalls.

    Args:
        store: holds machines and firewalls.
        room: applies them.
        private_filtering: False leaves private addresses of droplets open, as at some vendors.
    """

    def __init__(self, store: Store, room: MachineRoom, *, private_filtering: bool = True) -> None:
        self._store = store
        self._room = room
        self._private_filtering = private_filtering
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Applies what the store says now; call it after every change of a machine, a tag or a firewall."""
        with self._lock:
            machines = [(machine, self._room.reserve(machine["id"])) for machine in self._store.all("droplet")]
            clusters = [(one, self._room.reserve(one["_machine"])) for one in self._store.all("database")]
            filters = compile_filters(machines, self._store.all("firewall"))
            if not self._private_filtering:
                filters = tuple(replace(one, addresses=replace(one.addresses, private_ipv4="")) for one in filters)
            self._room.apply_filters(
                (
                    *filters,
                    *database_filters(clusters, machines),
                )
            )


def port_range(protocol: str, ports: str) -> tuple[int, int]:
    """``22``, ``8000-9000``, ``0`` or ``all``; ICMP has none."""
    if protocol == "icmp":
        return 0, 0
    if ports in ("0", "all"):
        return 1, 65535
    first, dash, last = ports.partition("-")
    if not (first.isdigit() and (last.isdigit() or not dash)):
        raise unprocessable(f"invalid ports {ports!r}")
    low, high = int(first), int(last if dash else first)
    if not 1 <= low <= high <= 65535:
        raise unprocessable(f"invalid ports {ports!r}")
    return low, high


def forget_droplet(store: Store, droplet_id: int) -> None:
    """Takes a droplet that is gone out of every firewall."""
    for firewall in store.all("firewall"):
        ids = firewall["droplet_ids"]
        firewall["droplet_ids"] = [id_ for id_ in ids if id_ != droplet_id]
        for rule in firewall["inbound_rules"]:
            if named := rule["sources"].get("droplet_ids"):
                rule["sources"]["droplet_ids"] = [id_ for id_ in named if id_ != droplet_id]
        store.put("firewall", firewall["id"], firewall)


def _filter(
    machine: Thing, addresses: Addresses, machines: Sequence[tuple[Thing, Addresses]], firewalls: Sequence[Thing]
) -> Filter:
    guarding = [firewall for firewall in firewalls if _guards(firewall, machine)]
    if not guarding:
        return Filter(addresses, None)
    accepts: set[Accept] = set()
    for firewall in guarding:
        for rule in firewall["inbound_rules"]:
            low, high = port_range(rule["protocol"], rule["ports"])
            sources = _sources(rule["sources"], machines)
            accepts |= {(rule["protocol"], low, high, source) for source in sources}
    return Filter(addresses, tuple(sorted(accepts)))


def _guards(firewall: Thing, machine: Thing) -> bool:
    return machine["id"] in firewall["droplet_ids"] or bool(set(firewall["tags"]) & set(machine["tags"]))


def _sources(sources: Thing, machines: Iterable[tuple[Thing, Addresses]]) -> set[str]:
    found = {bodies.cidr(address) for address in sources.get("addresses") or ()}
    ids, tags = set(sources.get("droplet_ids") or ()), set(sources.get("tags") or ())
    for machine, addresses in machines:
        if machine["id"] in ids or tags & set(machine["tags"]):
            found |= _blocks(addresses)
    return found


def _trusted(rules: Sequence[Thing], machines: Sequence[tuple[Thing, Addresses]]) -> set[str]:
    if not rules:
        return {"0.0.0.0/0"}
    found = {bodies.cidr(rule["value"]) for rule in rules if rule["type"] == "ip_addr"}
    ids = {rule["value"] for rule in rules if rule["type"] == "droplet"}
    tags = {rule["value"] for rule in rules if rule["type"] == "tag"}
    for machine, addresses in machines:
        if str(machine["id"]) in ids or tags & set(machine["tags"]):
            found |= {f"{addresses.public_ipv4}/32", f"{addresses.private_ipv4}/32"}
    return found


def _blocks(addresses: Addresses) -> set[str]:
    return {f"{addresses.public_ipv4}/32", f"{addresses.public_ipv6}/128", f"{addresses.private_ipv4}/32"}
