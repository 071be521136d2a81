"""Where secrets live: the system's keyring; where no secret service runs, one encrypted file with a passphrase."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from state.encrypted_file import Cost, EncryptedFileStore
from state.errors import SecretsError
from state.keyring_store import Backend, KeyringStore, working_keyring
from state.paths import DeploymentPaths
from state.secret import Secret

#: Variable that names a file with the passphrase, readable by its owner only.
PASSPHRASE_VARIABLE = "BUILDYARD_PASSPHRASE_FILE"


class SecretStore(Protocol):
    """The secrets of one deployment, by name. Every method raises only SecretsError or StateError."""

    #: Where they are, for a person.
    label: str

    def get(self, name: str) -> Secret | None:
        """The secret, None when there is none of that name."""

    def set(self, name: str, secret: Secret) -> None:
        """Keeps it, in place of an older one."""

    def delete(self, name: str) -> None:
        """Forgets it; no error when there is none."""

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""


def open_secret_store(
    paths: DeploymentPaths,
    environment: Mapping[str, str],
    ask: Callable[[], Secret] | None = None,
    *,
    keyring: Callable[[Mapping[str, str]], Backend | None] = working_keyring,
    cost: Cost | None = None,
) -> SecretStore:
    """The store of a deployment, open: the keyring if one works, else the encrypted file.

    A deployment keeps the store it began with, so that its secrets are in one place.

    Args:
        paths: the deployment's files.
        environment: where the passphrase's file and the session's bus are named.
        ask: asks the user for the passphrase; None when nobody can be asked: then it fails at once.
        keyring: looks for a keyring that works.
        cost: of a guess at the passphrase of a new file.

    Raises:
        SecretsError: no passphrase, a wrong one, a damaged file, or the keyring that holds the secrets is away.
    """
    if not paths.encrypted_secrets.exists():
        backend = keyring(environment)
        if backend is not None:
            return KeyringStore(backend, paths.secret_names)
        if paths.secret_names.exists():
            raise SecretsError(
                f"The secrets of {paths.name} are in the keyring of your session, which cannot be reached from here.",
                hint=f"Run the command inside that session; or delete {paths.secret_names} and enter them again.",
            )
    passphrase = passphrase_from(environment) or (ask() if ask is not None else None)
    if passphrase is None:
        raise SecretsError(
            f"There is no passphrase for the secrets of {paths.name}.",
            detail="No secret service runs here, so they are kept in an encrypted file.",
            hint=f"Write a passphrase into a file only you can read (chmod 600) and name it by {PASSPHRASE_VARIABLE}.",
        )
    store = EncryptedFileStore(paths.encrypted_secrets, passphrase, cost)
    store.unlock()
    return store


def passphrase_from(environment: Mapping[str, str]) -> Secret | None:
    """The passphrase in the file that ``BUILDYARD_PASSPHRASE_FILE`` names; as :func:`secret_from`."""
    return secret_from(environment, PASSPHRASE_VARIABLE, "passphrase")


def secret_from(environment: Mapping[str, str], variable: str, what: str) -> Secret | None:
    """The secret in the file that a variable names; None when it names none.

    Args:
        variable: its name.
        what: the secret, in a word or two.

    Raises:
        SecretsError: the file is missing, empty, or others can read it.
    """
    named = environment.get(variable, "")
    if not named:
        return None
    path = Path(named).expanduser()
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(4096)
    except OSError as error:
        raise SecretsError(
            f"Cannot read the {what} file {path}: {error.strerror}.",
            hint=f"Correct {variable}, or unset it to be asked.",
        ) from error
    if status.st_mode & 0o077:
        raise SecretsError(f"Others can read the {what} file {path}.", hint=f"Run: chmod 600 {shlex.quote(str(path))}")
    if status.st_uid not in (os.geteuid(), 0):
        raise SecretsError(f"The {what} file {path} belongs to another user.", hint="Use a file of your own.")
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretsError(f"The {what} file {path} is not UTF-8 text.", hint="Write a text into it.") from error
    if not text:
        raise SecretsError(f"The {what} file {path} is empty.", hint=f"Write the {what} into it.")
    return Secret(text)
