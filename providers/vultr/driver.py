"""Vultr: one account behind the contract; what it sells is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from providers.http import Api, BearerToken, Patience
from providers.named import named, only
from providers.refusals import Forbidden
from providers.vultr import api, firewalls
from providers.vultr.catalog import Catalog
from providers.vultr.databases import Databases
from providers.vultr.machines import Machines
from providers.vultr.records import Records
from providers.vultr.storage import Storage
from state.clock import Clock, wait_until
from state.errors import Conflict
from state.questions import Answered
from state.secret import Secret

LIVE_URL = "https://api.vultr.com"
#: Its key among the secrets.
TOKEN = "vultr.token"

#: Private traffic passes a group by: "Does Vultr Firewall affect private networking?" of the vendor's page
#: docs.vultr.com/vultr-firewall, as github.com/uniVocity/shopify/pull/10 cites it; the page of today says that a group
#: works "at the network edge" (docs.vultr.com/support/products/network).
CAPABILITIES = Capabilities(
    firewall_filters_private_network=False,
    supports_snapshots=True,
    supports_managed_database=True,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=api.LONGEST_TAG,
    most_firewall_rules=firewalls.MOST_RULES,
    narrow_bucket_keys=False,
)

#: Seconds until the last machine has left its network.
_EMPTY_S = 300.0


class Vultr:
    """One account of Vultr; see :class:`providers.contract.Provider`.

    Args:
        token: an API key.
        region: of the deployment: its object store is made there.
        api_url: where the API answers.
        clock: where time comes from.
        transport: for tests.
        patience: how long requests may take.
    """

    name = "vultr"
    label = "Vultr"
    capabilities = CAPABILITIES

    def __init__(
        self,
        token: Secret,
        *,
        clock: Clock,
        region: str = "",
        api_url: str = LIVE_URL,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._clock = clock
        self._region = region
        self._api = Api(
            dialect=api.DIALECT,
            base_url=api_url,
            auth=BearerToken(token, self.label),
            hidden=(token,),
            clock=clock,
            transport=transport,
            patience=patience or Patience(),
        )
        self._catalog = Catalog(self._api)
        self._firewalls = firewalls.Firewalls(self._api)
        self._machines = Machines(self._api, clock, self._catalog, self._firewalls)
        self._records = Records(self._api)
        self._databases = Databases(self._api)
        self._storage = Storage(self._api, clock, self._catalog)

    def close(self) -> None:
        self._api.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        try:
            account: Mapping[str, Any] = self._api.read(api.ACCOUNT, lambda body: dict(body["account"]))
        except Forbidden:
            account = {}
        granted = account.get("acls") or ()
        missing = [f"{right} ({what})" for right, what in api.RIGHTS.items() if right not in granted]
        name = account.get("name") or account.get("email") or "an account that may not be read"
        return Account(name=name, status="active" if account else "unknown", missing_rights=tuple(missing))

    def regions(self) -> tuple[Region, ...]:
        return self._catalog.regions()

    def sizes(self, region: str) -> tuple[Size, ...]:
        return self._catalog.sizes(region)

    def images(self) -> tuple[Image, ...]:
        return self._catalog.images()

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        wanted = public_key.split()[:2]
        before = named(self._api.listed(api.KEYS, api.read_key), name)

        def is_it(key: SshKey) -> bool:
            return key.name == name and key.public_key.split()[:2] == wanted

        key = self._api.create(
            api.CREATE_KEY,
            body={"name": name, "ssh_key": public_key},
            find=lambda: next(filter(is_it, self._api.listed(api.KEYS, api.read_key)), None),
            reader=lambda body: api.read_key(body["ssh_key"]),
        )
        for old in before:
            if old.name == name and not is_it(old):
                self.delete_ssh_key(old.id)
        return key

    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        return named(self._api.listed(api.KEYS, api.read_key), name_prefix)

    def delete_ssh_key(self, key_id: str) -> None:
        self._api.delete(api.DELETE_KEY.at(id=key_id))

    # Networks

    def ensure_network(self, name: str, region: str) -> Network:
        network = self._api.create(
            api.CREATE_NETWORK,
            body={"region": region, "description": name},
            find=lambda: only(self.networks(name), name),
            reader=lambda body: api.read_network(body["vpc"]),
        )
        if network.region != region:
            raise Conflict(
                f"The network {name} is in {network.region}, not in {region}.",
                hint="Use another name for the deployment, or destroy the one that has it.",
            )
        return network

    def networks(self, name_prefix: str) -> tuple[Network, ...]:
        return named(self._api.listed(api.NETWORKS, api.read_network), name_prefix)

    def delete_network(self, network_id: str) -> None:
        def gone() -> bool:
            try:
                self._api.delete(api.DELETE_NETWORK.at(id=network_id))
            except Conflict:
                return False  # a machine that was just deleted holds it for a while
            return True

        wait_until(
            f"the network {network_id} to be empty",
            gone,
            timeout_s=_EMPTY_S,
            clock=self._clock,
            longest_s=5.0,
            hint=f"look at {self.label} what else is in that network; then repeat the command",
        )

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
        self._machines.power_off(machine_id)

    def power_on(self, machine_id: str) -> None:
        self._machines.power_on(machine_id)

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._machines.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._machines.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._api.delete(api.DELETE_SNAPSHOT.at(id=snapshot_id))

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Nothing: a tag is a word on a machine and goes with it."""

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
        self._records.put(zone, RecordSet(name=name, type=type_, values=(), ttl_s=0))

    def dns_proof(self) -> DnsProof:
        # go-acme.github.io/lego/dns/vultr
        return DnsProof("vultr", (("VULTR_API_KEY", TOKEN),))

    # Managed databases

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        return self._databases.sizes(region, engine)

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

    # The object store

    def bucket_access(self, region: str) -> BucketAccess:
        return self._storage.access(region)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:  # noqa: ARG002
        return self._storage.key(name, self._region)

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        return self._storage.keys(name)

    def delete_bucket_key(self, access_key: str) -> None:
        self._storage.end(access_key)


def open_driver(
    answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it."""
    return Vultr(secrets[TOKEN], clock=clock, region=str(answers.get("provider.region") or ""), transport=transport)
