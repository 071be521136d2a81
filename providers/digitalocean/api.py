"""DigitalOcean's API v2 as data: its operations, its dialect, and its JSON read into the values of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers.contract import (
    BucketGrant,
    BucketKey,
    Firewall,
    Image,
    InboundRule,
    Machine,
    MachineStatus,
    Network,
    Permission,
    Protocols,
    Size,
    Snapshot,
    SshKey,
)
from providers.operations import Dialect, Operation, Refusal
from state.errors import Conflict, ProviderError, UsageError

ACCOUNT = Operation("GET", "/v2/account")
REGIONS = Operation("GET", "/v2/regions", "regions")
SIZES = Operation("GET", "/v2/sizes", "sizes")
IMAGES = Operation("GET", "/v2/images", "images")
KEYS = Operation("GET", "/v2/account/keys", "ssh_keys")
CREATE_KEY = Operation("POST", "/v2/account/keys")
DELETE_KEY = Operation("DELETE", "/v2/account/keys/{id}")
NETWORKS = Operation("GET", "/v2/vpcs", "vpcs")
CREATE_NETWORK = Operation("POST", "/v2/vpcs")
NETWORK = Operation("GET", "/v2/vpcs/{id}")
RENAME_NETWORK = Operation("PATCH", "/v2/vpcs/{id}", repeatable=True)
DELETE_NETWORK = Operation("DELETE", "/v2/vpcs/{id}")
NETWORK_MEMBERS = Operation("GET", "/v2/vpcs/{id}/members", "members")
MACHINES = Operation("GET", "/v2/droplets", "droplets")
CREATE_MACHINE = Operation("POST", "/v2/droplets")
MACHINE = Operation("GET", "/v2/droplets/{id}")
DELETE_MACHINE = Operation("DELETE", "/v2/droplets/{id}")
MACHINE_ACTIONS = Operation("GET", "/v2/droplets/{id}/actions", "actions")
ACT = Operation("POST", "/v2/droplets/{id}/actions")
ACTION = Operation("GET", "/v2/actions/{id}")
TAGS = Operation("GET", "/v2/tags", "tags")
TAG = Operation("GET", "/v2/tags/{name}")
CREATE_TAG = Operation("POST", "/v2/tags", repeatable=True)
DELETE_TAG = Operation("DELETE", "/v2/tags/{name}")
FIREWALLS = Operation("GET", "/v2/firewalls", "firewalls")
CREATE_FIREWALL = Operation("POST", "/v2/firewalls")
PUT_FIREWALL = Operation("PUT", "/v2/firewalls/{id}")
DELETE_FIREWALL = Operation("DELETE", "/v2/firewalls/{id}")
ZONES = Operation("GET", "/v2/domains", "domains")
CREATE_ZONE = Operation("POST", "/v2/domains")
RECORDS = Operation("GET", "/v2/domains/{zone}/records", "domain_records")
CREATE_RECORD = Operation("POST", "/v2/domains/{zone}/records")
PATCH_RECORD = Operation("PATCH", "/v2/domains/{zone}/records/{id}", repeatable=True)
DELETE_RECORD = Operation("DELETE", "/v2/domains/{zone}/records/{id}")
SNAPSHOTS = Operation("GET", "/v2/snapshots", "snapshots")
DELETE_SNAPSHOT = Operation("DELETE", "/v2/snapshots/{id}")
DATABASES = Operation("GET", "/v2/databases")
BUCKET_KEYS = Operation("GET", "/v2/spaces/keys", "keys")
CREATE_BUCKET_KEY = Operation("POST", "/v2/spaces/keys")
DELETE_BUCKET_KEY = Operation("DELETE", "/v2/spaces/keys/{access_key}")

#: What a token must be able to read; the rights' names are the API's scopes.
READ_RIGHTS: Mapping[str, Operation] = {
    "account:read": ACCOUNT,
    "regions:read": REGIONS,
    "sizes:read": SIZES,
    "image:read": IMAGES,
    "snapshot:read": SNAPSHOTS,
    "ssh_key:read": KEYS,
    "vpc:read": NETWORKS,
    "droplet:read": MACHINES,
    "firewall:read": FIREWALLS,
    "domain:read": ZONES,
    "tag:read": TAGS,
    "database:read": DATABASES,
    "spaces_key:read": BUCKET_KEYS,
}

#: The API answers 422 and 403 for what others call 409; only its words tell them apart.
_TAKEN = re.compile(r"\balready\b|pending event|duplicate|\btaken\b|with members|\bin use\b", re.IGNORECASE)

_EVERYWHERE = ("0.0.0.0/0", "::/0")

#: Outbound is open (design, chapter 2); a firewall without outbound rules would let nothing out.
OUTBOUND: tuple[Mapping[str, Any], ...] = (
    {"protocol": "tcp", "ports": "1-65535", "destinations": {"addresses": list(_EVERYWHERE)}},
    {"protocol": "udp", "ports": "1-65535", "destinations": {"addresses": list(_EVERYWHERE)}},
    {"protocol": "icmp", "ports": "0", "destinations": {"addresses": list(_EVERYWHERE)}},
)


def _explain(status: int, body: Any) -> Refusal | None:
    if not isinstance(body, Mapping) or not body.get("message"):
        return None
    message = str(body["message"])
    if status in (403, 409, 422) and _TAKEN.search(message):
        return Refusal(Conflict, message)
    if status == 422 and "limit" in message:
        return Refusal(ProviderError, message, hint="Remove what is not needed, or ask the vendor for a higher limit.")
    return Refusal(ProviderError, message)


def _next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    following = ((body.get("links") or {}).get("pages") or {}).get("next")
    if not following:
        return None
    # Only the number is taken: a link must not lead our token to another host.
    return {**query, "page": int(parse_qs(urlsplit(following).query)["page"][0])}


def _total(body: Any) -> int | None:
    total = (body.get("meta") or {}).get("total")
    return int(total) if total is not None else None


def dialect(label: str) -> Dialect:
    """How DigitalOcean speaks, under the name a person knows it by."""
    return Dialect(label, explain=_explain, next_page=_next_page, first_page={"per_page": 200, "page": 1}, total=_total)


def read_size(body: Mapping[str, Any]) -> Size:
    return Size(
        slug=body["slug"],
        cpus=body["vcpus"],
        memory_mib=body["memory"],
        disk_gib=body["disk"],
        price_per_month=Decimal(str(body["price_monthly"])),
        regions=tuple(body["regions"]),
    )


def read_image(body: Mapping[str, Any]) -> Image:
    return Image(slug=body["slug"], name=body["name"], distribution=body["distribution"])


def read_key(body: Mapping[str, Any]) -> SshKey:
    return SshKey(id=str(body["id"]), name=body["name"], public_key=body["public_key"])


def read_network(body: Mapping[str, Any]) -> Network:
    return Network(id=body["id"], name=body["name"], region=body["region"], ip_range=body["ip_range"])


_STATUS = {"new": MachineStatus.BUILDING, "active": MachineStatus.RUNNING}


def read_machine(body: Mapping[str, Any]) -> Machine:
    networks = body.get("networks") or {}

    def address(version: str, kind: str) -> str:
        found = (net["ip_address"] for net in networks.get(version) or () if net["type"] == kind)
        return next(found, "")

    return Machine(
        id=str(body["id"]),
        name=body["name"],
        status=_STATUS.get(body["status"], MachineStatus.OFF),
        region=body["region"]["slug"],
        size=body["size_slug"],
        tags=tuple(body["tags"]),
        public_ipv4=address("v4", "public"),
        public_ipv6=address("v6", "public"),
        private_ipv4=address("v4", "private"),
        price_per_month=Decimal(str(body["size"]["price_monthly"])),
        created_at=body["created_at"],
    )


def read_snapshot(body: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=str(body["id"]),
        name=body["name"],
        size_gib=Decimal(str(body["size_gigabytes"])),
        created_at=body["created_at"],
    )


def read_bucket_key(body: Mapping[str, Any]) -> BucketKey:
    """Rights that nobody here asks for are left out: such a key is not what was wanted, and that is all to be told."""
    known = {each.value for each in Permission}
    grants = ((str(grant.get("bucket") or ""), str(grant.get("permission"))) for grant in body.get("grants") or ())
    return BucketKey(
        str(body["access_key"]),
        frozenset(BucketGrant(bucket, Permission(may)) for bucket, may in grants if may in known),
    )


def firewall_body(name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Mapping[str, Any]:
    """The firewall as it is sent, whole: what a PUT leaves out would be removed."""
    return {
        "name": name,
        "tags": [tag],
        "inbound_rules": [
            {
                "protocol": rule.protocol.value,
                "ports": str(rule.port),
                "sources": {"addresses": [_cidr(source) for source in rule.sources]},
            }
            for rule in inbound
        ],
        "outbound_rules": list(OUTBOUND),
    }


def read_firewall(body: Mapping[str, Any]) -> Firewall:
    rules = tuple(_read_rule(rule) for rule in body.get("inbound_rules") or ())
    return Firewall(id=body["id"], name=body["name"], tag=",".join(body.get("tags") or ()), inbound=rules)


def _read_rule(body: Mapping[str, Any]) -> InboundRule:
    """A rule; one that somebody wrote by hand and our values cannot express still differs from each of ours."""
    ports = body.get("ports") or "0"
    sources = body.get("sources") or {}
    others = [f"{kind}:{value}" for kind, values in sources.items() if kind != "addresses" for value in values or ()]
    return InboundRule(
        protocol=Protocols(body["protocol"]),
        port=int(ports) if ports.isdecimal() else -1,
        sources=(*(_cidr(address) for address in sources.get("addresses") or ()), *others),
    )


def _cidr(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        return address


_TAG = re.compile(r"[A-Za-z0-9_:-]{1,255}")


def check_tag(tag: str) -> None:
    """Refuses a tag that the API would refuse, before anything is made.

    Raises:
        UsageError: it has other characters or is too long.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(f"A tag has letters, digits, colon, hyphen and underscore, at most 255: {tag!r}.")
