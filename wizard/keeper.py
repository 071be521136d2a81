"""Keeps what a conversation learns: answers in the deployment's file, secrets in its store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from state.answers import Answers, load, save
from state.errors import AnswersError, BuildyardError, UsageError
from state.files import file_error
from state.paths import DeploymentPaths, Home
from state.questions import Question
from state.secret import Secret
from state.secret_store import SecretStore
from wizard.checking import validate_all
from wizard.earlier import as_asked_now

#: Opens the secrets of a deployment once its answers say where it will live; may ask for a passphrase.
OpenSecrets = Callable[[DeploymentPaths, Mapping[str, Any]], SecretStore]


class DeploymentKeeper:
    """The deployment of one conversation; a new one gets its folder when its name is known.

    Args:
        home: where deployments live.
        questions: all there are.
        open_secrets: called once, with the first secret.
        name: of a deployment that exists, to go on with it; "" for a new one.

    Raises:
        AnswersError: the answers it has cannot be used.
    """

    def __init__(self, home: Home, questions: Sequence[Question], open_secrets: OpenSecrets, name: str = "") -> None:
        self._home = home
        self._questions = questions
        self._open_secrets = open_secrets
        self._store: SecretStore | None = None
        self._held: dict[str, Secret] = {}
        self._paths = home.deployment(name) if name else None
        self._answers = (load(self._paths.answers, questions) if self._paths else None) or Answers()

    @property
    def values(self) -> Mapping[str, Any]:
        """The answers as they are kept."""
        return self._answers.values

    @property
    def fixed(self) -> frozenset[str]:
        """The name and the way it was begun, once secrets, runs or machines go by that name."""
        paths = self._paths
        used = paths is not None and (self._anything_kept() or paths.fleet_record.exists() or _is_filled(paths.runs))
        return frozenset({"deployment.name", "template"}) if used else frozenset()

    @property
    def taken(self) -> frozenset[str]:
        """Names of the other deployments."""
        own = self._paths.name if self._paths is not None else ""
        return frozenset(paths.name for paths in self._home.deployments()) - {own}

    @property
    def paths(self) -> DeploymentPaths | None:
        """The deployment's files; None while it has no name."""
        return self._paths

    def save(self, values: Mapping[str, Any]) -> None:
        """Keeps the answers; without a name there is no place for them yet, and with another one they move.

        Raises:
            AnswersError: the name is taken, or the file was changed by somebody else meanwhile.
            StateError: the file cannot be written; what it held before is untouched.
        """
        name = values.get("deployment.name")
        if name and (self._paths is None or str(name) != self._paths.name):
            self._paths = self._named(self._home.deployment(str(name)))
        if self._paths is None:
            return
        gone = {key: None for key in self._answers.values if key not in values}
        self._answers = save(self._paths.answers, self._answers.with_values({**values, **gone}), self._questions)

    def has_secret(self, name: str) -> bool:
        """Whether that secret is kept. While there is none nothing is opened: that could ask for a passphrase."""
        if self._store is None and not self._anything_kept():
            return False
        return self._opened().get(name) is not None

    def secret(self, name: str) -> Secret | None:
        """The secret of that name, held or kept.

        Raises:
            SecretsError: the store cannot be opened.
        """
        return self._held.get(name) or self._opened().get(name)

    def hold_secret(self, name: str, secret: Secret) -> None:
        """Knows a secret until it is kept or dropped; it is on no disk meanwhile."""
        self._held[name] = secret

    def keep_held(self) -> None:
        """Keeps the secrets that are held, in place of older ones.

        Raises:
            SecretsError: the store cannot be opened; they stay held.
        """
        for name, secret in list(self._held.items()):
            self._opened().set(name, secret)
            del self._held[name]

    def drop_held(self) -> None:
        """Forgets the secrets that are held."""
        self._held.clear()

    def _named(self, paths: DeploymentPaths) -> DeploymentPaths:
        if paths.answers.exists():
            raise AnswersError(f"The name {paths.name} is taken.", hint=f"Go on with it by --deployment {paths.name}.")
        if self._paths is not None:
            try:
                self._paths.folder.rename(paths.folder)
            except OSError as error:
                raise file_error(paths.folder, "rename the folder", error) from error
        return paths.create()

    def _anything_kept(self) -> bool:
        paths = self._paths
        return paths is not None and (paths.encrypted_secrets.exists() or paths.secret_names.exists())

    def _opened(self) -> SecretStore:
        if self._paths is None:
            raise UsageError("A secret cannot be kept before the deployment has a name.")
        if self._store is None:
            self._store = self._open_secrets(self._paths, self._answers.values)
        return self._store


def unfinished(home: Home, questions: Sequence[Question]) -> tuple[DeploymentPaths, ...]:
    """Deployments whose conversation was left half-way and of which nothing was built: `new` goes on with one."""
    return tuple(
        paths for paths in home.deployments() if not paths.fleet_record.exists() and not is_complete(paths, questions)
    )


def is_complete(paths: DeploymentPaths, questions: Sequence[Question]) -> bool:
    """Whether each question was answered, also those that have a usual answer; secrets are not looked at."""
    try:
        found = load(paths.answers, questions)
        values = as_asked_now(found.values if found is not None else {}, questions)
        validate_all(values)
    except BuildyardError:
        return False
    return all(each.key in values or each.secret for each in questions if each.applies(values))


def _is_filled(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())
