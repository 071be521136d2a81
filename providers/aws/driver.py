"""AWS: EC2, VPC, Route 53, RDS, EFS and the keys of S3 behind the contract, in one region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.loaders import create_loader

from providers.aws import prices, rights, tags
from providers.aws.buckets import Keys
from providers.aws.calls import LABEL, Aws
from providers.aws.databases import Databases, fetched
from providers.aws.files import Files
from providers.aws.firewalls import MOST_RULES, Firewalls
from providers.aws.images import Images
from providers.aws.machines import Machines
from providers.aws.networks import Networks
from providers.aws.records import Records
from providers.contract import (
    Account,
    BucketAccess,
    BucketGrant,
    BucketKey,
    Capabilities,
    DnsProof,
    Firewall,
    Image,
    InboundRule,
    Machine,
    MachineSpec,
    Network,
    Provider,
    RecordSet,
    Region,
    Size,
    Snapshot,
    SshKey,
)
from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.shared_files import SharedFiles
from state.clock import Clock
from state.questions import Answered
from state.secret import Secret

if TYPE_CHECKING:
    import httpx

#: The access key's halves among the secrets.
KEY, SECRET = "aws.key", "aws.secret"
#: Asked for what no region has chosen yet: the list of regions.
_FIRST_REGION = "us-east-1"

#: Security groups guard every network interface, whichever way a packet comes:
#: docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
CAPABILITIES = Capabilities(
    firewall_filters_private_network=True,
    supports_snapshots=True,
    supports_managed_database=True,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=tags.LONGEST,
    most_firewall_rules=MOST_RULES,
    supports_shared_files=True,
)


class Amazon:
    """One account of AWS in one region; see :class:`providers.contract.Provider`.

    Also fulfils :class:`providers.databases.ManagedDatabases`, :class:`providers.shared_files.FileSharing` and
    :class:`providers.contract.BucketKeys`.

    Args:
        aws: its API.
        fetch: reads the authority of RDS' certificates.
    """

    name = "aws"
    label = LABEL
    capabilities = CAPABILITIES

    def __init__(self, aws: Aws, *, fetch: Callable[[str], str] = fetched) -> None:
        self._aws = aws
        self._images = Images(aws)
        self._networks = Networks(aws)
        self._firewalls = Firewalls(aws)
        self._machines = Machines(aws, self._images, self._networks, self._firewalls)
        self._records = Records(aws)
        self._keys = Keys(aws)
        self._databases = Databases(aws, self._networks, fetch)
        self._files = Files(aws, self._networks)

    def close(self) -> None:
        self._aws.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        return rights.account(self._aws)

    def regions(self) -> tuple[Region, ...]:
        """All of them; available are those that the account may use and whose prices are known."""
        names = _region_names()
        found = [
            Region(
                slug=(slug := str(body["RegionName"])),
                name=names.get(slug, slug),
                available=body.get("OptInStatus") != "not-opted-in" and prices.known(slug),
            )
            for body in self._aws.call("ec2", "describe_regions", AllRegions=True)["Regions"]
        ]
        return tuple(sorted(found, key=lambda region: region.name))

    def sizes(self, region: str) -> tuple[Size, ...]:
        return self._machines.sizes(region)

    def images(self) -> tuple[Image, ...]:
        return self._images.official()

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        return self._machines.ensure_key(name, public_key)

    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        return self._machines.keys(name_prefix)

    def delete_ssh_key(self, key_id: str) -> None:
        self._machines.delete_key(key_id)

    # Networks

    def ensure_network(self, name: str, region: str) -> Network:
        return self._networks.ensure(name, region)

    def networks(self, name_prefix: str) -> tuple[Network, ...]:
        return self._networks.all(name_prefix)

    def delete_network(self, network_id: str) -> None:
        self._networks.delete(network_id)

    # Machines and their images

    def create_machine(self, spec: MachineSpec, action_tag: str) -> Machine:
        return self._machines.create(spec, action_tag)

    def machines(self, tag: str) -> tuple[Machine, ...]:
        return self._machines.tagged(tag)

    def machine(self, machine_id: str) -> Machine:
        return self._machines.one(machine_id)

    def delete_machine(self, machine_id: str) -> None:
        self._machines.delete(machine_id)

    def power_off(self, machine_id: str) -> None:
        self._machines.power(machine_id, "stop_instances", "stopped")

    def power_on(self, machine_id: str) -> None:
        self._machines.power(machine_id, "start_instances", "running")

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._images.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._images.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._images.delete(snapshot_id)

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Without effect: a tag of AWS vanishes with what carries it."""

    # Firewalls

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        return self._firewalls.put(name, tag, inbound)

    def firewalls(self, name_prefix: str) -> tuple[Firewall, ...]:
        return self._firewalls.all(name_prefix)

    def delete_firewall(self, firewall_id: str) -> None:
        self._firewalls.delete(firewall_id)

    # DNS

    def zones(self) -> tuple[str, ...]:
        return self._records.zones()

    def ensure_zone(self, zone: str) -> None:
        self._records.ensure_zone(zone)

    def record_sets(self, zone: str) -> tuple[RecordSet, ...]:
        return self._records.sets(zone)

    def put_record_set(self, zone: str, record_set: RecordSet) -> None:
        self._records.put(zone, record_set)

    def delete_record_set(self, zone: str, name: str, type_: str) -> None:
        self._records.delete(zone, name, type_)

    def dns_proof(self) -> DnsProof:
        """go-acme.github.io/lego/dns/route53"""
        credentials = (("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET))
        return DnsProof("route53", credentials, (("AWS_REGION", self._aws.region),))

    # Managed databases

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        del engine  # both run on the same classes
        return self._databases.sizes(region)

    def ensure_database(self, spec: DatabaseSpec) -> ManagedDatabase:
        return self._databases.ensure(spec)

    def databases(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        return self._databases.all(name_prefix)

    def database(self, database_id: str) -> ManagedDatabase:
        return self._databases.one(database_id)

    def put_database_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        self._databases.put_sources(database_id, sources)

    def delete_database(self, database_id: str) -> None:
        self._databases.delete(database_id)

    # Shared files

    def ensure_shared_files(self, name: str, region: str, network_id: str, sources: tuple[str, ...]) -> SharedFiles:
        return self._files.ensure(name, region, network_id, sources)

    def shared_files(self, name_prefix: str) -> tuple[SharedFiles, ...]:
        return self._files.all(name_prefix)

    def delete_shared_files(self, files_id: str) -> None:
        self._files.delete(files_id)

    # The object store

    def bucket_access(self, region: str) -> BucketAccess:
        return BucketAccess(self._aws.endpoint_url or f"https://s3.{region}.amazonaws.com", region)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        return self._keys.create(name, grants)

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        return self._keys.of(name)

    def delete_bucket_key(self, access_key: str) -> None:
        self._keys.delete(access_key)


def _region_names() -> Mapping[str, str]:
    """Names for people, which EC2 does not tell; botocore ships them."""
    data: Mapping[str, Any] = create_loader().load_data("endpoints")
    return {
        slug: str(body.get("description", slug))
        for partition in data["partitions"]
        for slug, body in partition["regions"].items()
    }


def open_driver(
    answers: Answered, secrets: Mapping[str, Secret], clock: Clock, _transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it; ``aws.endpoint_url`` is for tests."""
    region = str(answers.get("provider.region") or _FIRST_REGION)
    endpoint_url = str(answers.get("aws.endpoint_url") or "")
    return Amazon(Aws(secrets[KEY], secrets[SECRET], region, clock, endpoint_url=endpoint_url))
