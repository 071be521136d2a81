"""Everything one deployment's work needs, put together by the composition root and handed down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.access import CloudAccess
from fleet.names import Names
from fleet.settings import Settings
from fleet.wheelhouse import Wheelhouse, wheelhouse_here
from providers.bucket import Bucket
from recipes.context import Release, Role
from recipes.secrets import SecretKind, SecretSpec, generate
from state.clock import Clock
from state.errors import SecretsError
from state.events import Emit
from state.fleet_keeper import FleetKeeper
from state.objects import CompareAndSet
from state.sealed_objects import SealedObjects
from state.secret import Redactor, Secret
from state.secret_store import SecretStore

#: Opens a bucket by its whole name, with the build machine's own key.
OpenBucket = Callable[[str], Bucket]
#: The same with another access key and its secret half.
OpenBucketWith = Callable[[str, str, Secret], Bucket]

#: What a build makes buckets for, beside the one with the state, which is there before.
BUCKETS = ("config", "artefacts", "assets")
ADMIN_USER = "buildyard"
#: Buildyard's own key to the machines, and the key that signs what lies in the shared configuration directory.
ADMIN_KEY = "admin-ssh-key"
SIGNING_KEY = "signing-key"
#: Seals what lies in the state bucket, but for the lease.
STATE_KEY = SecretSpec("state-key", SecretKind.PASSWORD)


@dataclass(frozen=True, slots=True)
class Handed:
    """What only the build machine can find out, as it told it to an autoscaler machine.

    Attributes:
        program_version, program_sha256: see :class:`recipes.context.ProgramRelease`.
        release: the application's, its addresses out of date.
    """

    program_version: str
    program_sha256: str
    release: Release | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment, ready to work on.

    Attributes:
        lineage: of the answers; the fleet record is born with it.
        operators: CIDRs that may use SSH from outside, ``auto`` resolved; empty for who only looks.
        bucket_suffix: makes bucket names unique in a store shared by everybody.
        inside: this runs on a machine of the fleet, which reaches the others by their private addresses only.
        handed: what the build machine told it; None on the build machine itself.
        wheelhouse: makes the program for autoscaler machines, for the given Python.
    """

    settings: Settings
    lineage: str
    names: Names
    access: CloudAccess
    record: FleetKeeper
    secrets: SecretStore
    operators: tuple[str, ...]
    bucket_suffix: str
    open_bucket: OpenBucket
    open_bucket_with: OpenBucketWith
    redact: Redactor
    emit: Emit
    clock: Clock
    inside: bool = False
    handed: Handed | None = None
    wheelhouse: Callable[[str], Wheelhouse] = wheelhouse_here

    def bucket_name(self, purpose: str) -> str:
        """``state``, ``config``, ``artefacts`` or ``assets``."""
        return self.names.bucket(purpose, self.bucket_suffix)

    def bucket(self, purpose: str) -> Bucket:
        """See :meth:`bucket_name`."""
        return self.open_bucket(self.bucket_name(purpose))

    def sealed_state(self) -> CompareAndSet:
        """The state bucket for what only the deployment may read: policy, fleet record."""
        return SealedObjects(self.bucket("state"), self.secret(STATE_KEY))

    def secret(self, spec: SecretSpec) -> Secret:
        """A secret of the deployment; made and stored when it is needed for the first time."""
        found = self.secrets.get(spec.name)
        if found is None:
            found = generate(spec)
            self.secrets.set(spec.name, found)
        self.redact.add(found)
        return found

    def known_secret(self, name: str) -> Secret:
        """A secret that must be there already.

        Raises:
            SecretsError: it is not.
        """
        found = self.secrets.get(name)
        if found is None:
            raise SecretsError(f"The secret {name} is missing.", hint="run buildyard build once more")
        self.redact.add(found)
        return found


#: What the names of all such secrets begin with.
FIRST_HOST_KEYS = "first-host-key-"


def first_host_key(machine: str, epoch: int) -> str:
    """Name of the secret that holds the host key cloud-init gives that machine for the first contact."""
    return f"{first_host_keys(machine)}{epoch}"


def first_host_keys(machine: str) -> str:
    """What the names of such secrets begin with, whatever the epoch."""
    return f"{FIRST_HOST_KEYS}{machine}-"


#: In the order people think of them.
ROLE_ORDER = (Role.AUTOSCALER, Role.WEBSERVER, Role.DATABASE)
