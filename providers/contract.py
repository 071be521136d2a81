"""What every cloud must be able to do for Buildyard: one protocol, one set of values, capabilities declared.

A driver is one folder named after its vendor. It passes ``tests/providers/contract.py`` unchanged. Nothing outside
that folder asks for a vendor's name: what differs is a :class:`Capabilities` field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from state.secret import Secret


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a cloud has, so that the wizard offers only what can be done.

    Attributes:
        firewall_filters_private_network: the vendor's firewall also guards the private network.
        supports_snapshots: a machine can be made from an image of another.
        supports_managed_database: databases run by the vendor.
        supports_domains: DNS by the same API.
        supports_bucket_keys: keys for its object store can be made by API.
        narrow_bucket_keys: such a key may be let into single buckets; where not, every key opens all of them.
        supports_shared_files: directories that machines mount by NFS, run by the vendor.
        longest_tag: characters.
        most_firewall_rules: rules in one firewall.
    """

    firewall_filters_private_network: bool
    supports_snapshots: bool
    supports_managed_database: bool
    supports_domains: bool
    supports_bucket_keys: bool
    longest_tag: int
    most_firewall_rules: int
    narrow_bucket_keys: bool = True
    supports_shared_files: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """Whose credentials these are, and what they lack."""

    name: str
    status: str
    missing_rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    slug: str
    name: str
    available: bool


@dataclass(frozen=True, slots=True)
class Size:
    """A size of machine; ``price_per_month`` in US dollars."""

    slug: str
    cpus: int
    memory_mib: int
    disk_gib: int
    price_per_month: Decimal
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    slug: str
    name: str
    distribution: str


@dataclass(frozen=True, slots=True)
class SshKey:
    id: str
    name: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Network:
    """A private network; ``ip_range`` in CIDR form."""

    id: str
    name: str
    region: str
    ip_range: str


class MachineStatus(StrEnum):
    """The state of a machine as its cloud sees it."""

    BUILDING = "building"
    RUNNING = "running"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """The machine to be made.

    Attributes:
        name: host name.
        user_data: cloud-init's ``#cloud-config`` text; holds no secret but the first-contact host key.
        tags: all of them carry the deployment; one carries the id of the action that makes it.
    """

    name: str
    region: str
    size: str
    image: str
    network_id: str
    user_data: str
    tags: tuple[str, ...]
    ssh_key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as its cloud sees it; addresses are "" while they are unknown."""

    id: str
    name: str
    status: MachineStatus
    region: str
    size: str
    tags: tuple[str, ...]
    public_ipv4: str
    public_ipv6: str
    private_ipv4: str
    price_per_month: Decimal
    created_at: str


class Protocols(StrEnum):
    """What a firewall rule speaks of."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True, order=True)
class InboundRule:
    """Lets ``sources`` (CIDR, v4 and v6) reach ``port`` (0 with ICMP)."""

    protocol: Protocols
    port: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Firewall:
    """A cloud firewall: guards every machine that carries ``tag``; what no rule lets in is dropped."""

    id: str
    name: str
    tag: str
    inbound: tuple[InboundRule, ...]


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All values of one name and type; ``name`` is relative to the zone, ``@`` its apex."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    id: str
    name: str
    size_gib: Decimal
    created_at: str


@dataclass(frozen=True, slots=True)
class DnsProof:
    """How lego (the ACME client on the machines) proves a domain through this provider's DNS.

    Attributes:
        lego_name: lego's name of the provider.
        secret_variables: the variables through which lego wants credentials, each with the secret's name
            (``("DO_AUTH_TOKEN", "digitalocean.token")``).
        environment: further variables, no secrets (the API's address, where it is not the vendor's own).
    """

    lego_name: str
    secret_variables: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...] = ()


class Permission(StrEnum):
    """What a key to the object store may do."""

    READ = "read"
    READ_WRITE = "readwrite"
    FULL = "fullaccess"  # every bucket there is, makes and removes them


@dataclass(frozen=True, slots=True)
class BucketGrant:
    """One of a key's rights: in one bucket, or with :attr:`Permission.FULL` and ``bucket`` "" everywhere."""

    bucket: str
    permission: Permission


