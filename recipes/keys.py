"""SSH key pairs, and signatures that ``ssh-keygen -Y verify`` accepts (OpenSSH's PROTOCOL.sshsig)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import textwrap

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from state.errors import SecretsError
from state.secret import Secret

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASH = b"sha512"


def make_ssh_key(comment: str) -> tuple[Secret, str]:
    """A new ed25519 pair: the private half as OpenSSH text, the public half as a line."""
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    secret = Secret(text)
    return secret, public_half(secret, comment)


def public_half(private: Secret, comment: str) -> str:
    """The public line of a private key."""
    line = _private(private).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {comment}" if comment else line


def ssh_signature(private: Secret, data: bytes, namespace: str) -> str:
    """A detached, armoured signature.

    Args:
        namespace: what the signature is for; a verifier that asks for another one refuses it.
    """
    key = _private(private)
    raw = key.sign(_signed(data, namespace))
    blob = _MAGIC + (1).to_bytes(4, "big")
    for part in (_public_blob(key.public_key()), namespace.encode(), b"", _HASH, _text(b"ssh-ed25519") + _text(raw)):
        blob += _text(part)
    return "\n".join([_BEGIN, *textwrap.wrap(base64.b64encode(blob).decode(), 70), _END, ""])


def verify_ssh_signature(public: str, signature: str, data: bytes, namespace: str) -> bool:
    """Whether the key of that public line signed exactly this data for exactly this namespace."""
    try:
        key = load_ssh_public_key(" ".join(public.split()[:2]).encode())
        lines = signature.strip().splitlines()
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        if lines[0] != _BEGIN or lines[-1] != _END or not isinstance(key, Ed25519PublicKey):
            return False
        if blob[:10] != _MAGIC + (1).to_bytes(4, "big"):
            return False
        signer, space, _reserved, hash_name, inner = _texts(blob[10:], 5)
        kind, raw = _texts(inner, 2)
        if (signer, space, hash_name, kind) != (_public_blob(key), namespace.encode(), _HASH, b"ssh-ed25519"):
            return False
        key.verify(raw, _signed(data, namespace))
    except (InvalidSignature, ValueError, IndexError, binascii.Error):
        return False
    return True


def _private(private: Secret) -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(private.reveal().encode(), password=None)
    except (ValueError, TypeError):
        raise SecretsError("A secret that should be an SSH key is none.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretsError("A secret that should be an ed25519 SSH key is of another kind.")
    return key


def _public_blob(key: Ed25519PublicKey) -> bytes:
    return _text(b"ssh-ed25519") + _text(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _signed(data: bytes, namespace: str) -> bytes:
    digest = hashlib.sha512(data).digest()
    return _MAGIC + b"".join(_text(part) for part in (namespace.encode(), b"", _HASH, digest))


def _text(value: bytes) -> bytes:
    """A string of the SSH protocol: its length, then itself."""
    return len(value).to_bytes(4, "big") + value


def _texts(blob: bytes, count: int) -> list[bytes]:
    """Exactly so many strings of the SSH protocol."""
    found = []
    for _ in range(count):
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length or len(blob) < 4:
            raise ValueError("too short")
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if blob:
        raise ValueError("too long")
    return found
