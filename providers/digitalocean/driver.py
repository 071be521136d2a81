"""DigitalOcean, and through another URL the rehearsal, which speaks the same API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
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
from providers.digitalocean import api
from providers.digitalocean.databases import Databases
from providers.digitalocean.machines import Machines
from providers.digitalocean.records import Records
from providers.http import Api, BearerToken, Patience
from providers.named import named, only
from providers.refusals import Forbidden
from state.clock import Clock, wait_until
from state.errors import Conflict, NotFound, Unavailable, UsageError
from state.questions import Answered
from state.secret import Secret

LIVE_URL = "https://api.digitalocean.com"
#: Its token among the secrets.
TOKEN = "digitalocean.token"

#: Firewalls: docs.digitalocean.com/products/networking/firewalls/details/limits (50 rules, of which
#: :data:`providers.digitalocean.api.OUTBOUND` takes three). Tags: the API description's ``tags`` schema.
CAPABILITIES = Capabilities(
    firewall_filters_private_network=True,
    supports_snapshots=True,
    supports_managed_database=True,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=255,
    most_firewall_rules=50 - len(api.OUTBOUND),
)

#: Sources in one rule: the same page of limits.
_MOST_SOURCES = 1000

#: Seconds until the last machine has left its network; deletions take a minute or two.
_EMPTY_S = 300.0


class DigitalOcean:
    """One account of DigitalOcean; see :class:`providers.contract.Provider`.

    Args:
        token: a personal access token.
        api_url: where the API answers; the rehearsal's for a rehearsal.
        ca_pem_file: the only authority trusted, None for the system's.
        clock: where time comes from.
        transport: for tests.
        patience: how long requests may take.
        name, label, capabilities: what a rehearsal is and can.
    """

    def __init__(
        self,
        token: Secret,
        *,
        clock: Clock,
        api_url: str = LIVE_URL,
        ca_pem_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
        name: str = "digitalocean",
        label: str = "DigitalOcean",
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        self.name = name
        self.label = label
        self.capabilities = capabilities
        self._clock = clock
        self._api = Api(
            dialect=api.dialect(label),
            base_url=api_url,
            auth=BearerToken(token, label),
            hidden=(token,),
            clock=clock,
            ca_pem_file=ca_pem_file,
            transport=transport,
            patience=patience or Patience(),
        )
        self._records = Records(self._api)
        self._machines = Machines(self._api, clock)
        self._databases = Databases(self._api)

    def close(self) -> None:
        self._api.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        missing: list[str] = []
        account: Mapping[str, Any] = {}
        for right, operation in api.READ_RIGHTS.items():
            try:
                if operation is api.ACCOUNT:
                    account = self._api.read(operation, lambda body: dict(body["account"]))
                else:
                    self._api.call(operation, query={"per_page": 1} if operation.items else None)
            except Forbidden:
                missing.append(right)
        name = (account.get("team") or {}).get("name") or account.get("email") or "an account that may not be read"
        return Account(name=name, status=account.get("status", "unknown"), missing_rights=tuple(missing))

    def regions(self) -> tuple[Region, ...]:
        def read(body: Mapping[str, Any]) -> Region:
            return Region(slug=body["slug"], name=body["name"], available=body["available"])

        return tuple(self._api.listed(api.REGIONS, read))

    def sizes(self, region: str) -> tuple[Size, ...]:
        def read(body: Mapping[str, Any]) -> Size | None:
            return api.read_size(body) if body["available"] and region in body["regions"] else None

        sizes = [size for size in self._api.listed(api.SIZES, read) if size is not None]
        return tuple(sorted(sizes, key=lambda size: (size.price_per_month, size.slug)))

    def images(self) -> tuple[Image, ...]:
        def read(body: Mapping[str, Any]) -> Image | None:
            return api.read_image(body) if body.get("slug") else None

        listed = self._api.listed(api.IMAGES, read, query={"type": "distribution"})
        return tuple(image for image in listed if image is not None)

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        wanted = public_key.split()[:2]
        before = self._api.listed(api.KEYS, api.read_key)

        def find() -> SshKey | None:
            # The API takes a key once, under whatever name.
            keys = [key for key in self._api.listed(api.KEYS, api.read_key) if key.public_key.split()[:2] == wanted]
            return min(keys, key=lambda key: key.name != name, default=None)

        key = self._api.create(
            api.CREATE_KEY,
            body={"name": name, "public_key": public_key},
            find=find,
            reader=lambda body: api.read_key(body["ssh_key"]),
        )
        for old in before:
            if old.name == name and old.public_key.split()[:2] != wanted:
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
            body={"name": name, "region": region},
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
        try:
            body = self._api.read(api.NETWORK.at(id=network_id), lambda answer: answer["vpc"])
        except NotFound:
            return
        if body.get("default"):
            # The first network of a region becomes its default, which the API never deletes: it is handed back to
            # the account under the name the vendor gives such networks.
            self._api.call(api.RENAME_NETWORK.at(id=network_id), body={"name": f"default-{body['region']}"})
            return

        def gone() -> bool:
            try:
                if self._api.listed(api.NETWORK_MEMBERS.at(id=network_id), lambda member: member):
                    return False
                self._api.delete(api.DELETE_NETWORK.at(id=network_id))
            except NotFound:
                return True
            except Conflict:
                # A member that just left the list can hold it for a while.
                return False
            return True

        wait_until(
            f"the network {body['name']} to be empty",
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
        self._machines.power(machine_id, "power_off", "off")

    def power_on(self, machine_id: str) -> None:
        self._machines.power(machine_id, "power_on", "active")

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._machines.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._machines.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._api.delete(api.DELETE_SNAPSHOT.at(id=snapshot_id))

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        # They outlive the machines that carried them. Deleting one takes it off whatever carries it.
        for name, carriers in self._api.listed(
            api.TAGS, lambda body: (str(body["name"]), int(body["resources"]["count"]))
        ):
            if is_ours(name) and not carriers:
                self._api.delete(api.DELETE_TAG.at(name=name))

    # Firewalls

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        api.check_tag(tag)
        if len(inbound) > self.capabilities.most_firewall_rules:
            raise UsageError(
                f"{self.label} takes {self.capabilities.most_firewall_rules} inbound rules in a firewall; "
                f"{name} would have {len(inbound)}.",
                hint="Put addresses that may use the same port into one rule.",
            )
        if any(not 1 <= len(rule.sources) <= _MOST_SOURCES for rule in inbound):
            raise UsageError(f"A rule of firewall {name} has no source or more than {_MOST_SOURCES}.")
        self._ensure_tag(tag)
        body = api.firewall_body(name, tag, inbound)

        def read(answer: Any) -> Firewall:
            return api.read_firewall(answer["firewall"])

        def create() -> Firewall:
            return self._api.create(
                api.CREATE_FIREWALL, body=body, find=lambda: only(self.firewalls(name), name), reader=read
            )

        standing = only(self.firewalls(name), name)
        if standing is None:
            made = create()
            if made == Firewall(made.id, name, tag, read({"firewall": {**body, "id": made.id}}).inbound):
                return made
            standing = made  # somebody's of that name, made meanwhile
        return self._api.read(api.PUT_FIREWALL.at(id=standing.id), read, body=body)

    def firewalls(self, name_prefix: str) -> tuple[Firewall, ...]:
        return named(self._api.listed(api.FIREWALLS, api.read_firewall), name_prefix)

    def delete_firewall(self, firewall_id: str) -> None:
        self._api.delete(api.DELETE_FIREWALL.at(id=firewall_id))

    def _ensure_tag(self, tag: str) -> None:
        try:
            self._api.call(api.TAG.at(name=tag))
        except NotFound:
            try:
                self._api.call(api.CREATE_TAG, body={"name": tag})
            except Conflict:
                return  # made by another thread a moment ago

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
        environment = () if self._api.base_url == LIVE_URL else (("DO_API_URL", self._api.base_url),)
        return DnsProof("digitalocean", (("DO_AUTH_TOKEN", f"{self.name}.token"),), environment)

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
        return BucketAccess(endpoint_url=f"https://{region}.digitaloceanspaces.com", region=region)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        def pair(body: Any) -> tuple[str, Secret]:
            return str(body["key"]["access_key"]), Secret(body["key"]["secret_key"])

        # A secret is told once, in the create's answer: a key whose answer was lost is worthless and replaced.
        wanted = [{"bucket": grant.bucket, "permission": grant.permission.value} for grant in grants]
        body = {"name": name, "grants": wanted}
        try:
            access_key, secret_key = self._api.read(api.CREATE_BUCKET_KEY, pair, body=body)
        except Unavailable:
            access_key, secret_key = self._api.read(api.CREATE_BUCKET_KEY, pair, body=body)
        for old in self.bucket_keys(name):
            if old.access_key != access_key:
                self.delete_bucket_key(old.access_key)
        return access_key, secret_key

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:
        listed = self._api.listed(
            api.BUCKET_KEYS, lambda body: (str(body["name"]), api.read_bucket_key(body)), query={"name": name}
        )
        return tuple(key for its_name, key in listed if its_name == name)

    def delete_bucket_key(self, access_key: str) -> None:
        self._api.delete(api.DELETE_BUCKET_KEY.at(access_key=access_key))


def open_driver(
    _answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it."""
    return DigitalOcean(secrets[TOKEN], clock=clock, transport=transport)
