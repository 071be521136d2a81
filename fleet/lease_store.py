"""Where a deployment's lease lies: in its state bucket, if that store keeps two writers apart; else on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.deployment import Deployment
from fleet.settings import Mode
from providers.bucket import Bucket
from state.errors import ProviderError
from state.events import Event, Kind
from state.files import read_file, write_file
from state.objects import CompareAndSet, LocalObjects
from state.paths import DeploymentPaths


def lease_store(deployment: Deployment, paths: DeploymentPaths) -> CompareAndSet:
    """The state bucket, made when it is not there; a store without conditional writes is replaced by a local folder.

    Whether it has them (S3's If-None-Match and If-Match) is tried once and remembered: the lease must not lie here
    today and there tomorrow. The fall-back says so in each run, because it keeps apart runs on this machine only.

    Raises:
        ProviderError: the store cannot be used at all, or not for production mode.
    """
    bucket = deployment.bucket("state")
    made = bucket.ensure()
    place = f"{deployment.access.store.endpoint_url}/{bucket.name}"
    honoured = None if made else _known(paths.lease_place, place)
    if honoured is None:
        honoured = bucket.probe_compare_and_set()
        write_file(paths.lease_place, json.dumps({"store": place, "compare_and_set": honoured}).encode())
    if honoured:
        return _OneAttempt(lambda: bucket)
    if deployment.settings.mode is Mode.PRODUCTION:
        raise ProviderError(
            f"The object store {deployment.access.store.endpoint_url} has no conditional writes.",
            detail="In production mode autoscaler and build machine share what lies there; without If-None-Match and "
            "If-Match one would undo what the other did.",
            hint="use mode development there, or another provider",
        )
    deployment.emit(
        Event(
            Kind.NOTE,
            text=f"The object store {deployment.access.store.endpoint_url} has no conditional writes, so the lease "
            f"lies in {paths.local_objects}: it keeps apart runs on this machine only. Work on {paths.name} from one "
            "build machine at a time.",
        )
    )
    return LocalObjects(paths.local_objects)


def knows_conditions(deployment: Deployment, paths: DeploymentPaths) -> bool:
    """Whether the store has conditional writes, as :func:`lease_store` found out before."""
    place = f"{deployment.access.store.endpoint_url}/{deployment.bucket_name('state')}"
    return _known(paths.lease_place, place) is not False


def bucket_lease_store(deployment: Deployment) -> CompareAndSet:
    """The state bucket as an autoscaler machine uses it: the build machine made it and found that it keeps writers
    apart, or production mode would not have been built."""
    return _OneAttempt(lambda: deployment.bucket("state"))


@dataclass(frozen=True, slots=True)
class _OneAttempt:
    """The bucket for a lease: each question is asked once and briefly, because a late answer is worth nothing.

    Attributes:
        open_bucket: asked each time: who waits to lead waits for the key to the store, too, and does not end over it.
    """

    open_bucket: Callable[[], Bucket]

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.open_bucket().get(key, once=True)

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return self.open_bucket().put_if_absent(key, data)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        return self.open_bucket().put_if_match(key, data, etag)

    def delete(self, key: str) -> None:
        self.open_bucket().delete(key)


def _known(path: Path, place: str) -> bool | None:
    """What was found out about that store; None when nothing was."""
    try:
        found = json.loads(read_file(path) or b"{}")
        return bool(found["compare_and_set"]) if found["store"] == place else None
    except (ValueError, KeyError, TypeError):
        return None
