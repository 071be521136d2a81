"""The secrets of a machine that works for the deployment: handed to it in one file, and few of its own in another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from state.errors import SecretsError
from state.files import locked, make_private_folder, read_file, write_file
from state.secret import Secret

_HINT = "run buildyard build on the build machine"


class HandedSecrets:
    """A :class:`state.secret_store.SecretStore`: what was handed over is never changed here.

    Args:
        handed: JSON, name to value; root's.
        own: JSON of the same form, made with the first secret of the machine's own; for this user only.
        may_make: says of a name whether a secret of that name may be made here. All others belong to the build machine:
            one made here in their place would differ from what the rest of the fleet knows.

    Raises:
        SecretsError: a file is missing or damaged.
    """

    label = "handed over by the build machine"

    def __init__(self, handed: Path, own: Path, may_make: Callable[[str], bool]) -> None:
        content = read_file(handed)
        if content is None:
            raise SecretsError(f"The credentials file {handed} is missing.", hint=_HINT)
        self._handed = _parsed(content, handed)
        self._own = own
        self._may_make = may_make
        self._lock = threading.Lock()

    def get(self, name: str) -> Secret | None:
        return self._handed.get(name) or self._made().get(name)

    def set(self, name: str, secret: Secret) -> None:
        if self._handed.get(name) == secret:
            return
        if name in self._handed or not self._may_make(name):
            raise SecretsError(
                f"The secret {name} is the build machine's to make or change.",
                detail="This machine only has what it was handed.",
                hint=_HINT,
            )
        self._change(lambda made: {**made, name: secret})

    def delete(self, name: str) -> None:
        if name in self._handed:
            raise SecretsError(f"The secret {name} is the build machine's to delete.", hint=_HINT)
        if name in self._made():
            self._change(lambda made: {each: secret for each, secret in made.items() if each != name})

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._handed, *self._made()}))

    def _made(self) -> dict[str, Secret]:
        content = read_file(self._own)
        return {} if content is None else _parsed(content, self._own)

    def _change(self, change: Callable[[dict[str, Secret]], Mapping[str, Secret]]) -> None:
        make_private_folder(self._own.parent)
        with self._lock, locked(self._own):
            made = change(self._made())
            write_file(self._own, json.dumps({name: made[name].reveal() for name in sorted(made)}).encode())


def _parsed(content: bytes, path: Path) -> dict[str, Secret]:
    try:
        found = json.loads(content)
        if all(isinstance(value, str) for value in found.values()):
            return {name: Secret(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        pass
    # outside of the handler: the decoder's error holds the whole text
    raise SecretsError(f"The credentials file {path} is damaged.", hint=_HINT)
