"""Signed files of the shared configuration directory: what the machines' ``buildyard-pull`` accepts.

A file is a first line with its name and serial, then its text; beside it lies NAME.sig in OpenSSH's signature form
(``ssh-keygen -Y sign``, PROTOCOL.sshsig), so that machines verify with what sshd needs anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network

from recipes.keys import ssh_signature
from state.errors import UsageError
from state.secret import Secret

NAMESPACE = "buildyard-shared"
#: Who signs: each file has exactly one principal whose word counts.
OPERATOR = "operator"
CARETAKER = "caretaker"
OPERATORS_FILE = "operators"
CERTIFICATE_FILE = "certificate"
GUARDIAN_FILE = "guardian"

_VERSION = 1
_LARGEST_SERIAL = 10**15 - 1


def document(name: str, serial: int, text: str) -> bytes:
    """The whole file to be stored under ``name``.

    Args:
        name: the object's name in the configuration bucket.
        serial: higher than that of the version before; machines refuse to go back.
        text: what the readers get, ending with a newline.

    Raises:
        UsageError: name or serial cannot be used.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not 0 < serial <= _LARGEST_SERIAL:
        raise UsageError(f"{name!r} with serial {serial} cannot be the name of a shared file.")
    return f"{NAMESPACE} {_VERSION} {name} {serial}\n{text}".encode()


def serial_of(content: bytes, name: str) -> int:
    """The serial of a file that :func:`document` made; 0 when it is none."""
    first = content.split(b"\n", 1)[0].decode(errors="replace")
    match = re.fullmatch(rf"{NAMESPACE} {_VERSION} {re.escape(name)} ([0-9]{{1,15}})", first)
    return int(match[1]) if match else 0


def operators_document(serial: int, operators: Iterable[str]) -> bytes:
    """The allow-list: who may use SSH from outside.

    Raises:
        UsageError: empty, which would lock everybody out, or not an address.
    """
    try:
        networks = sorted({str(ip_network(operator, strict=False)) for operator in operators})
    except ValueError as error:
        raise UsageError(f"The allow-list cannot be used: {error}.", hint="give addresses or CIDRs") from error
    if not networks:
        raise UsageError("An empty allow-list would lock everybody out.", hint="give at least one address")
    return document(OPERATORS_FILE, serial, "".join(f"{network}\n" for network in networks))


def sign(content: bytes, key: Secret) -> bytes:
    """The content of NAME.sig.

    Args:
        content: what :func:`document` made.
        key: an ed25519 key in OpenSSH's private form.

    Raises:
        SecretsError: the key is no ed25519 key.
    """
    return ssh_signature(key, content, NAMESPACE).encode()
