"""Secrets for who only looks: those that are there, and new ones that are forgotten with this process."""

from __future__ import annotations

from state.secret import Secret
from state.secret_store import SecretStore


class UnsavedSecrets:
    """A :class:`state.secret_store.SecretStore` over another one, which it never changes.

    Args:
        kept: the deployment's own.
    """

    def __init__(self, kept: SecretStore) -> None:
        self.label = kept.label
        self._kept = kept
        self._changed: dict[str, Secret | None] = {}

    def get(self, name: str) -> Secret | None:
        return self._changed[name] if name in self._changed else self._kept.get(name)

    def set(self, name: str, secret: Secret) -> None:
        self._changed[name] = secret

    def delete(self, name: str) -> None:
        self._changed[name] = None

    def names(self) -> tuple[str, ...]:
        there = {*self._kept.names(), *self._changed}
        return tuple(sorted(name for name in there if self.get(name) is not None))
