"""Keys to the object store: the build machine's own, and one for the machines of each role, no wider than its work.

Webservers only read the shared configuration, and read and write uploads; whoever issues certificates writes the shared
configuration too. Only the build machine's own key and the autoscalers' reach state and artefacts, and only the former
makes buckets; other machines fetch releases by presigned address. Access keys are in the fleet record, their secret
halves with the deployment's secrets; a key that the provider does not list any more, or lists with other rights, is
made anew. Of the build machine's own key both halves are with the secrets: it opens the bucket in which the record may
lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fleet.deployment import Deployment
from fleet.settings import Mode
from fleet.slots import roles_of
from providers.bucket import Bucket
from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, BucketKeys, Permission
from recipes.context import Role
from recipes.signed import OPERATORS_FILE
from state.clock import wait_until
from state.errors import DeadlineExceeded, NotFound, SecretsError, Unauthorized
from state.files import locked
from state.fleet_keeper import FleetKeeper
from state.secret import Secret
from state.secret_store import SecretStore

#: Whose key is the build machine's.
OWN = "build-machine"
#: The secret with that key's access half.
OWN_ACCESS = f"store-access-{OWN}"
#: What machines of a role may do in which bucket; all read the shared configuration.
RIGHTS: Mapping[Role, Mapping[str, Permission]] = {
    Role.AUTOSCALER: {
        "config": Permission.READ_WRITE,
        "state": Permission.READ_WRITE,
        "artefacts": Permission.READ_WRITE,
    },
    Role.DATABASE: {"config": Permission.READ_WRITE},
    Role.WEBSERVER: {"config": Permission.READ, "assets": Permission.READ_WRITE},
}
#: Where it differs in production: certificates are issued by the autoscaler, not by the database machine.
RIGHTS_IN_PRODUCTION: Mapping[Role, Mapping[str, Permission]] = {
    **RIGHTS,
    Role.DATABASE: {"config": Permission.READ},
}
#: A store hears of a new key some seconds after it was made.
KNOWN_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class StoreKey:
    """A pair for the object store."""

    access_key: str
    secret_key: Secret


def secret_name(holder: str) -> str:
    """The name of the secret half."""
    return f"store-key-{holder}"


def known_key(record: FleetKeeper, secrets: SecretStore, holder: str) -> StoreKey | None:
    """The holder's key as it was kept, None before it was made."""
    secret = secrets.get(secret_name(holder))
    if secret is None:
        return None
    if holder == OWN and (access := secrets.get(OWN_ACCESS)) is not None:
        return StoreKey(access.reveal(), secret)
    # The build machine's own is asked for before the record can be: versions before this one kept it there, locally.
    known = record.last_seen() if holder == OWN else record.load()
    access_key = known.store_keys.get(holder, "") if known else ""
    return StoreKey(access_key, secret) if access_key else None


def own_key(record: FleetKeeper, secrets: SecretStore) -> StoreKey:
    """The build machine's key.

    Raises:
        SecretsError: there is none yet.
    """
    found = known_key(record, secrets, OWN)
    if found is None:
        raise SecretsError("This deployment has no key to its object store yet.", hint="run buildyard build")
    return found


def ensure_own_key(deployment: Deployment, lock: Path) -> bool:
    """The build machine has a key that works.

    Args:
        lock: keeps two runs of this build machine from making one each; the lease cannot, for it lies in the store.

    Returns:
        Whether it was made now.
    """
    if _has(deployment, OWN, FULL_ACCESS):
        return False
    with locked(lock):
        made = _ensure(deployment, OWN, FULL_ACCESS)
    if made:
        _wait_until_known(deployment, deployment.bucket("state"), OWN)
    return made


def ensure_machine_keys(deployment: Deployment) -> int:
    """Machines of every role that the deployment has have a key that works; the bucket they are for is there.

    Returns:
        How many were made now.
    """
    one = deployment
    count = 0
    rights = RIGHTS_IN_PRODUCTION if one.settings.mode is Mode.PRODUCTION else RIGHTS
    for role in roles_of(one.settings):
        grants = tuple(BucketGrant(one.bucket_name(bucket), may) for bucket, may in rights[role].items())
        if _ensure(one, role.value, grants):
            key = known_key(one.record, one.secrets, role.value)
            assert key is not None
            config = one.bucket_name("config")
            _wait_until_known(one, one.open_bucket_with(config, key.access_key, key.secret_key), role.value)
            count += 1
    return count


def end_key(deployment: Deployment, holder: str) -> None:
    """Removes the holder's key at the provider, and here."""
    one = deployment
    buckets = cast("BucketKeys", one.access.provider)
    for key in buckets.bucket_keys(_name(one, holder)):
        buckets.delete_bucket_key(key.access_key)
    one.secrets.delete(secret_name(holder))
    if holder == OWN:
        one.secrets.delete(OWN_ACCESS)
    one.record.update(lambda old: old.without_store_key(holder))


def _has(deployment: Deployment, holder: str, grants: tuple[BucketGrant, ...]) -> bool:
    one = deployment
    known = known_key(one.record, one.secrets, holder)
    if known is None:
        return False
    one.redact.add(known.secret_key)
    narrow = one.access.provider.capabilities.narrow_bucket_keys
    wanted = BucketKey(known.access_key, frozenset(grants if narrow else FULL_ACCESS))
    return wanted in cast("BucketKeys", one.access.provider).bucket_keys(_name(one, holder))


def _ensure(deployment: Deployment, holder: str, grants: tuple[BucketGrant, ...]) -> bool:
    one = deployment
    if _has(one, holder, grants):
        return False
    buckets = cast("BucketKeys", one.access.provider)
    access_key, secret = buckets.create_bucket_key(_name(one, holder), grants)
    one.redact.add(secret)
    one.secrets.set(secret_name(holder), secret)
    if holder == OWN:
        one.secrets.set(OWN_ACCESS, Secret(access_key))
    else:
        one.record.update(lambda old: old.with_store_key(holder, access_key))
    return True


def _name(deployment: Deployment, holder: str) -> str:
    return deployment.names.store_key(holder, deployment.bucket_suffix)


def _wait_until_known(deployment: Deployment, bucket: Bucket, holder: str) -> None:
    refusals: list[Unauthorized] = []

    def known() -> bool:
        try:
            bucket.get(OPERATORS_FILE)
        except Unauthorized as refused:
            refusals.append(refused)
            return False
        except NotFound:
            return True  # a bucket that is not there yet is said only to whom the store knows
        return True

    try:
        wait_until(
            f"the object store to know the new key of {holder}",
            known,
            timeout_s=KNOWN_DEADLINE_S,
            clock=deployment.clock,
        )
    except DeadlineExceeded as late:
        raise refusals[-1] from late  # what the store says is of more use than that it went on saying it
