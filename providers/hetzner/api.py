"""Hetzner Cloud's API v1 as data: its operations, its dialect, and its JSON read into the values of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

from providers.contract import Image, Machine, MachineStatus, Network, Snapshot, SshKey
from providers.operations import Dialect, Operation, Refusal
from providers.refusals import Forbidden, Unsent
from state.errors import Conflict, ProviderError, UsageError

LOCATIONS = Operation("GET", "/v1/locations", "locations")
SERVER_TYPES = Operation("GET", "/v1/server_types", "server_types")
PRICING = Operation("GET", "/v1/pricing")
IMAGES = Operation("GET", "/v1/images", "images")
IMAGE = Operation("GET", "/v1/images/{id}")
DELETE_IMAGE = Operation("DELETE", "/v1/images/{id}")
KEYS = Operation("GET", "/v1/ssh_keys", "ssh_keys")
CREATE_KEY = Operation("POST", "/v1/ssh_keys")
RENAME_KEY = Operation("PUT", "/v1/ssh_keys/{id}")
DELETE_KEY = Operation("DELETE", "/v1/ssh_keys/{id}")
NETWORKS = Operation("GET", "/v1/networks", "networks")
CREATE_NETWORK = Operation("POST", "/v1/networks")
NETWORK = Operation("GET", "/v1/networks/{id}")
DELETE_NETWORK = Operation("DELETE", "/v1/networks/{id}")
SERVERS = Operation("GET", "/v1/servers", "servers")
CREATE_SERVER = Operation("POST", "/v1/servers")
SERVER = Operation("GET", "/v1/servers/{id}")
DELETE_SERVER = Operation("DELETE", "/v1/servers/{id}")
POWER_OFF = Operation("POST", "/v1/servers/{id}/actions/poweroff")
POWER_ON = Operation("POST", "/v1/servers/{id}/actions/poweron")
CREATE_IMAGE = Operation("POST", "/v1/servers/{id}/actions/create_image")
ACTION = Operation("GET", "/v1/actions/{id}")
FIREWALLS = Operation("GET", "/v1/firewalls", "firewalls")
CREATE_FIREWALL = Operation("POST", "/v1/firewalls")
FIREWALL = Operation("GET", "/v1/firewalls/{id}")
DELETE_FIREWALL = Operation("DELETE", "/v1/firewalls/{id}")
SET_RULES = Operation("POST", "/v1/firewalls/{id}/actions/set_rules", repeatable=True)
APPLY = Operation("POST", "/v1/firewalls/{id}/actions/apply_to_resources", repeatable=True)
REMOVE = Operation("POST", "/v1/firewalls/{id}/actions/remove_from_resources", repeatable=True)
ZONES = Operation("GET", "/v1/zones", "zones")
CREATE_ZONE = Operation("POST", "/v1/zones")
ZONE = Operation("GET", "/v1/zones/{zone}")
RECORD_SETS = Operation("GET", "/v1/zones/{zone}/rrsets", "rrsets")
CREATE_RECORD_SET = Operation("POST", "/v1/zones/{zone}/rrsets")
RECORD_SET = Operation("GET", "/v1/zones/{zone}/rrsets/{name}/{type}")
SET_RECORDS = Operation("POST", "/v1/zones/{zone}/rrsets/{name}/{type}/actions/set_records", repeatable=True)
CHANGE_TTL = Operation("POST", "/v1/zones/{zone}/rrsets/{name}/{type}/actions/change_ttl", repeatable=True)
DELETE_RECORD_SET = Operation("DELETE", "/v1/zones/{zone}/rrsets/{name}/{type}")

#: The largest id there can be (the description's ``maximum``): nothing has it.
NO_ID = str(2**53 - 1)


class LimitReached(ProviderError):
    """The project may not have more of something; the vendor answers 403, which is no fault of the token's."""


class AlreadyApplied(ProviderError):
    """The firewall guards that already."""


#: What the vendor's codes mean to us; the codes are those of its Go client,
#: https://github.com/hetznercloud/hcloud-go/blob/main/hcloud/error.go
_ERRORS: Mapping[str, type[ProviderError]] = {
    "uniqueness_error": Conflict,
    "locked": Conflict,
    "resource_in_use": Conflict,
    "firewall_already_applied": AlreadyApplied,
    # Something else changed the thing in that moment: nothing was done, and the vendor wants it asked again.
    "conflict": Unsent,
    "token_readonly": Forbidden,
    "resource_limit_exceeded": LimitReached,
}
_HINTS: Mapping[str, str] = {
    "token_readonly": "Make a token with Read & Write in Hetzner Console and give it with: buildyard new",
    "resource_limit_exceeded": "Remove what is not needed, or ask for a higher limit in Hetzner Console under Limits.",
    "resource_unavailable": "Hetzner has none of that size in that region now; choose another size or region.",
    "placement_error": "Hetzner found no room for it; try again later, or choose another size or region.",
    "protected": "Take its protection off in Hetzner Console, then repeat the command.",
}


