"""Exoscale's API v2 as data: its operations, its dialect, and the texts that carry what it has no field for."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from providers.contract import SshKey
from providers.operations import Dialect, Operation, Refusal
from providers.refusals import Forbidden
from state.errors import Conflict, NotFound, ProviderError, Unauthorized, UsageError

ZONES = Operation("GET", "/v2/zone", "zones")
ORGANIZATION = Operation("GET", "/v2/organization")
OPERATION = Operation("GET", "/v2/operation/{id}")
TYPES = Operation("GET", "/v2/instance-type", "instance-types")
TEMPLATES = Operation("GET", "/v2/template", "templates")
DELETE_TEMPLATE = Operation("DELETE", "/v2/template/{id}")
KEYS = Operation("GET", "/v2/ssh-key", "ssh-keys")
CREATE_KEY = Operation("POST", "/v2/ssh-key")
DELETE_KEY = Operation("DELETE", "/v2/ssh-key/{name}")
NETWORKS = Operation("GET", "/v2/private-network", "private-networks")
NETWORK = Operation("GET", "/v2/private-network/{id}")
CREATE_NETWORK = Operation("POST", "/v2/private-network")
DELETE_NETWORK = Operation("DELETE", "/v2/private-network/{id}")
#: A machine that is put on a network twice has two interfaces there.
JOIN_NETWORK = Operation("PUT", "/v2/private-network/{id}:attach", repeatable=False)
MACHINES = Operation("GET", "/v2/instance", "instances")
MACHINE = Operation("GET", "/v2/instance/{id}")
CREATE_MACHINE = Operation("POST", "/v2/instance")
DELETE_MACHINE = Operation("DELETE", "/v2/instance/{id}")
START = Operation("PUT", "/v2/instance/{id}:start")
STOP = Operation("PUT", "/v2/instance/{id}:stop")
CREATE_SNAPSHOT = Operation("POST", "/v2/instance/{id}:create-snapshot")
SNAPSHOTS = Operation("GET", "/v2/snapshot", "snapshots")
SNAPSHOT = Operation("GET", "/v2/snapshot/{id}")
DELETE_SNAPSHOT = Operation("DELETE", "/v2/snapshot/{id}")
PROMOTE = Operation("POST", "/v2/snapshot/{id}:promote")
GROUPS = Operation("GET", "/v2/security-group", "security-groups")
GROUP = Operation("GET", "/v2/security-group/{id}")
CREATE_GROUP = Operation("POST", "/v2/security-group")
DELETE_GROUP = Operation("DELETE", "/v2/security-group/{id}")
ADD_RULE = Operation("POST", "/v2/security-group/{id}/rules")
DELETE_RULE = Operation("DELETE", "/v2/security-group/{id}/rules/{rule}")
JOIN_GROUP = Operation("PUT", "/v2/security-group/{id}:attach")
LEAVE_GROUP = Operation("PUT", "/v2/security-group/{id}:detach")
DOMAINS = Operation("GET", "/v2/dns-domain", "dns-domains")
CREATE_DOMAIN = Operation("POST", "/v2/dns-domain")
RECORDS = Operation("GET", "/v2/dns-domain/{domain}/record", "dns-domain-records")
CREATE_RECORD = Operation("POST", "/v2/dns-domain/{domain}/record")
CHANGE_RECORD = Operation("PUT", "/v2/dns-domain/{domain}/record/{id}")
DELETE_RECORD = Operation("DELETE", "/v2/dns-domain/{domain}/record/{id}")
DATABASES = Operation("GET", "/v2/dbaas-service", "dbaas-services")
DATABASE_KIND = Operation("GET", "/v2/dbaas-service-type/{kind}")
DATABASE_AUTHORITY = Operation("GET", "/v2/dbaas-ca-certificate")
#: ``kind`` is the engine as paths have it: ``mysql``, ``postgres``.
DATABASE = Operation("GET", "/v2/dbaas-{kind}/{name}")
CREATE_DATABASE = Operation("POST", "/v2/dbaas-{kind}/{name}")
CHANGE_DATABASE = Operation("PUT", "/v2/dbaas-{kind}/{name}")
DATABASE_PASSWORD = Operation("GET", "/v2/dbaas-{kind}/{name}/user/{user}/password/reveal")
DELETE_DATABASE = Operation("DELETE", "/v2/dbaas-service/{name}")
ROLES = Operation("GET", "/v2/iam-role", "iam-roles")
ROLE = Operation("GET", "/v2/iam-role/{id}")
CREATE_ROLE = Operation("POST", "/v2/iam-role")
CHANGE_POLICY = Operation("PUT", "/v2/iam-role/{id}:policy")
DELETE_ROLE = Operation("DELETE", "/v2/iam-role/{id}")
BUCKET_KEYS = Operation("GET", "/v2/api-key", "api-keys")
CREATE_BUCKET_KEY = Operation("POST", "/v2/api-key")
DELETE_BUCKET_KEY = Operation("DELETE", "/v2/api-key/{key}")

#: What a key must be able to read: operation and service as its role's policy names them, and what it is for.
READ_RIGHTS: Mapping[str, Operation] = {
    "list-instances of compute (finds the machines)": MACHINES,
    "list-instance-types of compute (sizes of machines)": TYPES,
    "list-templates of compute (images and snapshots)": TEMPLATES,
    "list-snapshots of compute (makes images of machines)": SNAPSHOTS,
    "list-ssh-keys of compute (the machines' keys)": KEYS,
    "list-private-networks of compute (the private network)": NETWORKS,
    "list-security-groups of compute (the firewalls)": GROUPS,
    "list-dns-domains of dns (the site's address, certificates)": DOMAINS,
    "list-dbaas-services of dbaas (managed databases)": DATABASES,
    "list-iam-roles of iam (what keys for buckets may do)": ROLES,
    "list-api-keys of iam (keys for buckets)": BUCKET_KEYS,
}


class QuotaReached(ProviderError):
    """The organization has as many of these as it may have."""


_QUOTA = re.compile(r"\bquota\b|limit (?:was |is )?(?:reached|exceeded)", re.IGNORECASE)
#: The vendor's own client takes 403 for "who are you?" as well as for "you may not"; only its words tell them apart.
_STRANGER = re.compile(r"signature|credential|api key|expired|authenticat", re.IGNORECASE)


def _explain(status: int, body: Any) -> Refusal | None:
    message = str(body.get("message") or "") if isinstance(body, Mapping) else ""
    if 400 <= status < 500 and _QUOTA.search(message):
        hint = "Remove what is not needed, or ask the vendor in the portal under Organization, Quotas for more."
        return Refusal(QuotaReached, message, hint)
    if status == 403 and _STRANGER.search(message):
        return Refusal(Unauthorized, message)
    if status in (409, 412, 423):
        return Refusal(Conflict, message)
    return Refusal(ProviderError, message) if message else None


def _no_more_pages(_body: Any, _query: Mapping[str, Any]) -> None:
    """The API has no pages: a list comes whole."""


#: How Exoscale speaks.
DIALECT = Dialect("Exoscale", explain=_explain, next_page=_no_more_pages, first_page={})

#: Why an operation failed, as far as it is more than "it failed".
REASONS: Mapping[str, type[ProviderError]] = {
    "busy": Conflict,
    "conflict": Conflict,
    "forbidden": Forbidden,
    "not-found": NotFound,
}


# Ids: most things live in one zone, and only its host knows them.


def zoned(zone: str, uuid: str) -> str:
    """The id under which the rest of Buildyard knows a thing of one zone."""
    return f"{uuid}@{zone}"


def unzoned(an_id: str) -> tuple[str, str]:
    """Its zone and the vendor's own id.

    Raises:
        UsageError: it is none of ours.
    """
    uuid, _, zone = an_id.partition("@")
    if not uuid or not zone:
        raise UsageError(f"{an_id!r} is no id of a thing at Exoscale: they read ID@ZONE.")
    return zone, uuid


# Tags: the vendor has labels, a key and a value each. A label's value begins with no digit, holds letters, digits and
# * + ! - _ ? only, and is at most 128 characters long (community.exoscale.com/documentation/compute/labels). So tags
# are values, one a label; what a value may not hold is written with characters that no tag has.

#: Leaves room for the mark before a digit.
LONGEST_TAG = 127
_TAG = re.compile(rf"[A-Za-z0-9_:-]{{1,{LONGEST_TAG}}}")
_LABEL = re.compile(r"buildyard-(\d+)")
_MARK, _COLON = "!", "+"


def check_tag(tag: str) -> None:
    """Refuses a tag that does not fit into a label, before anything is made.

    Raises:
        UsageError: it has other characters or is too long.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"A tag has letters, digits, colon, hyphen and underscore, at most {LONGEST_TAG} here: {tag!r}."
        )


