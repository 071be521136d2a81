"""A vendor's cloud on paper: state behind the vendor's own description, which judges each request and each answer.

A vendor's fake subclasses :class:`Fake`, gives it routes, and keeps its things in dictionaries. Faults are put in
front of it by :class:`Faulty`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from openapi_core.templating.paths.exceptions import PathNotFound

from tests.providers.description import Description, judge


@dataclass(frozen=True)
class Call:
    """One request as a route reads it; ``path`` has the parts that the route's template names."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


@dataclass
class Refused(Exception):
    """Raised by a route: that status with that body."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


#: Gives (status, body); body None is an empty answer.
Serve = Callable[[Call], tuple[int, Any]]


class Fake(httpx.BaseTransport):
    """Answers by its routes; what the description says against a request or an answer is kept in ``problems``.

    Args:
        descriptions: the vendor's, the one that is asked first in front.
    """

    def __init__(self, descriptions: tuple[Description, ...]) -> None:
        self._descriptions = descriptions
        self._routes: list[tuple[str, re.Pattern[str], Serve]] = []
        self.problems: list[str] = []
        self.asked: list[str] = []

    def route(self, method: str, template: str, serve: Serve) -> None:
        """``template`` is a path with ``{names}``."""
        pattern = "".join(
            f"(?P<{part[1:-1]}>[^/:]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[a-z_]+\})", template)
        )
        self._routes.append((method, re.compile(pattern), serve))

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        """Overridden: how wrong credentials are refused."""
        return None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        line = f"{request.method} {request.url.raw_path.decode()}"
        self.asked.append(line)
        self.problems += [f"{line}: {problem}" for problem in judge(request, self._descriptions)]
        response = self._serve(request)
        response.request = request
        self.problems += [f"{line} answered {response.status_code}: {each}" for each in self._wrong(request, response)]
        return response

    def _serve(self, request: httpx.Request) -> httpx.Response:
        try:
            refused = self.unauthorized(request)
            if refused is not None:
                raise refused
            for method, pattern, serve in self._routes:
                found = pattern.fullmatch(request.url.path)
                if method == request.method and found:
                    body = json.loads(request.content) if request.content else None
                    status, answer = serve(Call(found.groupdict(), dict(request.url.params), body))
                    return _response(status, answer, {})
        except Refused as refusal:
            return _response(refusal.status, refusal.body, refusal.headers)
        raise AssertionError(f"the fake has no route for {request.method} {request.url.path}")

    def _wrong(self, request: httpx.Request, response: httpx.Response) -> list[str]:
        for description in self._descriptions:
            try:
                return description.answer_problems(request, response)
            except PathNotFound:
                continue
        return []


def _response(status: int, body: Any, headers: Mapping[str, str]) -> httpx.Response:
    if body is None:
        return httpx.Response(status, headers=dict(headers))
    return httpx.Response(status, json=body, headers=dict(headers))


#: Given the request and what would have been answered (after it was done), does something else.
Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


class Faulty(httpx.BaseTransport):
    """Passes requests on, but for those a fault was laid for.

    Args:
        inner: who answers.
    """

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self._laid: list[tuple[str, str, int, Fault]] = []

    def lay(self, method: str, part: str, fault: Fault, *, times: int = 1) -> None:
        """That fault meets the next requests of that method whose path contains ``part``."""
        self._laid.append((method, part, times, fault))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for number, (method, part, times, fault) in enumerate(self._laid):
            if request.method == method and part in request.url.path:
                self._laid[number : number + 1] = [(method, part, times - 1, fault)] if times > 1 else []
                return fault(request, lambda: self._inner.handle_request(request))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def limited(_request: httpx.Request, _go_on: Callable[[], httpx.Response]) -> httpx.Response:
    """429, to be tried again in two seconds; nothing was done."""
    return httpx.Response(429, headers={"Retry-After": "2"}, json={})


def broken(_request: httpx.Request, _go_on: Callable[[], httpx.Response]) -> httpx.Response:
    """500; nothing was done."""
    return httpx.Response(500, text="internal error")


def timed_out(_request: httpx.Request, _go_on: Callable[[], httpx.Response]) -> httpx.Response:
    """Nothing was done, and nobody says so."""
    raise httpx.ReadTimeout("timed out")


def lost(_request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
    """It was done, and the answer never came."""
    go_on()
    raise httpx.ReadError("connection reset by peer")


def cut(_request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
    """It was done, and the answer broke off in the middle."""
    whole = go_on()

    class Half(httpx.SyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield whole.content[: len(whole.content) // 2]
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    return httpx.Response(whole.status_code, stream=Half())


#: All that ``tests/providers`` lay before every driver.
FAULTS: Mapping[str, Fault] = {
    "429": limited,
    "500": broken,
    "time-out": timed_out,
    "half an answer": cut,
    "lost answer": lost,
}
