"""Vultr's API v2 as data: its operations, its dialect, and its JSON read into the values of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from providers.contract import Machine, MachineStatus, Network, Snapshot, SshKey
from providers.operations import Dialect, Operation, Refusal
from state.errors import Conflict, NotFound, ProviderError, Unauthorized, UsageError

ACCOUNT = Operation("GET", "/v2/account")
REGIONS = Operation("GET", "/v2/regions", "regions")
PLANS = Operation("GET", "/v2/plans", "plans")
SYSTEMS = Operation("GET", "/v2/os", "os")
KEYS = Operation("GET", "/v2/ssh-keys", "ssh_keys")
CREATE_KEY = Operation("POST", "/v2/ssh-keys")
DELETE_KEY = Operation("DELETE", "/v2/ssh-keys/{id}")
NETWORKS = Operation("GET", "/v2/vpcs", "vpcs")
CREATE_NETWORK = Operation("POST", "/v2/vpcs")
DELETE_NETWORK = Operation("DELETE", "/v2/vpcs/{id}")
MACHINES = Operation("GET", "/v2/instances", "instances")
CREATE_MACHINE = Operation("POST", "/v2/instances")
MACHINE = Operation("GET", "/v2/instances/{id}")
CHANGE_MACHINE = Operation("PATCH", "/v2/instances/{id}", repeatable=True)
DELETE_MACHINE = Operation("DELETE", "/v2/instances/{id}")
HALT = Operation("POST", "/v2/instances/{id}/halt")
START = Operation("POST", "/v2/instances/{id}/start")
SNAPSHOTS = Operation("GET", "/v2/snapshots", "snapshots")
CREATE_SNAPSHOT = Operation("POST", "/v2/snapshots")
DELETE_SNAPSHOT = Operation("DELETE", "/v2/snapshots/{id}")
GROUPS = Operation("GET", "/v2/firewalls", "firewall_groups")
CREATE_GROUP = Operation("POST", "/v2/firewalls")
CHANGE_GROUP = Operation("PUT", "/v2/firewalls/{id}")
DELETE_GROUP = Operation("DELETE", "/v2/firewalls/{id}")
RULES = Operation("GET", "/v2/firewalls/{id}/rules", "firewall_rules")
CREATE_RULE = Operation("POST", "/v2/firewalls/{id}/rules")
DELETE_RULE = Operation("DELETE", "/v2/firewalls/{id}/rules/{rule}")
ZONES = Operation("GET", "/v2/domains", "domains")
CREATE_ZONE = Operation("POST", "/v2/domains")
RECORDS = Operation("GET", "/v2/domains/{zone}/records", "records")
CREATE_RECORD = Operation("POST", "/v2/domains/{zone}/records")
PATCH_RECORD = Operation("PATCH", "/v2/domains/{zone}/records/{id}", repeatable=True)
DELETE_RECORD = Operation("DELETE", "/v2/domains/{zone}/records/{id}")
DATABASE_PLANS = Operation("GET", "/v2/databases/plans", "plans")
DATABASES = Operation("GET", "/v2/databases", "databases")
CREATE_DATABASE = Operation("POST", "/v2/databases")
DATABASE = Operation("GET", "/v2/databases/{id}")
CHANGE_DATABASE = Operation("PUT", "/v2/databases/{id}")
DELETE_DATABASE = Operation("DELETE", "/v2/databases/{id}")
STORES = Operation("GET", "/v2/object-storage", "object_storages")
CREATE_STORE = Operation("POST", "/v2/object-storage")
STORE = Operation("GET", "/v2/object-storage/{id}")
DELETE_STORE = Operation("DELETE", "/v2/object-storage/{id}")
STORE_BUCKETS = Operation("GET", "/v2/object-storage/{id}/bucket", "buckets")
CLUSTERS = Operation("GET", "/v2/object-storage/clusters", "clusters")
CLUSTER_TIERS = Operation("GET", "/v2/object-storage/clusters/{id}/tiers", "tiers")

#: What the key's owner must be allowed, by the API's names (description, ``account.acls``), and what for.
RIGHTS: Mapping[str, str] = {
    "subscriptions_view": "sees the machines",
    "subscriptions": "switches and deletes machines",
    "provisioning": "makes machines, networks and databases",
    "firewall": "keeps the firewalls",
    "dns": "keeps the site's records",
    "objstore": "has the object store",
}

#: The API answers 400 for what others call 409; only its words tell them apart. Seen: "VPC is attached to 192.0.2.7"
#: (github.com/vultr/terraform-provider-vultr/issues/355), "Server is currently locked"
#: (github.com/vultr/ansible-collection-vultr/issues/113).
_TAKEN = re.compile(r"\balready\b|\battached to\b|\bin use\b|\blocked\b|\bduplicate\b|\bnot ready\b", re.IGNORECASE)

#: And 400 for some of what others call 404. Each of these is a sentence that the vendor's own Terraform provider
#: compares answers with (github.com/vultr/terraform-provider-vultr, ``resource_vultr_*.go``).
_GONE = re.compile(
    r"^invalid (vpc|database|ssh[ -]key|instance|snapshot|firewall group|firewall rule|domain)\b[\w ]*\.?$"
    r"|not a valid database subscription uuid|\bnot found\b|pending destruction",
    re.IGNORECASE,
)
_FOREIGN_ADDRESS = re.compile(r"unauthorized ip", re.IGNORECASE)


def _explain(status: int, body: Any) -> Refusal | None:
    if not isinstance(body, Mapping) or not body.get("error"):
        return None
    message = str(body["error"])
    if status == 401 and _FOREIGN_ADDRESS.search(message):
        return Refusal(
            Unauthorized,
            message,
            hint="Let that address in at Vultr: Account, API, Access Control. The site's machines use the key as well.",
        )
    if status in (400, 403, 409, 422):
        if _TAKEN.search(message):
            return Refusal(Conflict, message)
        if status != 403 and _GONE.search(message):
            return Refusal(NotFound, message)
        if "limit" in message.lower():
            return Refusal(ProviderError, message, hint="Remove what is not needed, or ask Vultr for a higher limit.")
    return Refusal(ProviderError, message)


def _next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    following = ((body.get("meta") or {}).get("links") or {}).get("next")
    return {**query, "cursor": str(following)} if following else None


def _total(body: Any) -> int | None:
    total = (body.get("meta") or {}).get("total")
    return int(total) if total is not None else None


#: 500 a page is the most: the description's "Default is 100 and Max is 500".
DIALECT = Dialect("Vultr", explain=_explain, next_page=_next_page, first_page={"per_page": 500}, total=_total)


def read_key(body: Mapping[str, Any]) -> SshKey:
    return SshKey(id=body["id"], name=body["name"], public_key=body["ssh_key"])


def read_network(body: Mapping[str, Any]) -> Network:
    return Network(
        id=body["id"],
        name=body.get("description") or "",
        region=body["region"],
        ip_range=f"{body['v4_subnet']}/{body['v4_subnet_mask']}",
    )


def read_machine(body: Mapping[str, Any], prices: Mapping[str, Decimal]) -> Machine:
    """A machine; ``prices`` by plan, 0 for one of a plan that is sold no more."""
    networks: Sequence[Mapping[str, Any]] = body.get("v6_networks") or ({},)
    return Machine(
        id=body["id"],
        name=body.get("label") or body.get("hostname") or "",
        status=_status(body),
        region=body["region"],
        size=body["plan"],
        tags=tuple(body.get("tags") or ()),
        public_ipv4=_address(body.get("main_ip")),
        # The description has an array; the API answers flat fields (github.com/vultr/govultr, instance.go).
        public_ipv6=_address(body.get("v6_main_ip") or networks[0].get("main_ip")),
        private_ipv4=_address(body.get("internal_ip")),
        price_per_month=prices.get(body["plan"], Decimal(0)),
        created_at=body["date_created"],
    )


def _status(body: Mapping[str, Any]) -> MachineStatus:
    # As the vendor's Terraform provider waits: until "active", then until "running".
    if body["status"] == "pending":
        return MachineStatus.BUILDING
    if body["status"] == "active" and body["power_status"] == "running":
        return MachineStatus.RUNNING
    return MachineStatus.OFF


def _address(text: Any) -> str:
    # 0.0.0.0 stands for an address that is not given out yet
    return "" if text in (None, "0.0.0.0", "::") else str(text)  # noqa: S104


def read_snapshot(body: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=body["id"],
        name=body.get("description") or "",
        size_gib=round(Decimal(body.get("size") or 0) / 1024**3, 2),
        created_at=body["date_created"],
    )


#: The description sets no limits. These are ours: letters that survive a query, and the length of a DNS name.
LONGEST_TAG = 255
_TAG = re.compile(rf"[A-Za-z0-9_:.-]{{1,{LONGEST_TAG}}}")


def check_tag(tag: str) -> None:
    """Refuses a tag that could be read back differently, before anything is made.

    Raises:
        UsageError: it has other characters or is too long.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"A tag has letters, digits, colon, dot, hyphen and underscore, at most {LONGEST_TAG}: {tag!r}."
        )
