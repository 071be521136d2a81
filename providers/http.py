"""The one HTTP client of all clouds: one way to time out, to retry, to page, to adopt and to fail."""

from __future__ import annotations

import json
import random
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx

from providers.operations import Dialect, Operation
from providers.pasted import is_one_word
from providers.refusals import HINTS, SUMMARIES, Busy, Forbidden, Hopeless, Limited, Unsent
from state.clock import Clock, wait_until
from state.errors import (
    Conflict,
    DeadlineExceeded,
    HostError,
    NotFound,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from state.secret import Redactor, Secret

T = TypeVar("T")


#: What reading an answer of the wrong shape raises.
_SHAPE_ERRORS = (KeyError, IndexError, TypeError, AttributeError, ValueError)


@cache
def _public_trust() -> ssl.SSLContext:
    """Whom the internet trusts, read once: to parse those certificates takes longer than many a call."""
    return httpx.create_ssl_context()


class BearerToken(httpx.Auth):
    """Sends a token with each request; kept out of the client's headers, so that no dump of them shows it.

    Raises:
        Unauthorized: the token holds characters that no HTTP header may carry.
    """

    def __init__(self, token: Secret, label: str) -> None:
        text = token.reveal()
        if not is_one_word(text):
            raise Unauthorized(
                f"The token for {label} holds blanks or characters no token has.",
                hint="Copy it again, without line breaks or blanks.",
            )
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in seconds.

    Attributes:
        request_s: one request from connecting to the last byte.
        call_s: one call with all its repetitions and pauses.
        first_pause_s, longest_pause_s: the pause before repetition n is drawn from 0 to
            ``min(longest, first * 2**n)`` (full jitter).
        settle_s: how long a thing just made may be missing from lists.
    """

    request_s: float = 30.0
    call_s: float = 120.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0
    settle_s: float = 15.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: Any


@dataclass(slots=True)
class Api:
    """A vendor's API behind its table of operations.

    Args:
        dialect: how the vendor speaks.
        base_url: ``https://…`` without a path.
        auth: signs each request.
        hidden: what must never be shown: the credentials.
        clock: where time comes from.
        ca_pem_file: the only authority trusted; None for the system's.
        transport: for tests.
        patience: how long things may take.
        jitter: gives numbers from 0 to 1.
    """

    dialect: Dialect
    base_url: str
    auth: httpx.Auth
    hidden: tuple[Secret, ...]
    clock: Clock
    ca_pem_file: Path | None = None
    transport: httpx.BaseTransport | None = None
    patience: Patience = field(default_factory=Patience)
    jitter: Callable[[], float] = random.random
    _client: httpx.Client = field(init=False, repr=False)
    _redact: Redactor = field(init=False, repr=False)

    #: No answer we ask for is near this; more is a fault or an attack.
    LARGEST_ANSWER_BYTES = 32 * 1024 * 1024

    def __post_init__(self) -> None:
        self._redact = Redactor(self.hidden)
        self._client = httpx.Client(
            base_url=self.base_url,
            auth=self.auth,
            headers={"Accept": "application/json", "User-Agent": "buildyard"},
            timeout=httpx.Timeout(self.patience.request_s, connect=min(10.0, self.patience.request_s)),
            # A token must not follow a redirect to another host.
            follow_redirects=False,
            transport=self.transport,
            verify=self._trust(),
            # A proxy of the environment serves the internet, not a cloud with an authority of its own.
            trust_env=self.ca_pem_file is None,
        )

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def call(
        self,
        operation: Operation,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Does one operation and gives its decoded answer, None when the answer is empty.

        Repeats it within ``patience.call_s`` when the vendor limits us or is not reached; after a lost answer only if
        the operation may be repeated.

        Raises:
            ProviderError: or one of its kinds; never holds the token.
        """
        end = self.clock.monotonic() + self.patience.call_s
        tries = 0
        while True:
            try:
                return self._once(operation, query, body)
            except RateLimited as error:
                failure: ProviderError = error
                pause = error.retry_after_s if isinstance(error, Limited) else None
            except Unavailable as error:
                if not (operation.may_be_repeated or isinstance(error, Unsent)):
                    raise
                failure = error
                pause = error.retry_after_s if isinstance(error, Busy) else None
            if isinstance(failure, Hopeless):
                raise failure
            if pause is None:
                pause = self.jitter() * min(self.patience.longest_pause_s, self.patience.first_pause_s * 2**tries)
            else:
                # Many machines are told the same moment; spread them a little after it, never before.
                pause += self.jitter() * self.patience.first_pause_s
            tries += 1
            if self.clock.monotonic() + pause >= end:
                failure.hint = failure.hint or f"Gave up after {tries} tries. Try again in {max(pause, 60):.0f} s."
                raise failure
            self.clock.sleep(pause)

    def read(
        self,
        operation: Operation,
        reader: Callable[[Any], T],
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> T:
        """As :meth:`call`, with the answer made into a value by ``reader``."""
        return self._understood(operation, reader, self.call(operation, query=query, body=body))

    def delete(self, operation: Operation) -> None:
        """Does a deletion; what is gone already is no error."""
        with suppress(NotFound):
            self.call(operation)

    def listed(
        self, operation: Operation, reader: Callable[[Any], T], *, query: Mapping[str, Any] | None = None
    ) -> list[T]:
        """All items of a list over all its pages, each once and made into a value by ``reader``.

        A list that changed while it was read over several pages (fewer or more items than it says it has) is read
        again, at most three times.
        """
        items: list[Any] = []
        for _ in range(3):
            items, complete = self._read_pages(operation, query or {})
            if complete:
                break
        return [self._understood(operation, reader, item) for item in items]

    def create(
        self,
        operation: Operation,
        *,
        body: Any,
        find: Callable[[], T | None],
        reader: Callable[[Any], T],
        looked: bool = False,
    ) -> T:
        """Makes a thing once: what ``find`` sees is adopted, before it is asked for and after an answer was lost.

        Args:
            operation: the create.
            body: what to make.
            find: looks the thing up by its name or tag.
            reader: takes the thing from the create's answer.
            looked: the caller just looked and there was none.
        """
        found = None if looked else find()
        if found is not None:
            return found
        for last in (False, False, True):
            try:
                return self.read(operation, reader, body=body)
            except Conflict:
                # Somebody (a run that died a moment ago) made it between the look and the create.
                found = self._appears(find)
                if found is None:
                    raise
                return found
            except Unavailable:
                found = self._appears(find)
                if found is not None:
                    return found
                if last:
                    raise
        raise AssertionError("the last try returns or raises")

    def _appears(self, find: Callable[[], T | None]) -> T | None:
        try:
            return wait_until("what was made", find, timeout_s=self.patience.settle_s, clock=self.clock)
        except DeadlineExceeded:
            return None

    def _read_pages(self, operation: Operation, query: Mapping[str, Any]) -> tuple[list[Any], bool]:
        page: Mapping[str, Any] | None = {**query, **self.dialect.first_page}
        seen: dict[Any, Any] = {}
        asked: list[Mapping[str, Any]] = []
        totals: set[int | None] = set()
        while page is not None:
            if page in asked:
                raise ProviderError(f"{self.dialect.label} answers a list whose pages never end ({operation.path}).")
            asked.append(page)
            body = self.call(operation, query=page)
            try:
                for item in body[operation.items] or ():
                    seen[item.get(self.dialect.identity, len(seen))] = item
                totals.add(self.dialect.total(body))
                page = self.dialect.next_page(body, page)
            except _SHAPE_ERRORS as error:
                raise self._nonsense(operation) from error
        # A list that shrank moved an item from a page not yet read to one that was.
        return list(seen.values()), len(asked) == 1 or totals in ({None}, {len(seen)})

    def _once(self, operation: Operation, query: Mapping[str, Any] | None, body: Any) -> Any:
        what = f"{operation.method} {operation.path}"
        try:
            answer = self._send(operation, query, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._not_connected(error) from None
        except httpx.TimeoutException:
            raise Unavailable(
                f"{self.dialect.label} did not answer within {self.patience.request_s:g} s.", detail=what
            ) from None
        except httpx.HTTPError as error:
            # Without the cause: httpx hangs the request, token included, on its errors.
            raise Unavailable(
                f"The answer of {self.dialect.label} broke off.",
                detail=self._redact(f"{what}: {type(error).__name__}: {error}"),
            ) from None
        if 200 <= answer.status < 300:
            return answer.body
        raise self._refused(answer, what)

    def _send(self, operation: Operation, query: Mapping[str, Any] | None, body: Any) -> _Answer:
        end = self.clock.monotonic() + self.patience.request_s
        parts: list[bytes] = []
        size = 0
        with self._client.stream(
            operation.method, operation.path, params=dict(query) if query else None, json=body
        ) as response:
            for part in response.iter_bytes():
                size += len(part)
                parts.append(part)
                if size > self.LARGEST_ANSWER_BYTES:
                    raise httpx.ReadError("the answer is larger than any real one")
                # httpx times out between two bytes; a server that dribbles needs an end as well.
                if self.clock.monotonic() > end:
                    raise httpx.ReadTimeout("the answer came too slowly")
        # A vendor may echo what it was sent; what is not kept cannot be shown.
        text = self._redact(b"".join(parts).decode("utf-8", "replace"))
        try:
            decoded = json.loads(text, parse_float=Decimal) if text.strip() else None
        except ValueError:
            if 200 <= response.status_code < 300:
                raise httpx.DecodingError("the answer is no JSON") from None
            decoded = None
        return _Answer(response.status_code, response.headers, decoded)

    def _refused(self, answer: _Answer, what: str) -> ProviderError:
        refusal = self.dialect.explain(answer.status, answer.body)
        detail = self._redact(f"{what}: {answer.status}" + (f": {refusal.message}" if refusal else ""))
        hint = refusal.hint if refusal else ""
        label = self.dialect.label
        if answer.status == 429:
            pause_s = self._retry_after_s(answer.headers)
            when = f" again in {pause_s:.0f} s" if pause_s else " again later"
            limited = Limited(f"{label} limits how often it may be asked.", detail=detail, hint=hint or f"Try{when}.")
            limited.retry_after_s = pause_s
            return limited
        if answer.status >= 500 or answer.status == 408:
            busy = Busy(f"{label} has a fault of its own ({answer.status}).", detail=detail, hint=hint)
            busy.retry_after_s = self._retry_after_s(answer.headers)
            return busy
        if refusal is not None and refusal.error is not ProviderError:
            kind = refusal.error
        else:
            kind = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}.get(answer.status, ProviderError)
        summary = f"{label} {SUMMARIES.get(kind, 'refused what it was asked')}."
        return kind(summary, detail=detail, hint=hint or HINTS.get(kind, ""))

    def _not_connected(self, error: Exception) -> Unavailable:
        label, text = self.dialect.label, self._redact(str(error))
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return Hopeless(
                f"The certificate of {label} is not trusted; nothing was sent.",
                detail=f"{self.base_url}: {text}",
                hint="Check the clock of this machine, and that nothing stands between it and the internet.",
            )
        return Unsent(
            f"{label} cannot be reached.",
            detail=f"{self.base_url}: {text or type(error).__name__}",
            hint="Check this machine's network, then try again.",
        )

    def _understood(self, operation: Operation, reader: Callable[[Any], T], body: Any) -> T:
        try:
            return reader(body)
        except _SHAPE_ERRORS as error:
            raise self._nonsense(operation) from error

    def _nonsense(self, operation: Operation) -> Unavailable:
        # A kind of lost answer: what was asked for may have happened.
        return Unavailable(
            f"{self.dialect.label} answers in a form that is not its documented one.",
            detail=f"{operation.method} {operation.path}",
            hint="Is a newer version of Buildyard there? The vendor may have changed its API.",
        )

    def _retry_after_s(self, headers: httpx.Headers) -> float | None:
        """Seconds the vendor asks us to wait (RFC 9110, 10.2.3: seconds or a date), None when it does not say."""
        text = headers.get("Retry-After", "").strip()
        if text.isdecimal():
            return float(text)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self.clock.now()) if text else None
        except ValueError:
            return None

    def _trust(self) -> ssl.SSLContext:
        if self.ca_pem_file is None:
            return _public_trust()
        try:
            return ssl.create_default_context(cafile=str(self.ca_pem_file))
        except (OSError, ssl.SSLError) as error:
            raise HostError(
                f"The authority's certificate for {self.dialect.label} cannot be read.",
                detail=f"{self.ca_pem_file}: {error}",
            ) from error
