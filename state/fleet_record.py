"""The fleet record: what exists at the provider, as far as we know; written before and after everything we make."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

#: The newest form of the file this program knows.
VERSION = 4


class Stage(StrEnum):
    """How far a machine has come; each stage is written down when it is reached."""

    ASKED = "asked"  # the name, slot and first host key are fixed; the cloud may or may not have been asked
    CREATED = "created"  # the cloud has it; provider_id is known
    RUNNING = "running"  # the cloud says it runs; addresses are known
    REACHED = "reached"  # SSH worked with the first host key
    OWN_HOST_KEY = "own-host-key"  # it made its own host key, which is pinned now
    READY = "ready"  # its recipes are done


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """One machine of the fleet.

    Attributes:
        name: ``ws-1``, ``db-1``, ``as-1``.
        role: ``webserver``, ``database``, ``autoscaler``.
        slot: the number in its name.
        epoch: the lease's epoch in which it was made.
        provider_id: "" until the cloud has answered.
        first_host_key: public half of the key cloud-init gave it, good for the first contact only.
        host_key: public half of the key it made itself, "" until then.
        created_at: ISO 8601, UTC.
        recipes: recipes done on it, each with the digest of what was done.
        image: what it was made from, "" where it is not known (made by a program of version 1).
        leaving: why it shall go, "" while it shall stay; one that leaves is no longer in DNS and is ended soon.
        leaving_since: seconds since the epoch when that was decided, 0.0 while it shall stay.
        replaces: name of the machine whose place it takes, "" when it takes none.
        out_of_dns: why no visitor shall come to it though it shall stay, "" when they may.
        left_dns_at: seconds since the epoch when it was last taken out of DNS, 0.0 when it never was in it.
        ready_at: seconds since the epoch when its recipes were done and its page was seen, 0.0 where it is not known.
    """

    name: str
    role: str
    slot: int
    epoch: int
    provider_id: str = ""
    public_ipv4: str = ""
    public_ipv6: str = ""
    private_ipv4: str = ""
    first_host_key: str = ""
    host_key: str = ""
    stage: Stage = Stage.ASKED
    created_at: str = ""
    recipes: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    leaving: str = ""
    leaving_since: float = 0.0
    replaces: str = ""
    out_of_dns: str = ""
    left_dns_at: float = 0.0
    ready_at: float = 0.0

    @property
    def may_be_visited(self) -> bool:
        """Whether its addresses belong into the site's DNS records."""
        return not self.leaving and not self.out_of_dns

    def with_recipe(self, recipe: str, digest: str) -> MachineRecord:
        """The same machine after a recipe was done on it."""
        return replace(self, recipes={**self.recipes, recipe: digest})


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record set that Buildyard made; others of the same zone are somebody else's.

    Attributes:
        name: relative to the zone, ``@`` its apex.
        values: all that Buildyard put there, also while they are being changed.
    """

    zone: str
    name: str
    type: str
    values: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one of."""
        return (self.zone, self.name, self.type)


@dataclass(frozen=True, slots=True)
class FleetRecord:
    """All that exists of a deployment.

    Attributes:
        deployment: its name.
        lineage: born with the deployment, never changes; a record of another lineage is foreign.
        serial: grows with every change.
        epoch: the lease's epoch of the last change.
        network_id: the private network.
        firewall_ids, ssh_key_ids: by name.
        machines: by name, in order.
        provider, region: where all of it is; "" where it is not known (written by a program of version 1).
        dns: the record sets that were made.
        store_keys: access keys of the object store, by holder; their secret halves are with the secrets.
        handed_over: a first build was finished; in production the number of webservers is the autoscaler's since.
        edge_ranges: CIDRs from which an edge comes to webservers, by its last good list; empty where none ever stood
            before the site.
        database_id: the provider's, of the managed database, its name while it is asked for; "" where the content is
            on the database machine.
    """

    deployment: str
    lineage: str
    serial: int = 0
    epoch: int = 0
    network_id: str = ""
    firewall_ids: Mapping[str, str] = field(default_factory=dict)
    ssh_key_ids: Mapping[str, str] = field(default_factory=dict)
    machines: tuple[MachineRecord, ...] = ()
    provider: str = ""
    region: str = ""
    dns: tuple[DnsRecord, ...] = ()
    store_keys: Mapping[str, str] = field(default_factory=dict)
    handed_over: bool = False
    edge_ranges: tuple[str, ...] = ()
    database_id: str = ""

    @classmethod
    def new(cls, deployment: str, lineage: str = "") -> FleetRecord:
        """An empty record; ``lineage`` is that of the answers."""
        return cls(deployment, lineage or str(uuid.uuid4()))

    def machine(self, name: str) -> MachineRecord | None:
        """The machine of that name."""
        return next((machine for machine in self.machines if machine.name == name), None)

    def with_machine(self, machine: MachineRecord) -> FleetRecord:
        """With this machine, in place of one of the same name."""
        others = (other for other in self.machines if other.name != machine.name)
        return replace(self, machines=tuple(sorted((*others, machine), key=lambda each: (each.role, each.slot))))

    def without(self, name: str) -> FleetRecord:
        """Without the machine of that name."""
        return replace(self, machines=tuple(machine for machine in self.machines if machine.name != name))

    def with_firewall(self, name: str, firewall_id: str) -> FleetRecord:
        """With this firewall."""
        return replace(self, firewall_ids={**self.firewall_ids, name: firewall_id})

    def with_ssh_key(self, name: str, key_id: str) -> FleetRecord:
        """With this key."""
        return replace(self, ssh_key_ids={**self.ssh_key_ids, name: key_id})

    def with_dns(self, made: DnsRecord) -> FleetRecord:
        """With this record set, in place of one of the same key."""
        others = (other for other in self.dns if other.key != made.key)
        return replace(self, dns=tuple(sorted((*others, made), key=lambda each: each.key)))

    def without_dns(self, key: tuple[str, str, str]) -> FleetRecord:
        """Without the record set of that key."""
        return replace(self, dns=tuple(made for made in self.dns if made.key != key))

    def with_store_key(self, holder: str, access_key: str) -> FleetRecord:
        """With this key to the object store."""
        return replace(self, store_keys={**self.store_keys, holder: access_key})

    def without_store_key(self, holder: str) -> FleetRecord:
        """Without that holder's key."""
        return replace(self, store_keys={name: key for name, key in self.store_keys.items() if name != holder})

    def as_json(self) -> bytes:
        """As the file holds it."""
        return (json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n").encode()
