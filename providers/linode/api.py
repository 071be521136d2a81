"""Linode's API v4 as data: its operations, its dialect, and its JSON read into the values of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

from providers.contract import Image, Machine, MachineStatus, Network, SshKey
from providers.linode.labels import NETWORK, machine_name, name_of
from providers.operations import Dialect, Operation, Refusal
from providers.refusals import Forbidden
from state.errors import Conflict, ProviderError

ACCOUNT = Operation("GET", "/v4/account")
PROFILE = Operation("GET", "/v4/profile")
REGIONS = Operation("GET", "/v4/regions", "data")
AVAILABILITY = Operation("GET", "/v4/regions/availability", "data")
TYPES = Operation("GET", "/v4/linode/types", "data")
IMAGES = Operation("GET", "/v4/images", "data")
CREATE_IMAGE = Operation("POST", "/v4/images")
DELETE_IMAGE = Operation("DELETE", "/v4/images/private/{number}")
KEYS = Operation("GET", "/v4/profile/sshkeys", "data")
CREATE_KEY = Operation("POST", "/v4/profile/sshkeys")
DELETE_KEY = Operation("DELETE", "/v4/profile/sshkeys/{id}")
NETWORKS = Operation("GET", "/v4/vpcs", "data")
CREATE_NETWORK = Operation("POST", "/v4/vpcs")
NETWORK_OF = Operation("GET", "/v4/vpcs/{id}")
DELETE_NETWORK = Operation("DELETE", "/v4/vpcs/{id}")
PRIVATE_ADDRESSES = Operation("GET", "/v4/vpcs/ips", "data")
MACHINES = Operation("GET", "/v4/linode/instances", "data")
CREATE_MACHINE = Operation("POST", "/v4/linode/instances")
MACHINE = Operation("GET", "/v4/linode/instances/{id}")
DELETE_MACHINE = Operation("DELETE", "/v4/linode/instances/{id}")
DISKS = Operation("GET", "/v4/linode/instances/{id}/disks", "data")
BOOT = Operation("POST", "/v4/linode/instances/{id}/boot")
SHUT_DOWN = Operation("POST", "/v4/linode/instances/{id}/shutdown")
FIREWALLS = Operation("GET", "/v4/networking/firewalls", "data")
CREATE_FIREWALL = Operation("POST", "/v4/networking/firewalls")
CHANGE_FIREWALL = Operation("PUT", "/v4/networking/firewalls/{id}")
DELETE_FIREWALL = Operation("DELETE", "/v4/networking/firewalls/{id}")
PUT_RULES = Operation("PUT", "/v4/networking/firewalls/{id}/rules")
DEVICES = Operation("GET", "/v4/networking/firewalls/{id}/devices", "data")
CREATE_DEVICE = Operation("POST", "/v4/networking/firewalls/{id}/devices")
DELETE_DEVICE = Operation("DELETE", "/v4/networking/firewalls/{id}/devices/{device}")
ZONES = Operation("GET", "/v4/domains", "data")
CREATE_ZONE = Operation("POST", "/v4/domains")
RECORDS = Operation("GET", "/v4/domains/{zone}/records", "data")
CREATE_RECORD = Operation("POST", "/v4/domains/{zone}/records")
PUT_RECORD = Operation("PUT", "/v4/domains/{zone}/records/{id}")
DELETE_RECORD = Operation("DELETE", "/v4/domains/{zone}/records/{id}")
DATABASE_TYPES = Operation("GET", "/v4/databases/types", "data")
DATABASE_ENGINES = Operation("GET", "/v4/databases/engines", "data")
DATABASES = Operation("GET", "/v4/databases/{engine}/instances", "data")
CREATE_DATABASE = Operation("POST", "/v4/databases/{engine}/instances")
DATABASE = Operation("GET", "/v4/databases/{engine}/instances/{id}")
CHANGE_DATABASE = Operation("PUT", "/v4/databases/{engine}/instances/{id}")
DELETE_DATABASE = Operation("DELETE", "/v4/databases/{engine}/instances/{id}")
DATABASE_LOGIN = Operation("GET", "/v4/databases/{engine}/instances/{id}/credentials")
DATABASE_CA = Operation("GET", "/v4/databases/{engine}/instances/{id}/ssl")
STORES = Operation("GET", "/v4/object-storage/endpoints", "data")
BUCKETS = Operation("GET", "/v4/object-storage/buckets", "data")
BUCKET_KEYS = Operation("GET", "/v4/object-storage/keys", "data")
CREATE_BUCKET_KEY = Operation("POST", "/v4/object-storage/keys")
DELETE_BUCKET_KEY = Operation("DELETE", "/v4/object-storage/keys/{id}")

#: The API answers 400 for what others call 409; only its words tell them apart.
_TAKEN = re.compile(
    r"must be unique|\balready\b|\bbusy\b|\bin use\b|\bstill\b|\battached\b|must first|must be active", re.IGNORECASE
)
#: It says 401 both to a token it does not know ("Invalid Token") and to one without the scope; its pages on 401 and 403
#: promise otherwise, clients have recorded this (docs/providers/linode.md).
_NO_SCOPE = re.compile(r"not authorized to use this endpoint", re.IGNORECASE)

#: What Linode's own private addresses, which are no VPC's, are taken from.
_OLD_PRIVATE = ip_network("192.168.128.0/17")


def _explain(status: int, body: Any) -> Refusal | None:
    if not isinstance(body, Mapping) or not isinstance(body.get("errors"), list) or not body["errors"]:
        return None
    message = "; ".join(
        ": ".join(str(error[key]) for key in ("field", "reason") if error.get(key)) for error in body["errors"]
    )
    if status == 401 and _NO_SCOPE.search(message):
        return Refusal(Forbidden, message)
    if status == 400 and _TAKEN.search(message):
        return Refusal(Conflict, message)
    if status == 400 and "limit" in message:
        return Refusal(ProviderError, message, hint="Remove what is not needed, or ask the vendor for a higher limit.")
    return Refusal(ProviderError, message)


def _next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return {**query, "page": int(body["page"]) + 1} if int(body["page"]) < int(body["pages"]) else None


DIALECT = Dialect(
    "Linode",
    explain=_explain,
    next_page=_next_page,
    # The largest page there is; techdocs.akamai.com/linode-api/reference/pagination.
    first_page={"page_size": 500},
    total=lambda body: int(body["results"]),
)


def read_key(body: Mapping[str, Any]) -> SshKey:
    return SshKey(id=str(body["id"]), name=body["label"], public_key=body["ssh_key"])


def read_network(body: Mapping[str, Any]) -> Network:
    """A VPC by its first subnet: ours have one."""
    subnets = body.get("subnets") or ()
    return Network(
        id=str(body["id"]),
        name=name_of(body["label"], body.get("description") or "", NETWORK),
        region=body["region"],
        ip_range=next((subnet["ipv4"] for subnet in subnets), ""),
    )


def read_image(body: Mapping[str, Any]) -> Image | None:
    """A distribution that reads our user data; None for all else."""
    vendor = body.get("vendor")
    if not body["is_public"] or body["deprecated"] or vendor not in ("Debian", "Ubuntu"):
        return None
    if "cloud-init" not in body["capabilities"] or body["status"] != "available":
        return None
    return Image(slug=body["id"], name=body["label"].removeprefix(vendor).strip(), distribution=vendor)


#: All other states are on their way to one of these.
_STATUS = {
    "running": MachineStatus.RUNNING,
    "offline": MachineStatus.OFF,
    "stopped": MachineStatus.OFF,
    "billing_suspension": MachineStatus.OFF,
}


def read_status(body: Mapping[str, Any]) -> MachineStatus:
    return _STATUS.get(body["status"], MachineStatus.BUILDING)


def read_machine(body: Mapping[str, Any], private_ipv4: str, price_per_month: Decimal) -> Machine:
    """A machine; its private address and its price are told elsewhere."""
    public = (address for address in body["ipv4"] or () if ip_address(address) not in _OLD_PRIVATE)
    return Machine(
        id=str(body["id"]),
        name=machine_name(body["label"]),
        status=read_status(body),
        region=body["region"],
        size=body["type"],
        tags=tuple(body["tags"]),
        public_ipv4=next(public, ""),
        public_ipv6=(body.get("ipv6") or "").partition("/")[0],
        private_ipv4=private_ipv4,
        price_per_month=price_per_month,
        created_at=moment(body["created"]),
    )


def moment(text: str) -> str:
    """A time of the API, which is UTC without saying so."""
    return f"{text}Z" if text and text[-1] != "Z" and "+" not in text else text


def price_in(body: Mapping[str, Any], region: str) -> Decimal:
    """US dollars a month of a type in that region; 0 where the API names none (GPUs)."""
    regional = (each["monthly"] for each in body.get("region_prices") or () if each["id"] == region)
    price = next(regional, (body.get("price") or {}).get("monthly"))
    return Decimal(str(price or 0))
