"""Keys to Linode's Object Storage: for single buckets, or for everything in every region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.contract import BucketAccess, BucketGrant, BucketKey, Permission
from providers.http import Api
from providers.linode import api
from providers.linode.labels import BUCKET_KEY, label_of
from state.errors import NotFound, Unavailable
from state.secret import Secret

_PERMISSIONS = {Permission.READ: "read_only", Permission.READ_WRITE: "read_write"}
#: Which of a region's object stores is taken: the usual kind before newer ones and the oldest
#: (techdocs.akamai.com/cloud-computing/docs/endpoint-types).
_KINDS = ("E1", "E3", "E2", "E0")


@dataclass(frozen=True, slots=True)
class Buckets:
    """The object store of an account, as far as its keys go; buckets are made by S3."""

    api: Api

    def access(self, region: str) -> BucketAccess:
        """Where the object store of a region is reached.

        Raises:
            NotFound: there is none.
        """
        listed = self.api.listed(api.STORES, dict)
        found = [each for each in listed if each["region"] == region and each.get("s3_endpoint")]
        if not found:
            raise NotFound(f"Linode has no object store in {region}.", hint="choose another region")
        best = min(found, key=lambda each: (_rank(each["endpoint_type"]), each["s3_endpoint"]))
        # The endpoint says which region it is; the store has no name for it that S3 would want.
        return BucketAccess(endpoint_url=f"https://{best['s3_endpoint']}", region="us-east-1")

    def create_key(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        """A new access key and its secret half; older keys of that name are removed."""

        def pair(body: Any) -> tuple[str, Secret]:
            return str(body["access_key"]), Secret(body["secret_key"])

        body: dict[str, Any] = {"label": label_of(name, BUCKET_KEY)}
        if any(grant.permission is Permission.FULL for grant in grants):
            body["regions"] = self._regions()
        else:
            body["bucket_access"] = self._wanted(grants)
        # A secret is told once, in the create's answer: a key whose answer was lost is worthless and replaced.
        try:
            access_key, secret_key = self.api.read(api.CREATE_BUCKET_KEY, pair, body=body)
        except Unavailable:
            access_key, secret_key = self.api.read(api.CREATE_BUCKET_KEY, pair, body=body)
        for old in self.keys(name):
            if old.access_key != access_key:
                self.delete_key(old.access_key)
        return access_key, secret_key

    def keys(self, name: str) -> tuple[BucketKey, ...]:
        """The keys of that very name."""
        listed = self.api.listed(api.BUCKET_KEYS, lambda body: (str(body["label"]), _read_key(body)))
        return tuple(key for label, key in listed if label == label_of(name, BUCKET_KEY))

    def delete_key(self, access_key: str) -> None:
        """Removes a key; the API knows it by a number."""
        listed = self.api.listed(api.BUCKET_KEYS, lambda body: (str(body["access_key"]), str(body["id"])))
        for known, key_id in listed:
            if known == access_key:
                self.api.delete(api.DELETE_BUCKET_KEY.at(id=key_id))

    def _regions(self) -> list[str]:
        """Where a key for everything is good: each region has to be named."""

        def read(body: Mapping[str, Any]) -> str:
            return str(body["id"]) if "Object Storage" in body["capabilities"] else ""

        return sorted(filter(None, self.api.listed(api.REGIONS, read)))

    def _wanted(self, grants: tuple[BucketGrant, ...]) -> list[dict[str, str]]:
        places = {str(each["label"]): str(each["region"]) for each in self.api.listed(api.BUCKETS, dict)}
        missing = [grant.bucket for grant in grants if grant.bucket not in places]
        if missing:
            raise NotFound(
                f"Linode has no bucket {', '.join(missing)}; a key for it needs to know where it is.",
                hint="the buckets are made first: build",
            )
        return [
            {"bucket_name": each.bucket, "permissions": _PERMISSIONS[each.permission], "region": places[each.bucket]}
            for each in grants
        ]


def _rank(kind: str) -> int:
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)


def _read_key(body: Mapping[str, Any]) -> BucketKey:
    """Rights that nobody here asks for are left out: such a key is not what was wanted, and that is all to be told."""
    if not body["limited"]:
        return BucketKey(str(body["access_key"]), frozenset({BucketGrant("", Permission.FULL)}))
    words = {word: permission for permission, word in _PERMISSIONS.items()}
    return BucketKey(
        str(body["access_key"]),
        frozenset(
            BucketGrant(each["bucket_name"], words[each["permissions"]])
            for each in body.get("bucket_access") or ()
            if each["permissions"] in words
        ),
    )
