"""Linode, which is Akamai's cloud."""

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
    MachineStatus,
    Network,
    Provider,
    RecordSet,
    Region,
    Size,
    Snapshot,
    SshKey,
)
from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.http import Api, Patience
from providers.linode import api
from providers.linode.buckets import Buckets
from providers.linode.databases import Databases
from providers.linode.firewalls import MOST_RULES, Firewalls
from providers.linode.labels import NETWORK, label_of
from providers.linode.machines import Machines
from providers.linode.records import Records
from providers.linode.rights import RIGHTS, UNRESTRICTED, ScopedToken
from providers.named import named, only
from providers.refusals import Forbidden
from state.clock import Clock, wait_until
from state.errors import Conflict, NotFound
from state.questions import Answered
from state.secret import Secret

LIVE_URL = "https://api.linode.com"
#: Its token among the secrets.
TOKEN = "linode.token"

#: The firewall guards public and VPC interfaces: techdocs.akamai.com/linode-api/reference/post-firewalls (June 2026).
#: Tags: 3 to 50 characters, the API description's ``tags``.
CAPABILITIES = Capabilities(
    firewall_filters_private_network=True,
    supports_snapshots=True,
    supports_managed_database=True,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=50,
    most_firewall_rules=MOST_RULES,
)

#: Ours in every VPC: they do not see one another. Outside of what the vendor keeps for itself, 192.168.128.0/17.
_IP_RANGE = "10.20.0.0/16"
#: What a region needs for our machines, among its ``capabilities``.
_NEEDED = frozenset({"Linodes", "Metadata", "VPCs", "Cloud Firewall"})
#: Classes of types that serve a web application; GPUs and the like have no price in the list, either.
_CLASSES = frozenset({"nanode", "standard", "dedicated", "highmem", "premium"})
#: Seconds until the last machine has left its network; deletions take a minute or two.
_EMPTY_S = 300.0


