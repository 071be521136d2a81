"""Where a machine is and which keys belong to a connection with it, as paramiko wants them."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from pathlib import Path

import paramiko

from state.errors import MachineError, SecretsError
from state.secret import Secret


@dataclass(frozen=True, slots=True)
class Address:
    """Where a machine listens and how it proves who it is.

    Attributes:
        host: IPv4 or IPv6 address, or a name.
        user: whom to log in as; commands of anyone but root go through ``sudo -n``.
        host_key: the one key it must show, as OpenSSH writes it ("ssh-ed25519 AAAA…").
    """

    host: str
    port: int
    user: str
    host_key: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"


def own_key(private_key: Secret | Path) -> paramiko.PKey:
    """Our private key from its OpenSSH text or file."""
    try:
        text = private_key.reveal() if isinstance(private_key, Secret) else private_key.read_text(encoding="utf-8")
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
    except (paramiko.SSHException, OSError, ValueError, IndexError) as error:
        raise SecretsError(f"The SSH key cannot be read ({type(error).__name__}): no OpenSSH ed25519 key.") from None


def pinned_key(address: Address) -> paramiko.PKey:
    """The host key the machine must show."""
    words = address.host_key.split()
    try:
        return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True))
    except (IndexError, binascii.Error, paramiko.SSHException, ValueError) as error:
        raise MachineError(
            f"The pinned host key of {address} is no OpenSSH public key.", detail=address.host_key[:60]
        ) from error


def fingerprint(key: paramiko.PKey) -> str:
    """As ssh-keygen -l prints it."""
    return f"{key.get_name()} {key.fingerprint}"
