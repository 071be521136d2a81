"""Reads a deployment's recovery copy with nothing but the provider's token and the recovery key.

The store is opened with a key made for this moment, which may read the state bucket and nothing else. The build
machine's own key is in the copy: made anew, it would end the one of a build machine that still works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from fleet.access import StoreAccess
from fleet.deployment import STATE_KEY, OpenBucketWith
from fleet.names import Names, bucket_suffix
from fleet.recovery import KEY, RecoveryCopy, parse_copy
from fleet.recovery_key import RecoveryKey
from fleet.store_keys import KNOWN_DEADLINE_S, OWN, OWN_ACCESS, secret_name
from providers.bucket import Bucket
from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, BucketKeys, Permission, Provider
from state.clock import Clock, wait_until
from state.errors import DeadlineExceeded, NotFound, SecretsError, StateError, Unauthorized
from state.fleet_bucket import KEY as RECORD_KEY
from state.fleet_json import parse as parse_record
from state.fleet_record import FleetRecord
from state.sealed_objects import SealedObjects
from state.secret import Secret

#: Whose key is that of this moment.
ADOPTER = "adopter"


@dataclass(frozen=True, slots=True)
class Cloud:
    """A provider before anything of a deployment is known but its recovery key."""

    provider: Provider
    store: StoreAccess


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a build machine needs to have, to be this deployment's.

    Attributes:
        copy: its secrets hold a key to the store that works.
        record: None when nothing was built.
        seen: the copy as it lies in the bucket.
    """

    copy: RecoveryCopy
    record: FleetRecord | None
    seen: bytes


def read_adopted(cloud: Cloud, key: RecoveryKey, open_with: OpenBucketWith, clock: Clock) -> Adopted:
    """Finds the deployment and opens its copy. The only things made are keys to the store.

    Raises:
        NotFound: there is no such deployment, or it has no copy.
        SecretsError: the recovery key does not open it.
        ProviderError: provider or store do not answer.
    """
    names = Names(key.deployment)
    with _opened(cloud, key, names, open_with, clock) as bucket:
        try:
            found = SealedObjects(bucket, key.seal).get(KEY)
        except StateError as problem:
            raise SecretsError(
                f"This recovery key does not open the recovery copy of {key.deployment}.",
                detail="The copy was sealed with another key, or altered. A deployment that was destroyed and built "
                "again has a new one.",
                hint="take the key that `buildyard recovery-key` showed last. Nothing was changed",
            ) from problem
        if found is None:
            raise NotFound(
                f"{key.deployment} has no recovery copy in {bucket.name}.",
                detail="Its first build did not come so far, or it was built by an earlier version.",
                hint="`buildyard build` on a build machine that has this deployment makes one",
            )
        copy = parse_copy(found[0])
        _refuse_other(copy, key)
        record = _record(copy, bucket)
    return Adopted(_with_own_key(copy, cast("BucketKeys", cloud.provider), names, key.suffix), record, found[0])


@contextmanager
def _opened(cloud: Cloud, key: RecoveryKey, names: Names, open_with: OpenBucketWith, clock: Clock) -> Iterator[Bucket]:
    """The state bucket, to be read only; the key to it is removed at the end."""
    keys = cast("BucketKeys", cloud.provider)
    bucket_name, key_name = names.bucket("state", key.suffix), names.store_key(ADOPTER, key.suffix)
    try:
        access_key, secret = keys.create_bucket_key(key_name, (BucketGrant(bucket_name, Permission.READ),))
        try:
            bucket = open_with(bucket_name, access_key, secret)
            _wait_until_known(bucket, clock)
            yield bucket
        finally:
            keys.delete_bucket_key(access_key)
    except NotFound as problem:
        if problem.hint:
            raise
        raise _nowhere(key, bucket_name) from problem


def _wait_until_known(bucket: Bucket, clock: Clock) -> None:
    refusals: list[Unauthorized] = []

    def known() -> bool:
        try:
            bucket.get(KEY)
        except Unauthorized as refused:
            refusals.append(refused)
            return False
        return True

    try:
        wait_until(f"the object store to let us read {bucket.name}", known, timeout_s=KNOWN_DEADLINE_S, clock=clock)
    except DeadlineExceeded as late:
        # a store need not tell what is missing from what one may not see
        raise NotFound("The store does not show it.", detail=refusals[-1].detail) from late


def _nowhere(key: RecoveryKey, bucket_name: str) -> NotFound:
    return NotFound(
        f"There is no bucket {bucket_name} that this account may read in {key.region} at {key.provider}.",
        detail=f"With it goes the recovery copy of {key.deployment}. The token may be another account's, or the "
        "deployment was destroyed.",
        hint="give a token of the account in which it was built. Nothing was changed",
    )


def _refuse_other(copy: RecoveryCopy, key: RecoveryKey) -> None:
    if copy.deployment != key.deployment or bucket_suffix(copy.lineage) != key.suffix:
        raise StateError(
            f"The recovery copy found is that of {copy.deployment}, not of {key.deployment}.",
            hint="Somebody put it in the place of the right one: look at the account's buckets. Nothing was changed.",
        )


def _record(copy: RecoveryCopy, bucket: Bucket) -> FleetRecord | None:
    """In production the one in the bucket, for it is newer than any copy."""
    seal = copy.secrets.get(STATE_KEY.name)
    if copy.record:
        return parse_record(copy.record.encode(), KEY)
    found = SealedObjects(bucket, seal).get(RECORD_KEY) if seal is not None else None
    return parse_record(found[0], RECORD_KEY) if found is not None else None


def _with_own_key(copy: RecoveryCopy, keys: BucketKeys, names: Names, suffix: str) -> RecoveryCopy:
    """With the build machine's key as the copy has it; made anew only when the provider does not know that one."""
    name, access = names.store_key(OWN, suffix), copy.secrets.get(OWN_ACCESS)
    if access is not None and secret_name(OWN) in copy.secrets:
        wanted = BucketKey(access.reveal(), frozenset(FULL_ACCESS))
        if wanted in keys.bucket_keys(name):
            return copy
    access_key, secret = keys.create_bucket_key(name, FULL_ACCESS)
    return replace(copy, secrets={**copy.secrets, OWN_ACCESS: Secret(access_key), secret_name(OWN): secret})