def _explain(_status: int, body: Any) -> Refusal | None:
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping) or not error.get("code"):
        return None
    code, details = str(error["code"]), error.get("details")
    fields = details.get("fields") if isinstance(details, Mapping) else None
    parts = [f"{error.get('message', '')} ({code})"]
    parts += [f"{each.get('name')}: {' '.join(map(str, each.get('messages') or ()))}" for each in fields or ()]
    return Refusal(_ERRORS.get(code, ProviderError), "; ".join(parts), _HINTS.get(code, ""))


def _next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    following = body["meta"]["pagination"]["next_page"]
    return None if following is None else {**query, "page": int(following)}


def _total(body: Any) -> int | None:
    total = body["meta"]["pagination"]["total_entries"]
    return None if total is None else int(total)


#: 50 is the largest page of most lists (API reference, "Pagination").
DIALECT = Dialect(
    "Hetzner", explain=_explain, next_page=_next_page, first_page={"per_page": 50, "page": 1}, total=_total
)


# Tags are labels without a value; what else we must remember are labels with one.

#: The machine's name for us: at the vendor a server's name is unique in a project, so it is made of the action's tag.
NAME_LABEL = "buildyard-name"
#: A network belongs to a zone of several locations; for us it belongs to the one it was made for.
REGION_LABEL = "buildyard-region"

#: A label's key (API reference, "Labels"), without the prefix nobody here needs.
_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
LONGEST_TAG = 63


def check_tag(tag: str) -> None:
    """Refuses a tag that cannot be the key of a label, before anything is made.

    Raises:
        UsageError: it has other characters or is too long.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"A tag has letters, digits, hyphen, underscore and dot, at most {LONGEST_TAG}, and begins and ends with a "
            f"letter or digit: {tag!r}."
        )


def number(thing_id: str) -> int:
    """The id as the vendor writes it.

    Raises:
        UsageError: it is none of this vendor's.
    """
    if not thing_id.isdecimal():
        raise UsageError(f"Hetzner's ids are numbers: {thing_id!r} is none.")
    return int(thing_id)


def number_or_name(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


_DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu"}


def read_image(body: Mapping[str, Any]) -> Image | None:
    """One of the systems that Buildyard knows, None for others and for those that are going."""
    distribution = _DISTRIBUTIONS.get(body["os_flavor"])
    if distribution is None or not body["name"] or body["deprecated"]:
        return None
    return Image(slug=body["name"], name=str(body["os_version"]), distribution=distribution)


def read_key(body: Mapping[str, Any]) -> SshKey:
    return SshKey(id=str(body["id"]), name=body["name"], public_key=body["public_key"])


def read_network(body: Mapping[str, Any]) -> Network:
    region = (body.get("labels") or {}).get(REGION_LABEL, "")
    return Network(id=str(body["id"]), name=body["name"], region=region, ip_range=body["ip_range"])


#: All others (initializing, starting, migrating, rebuilding, unknown) cannot be used yet.
_STATUS = {
    "running": MachineStatus.RUNNING,
    "off": MachineStatus.OFF,
    "stopping": MachineStatus.OFF,
    "deleting": MachineStatus.OFF,
}


def read_machine(body: Mapping[str, Any], price_per_month: Decimal) -> Machine:
    public, known = body["public_net"], body["labels"]
    ipv4, ipv6 = (public.get(version) or {} for version in ("ipv4", "ipv6"))
    return Machine(
        id=str(body["id"]),
        name=known.get(NAME_LABEL) or body["name"],
        status=_STATUS.get(body["status"], MachineStatus.BUILDING),
        region=body["location"]["name"],
        size=body["server_type"]["name"],
        tags=tuple(key for key, value in known.items() if value == ""),
        public_ipv4=ipv4.get("ip") or "",
        public_ipv6=_first_host(ipv6.get("ip") or ""),
        private_ipv4=next((net["ip"] for net in body["private_net"] if net.get("ip")), ""),
        price_per_month=price_per_month,
        created_at=body["created"],
    )


def _first_host(network: str) -> str:
    """The machine's own address in the network that it is given: the vendor's images take the first."""
    return str(ip_network(network, strict=False)[1]) if network else ""


def read_snapshot(body: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=str(body["id"]),
        name=body["description"],
        size_gib=Decimal(str(body["image_size"] or 0)),
        created_at=body["created"],
    )