#: The build machine's own: it makes the buckets. Vendors take it alone only, never beside grants for one bucket.
FULL_ACCESS = (BucketGrant("", Permission.FULL),)


@dataclass(frozen=True, slots=True)
class BucketKey:
    """A key to the object store as its provider lists it; the secret half is told once, when it is made."""

    access_key: str
    grants: frozenset[BucketGrant]


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """Where a provider's object store is reached."""

    endpoint_url: str
    region: str


class Dns(Protocol):
    """Somebody's name servers, by API: a cloud's own, or those of a vendor without machines."""

    name: str
    label: str

    def zones(self) -> tuple[str, ...]: ...
    def ensure_zone(self, zone: str) -> None: ...
    def record_sets(self, zone: str) -> tuple[RecordSet, ...]: ...
    def put_record_set(self, zone: str, record_set: RecordSet) -> None:
        """Makes the values of that name and type exactly these; adds first, then removes."""

    def delete_record_set(self, zone: str, name: str, type_: str) -> None: ...
    def dns_proof(self) -> DnsProof: ...
    def close(self) -> None: ...


class Provider(Protocol):
    """One cloud. Every method has a deadline of its own and raises only :class:`state.errors.BuildyardError`.

    Creates are idempotent through the name (keys, networks, firewalls) or the action's tag (machines): repeated after
    a lost answer they return what is there. Deletes of what is gone are no error.
    """

    name: str
    label: str
    capabilities: Capabilities

    def check_credentials(self) -> Account:
        """Raises Unauthorized when they do not work."""

    def regions(self) -> tuple[Region, ...]: ...
    def sizes(self, region: str) -> tuple[Size, ...]: ...
    def images(self) -> tuple[Image, ...]: ...

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey: ...
    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]: ...
    def delete_ssh_key(self, key_id: str) -> None: ...

    def ensure_network(self, name: str, region: str) -> Network: ...
    def networks(self, name_prefix: str) -> tuple[Network, ...]: ...
    def delete_network(self, network_id: str) -> None: ...

    def create_machine(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for the machine and returns at once; a machine that carries ``action_tag`` already is adopted."""

    def machines(self, tag: str) -> tuple[Machine, ...]: ...
    def machine(self, machine_id: str) -> Machine:
        """Raises NotFound."""

    def delete_machine(self, machine_id: str) -> None: ...
    def power_off(self, machine_id: str) -> None: ...
    def power_on(self, machine_id: str) -> None: ...

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes the firewall of that name exactly this, in place: there is never a moment without rules."""

    def firewalls(self, name_prefix: str) -> tuple[Firewall, ...]: ...
    def delete_firewall(self, firewall_id: str) -> None: ...

    def zones(self) -> tuple[str, ...]: ...
    def ensure_zone(self, zone: str) -> None: ...
    def record_sets(self, zone: str) -> tuple[RecordSet, ...]: ...
    def put_record_set(self, zone: str, record_set: RecordSet) -> None:
        """Makes the values of that name and type exactly these; adds first, then removes."""

    def delete_record_set(self, zone: str, name: str, type_: str) -> None: ...
    def dns_proof(self) -> DnsProof:
        """With ``supports_domains`` only."""

    def snapshot(self, machine_id: str, name: str) -> Snapshot: ...
    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]: ...
    def delete_snapshot(self, snapshot_id: str) -> None: ...

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Removes tags that ``is_ours`` says yes to and nothing carries any more.

        One that something still carries stays: its firewall hangs on it, and it is how that machine is found.
        Without effect where tags vanish by themselves.
        """

    def close(self) -> None:
        """Ends its connections."""


class BucketKeys(Protocol):
    """A provider that makes keys for its object store (``supports_bucket_keys``)."""

    def bucket_access(self, region: str) -> BucketAccess:
        """The vendor's object store in that region; a rehearsal tells its own address elsewhere."""

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        """A new access key and its secret half; older keys of that name are removed, for nobody can read theirs."""

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        """The keys of that very name, with what they may do: a vendor does not change it afterwards."""

    def delete_bucket_key(self, access_key: str) -> None: ...
