"""Takes a deployment over into this home: whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildyard.answering import refuse_mistaken
from buildyard.program import Program
from fleet.adopting import Adopted, Cloud, read_adopted
from fleet.recovery import SEAL, mark_seen
from fleet.recovery_key import RecoveryKey
from providers.catalog import account_found, vendor_of
from state.answers import Answers, save
from state.errors import BuildyardError, UsageError
from state.files import file_error, sync_folder, write_file
from state.fleet_store import FleetStore
from state.paths import DeploymentPaths
from state.questions import Question
from state.secret import Secret
from state.secret_store import SecretStore
from wizard.questions import all_questions


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What this home has now."""

    paths: DeploymentPaths
    mode: str
    machines: int
    answers: int
    secrets: int


def adopt(program: Program, key: RecoveryKey, credentials: Mapping[str, Secret], *, may_ask: bool) -> TakenOver:
    """Reads the recovery copy and makes the deployment's folder of it.

    Args:
        credentials: the provider's; none for a rehearsal, which has its own.
        may_ask: for the passphrase of this build machine's secrets, in this terminal.

    Raises:
        UsageError: this home has a deployment of that name, or one with the same domain.
        BuildyardError: the copy cannot be found, read or kept; then nothing is left of the attempt.
    """
    final = program.home.deployment(key.deployment)
    refuse_there(final)
    program.redact.add(key.seal)
    provider, store = program.reach_store(key.provider, key.region, credentials)
    try:
        account_found(provider)
        found = read_adopted(
            Cloud(provider, store),
            key,
            lambda name, access, secret: program.bucket(store, name, access, secret),
            program.clock,
        )
    finally:
        provider.close()
    program.redact.add(*found.copy.secrets.values())
    refuse_mistaken(program, final, Answers(found.copy.answers), "The recovery copy")
    secrets = _write(program, final, found, key, credentials, may_ask=may_ask)
    machines = len(found.record.machines) if found.record is not None else 0
    return TakenOver(final, str(found.copy.answers.get("mode", "")), machines, len(found.copy.answers), secrets)


def refuse_there(paths: DeploymentPaths) -> None:
    """
    Raises:
        UsageError: this home has such a deployment, or the remains of one.
    """
    if not paths.folder.exists():
        return
    name = paths.name
    if paths.answers.exists():
        raise UsageError(
            f"{name} is on this build machine already.",
            detail=f"It lies in {paths.folder}. Adopting is for a build machine that does not have it.",
            hint=f"buildyard plan --deployment {name}; to begin anew from the recovery copy, move that folder away",
        )
    raise UsageError(
        f"There is a folder {paths.folder} without answers.",
        detail="Something else put it there, or it was damaged.",
        hint="look into it, move it away, then repeat the command",
    )


def _write(
    program: Program,
    final: DeploymentPaths,
    found: Adopted,
    key: RecoveryKey,
    credentials: Mapping[str, Secret],
    *,
    may_ask: bool,
) -> int:
    """How many secrets there are now."""
    copy = found.copy
    with _beside(program, final, key.provider, may_ask=may_ask) as (paths, secrets):
        for name, secret in copy.secrets.items():
            secrets.set(name, secret)
        secrets.set(SEAL, key.seal)
        for name, secret in credentials.items():
            secrets.set(name, secret)
        if found.record is not None:
            FleetStore(paths.fleet_record).put(found.record)
        mark_seen(paths, found.seen)
        write_file(paths.recovery_key_shown, b"")
        save(paths.answers, Answers(copy.answers, copy.lineage, copy.serial - 1), all_questions())
        program.answers(paths)  # what this program would not be able to use is refused before it is here
        return len(secrets.names())


@contextmanager
def _beside(
    program: Program, final: DeploymentPaths, provider: str, *, may_ask: bool
) -> Iterator[tuple[DeploymentPaths, SecretStore]]:
    """A folder that nobody takes for a deployment; it becomes one at the end, as a whole, or is removed."""
    # no deployment's name begins with a dot
    paths = replace(final, folder=final.folder.with_name(f".adopting-{final.name}"))
    secrets: SecretStore | None = None
    try:
        if paths.secret_names.exists():  # an attempt that was killed left its secrets in the keyring
            _forget(program.secret_store(paths, provider, may_ask=may_ask))
        _remove(paths.folder)
        secrets = program.secret_store(paths, provider, may_ask=may_ask)
        yield paths, secrets
        refuse_there(final)
        _rename(paths.folder, final.folder)
    except BaseException:
        _forget(secrets)
        _remove(paths.folder)
        raise


def _rename(folder: Path, final: Path) -> None:
    try:
        os.rename(folder, final)  # noqa: PTH104 - refuses a folder that is not empty, on every system
        sync_folder(final.parent)
    except OSError as error:
        raise file_error(final, "make the folder", error) from error


def _forget(secrets: SecretStore | None) -> None:
    """A keyring's are not in the folder that is removed."""
    try:
        for name in secrets.names() if secrets is not None else ():
            assert secrets is not None
            secrets.delete(name)
    except BuildyardError:
        return  # what went wrong before is of more use


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def needed_credentials(key: RecoveryKey) -> tuple[Question, ...]:
    """What its provider has to be opened with; a rehearsal's cloud is on this machine and has its own.

    Raises:
        AnswersError: this program knows no such provider.
    """
    return tuple(question for question in vendor_of(key.provider).questions if question.secret)


def refuse_other_name(key: RecoveryKey, named: str | None) -> None:
    """
    Raises:
        UsageError: ``--deployment`` names another one than the recovery key.
    """
    if named and named != key.deployment:
        raise UsageError(
            f"This is the recovery key of {key.deployment}, not of {named}.",
            hint="leave --deployment out, or give the other key. Nothing was changed",
        )
