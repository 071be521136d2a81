"""How a request to Exoscale is signed: EXO2-HMAC-SHA256."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Generator
from urllib.parse import parse_qs

import httpx

from providers.pasted import is_one_word
from state.clock import Clock
from state.errors import Unauthorized
from state.secret import Secret

#: Seconds a signature is good for; what the vendor's own client asks for.
_GOOD_FOR_S = 600
#: What anybody may read. Keys whose role is narrow are refused it when they sign, so nobody signs it.
_PUBLIC = ("GET", b"/v2/zone")


class Signature(httpx.Auth):
    """Signs each request with the secret, which is never sent.

    The rule: openapi-v2.exoscale.com/topic/topic-api-request-signature.

    Args:
        key: names the secret to the vendor.
        secret: signs.
        clock: tells when a signature ends.

    Raises:
        Unauthorized: the key holds characters that no HTTP header may carry.
    """

    requires_request_body = True

    def __init__(self, key: Secret, secret: Secret, clock: Clock) -> None:
        text = key.reveal()
        if not is_one_word(text) or any(letter in ",=" for letter in text):
            raise Unauthorized(
                "The key for Exoscale holds blanks or characters no key has.",
                hint="Copy it again, without line breaks or blanks.",
            )
        self._key = key
        self._secret = secret
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path, _, query = request.url.raw_path.partition(b"?")
        if (request.method, path) != _PUBLIC:
            request.headers["Authorization"] = self._header(request.method, path, query, request.content)
        yield request

    def _header(self, method: str, path: bytes, query: bytes, body: bytes) -> str:
        arguments = parse_qs(query.decode("ascii"))
        values = "".join(arguments[name][0] for name in sorted(arguments) if len(arguments[name]) == 1)
        expires = str(int(self._clock.now() + _GOOD_FOR_S))
        # the empty line is for headers, of which none are signed
        message = b"\n".join((method.encode() + b" " + path, body, values.encode(), b"", expires.encode()))
        digest = hmac.new(self._secret.reveal().encode(), message, hashlib.sha256).digest()
        parts = [f"credential={self._key.reveal()}"]
        if arguments:
            parts.append(f"signed-query-args={';'.join(sorted(arguments))}")
        parts += [f"expires={expires}", f"signature={b64encode(digest).decode()}"]
        return f"EXO2-HMAC-SHA256 {','.join(parts)}"
