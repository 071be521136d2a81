"""The recovery copy: what only a build machine knows, sealed in the deployment's state bucket for the next one.

Answers and secrets, in development mode the fleet record too (in production it lies in the bucket anyway). A key of its
own seals it, which no machine of the fleet has: the build machine's key to the object store, which may do everything,
is in the copy. Several build machines may have a deployment: what another one made since is taken over before a run
goes on. Which copy was last seen here is known by its digest, kept beside the answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.deployment import Deployment
from fleet.lease_store import knows_conditions
from fleet.recovery_key import new_seal
from fleet.settings import Mode
from fleet.store_keys import OWN, OWN_ACCESS, secret_name
from providers.bucket import Bucket
from providers.catalog import is_credential
from recipes import mail
from state.answers import Answers
from state.errors import ProviderError, StateError
from state.files import read_file, write_file
from state.fleet_json import parse as parse_record
from state.objects import CompareAndSet
from state.paths import DeploymentPaths
from state.sealed_objects import SealedObjects
from state.secret import Secret

#: The object's key in the state bucket.
KEY = "recovery.json"
#: The secret that seals it; how a person has it: :class:`fleet.recovery_key.RecoveryKey`.
SEAL = "recovery-seal"
FORM = 1
#: The lease lets one run at a time come here; who loses more often than this races with nobody.
MOST_TRIES = 5
_PLACE = f"{KEY} in the deployment's state bucket"
_MEND = f"find out who altered it; delete {KEY} in that bucket by hand, and the next build writes it anew"


@dataclass(frozen=True, slots=True)
class RecoveryCopy:
    """What a build machine knows.

    Attributes:
        serial: of the answers.
        answers: flat, dotted keys.
        secrets: all but the seal and providers' tokens, which whoever adopts it has to bring.
        record: the fleet record's file form, "" where it lies in the bucket itself.
    """

    deployment: str
    lineage: str
    serial: int
    answers: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    record: str = ""

    def as_json(self) -> bytes:
        """As the object holds it; equal copies are equal bytes."""
        values = {
            "form": FORM,
            "deployment": self.deployment,
            "lineage": self.lineage,
            "serial": self.serial,
            "answers": dict(self.answers),
            "secrets": {name: secret.reveal() for name, secret in self.secrets.items()},
            "record": self.record,
        }
        return json.dumps(values, indent=1, sort_keys=True).encode()


def parse_copy(data: bytes) -> RecoveryCopy:
    """A copy from what :meth:`RecoveryCopy.as_json` gave.

    Raises:
        StateError: it is of another form, or none.
    """
    try:
        raw = json.loads(data)
        form = int(raw["form"])
        if form <= FORM:
            return RecoveryCopy(
                deployment=str(raw["deployment"]),
                lineage=str(raw["lineage"]),
                serial=int(raw["serial"]),
                answers=dict(raw["answers"]),
                secrets={str(name): Secret(value) for name, value in raw["secrets"].items()},
                record=str(raw["record"]),
            )
    except (ValueError, KeyError, TypeError, AttributeError):
        # outside of the handler: the decoder's error holds the whole text
        form = 0
    if form > FORM:
        raise StateError(f"{_PLACE} was written by a newer Buildyard.", hint="Update Buildyard on this build machine.")
    raise StateError(f"{_PLACE} is damaged.", hint=_MEND)


def keep(
    deployment: Deployment, answers: Answers, paths: DeploymentPaths, *, take_over: bool = True
) -> RecoveryCopy | None:
    """Brings the copy up to date; to be called while the lease is held. Repeated it changes nothing.

    Args:
        answers: as this build machine has them.
        paths: where it is remembered which copy was seen.
        take_over: what another build machine left; else nothing is done where there is such a thing, or no copy yet.

    Returns:
        The copy that another build machine left since this one last looked, if its answers differ from those here: then
        nothing was written, and the next call goes by the answers here. Secrets were taken over in any case. Else None.

    Raises:
        ProviderError: the store does not answer.
        StateError: the copy cannot be read.
    """
    one = deployment
    if not take_over and one.secrets.get(SEAL) is None:
        return None
    objects = _objects(one, paths)
    for _ in range(MOST_TRIES):
        found = _read(objects)
        there = parse_copy(found[0]) if found is not None else None
        if found is not None and there is not None and _digest(found[0]) not in _seen(paths):
            if not take_over:
                return None
            _take_over(one, there)
            if _plain(there.answers) != _plain(answers.values):
                mark_seen(paths, found[0])
                return there
        mine = _copy_of(one, answers).as_json()
        if found is not None and found[0] == mine:
            mark_seen(paths, mine)
            return None
        # both, for who is cut off in between: neither is another build machine's
        mark_seen(paths, mine, *([found[0]] if found is not None else []))
        if _write(objects, mine, found[1] if found is not None else None):
            mark_seen(paths, mine)
            return None
    raise StateError(f"{_PLACE} is changed by others all the time.", hint="Repeat the command.")


def mark_seen(paths: DeploymentPaths, *copies: bytes) -> None:
    """Remembers these as the copies that hold nothing new for this build machine."""
    write_file(paths.copy_seen, json.dumps([_digest(copy) for copy in copies]).encode())


def _objects(one: Deployment, paths: DeploymentPaths) -> CompareAndSet:
    seal = one.secrets.get(SEAL)
    if seal is None:
        seal = new_seal()
        one.secrets.set(SEAL, seal)
    one.redact.add(seal)
    bucket = one.bucket("state")
    store = bucket if knows_conditions(one, paths) else _Unconditional(bucket)
    return SealedObjects(store, seal)


@dataclass(frozen=True, slots=True)
class _Unconditional:
    """A store without conditional writes; there the lease alone keeps runs apart, those of one build machine."""

    bucket: Bucket

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.bucket.get(key)

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return self.bucket.put(key, data)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:  # noqa: ARG002 - there are no conditions
        return self.bucket.put(key, data)

    def delete(self, key: str) -> None:
        self.bucket.delete(key)


def _read(objects: CompareAndSet) -> tuple[bytes, str] | None:
    try:
        return objects.get(KEY)
    except StateError as problem:
        raise StateError(problem.summary, detail=problem.detail, hint=_MEND) from problem


def _write(objects: CompareAndSet, data: bytes, etag: str | None) -> bool:
    """Whether it is there now; an answer that was lost is looked up."""
    try:
        written = objects.put_if_absent(KEY, data) if etag is None else objects.put_if_match(KEY, data, etag)
    except ProviderError:
        there = objects.get(KEY)
        if there is not None and there[0] == data:
            return True
        raise
    return written is not None


def _copy_of(one: Deployment, answers: Answers) -> RecoveryCopy:
    names = [name for name in one.secrets.names() if name != SEAL and not is_credential(name)]
    secrets = {name: one.secrets.get(name) for name in names}
    record = one.record.load() if one.settings.mode is Mode.DEVELOPMENT else None
    return RecoveryCopy(
        deployment=one.settings.deployment,
        lineage=one.lineage,
        serial=answers.serial,
        answers=_plain(answers.values),
        secrets={name: secret for name, secret in secrets.items() if secret is not None},
        record=record.as_json().decode() if record is not None else "",
    )


def _take_over(one: Deployment, there: RecoveryCopy) -> None:
    """What another build machine made since: it is what the fleet has."""
    for name, secret in there.secrets.items():
        here = one.secrets.get(name)
        if here == secret or name in (secret_name(OWN), OWN_ACCESS):
            continue  # this run has just seen that its own key to the store works
        if here is not None and name == mail.PASSWORD:
            continue  # entered by a person, here perhaps only now
        one.secrets.set(name, secret)
        one.redact.add(secret)
    if there.record and one.settings.mode is Mode.DEVELOPMENT:
        record, known = parse_record(there.record.encode(), _PLACE), one.record.load()
        if known is None or record.serial > known.serial:
            one.record.put(record)


def _plain(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as JSON gives them back: of lists and tuples there are lists only."""
    found: dict[str, Any] = json.loads(json.dumps(dict(answers)))
    return found


def _seen(paths: DeploymentPaths) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(read_file(paths.copy_seen) or b"[]")))
    except (ValueError, TypeError):
        return ()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