def labels_of(tags: Iterable[str]) -> dict[str, str]:
    """The labels that carry these tags."""
    return {
        f"buildyard-{number}": (_MARK if tag[:1].isdigit() else "") + tag.replace(":", _COLON)
        for number, tag in enumerate(dict.fromkeys(tags))
    }


def tags_of(labels: Mapping[str, str] | None) -> tuple[str, ...]:
    """The tags that such labels carry; labels of others are left out."""
    numbered = [(int(found[1]), value) for key, value in (labels or {}).items() if (found := _LABEL.fullmatch(key))]
    return tuple(value.removeprefix(_MARK).replace(_COLON, ":") for _, value in sorted(numbered))


# SSH keys: the vendor tells names and fingerprints only, and knows a key by its name. So the key itself is in the
# name: our name, a dot, and the key's bytes in base64url. A name has 255 characters at most, enough for ed25519.

_LONGEST_KEY_NAME = 255


def key_name(name: str, public_key: str) -> str:
    """The vendor's name of a key.

    Raises:
        UsageError: it is no key, or too long to be kept in a name.
    """
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
        _kind_of(blob)
    except (IndexError, ValueError) as error:
        raise UsageError(f"The SSH key {name} is no public key in OpenSSH's form.") from error
    whole = f"{name}.{base64.urlsafe_b64encode(blob).decode().rstrip('=')}"
    if len(whole) > _LONGEST_KEY_NAME:
        raise UsageError(f"The SSH key {name} is too long for Exoscale.", hint="use an ed25519 key")
    return whole


def read_key(body: Mapping[str, Any]) -> SshKey:
    """A key as listed; somebody else's has an unknown public half."""
    vendors_name = str(body["name"])
    name, _, text = vendors_name.rpartition(".")
    try:
        blob = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        public_key = f"{_kind_of(blob)} {base64.b64encode(blob).decode()}"
    except (binascii.Error, ValueError):
        return SshKey(vendors_name, vendors_name, "")
    return SshKey(vendors_name, name, public_key)


def _kind_of(blob: bytes) -> str:
    """The kind a key's bytes begin with (RFC 4253, 6.6)."""
    length = int.from_bytes(blob[:4], "big")
    kind = blob[4 : 4 + length].decode("ascii")
    if not 0 < length < len(blob) or not re.fullmatch(r"[a-z0-9@.-]+", kind):
        raise ValueError("no public key")
    return kind