class Linode:
    """One account of Linode; see :class:`providers.contract.Provider`.

    Args:
        token: a personal access token.
        clock: where time comes from.
        transport: for tests.
        patience: how long requests may take.
    """

    name = "linode"
    label = "Linode"
    capabilities = CAPABILITIES

    def __init__(
        self,
        token: Secret,
        *,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._clock = clock
        self._token = ScopedToken(token, self.label)
        self._api = Api(
            dialect=api.DIALECT,
            base_url=LIVE_URL,
            auth=self._token,
            hidden=(token,),
            clock=clock,
            transport=transport,
            patience=patience or Patience(),
        )
        self._firewalls = Firewalls(self._api, self._ids)
        self._machines = Machines(self._api, clock, self._firewalls.of, self._public_keys)
        self._records = Records(self._api)
        self._databases = Databases(self._api, clock)
        self._buckets = Buckets(self._api)

    def close(self) -> None:
        self._api.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        # Every token may read this one; a wrong one ends here.
        profile = self._api.read(api.PROFILE, dict)
        missing = [] if not profile.get("restricted") else [UNRESTRICTED]
        for right in RIGHTS:
            try:
                self._api.call(right.probe)
                allowed = not self._token.scopes or right.is_among(self._token.scopes)
            except Forbidden:
                allowed = False
            if not allowed:
                missing.append(right.text)
        try:
            account = self._api.read(api.ACCOUNT, dict)
        except Forbidden:
            return Account(str(profile["username"]), "unknown", tuple(missing))
        name = account.get("company") or account.get("email") or profile["username"]
        return Account(str(name), "active" if account.get("active_since") else "unknown", tuple(missing))

    def regions(self) -> tuple[Region, ...]:
        def read(body: Mapping[str, Any]) -> Region | None:
            if not set(body["capabilities"]) >= _NEEDED:
                return None
            return Region(slug=body["id"], name=body["label"], available=body["status"] == "ok")

        return tuple(region for region in self._api.listed(api.REGIONS, read) if region is not None)

    def sizes(self, region: str) -> tuple[Size, ...]:
        if region not in {each.slug for each in self.regions()}:
            return ()
        listed = self._api.listed(api.AVAILABILITY, dict)
        gone = {each["plan"] for each in listed if each["region"] == region and not each["available"]}

        def read(body: Mapping[str, Any]) -> Size:
            return Size(
                slug=body["id"],
                cpus=body["vcpus"],
                memory_mib=body["memory"],
                disk_gib=body["disk"] // 1024,
                price_per_month=api.price_in(body, region),
                regions=(region,),
            )

        types = self._api.listed(api.TYPES, dict)
        sizes = [read(each) for each in types if each["class"] in _CLASSES and not each.get("successor")]
        offered = [size for size in sizes if size.price_per_month > 0 and size.slug not in gone]
        return tuple(sorted(offered, key=lambda size: (size.price_per_month, size.slug)))

    def images(self) -> tuple[Image, ...]:
        return tuple(image for image in self._api.listed(api.IMAGES, api.read_image) if image is not None)

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        wanted = public_key.split()[:2]
        before = self._keys()

        def find() -> SshKey | None:
            keys = [key for key in self._keys() if key.public_key.split()[:2] == wanted]
            return min(keys, key=lambda key: (key.name != name, int(key.id)), default=None)

        key = self._api.create(
            api.CREATE_KEY, body={"label": name, "ssh_key": public_key}, find=find, reader=api.read_key
        )
        for old in before:
            if old.name == name and old.public_key.split()[:2] != wanted:
                self.delete_ssh_key(old.id)
        return key

    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        return named(self._keys(), name_prefix)

    def delete_ssh_key(self, key_id: str) -> None:
        self._api.delete(api.DELETE_KEY.at(id=key_id))

    def _keys(self) -> list[SshKey]:
        return self._api.listed(api.KEYS, api.read_key)

    def _public_keys(self, key_ids: tuple[str, ...]) -> tuple[str, ...]:
        known = {key.id: key.public_key for key in self._keys()} if key_ids else {}
        missing = [key_id for key_id in key_ids if key_id not in known]
        if missing:
            raise NotFound(f"Linode has no SSH key {', '.join(missing)}.", hint="build makes it anew")
        return tuple(known[key_id] for key_id in key_ids)

    # Networks

    def ensure_network(self, name: str, region: str) -> Network:
        body = {
            "label": label_of(name, NETWORK),
            "description": name,
            "region": region,
            "subnets": [{"label": "machines", "ipv4": _IP_RANGE}],
        }
        network = self._api.create(
            api.CREATE_NETWORK, body=body, find=lambda: only(self.networks(name), name), reader=api.read_network
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
                subnets = self._api.read(api.NETWORK_OF.at(id=network_id), lambda answer: answer["subnets"])
                if any(subnet.get("linodes") for subnet in subnets):
                    return False
                self._api.delete(api.DELETE_NETWORK.at(id=network_id))
            except NotFound:
                return True
            except Conflict:
                return False  # a machine that just left can hold it for a while
            return True

        wait_until(
            f"the network {network_id} to be empty",
            gone,
            timeout_s=_EMPTY_S,
            clock=self._clock,
            longest_s=5.0,
            hint="look at Linode what else is in that VPC; then repeat the command",
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
        self._machines.power(machine_id, api.SHUT_DOWN, MachineStatus.OFF)

    def power_on(self, machine_id: str) -> None:
        self._machines.power(machine_id, api.BOOT, MachineStatus.RUNNING)

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._machines.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._machines.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._machines.delete_snapshot(snapshot_id)

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Without effect: Linode removes what nothing carries by itself.

        Source: techdocs.akamai.com/linode-api/reference/delete-tag.
        """

    def _ids(self, tag: str) -> tuple[int, ...]:
        return tuple(int(machine.id) for machine in self._machines.tagged(tag))

    # Firewalls

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        return self._firewalls.put(name, tag, inbound)

    def firewalls(self, name_prefix: str) -> tuple[Firewall, ...]:
        return self._firewalls.listed(name_prefix)

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
        # go-acme.github.io/lego/dns/linode. Its default waits 120 s; lego's own source reckons with 15 minutes until
        # Linode's name servers know a record, and what is there sooner is seen sooner.
        return DnsProof("linode", (("LINODE_TOKEN", TOKEN),), (("LINODE_PROPAGATION_TIMEOUT", "1200"),))

    # Managed databases

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        def read(body: Mapping[str, Any]) -> str:
            return str(body["id"]) if "Managed Databases" in body["capabilities"] else ""

        return self._databases.sizes(engine) if region in self._api.listed(api.REGIONS, read) else ()

    def ensure_database(self, spec: DatabaseSpec) -> ManagedDatabase:
        return self._databases.ensure(spec)

    def databases(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        return self._databases.listed(name_prefix)

    def database(self, database_id: str) -> ManagedDatabase:
        return self._databases.one(database_id)

    def put_database_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        self._databases.put_sources(database_id, sources)

    def delete_database(self, database_id: str) -> None:
        self._databases.delete(database_id)

    # The object store

    def bucket_access(self, region: str) -> BucketAccess:
        return self._buckets.access(region)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        return self._buckets.create_key(name, grants)

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        return self._buckets.keys(name)

    def delete_bucket_key(self, access_key: str) -> None:
        self._buckets.delete_key(access_key)


def open_driver(
    _answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it."""
    return Linode(secrets[TOKEN], clock=clock, transport=transport)
