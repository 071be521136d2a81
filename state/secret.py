"""A secret as a type: it can be carried anywhere and shown nowhere."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
#: The first line of every OpenSSH private key without a passphrase: format, ciphers and kind, the same in all of them.
_OPENSSH_HEADER = "b3BlbnNzaC1rZXktdjEA"


class Secret:
    """A value that must not be seen: every way to print it shows dots.

    Only :meth:`reveal` gives the value, so each use can be found by searching for that word.

    Args:
        value: the secret text, not empty.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise ValueError("an empty secret is no secret")
        self._value = value

    def reveal(self) -> str:
        """The value itself; for the one place that hands it to its consumer."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Redactor:
    """Replaces every known secret in a text, in the forms in which it could slip through.

    The last line of defence behind the types: whatever goes to journal, log, screen or error passes here.

    Args:
        secrets: the secrets of this deployment.
    """

    #: Shorter values (a PIN, a port) would blank out ordinary text everywhere.
    SHORTEST = 6

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: list[str] = []
        self.add(*secrets)

    def add(self, *secrets: Secret) -> None:
        """Learns further secrets."""
        for secret in secrets:
            self._forms += (form for form in forms_of(secret.reveal()) if form not in self._forms)
        self._forms.sort(key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text


def forms_of(value: str) -> list[str]:
    """The spellings under which a secret can appear: plain, base64, URL-, shell- and JSON-quoted, line by line."""
    forms: list[str] = []
    for text in dict.fromkeys([value, *_secret_lines(value)]):
        if len(text) < Redactor.SHORTEST:
            continue
        raw = text.encode()
        spellings = (
            text,
            base64.b64encode(raw).decode(),
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode(),
            quote(text, safe=""),
            quote_plus(text),
            shlex.quote(text),
            json.dumps(text)[1:-1],
        )
        forms += (form for form in spellings if form not in forms)
    return forms


def _secret_lines(value: str) -> list[str]:
    """The lines that are secret by themselves: not PEM's armour (RFC 7468), and not a certificate beside a key."""
    found, public = [], False
    for line in value.splitlines():
        if line.startswith("-----"):
            public = line == "-----BEGIN CERTIFICATE-----"
        elif not public and not line.startswith(_OPENSSH_HEADER):
            found.append(line)
    return found
