"""Keys for Exoscale's object store (SOS): an API key each, bound to a role that lets it into its buckets only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Permission
from providers.exoscale import api
from providers.exoscale.zones import Zones
from state.errors import NotFound, Unavailable, UsageError
from state.secret import Secret

#: Marks the roles that Buildyard made: others are never changed or removed.
_OURS = "Buildyard: keys of this name"

#: A bucket's name (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html); it goes into an expression.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

#: Conditions in the vendor's expression language (community.exoscale.com/documentation/iam/iam-policies-guide):
#: operations are named as S3's, in lower case with hyphens.
_READS = "(operation.startsWith('get-') || operation.startsWith('list-') || operation.startsWith('head-'))"
#: All that is done to objects, and reading the bucket; not making, removing or changing buckets.
_READS_AND_WRITES = f"({_READS} || !operation.contains('bucket'))"
_MAY: Mapping[Permission, str] = {Permission.READ: _READS, Permission.READ_WRITE: _READS_AND_WRITES}


def _expression(grant: BucketGrant) -> str:
    return f"parameters.bucket == '{grant.bucket}' && {_MAY[grant.permission]}"


def policy(grants: tuple[BucketGrant, ...]) -> dict[str, Any]:
    """The role's policy that grants exactly this.

    Raises:
        UsageError: a grant is neither for one bucket nor for all of them.
    """
    if grants == FULL_ACCESS:
        return {"default-service-strategy": "deny", "services": {"sos": {"type": "allow"}}}
    for grant in grants:
        if grant.permission not in _MAY or not _BUCKET.fullmatch(grant.bucket):
            raise UsageError(f"A key cannot be let into {grant.bucket!r} for {grant.permission.value}.")
    rules = [{"action": "allow", "expression": _expression(grant)} for grant in grants]
    return {"default-service-strategy": "deny", "services": {"sos": {"type": "rules", "rules": rules}}}


def grants_of(a_policy: Mapping[str, Any] | None) -> frozenset[BucketGrant]:
    """What a policy grants; nothing that is known when it is not one of ours, for it may grant more than it seems."""
    known = a_policy or {}
    services = known.get("services") or {}
    if known.get("default-service-strategy") != "deny" or set(services) != {"sos"}:
        return frozenset()
    if services["sos"].get("type") == "allow":
        return frozenset(FULL_ACCESS)
    rules = services["sos"].get("rules") or ()
    found = [grant for rule in rules if (grant := _grant_of(rule)) is not None]
    return frozenset(found) if len(found) == len(rules) else frozenset()


def _grant_of(rule: Mapping[str, Any]) -> BucketGrant | None:
    named = re.match(r"parameters\.bucket == '([^']*)'", str(rule.get("expression")))
    grants = (BucketGrant(named[1] if named else "", permission) for permission in _MAY)
    return next((one for one in grants if rule == {"action": "allow", "expression": _expression(one)}), None)


@dataclass(frozen=True, slots=True)
class _Key:
    access_key: str
    name: str
    role_id: str


@dataclass(frozen=True, slots=True)
class BucketKeys:
    """The API keys of an organization, as far as they are for its buckets."""

    zones: Zones

    def create(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        """A new key in a role of its own name; older keys of that name are removed."""
        body = {"name": name, "role-id": self._ensure_role(name, policy(grants))}

        def pair(answer: Any) -> tuple[str, Secret]:
            return str(answer["key"]), Secret(str(answer["secret"]))

        # A secret is told once, in the create's answer: a key whose answer was lost is worthless and replaced.
        home = self.zones.home
        try:
            access_key, secret = home.read(api.CREATE_BUCKET_KEY, pair, body=body)
        except Unavailable:
            access_key, secret = home.read(api.CREATE_BUCKET_KEY, pair, body=body)
        for old in self._listed():
            if old.name == name and old.access_key != access_key:
                self._delete_key(old.access_key)
        return access_key, secret

    def named(self, name: str) -> tuple[BucketKey, ...]:
        """The keys of that very name, with what they may do."""
        keys = [key for key in self._listed() if key.name == name]
        grants = {role_id: self._grants(role_id) for role_id in {key.role_id for key in keys}}
        return tuple(BucketKey(key.access_key, grants[key.role_id]) for key in keys)

    def delete(self, access_key: str) -> None:
        """Removes a key, and its role with the last key that is in it."""
        listed = self._listed()
        self._delete_key(access_key)
        roles = {key.role_id for key in listed if key.access_key == access_key}
        roles -= {key.role_id for key in listed if key.access_key != access_key}
        for role_id in roles:
            if any(an_id == role_id for an_id, _, description in self._roles() if description == _OURS):
                self.zones.remove(self.zones.home, api.DELETE_ROLE.at(id=role_id), f"the role of key {access_key}")

    def _delete_key(self, access_key: str) -> None:
        self.zones.remove(self.zones.home, api.DELETE_BUCKET_KEY.at(key=access_key), f"key {access_key}")

    def _ensure_role(self, name: str, wanted: Mapping[str, Any]) -> str:
        def find() -> str | None:
            found = (
                an_id for an_id, its_name, description in self._roles() if (its_name, description) == (name, _OURS)
            )
            return next(found, None)

        body = {"name": name, "description": _OURS, "policy": wanted}
        role_id = self.zones.make(self.zones.home, api.CREATE_ROLE, f"the role {name}", body=body, find=find)
        standing = self.zones.home.read(api.ROLE.at(id=role_id), lambda answer: answer.get("policy"))
        if standing != wanted:
            operation = api.CHANGE_POLICY.at(id=role_id)
            self.zones.do(self.zones.home, operation, f"the policy of role {name}", body=wanted)
        return role_id

    def _grants(self, role_id: str) -> frozenset[BucketGrant]:
        try:
            return self.zones.home.read(api.ROLE.at(id=role_id), lambda body: grants_of(body.get("policy")))
        except NotFound:
            return frozenset()

    def _roles(self) -> list[tuple[str, str, str]]:
        return self.zones.home.listed(
            api.ROLES, lambda body: (str(body["id"]), str(body["name"]), str(body.get("description") or ""))
        )

    def _listed(self) -> list[_Key]:
        return self.zones.home.listed(
            api.BUCKET_KEYS, lambda body: _Key(str(body["key"]), str(body["name"]), str(body.get("role-id") or ""))
        )
