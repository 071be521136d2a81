"""The secrets that recipes need and how each is made; they are made once and kept in the keyring."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recipes.keys import make_ssh_key, public_half
from state.errors import SecretsError
from state.secret import Secret

#: WordPress asks for eight of 64 characters (https://developer.wordpress.org/apis/wp-config-php/).
SALT_NAMES = (
    "AUTH_KEY",
    "SECURE_AUTH_KEY",
    "LOGGED_IN_KEY",
    "NONCE_KEY",
    "AUTH_SALT",
    "SECURE_AUTH_SALT",
    "LOGGED_IN_SALT",
    "NONCE_SALT",
)
_SALT_LENGTH = 64
#: 62^32: 190 bits; letters and digits only, so that no consumer's quoting can be got wrong.
_PASSWORD_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
#: A certified key never leaves the deployment and is replaced by hand; its dates bind nobody.
_CERTIFIED_FROM = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_CERTIFIED_UNTIL = dt.datetime(2070, 1, 1, tzinfo=dt.UTC)


class SecretKind(StrEnum):
    """What a generated secret looks like."""

    PASSWORD = "password"
    SSH_KEY = "ssh-key"  # ed25519, OpenSSH's private form
    CERTIFIED_KEY = "certified-key"  # PEM: EC key, then a self-signed certificate; what `openssl cms` needs
    SALTS = "salts"  # JSON: the names of SALT_NAMES with a text each


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that a recipe reads from ``Context.secrets``."""

    name: str
    kind: SecretKind


def generate(spec: SecretSpec) -> Secret:
    """A new secret of that kind, from the system's random source."""
    return _MAKERS[spec.kind](spec.name)


def public_line(key: Secret, comment: str = "") -> str:
    """The public half of an SSH_KEY as one line for ``authorized_keys``."""
    return public_half(key, comment)


def certificate_of(key: Secret) -> str:
    """The certificate inside a CERTIFIED_KEY, as PEM: public, for whoever encrypts to that role."""
    try:
        certificate = x509.load_pem_x509_certificate(key.reveal().encode())
    except ValueError as error:
        raise SecretsError("A secret that should be a key with its certificate is none.") from error
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def salts_of(salts: Secret) -> tuple[tuple[str, Secret], ...]:
    """Name and value of each salt of a SALTS secret."""
    try:
        values = json.loads(salts.reveal())
        return tuple((name, Secret(values[name])) for name in SALT_NAMES)
    except (ValueError, KeyError, TypeError) as error:
        raise SecretsError("The secret with the application's salts is damaged.") from error


def _characters(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _password(_name: str) -> Secret:
    return Secret(_characters(_PASSWORD_LENGTH))


def _ssh_key(name: str) -> Secret:
    private, _public = make_ssh_key(name)
    return private


def _certified_key(name: str) -> Secret:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_CERTIFIED_FROM)
        .not_valid_after(_CERTIFIED_UNTIL)
        .sign(private, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Secret((private.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM)).decode())


def _salts(_name: str) -> Secret:
    return Secret(json.dumps({name: _characters(_SALT_LENGTH) for name in SALT_NAMES}))


_MAKERS: dict[SecretKind, Callable[[str], Secret]] = {
    SecretKind.PASSWORD: _password,
    SecretKind.SSH_KEY: _ssh_key,
    SecretKind.CERTIFIED_KEY: _certified_key,
    SecretKind.SALTS: _salts,
}
