"""Exoscale."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

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
from providers.exoscale import api
from providers.exoscale.bucket_keys import BucketKeys
from providers.exoscale.databases import Databases
from providers.exoscale.groups import MOST_RULES, Groups
from providers.exoscale.machines import Machines
from providers.exoscale.networks import Networks
from providers.exoscale.records import Records
from providers.exoscale.signature import Signature
from providers.exoscale.templates import Templates
from providers.exoscale.zones import Zones, is_zone
from providers.http import Api, Patience
from providers.named import named
from providers.refusals import Forbidden
from state.clock import Clock
from state.errors import Unauthorized
from state.questions import Answered
from state.secret import Secret

#: Its credentials among the secrets.
KEY, SECRET = "exoscale.key", "exoscale.secret"

#: Private networks: community.exoscale.com/product/networking/private-network/overview ("Security group rules do not
#: apply to traffic inside private networks").
CAPABILITIES = Capabilities(
    firewall_filters_private_network=False,
    supports_snapshots=True,
    supports_managed_database=True,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=api.LONGEST_TAG,
    most_firewall_rules=MOST_RULES,
)

#: For zones that this deployment is not in: their answer is not worth a long wait.
_HURRIED = Patience(request_s=10.0, call_s=10.0)


class Exoscale:
    """One organization at Exoscale; see :class:`providers.contract.Provider`, ManagedDatabases and BucketKeys.

    Args:
        key: names the secret.
        secret: signs each request.
        clock: where time comes from.
        zone: where this deployment is, "" while nobody knows it: outages of other zones are then no concern.
        transport: for tests.
        patience: how long requests may take.
    """

    name = "exoscale"
    label = "Exoscale"
    capabilities = CAPABILITIES

    def __init__(
        self,
        key: Secret,
        secret: Secret,
        *,
        clock: Clock,
        zone: str = "",
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        def connect(a_zone: str, hurried: bool) -> Api:
            return Api(
                dialect=api.DIALECT,
                base_url=f"https://api-{a_zone}.exoscale.com",
                auth=Signature(key, secret, clock),
                hidden=(key, secret),
                clock=clock,
                transport=transport,
                patience=_HURRIED if hurried else patience or Patience(),
            )

        self._zones = Zones(connect, clock, zone)
        self._templates = Templates(self._zones)
        self._machines = Machines(self._zones, self._templates)
        self._groups = Groups(self._zones, self._machines)
        self._networks = Networks(self._zones)
        self._records = Records(self._zones)
        self._databases = Databases(self._zones)
        self._bucket_keys = BucketKeys(self._zones)

    def close(self) -> None:
        self._zones.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        missing: list[str] = []
        refusal: Forbidden | None = None
        for right, operation in api.READ_RIGHTS.items():
            try:
                self._zones.home.call(operation)
            except Forbidden as error:
                missing.append(right)
                refusal = error
        if refusal is not None and len(missing) == len(api.READ_RIGHTS):
            # A key that may nothing at all is hardly one: the vendor answers a stranger alike.
            raise Unauthorized(
                "Exoscale does not accept the key and its secret, or its role allows nothing.",
                detail=refusal.detail,
                hint="Make a new key in the portal under IAM, API Keys, and give it with: buildyard new",
            )
        try:
            name = self._zones.home.read(api.ORGANIZATION, lambda body: str(body.get("name") or ""))
        except Forbidden:
            name = ""
        return Account(name or "an organization that may not be read", "unknown", tuple(missing))

    def regions(self) -> tuple[Region, ...]:
        return self._zones.regions()

    def sizes(self, region: str) -> tuple[Size, ...]:
        return self._machines.sizes(region)

    def images(self) -> tuple[Image, ...]:
        return self._templates.images()

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        vendors_name = api.key_name(name, public_key)
        before = [key for key in self.ssh_keys(name) if key.name == name]

        def find() -> str | None:
            return next((key.id for key in self.ssh_keys(name) if key.id == vendors_name), None)

        body = {"name": vendors_name, "public-key": public_key}
        self._zones.make(self._zones.home, api.CREATE_KEY, f"the SSH key {name}", body=body, find=find)
        for old in before:
            if old.id != vendors_name:
                self.delete_ssh_key(old.id)
        return api.read_key({"name": vendors_name})

    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        return named(self._zones.home.listed(api.KEYS, api.read_key), name_prefix)

    def delete_ssh_key(self, key_id: str) -> None:
        self._zones.remove(self._zones.home, api.DELETE_KEY.at(name=key_id), f"the SSH key {key_id}")

    # Networks

    def ensure_network(self, name: str, region: str) -> Network:
        return self._networks.ensure(name, region)

    def networks(self, name_prefix: str) -> tuple[Network, ...]:
        return self._networks.named(name_prefix)

    def delete_network(self, network_id: str) -> None:
        self._networks.delete(network_id)

    # Machines and their images

    def create_machine(self, spec: MachineSpec, action_tag: str) -> Machine:
        return self._machines.create(spec, action_tag, self._groups.of_tags((*spec.tags, action_tag)))

    def machines(self, tag: str) -> tuple[Machine, ...]:
        return self._machines.tagged(tag)

    def machine(self, machine_id: str) -> Machine:
        return self._machines.one(machine_id)

    def delete_machine(self, machine_id: str) -> None:
        self._machines.delete(machine_id)

    def power_off(self, machine_id: str) -> None:
        self._machines.power(machine_id, api.STOP, "stopped")

    def power_on(self, machine_id: str) -> None:
        self._machines.power(machine_id, api.START, "running")

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._templates.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._templates.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._templates.delete(snapshot_id)

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Labels go with the machine that has them."""

    # Firewalls

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        return self._groups.put(name, tag, inbound)

    def firewalls(self, name_prefix: str) -> tuple[Firewall, ...]:
        return self._groups.named(name_prefix)

    def delete_firewall(self, firewall_id: str) -> None:
        self._groups.delete(firewall_id)

    # DNS

    def zones(self) -> tuple[str, ...]:
        return tuple(self._records.domains())

    def ensure_zone(self, zone: str) -> None:
        self._records.ensure(zone)

    def record_sets(self, zone: str) -> tuple[RecordSet, ...]:
        return self._records.sets(zone)

    def put_record_set(self, zone: str, record_set: RecordSet) -> None:
        self._records.put(zone, record_set)

    def delete_record_set(self, zone: str, name: str, type_: str) -> None:
        self._records.put(zone, RecordSet(name=name, type=type_, values=(), ttl_s=0))

    def dns_proof(self) -> DnsProof:
        # go-acme.github.io/lego/dns/exoscale
        return DnsProof("exoscale", (("EXOSCALE_API_KEY", KEY), ("EXOSCALE_API_SECRET", SECRET)))

    # Managed databases

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        return self._databases.sizes(region, engine)

    def ensure_database(self, spec: DatabaseSpec) -> ManagedDatabase:
        return self._databases.ensure(spec)

    def databases(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        return self._databases.named(name_prefix)

    def database(self, database_id: str) -> ManagedDatabase:
        return self._databases.one(database_id)

    def put_database_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        self._databases.put_sources(database_id, sources)

    def delete_database(self, database_id: str) -> None:
        self._databases.delete(database_id)

    # The object store

    def bucket_access(self, region: str) -> BucketAccess:
        # community.exoscale.com/api/sos
        return BucketAccess(endpoint_url=f"https://sos-{region}.exo.io", region=region)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        return self._bucket_keys.create(name, grants)

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        return self._bucket_keys.named(name)

    def delete_bucket_key(self, access_key: str) -> None:
        self._bucket_keys.delete(access_key)


def open_driver(
    answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it."""
    zone = str(answers.get("provider.region") or "")
    if not is_zone(zone):
        zone = ""  # not answered yet, or answered for another cloud before this one was chosen
    return Exoscale(secrets[KEY], secrets[SECRET], clock=clock, zone=zone, transport=transport)
