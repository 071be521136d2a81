"""Vultr's object store: a subscription, paid by the month, with one pair of keys that opens all its buckets.

A deployment has one subscription, whoever of it asks for a key: the holder is left out of the label. It ends when its
last bucket is gone, for its end is also the end of all that lies in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.contract import FULL_ACCESS, BucketAccess, BucketKey
from providers.http import Api
from providers.vultr import api
from providers.vultr.catalog import Catalog
from state.clock import Clock, wait_until
from state.errors import NotFound, UsageError
from state.secret import Secret

#: Seconds until a subscription is active.
_ACTIVE_S = 600.0
#: The S3 API there knows one region (the vendor's machines run Ceph); its place is in the host's name.
_S3_REGION = "us-east-1"

#: ``by-NAME-store-HOLDER-SUFFIX``: the names that a deployment gives its keys.
_KEY_NAME = re.compile(r"(?P<deployment>.+-store)-.+-(?P<suffix>[0-9a-z]+)")


def deployment_of(name: str) -> str:
    """What all keys of a deployment have in common in their names; labels of subscriptions begin so.

    Behind an ``@`` follows the region that it serves: the nearest store can be in another, and stays the one.
    """
    found = _KEY_NAME.fullmatch(name)
    return f"{found['deployment']}-{found['suffix']}" if found else name


@dataclass(frozen=True, slots=True)
class Storage:
    """The object storage subscriptions of an account."""

    api: Api
    clock: Clock
    catalog: Catalog

    def access(self, region: str) -> BucketAccess:
        """Where buckets of a deployment in that region are."""
        host = self._cluster(region)["hostname"]
        return BucketAccess(endpoint_url=f"https://{host}", region=_S3_REGION)

    def key(self, name: str, region: str) -> tuple[str, Secret]:
        """The pair of the deployment's subscription, which is made when there is none.

        Raises:
            NotFound: there is none, and no region to make it in.
        """
        deployment = deployment_of(name)
        standing = self._of(deployment)
        if standing is None and not region:
            raise NotFound(f"There is no object storage {deployment} at Vultr.")
        store_id = str(standing["id"]) if standing else self._create(deployment, region)

        def active() -> tuple[str, Secret] | None:
            body = self.api.read(api.STORE.at(id=store_id), lambda answer: dict(answer["object_storage"]))
            if body["status"] != "active" or not body.get("s3_access_key"):
                return None
            return str(body["s3_access_key"]), Secret(body["s3_secret_key"])

        return wait_until(
            f"the object storage {deployment} to be active",
            active,
            timeout_s=_ACTIVE_S,
            clock=self.clock,
            longest_s=5.0,
            hint="look at Vultr under Cloud Storage; then repeat the command",
        )

    def keys(self, name: str) -> tuple[BucketKey, ...]:
        """The pair of that name's subscription; whoever asked for it, it opens everything there."""
        standing = self._of(deployment_of(name))
        if standing is None or not standing.get("s3_access_key"):
            return ()
        return (BucketKey(str(standing["s3_access_key"]), frozenset(FULL_ACCESS)),)

    def end(self, access_key: str) -> None:
        """Ends the subscription of that pair unless a bucket is left in it: the others still need it then."""
        for store in self._listed():
            if store.get("s3_access_key") != access_key:
                continue
            # github.com/vultr/govultr v3.32.0, object_storage.go, ListBuckets
            buckets = self.api.read(api.STORE_BUCKETS.at(id=store["id"]), lambda answer: list(answer["buckets"] or ()))
            if not buckets:
                self.api.delete(api.DELETE_STORE.at(id=store["id"]))

    def _create(self, deployment: str, region: str) -> str:
        cluster = self._cluster(region)

        def find() -> str | None:
            found = self._of(deployment)
            return str(found["id"]) if found else None

        label = f"{deployment}@{region}"
        return self.api.create(
            api.CREATE_STORE,
            body={"cluster_id": cluster["id"], "tier_id": self._tier(cluster["id"]), "label": label},
            find=find,
            reader=lambda answer: str(answer["object_storage"]["id"]),
            looked=True,
        )

    def _cluster(self, region: str) -> Mapping[str, Any]:
        """The cluster for a region: where a subscription serves it already, else the nearest that takes new ones.

        Raises:
            UsageError: there is none on the region's continent.
        """
        listed: list[Mapping[str, Any]] = self.api.listed(api.CLUSTERS, lambda body: body)
        clusters = sorted(listed, key=lambda body: int(body["id"]))
        serving = [store["cluster_id"] for store in self._listed() if _label(store).endswith(f"@{region}")]
        used = next((cluster for cluster in clusters if cluster["id"] in serving), None)
        if used is not None:
            return used
        places = self.catalog.continents()

        def distance(cluster: Mapping[str, Any]) -> int:
            here, there = places.get(region, ("", "")), places.get(cluster["region"], ("", ""))
            near = (cluster["region"] == region, here[0] == there[0] != "", here[1] == there[1] != "")
            return next((step for step, is_so in enumerate(near) if is_so), len(near))

        open_ones = [one for one in clusters if one["deploy"] == "yes"]
        possible = [one for one in open_ones if distance(one) < 3]
        if not possible:
            where = ", ".join(sorted({one["region"] for one in open_ones}))
            raise UsageError(
                f"Vultr has no object store on the continent of {region}.", hint=f"choose one of these regions: {where}"
            )
        return min(possible, key=distance)

    def _tier(self, cluster_id: int) -> int:
        """The cheapest class of service there; newer than the description, and wanted by every create.

        Source: docs.vultr.com/reference/vultr-cli/object-storage/create.
        """
        operation = api.CLUSTER_TIERS.at(id=str(cluster_id))
        tiers = self.api.read(operation, lambda answer: list(answer["tiers"]))
        if not tiers:
            raise UsageError("Vultr sells no object storage there now.", hint="choose another region")
        return int(min(tiers, key=lambda tier: (Decimal(str(tier["price"])), tier["id"]))["id"])

    def _of(self, deployment: str) -> Mapping[str, Any] | None:
        return next((store for store in self._listed() if _label(store).partition("@")[0] == deployment), None)

    def _listed(self) -> list[Mapping[str, Any]]:
        return self.api.listed(api.STORES, lambda body: body)


def _label(store: Mapping[str, Any]) -> str:
    return str(store.get("label") or "")
