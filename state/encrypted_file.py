"""A keyring in one encrypted file: scrypt makes the key from a passphrase, AES-256-GCM keeps and proves the content.

The file is JSON: how the key is made, a check that tells a wrong passphrase from a damaged file, nonce and
ciphertext. Everything outside the ciphertext is authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets as random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from state.errors import SecretsError
from state.files import COPIES_FOLDER, locked, make_private_folder, read_file, write_file
from state.secret import Secret

_VERSION = 1
_FORMAT = "buildyard-secrets"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a guess at the passphrase costs (RFC 7914).

    The default is OWASP's recommendation for scrypt (N=2^17, r=8, p=1): 128 MiB and about half a second a guess.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    @property
    def memory_bytes(self) -> int:
        return 128 * self.r * (self.n + self.p + 2)


#: A forged file must not make us use all memory before we notice.
_MOST_MEMORY_BYTES = 1 << 30


class EncryptedFileStore:
    """Secrets in an encrypted file; nothing is asked of the passphrase until the first use, or :meth:`unlock`.

    Args:
        path: the file; made with the first secret.
        passphrase: opens it; for a new file, will open it from then on.
        cost: of a guess, for a new file.
    """

    label = "encrypted file"

    def __init__(self, path: Path, passphrase: Secret, cost: Cost | None = None) -> None:
        self._path = path
        self._passphrase = passphrase
        self._cost = cost or Cost()
        self._lock = threading.Lock()
        self._keys: dict[tuple[bytes, Cost], bytes] = {}

    def unlock(self) -> None:
        """Tries the passphrase now.

        Raises:
            SecretsError: it is wrong, or the file is damaged.
        """
        self._read()

    def get(self, name: str) -> Secret | None:
        value = self._read().get(name)
        return Secret(value) if value else None

    def set(self, name: str, secret: Secret) -> None:
        make_private_folder(self._path.parent)
        with self._lock, locked(self._path):
            self._write({**self._read(), name: secret.reveal()})

    def delete(self, name: str) -> None:
        if not self._path.exists():
            return
        with self._lock, locked(self._path):
            values = self._read()
            if values.pop(name, None) is not None:
                self._write(values)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._read()))

    def _read(self) -> dict[str, str]:
        data = read_file(self._path)
        if data is None:
            return {}
        header, check, nonce, ciphertext = self._parse(data)
        salt, cost = _bytes(header["salt"]), Cost(header["n"], header["r"], header["p"])
        key, expected = self._derive(salt, cost)
        if not hmac.compare_digest(expected, check):
            raise SecretsError(
                f"The passphrase does not open {self._path}.",
                hint="Give the right one. Without it the secrets cannot be read: delete the file and enter them again.",
            )
        try:
            plain = AESGCM(key).decrypt(nonce, ciphertext, _associated(header, check))
            values = json.loads(plain)
        except (InvalidTag, ValueError) as error:
            raise self._damaged() from error
        return {str(name): str(value) for name, value in values.items()}

    def _write(self, values: Mapping[str, str]) -> None:
        data = read_file(self._path)
        if data is None:
            salt, cost = random.token_bytes(16), self._cost
        else:
            header = self._parse(data)[0]
            salt, cost = _bytes(header["salt"]), Cost(header["n"], header["r"], header["p"])
        key, check = self._derive(salt, cost)
        header = {"format": _FORMAT, "version": _VERSION, "salt": _text(salt), "n": cost.n, "r": cost.r, "p": cost.p}
        nonce = random.token_bytes(12)
        ciphertext = AESGCM(key).encrypt(nonce, json.dumps(dict(values)).encode(), _associated(header, check))
        body: dict[str, Any] = {
            "header": header,
            "check": _text(check),
            "nonce": _text(nonce),
            "data": _text(ciphertext),
        }
        body["digest"] = _digest(body)
        write_file(self._path, (json.dumps(body, indent=1) + "\n").encode())

    def _parse(self, data: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes]:
        """The parts of the file. The digest finds damage, so that it is not taken for a wrong passphrase."""
        try:
            body = json.loads(data)
            digest = body.pop("digest")
            header = body["header"]
            if header["format"] != _FORMAT or not isinstance(header["version"], int):
                raise self._damaged()
            if header["version"] > _VERSION:
                raise SecretsError(
                    f"{self._path} was written by a newer Buildyard.", hint="Update Buildyard on this build machine."
                )
            cost = Cost(header["n"], header["r"], header["p"])
            sane = all(isinstance(each, int) and each > 0 for each in (cost.n, cost.r, cost.p))
            if digest != _digest(body) or not sane or cost.memory_bytes > _MOST_MEMORY_BYTES or cost.p > 16:
                raise self._damaged()
            _bytes(header["salt"])
            return header, _bytes(body["check"]), _bytes(body["nonce"]), _bytes(body["data"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged() from error

    def _derive(self, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
        """The key of the content, and the check of the passphrase: two halves which say nothing of each other."""
        if (salt, cost) not in self._keys:
            self._keys[salt, cost] = hashlib.scrypt(
                self._passphrase.reveal().encode(),
                salt=salt,
                n=cost.n,
                r=cost.r,
                p=cost.p,
                maxmem=cost.memory_bytes + (1 << 20),
                dklen=64,
            )
        derived = self._keys[salt, cost]
        return derived[:32], hashlib.sha256(derived[32:]).digest()

    def _damaged(self) -> SecretsError:
        return SecretsError(
            f"{self._path} is damaged.",
            hint=f"Put back a copy of it from your backup; or move it away and enter the secrets again "
            f"(there is no copy in {COPIES_FOLDER}: old secrets are not kept).",
        )


def _associated(header: Mapping[str, Any], check: bytes) -> bytes:
    return json.dumps([dict(header), _text(check)], sort_keys=True).encode()


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(body), sort_keys=True).encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
