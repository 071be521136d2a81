"""Hetzner Cloud, https://docs.hetzner.cloud/reference/cloud: a token stands for one project and all in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from providers.contract import (
    FULL_ACCESS,
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
from providers.hetzner import api
from providers.hetzner.actions import Actions
from providers.hetzner.firewalls import MOST_RULES, Firewalls
from providers.hetzner.machines import Machines
from providers.hetzner.prices import Prices
from providers.hetzner.records import Records
from providers.http import Api, BearerToken, Patience
from providers.named import named, only
from providers.refusals import Forbidden
from state.clock import Clock
from state.errors import Conflict, NotFound, UsageError
from state.questions import Answered
from state.secret import Secret

LIVE_URL = "https://api.hetzner.cloud"
#: Its credentials among the secrets.
TOKEN, S3_KEY, S3_SECRET = "hetzner.token", "hetzner.s3_key", "hetzner.s3_secret"

#: The firewall does not guard the private network:
#: https://docs.hetzner.com/cloud/firewalls/faq#can-firewalls-secure-traffic-to-my-private-hetzner-cloud-networks
#: A key to the object store opens all buckets of its project:
#: https://docs.hetzner.com/storage/object-storage/faq/buckets-objects
CAPABILITIES = Capabilities(
    firewall_filters_private_network=False,
    supports_snapshots=True,
    supports_managed_database=False,
    supports_domains=True,
    supports_bucket_keys=True,
    longest_tag=api.LONGEST_TAG,
    most_firewall_rules=MOST_RULES,
    narrow_bucket_keys=False,
)

#: A token reads, or reads and writes; there is no finer right (API reference, "Authentication").
_READ_AND_WRITE = "Read & Write (makes servers, firewalls, networks, keys and DNS records; this token only reads)"

#: Networks are apart from each other, so that all of them may have the same range; the sizes are those that the
#: vendor recommends (API description, ``create_network_request``).
_RANGE, _SUBNET = "10.0.0.0/16", "10.0.0.0/24"

#: Where the vendor has an object store (the page named above), and the one that serves all other locations.
_STORES, _USUAL_STORE = ("fsn1", "nbg1", "hel1"), "fsn1"


class Hetzner:
    """One project at Hetzner Cloud; see :class:`providers.contract.Provider`.

    Args:
        token: of the project, with Read & Write.
        s3_key, s3_secret: a pair of keys to the object store, which no API makes.
        clock: where time comes from.
        transport: for tests.
        patience: how long requests may take.
    """

    name = "hetzner"
    label = "Hetzner"
    capabilities = CAPABILITIES

    def __init__(
        self,
        token: Secret,
        s3_key: Secret,
        s3_secret: Secret,
        *,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._s3_key, self._s3_secret = s3_key, s3_secret
        self._api = Api(
            dialect=api.DIALECT,
            base_url=LIVE_URL,
            auth=BearerToken(token, self.label),
            hidden=(token, s3_secret),
            clock=clock,
            transport=transport,
            patience=patience or Patience(),
        )
        self._actions = Actions(self._api, clock)
        self._firewalls = Firewalls(self._api, self._actions)
        self._prices = Prices(self._api)
        self._machines = Machines(self._api, self._actions, self._firewalls, self._prices)
        self._records = Records(self._api, self._actions)

    def close(self) -> None:
        self._api.close()

    # Account and catalogue

    def check_credentials(self) -> Account:
        self._api.call(api.SERVERS, query={"per_page": 1})
        missing: tuple[str, ...] = ()
        try:
            # Nothing has that id, so nothing is renamed: a token that may write is told 404, one that may not 403.
            self._api.call(api.RENAME_KEY.at(id=api.NO_ID), body={"name": "by-no-key"})
        except NotFound:
            pass
        except Forbidden:
            missing = (_READ_AND_WRITE,)
        # The API does not tell whose project it is.
        return Account(name="the project of this token", status="unknown", missing_rights=missing)

    def regions(self) -> tuple[Region, ...]:
        def read(body: Mapping[str, Any]) -> Region:
            name = f"{body['city']}, {body['country']}"
            if body["name"] not in _STORES:
                name += " (its object store is in Falkenstein, DE)"
            return Region(slug=body["name"], name=name, available=True)

        return tuple(self._api.listed(api.LOCATIONS, read))

    def sizes(self, region: str) -> tuple[Size, ...]:
        def read(body: Mapping[str, Any]) -> Size | None:
            places = tuple(str(place["name"]) for place in body["locations"] if _takes_new(place))
            # The recipes were never run on ARM.
            if region not in places or body["architecture"] != "x86":
                return None
            price = self._prices.of(body, region)
            if price is None:
                return None
            memory_mib = int(body["memory"] * 1024)
            return Size(body["name"], body["cores"], memory_mib, int(body["disk"]), price, places)

        sizes = [size for size in self._api.listed(api.SERVER_TYPES, read) if size is not None]
        return tuple(sorted(sizes, key=lambda size: (size.price_per_month, size.slug)))

    def images(self) -> tuple[Image, ...]:
        query = {"type": "system", "status": "available", "architecture": "x86"}
        listed = self._api.listed(api.IMAGES, api.read_image, query=query)
        return tuple(image for image in listed if image is not None)

    # SSH keys

    def ensure_ssh_key(self, name: str, public_key: str) -> SshKey:
        wanted = public_key.split()[:2]

        def find() -> SshKey | None:
            # The API takes a key once in a project, under whatever name.
            keys = [key for key in listed() if key.public_key.split()[:2] == wanted]
            return min(keys, key=lambda key: key.name != name, default=None)

        def listed() -> list[SshKey]:
            return self._api.listed(api.KEYS, api.read_key)

        # A name is taken once as well, so the old key has to go first; machines keep the one they were made with.
        for old in listed():
            if old.name == name and old.public_key.split()[:2] != wanted:
                self.delete_ssh_key(old.id)
        return self._api.create(
            api.CREATE_KEY,
            body={"name": name, "public_key": public_key},
            find=find,
            reader=lambda body: api.read_key(body["ssh_key"]),
        )

    def ssh_keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        return named(self._api.listed(api.KEYS, api.read_key), name_prefix)

    def delete_ssh_key(self, key_id: str) -> None:
        self._api.delete(api.DELETE_KEY.at(id=key_id))

    # Networks

    def ensure_network(self, name: str, region: str) -> Network:
        network = only(self.networks(name), name)
        if network is None:
            subnet = {"type": "cloud", "network_zone": self._network_zone(region), "ip_range": _SUBNET}
            body = {
                "name": name,
                "ip_range": _RANGE,
                "labels": {api.REGION_LABEL: region},
                "subnets": [subnet],
            }
            network = self._api.create(
                api.CREATE_NETWORK,
                body=body,
                find=lambda: only(self.networks(name), name),
                reader=lambda answer: api.read_network(answer["network"]),
                looked=True,
            )
        if network.region != region:
            raise Conflict(
                f"The network {name} is in {network.region or 'no region of ours'}, not in {region}.",
                hint="Use another name for the deployment, or destroy the one that has it.",
            )
        return network

    def networks(self, name_prefix: str) -> tuple[Network, ...]:
        return named(self._api.listed(api.NETWORKS, api.read_network), name_prefix)

    def delete_network(self, network_id: str) -> None:
        def gone() -> bool:
            try:
                # The vendor would take the network from running machines; they have to leave by themselves.
                if self._api.read(api.NETWORK.at(id=network_id), lambda answer: answer["network"]["servers"]):
                    return False
                self._api.call(api.DELETE_NETWORK.at(id=network_id))
            except NotFound:
                return True
            except Conflict:
                return False
            return True

        self._actions.wait(f"the network {network_id} to be empty", gone)

    def _network_zone(self, region: str) -> str:
        zones = self._api.listed(api.LOCATIONS, lambda body: str(body["network_zone"]), query={"name": region})
        if not zones:
            raise UsageError(f"Hetzner has no region {region}.", hint="choose another provider.region")
        return zones[0]

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
        self._machines.power(machine_id, api.POWER_OFF, "off")

    def power_on(self, machine_id: str) -> None:
        self._machines.power(machine_id, api.POWER_ON, "running")

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        return self._machines.snapshot(machine_id, name)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        return self._machines.snapshots(name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._api.delete(api.DELETE_IMAGE.at(id=snapshot_id))

    def delete_tags(self, is_ours: Callable[[str], bool]) -> None:
        """Without effect: a label goes with what carries it."""

    # Firewalls

    def put_firewall(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        api.check_tag(tag)
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
        self._records.delete(zone, name, type_)

    def dns_proof(self) -> DnsProof:
        # https://go-acme.github.io/lego/dns/hetzner: this API since lego 4.27, its token from a file since 4.31.
        return DnsProof("hetzner", (("HETZNER_API_TOKEN", TOKEN),))

    # The object store

    def bucket_access(self, region: str) -> BucketAccess:
        store = region if region in _STORES else _USUAL_STORE
        return BucketAccess(endpoint_url=f"https://{store}.your-objectstorage.com", region=store)

    def create_bucket_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:  # noqa: ARG002
        """The owner's pair, whatever is asked for: no API makes another, and it opens every bucket."""
        return self._s3_key.reveal(), self._s3_secret

    def bucket_keys(self, name: str) -> tuple[BucketKey, ...]:  # noqa: ARG002
        """The owner's pair, with what it may do in truth."""
        return (BucketKey(self._s3_key.reveal(), frozenset(FULL_ACCESS)),)

    def delete_bucket_key(self, access_key: str) -> None:
        """Without effect: only its owner can end it, in Hetzner Console."""


def _takes_new(place: Mapping[str, Any]) -> bool:
    """Whether a type is sold in a location: going ones have a deprecation there, sold-out ones are not available."""
    return place.get("deprecation") is None and place.get("available", True) is not False


def open_driver(
    _answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """As :class:`providers.vendor.Vendor` wants it."""
    return Hetzner(secrets[TOKEN], secrets[S3_KEY], secrets[S3_SECRET], clock=clock, transport=transport)
