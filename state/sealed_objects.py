"""Objects whose content only the deployment can read: encrypted here, before the store sees them.

AES-256-GCM with a fresh nonce for each write; the object's key is authenticated with it, so that one object cannot be
put in the place of another. Conditions and ETags are the store's own: compare-and-set works as without the seal.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from state.errors import StateError
from state.objects import CompareAndSet
from state.secret import Secret

_MARK = b"buildyard-sealed 1\n"
_NONCE_BYTES = 12


class SealedObjects:
    """A :class:`state.objects.CompareAndSet` over another one.

    Args:
        store: holds the sealed content.
        key: a random text of 128 bits at least; who has it can read and write all.
    """

    def __init__(self, store: CompareAndSet, key: Secret) -> None:
        self._store = store
        # The text is random already: nothing has to be made costly to guess, it only has to be of 32 bytes.
        self._cipher = AESGCM(hashlib.sha256(b"buildyard sealed objects\0" + key.reveal().encode()).digest())

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag; None when there is nothing.

        Raises:
            StateError: it was sealed with another key, altered, or is not sealed at all.
        """
        found = self._store.get(key)
        return None if found is None else (self._opened(key, found[0]), found[1])

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return self._store.put_if_absent(key, self._sealed(key, data))

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        return self._store.put_if_match(key, self._sealed(key, data), etag)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def _sealed(self, key: str, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + nonce + self._cipher.encrypt(nonce, data, _MARK + key.encode())

    def _opened(self, key: str, data: bytes) -> bytes:
        # one that does not begin so is not sealed: what is left of it then fails its proof
        rest = data.removeprefix(_MARK)
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _MARK + key.encode())
        except (InvalidTag, ValueError) as error:
            raise StateError(
                f"{key} in the deployment's state bucket cannot be read with this deployment's key.",
                detail="It was written with another key, or altered.",
                hint="Work on this deployment from the build machine that has its secrets.",
            ) from error
