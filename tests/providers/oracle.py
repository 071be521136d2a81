"""A vendor's own client as an oracle: what it sends for a wish, beside what our driver sends."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
import requests
from requests.adapters import BaseAdapter

from tests.providers.scripted import Scripted, Step

Our = TypeVar("Our")
Their = TypeVar("Their")

#: Method, path as it is on the wire, query, JSON.
Sent = tuple[str, str, list[tuple[str, str]], Any]


def sent(request: httpx.Request) -> Sent:
    """What is compared of a request."""
    body = json.loads(request.content) if request.content else None
    path = request.url.raw_path.decode().partition("?")[0]
    return request.method, path, sorted(request.url.params.multi_items()), body


@dataclass
class Recorder(httpx.BaseTransport):
    """Passes requests on and keeps them."""

    inner: httpx.BaseTransport
    asked: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        return self.inner.handle_request(request)

    def sent(self) -> list[Sent]:
        return [sent(request) for request in self.asked]


class Bridge(BaseAdapter):
    """Carries what a client over ``requests`` sends to a transport of httpx.

    Args:
        transport: answers.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        asked = httpx.Request(
            str(request.method), str(request.url), headers=dict(request.headers), content=request.body
        )
        answered = self._transport.handle_request(asked)
        response = requests.Response()
        response.status_code = answered.status_code
        response.headers["Content-Type"] = "application/json"
        response.raw = io.BytesIO(answered.content)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None: ...


@dataclass(frozen=True)
class Wish(Generic[Our, Their]):
    """One thing both can do; ``steps`` are the answers ours needs on its way, ``at`` the request to compare.

    ``ours_alone`` are fields of the body that only we send, each for the reason beside it.
    """

    name: str
    ours: Callable[[Our], object]
    steps: Callable[[], tuple[Step, ...]]
    theirs: Callable[[Their], object]
    at: int = -1
    ours_alone: tuple[str, ...] = ()


def compare(
    wish: Wish[Any, Any], client: Any, caught: Recorder, driver: Callable[[httpx.BaseTransport], Any]
) -> list[httpx.Request]:
    """All that ours sent; fails where the vendor's client sends something else for the same wish.

    Args:
        client: the vendor's.
        caught: what it sends through.
        driver: ours over a transport.
    """
    caught.asked.clear()
    wish.theirs(client)
    transport = Scripted(*wish.steps())
    our = driver(transport)
    wish.ours(our)
    our.close()
    assert transport.steps == []
    method, path, query, body = sent(transport.asked[wish.at])
    for name in wish.ours_alone:
        assert body.pop(name)
    assert [(method, path, query, body)] == caught.sent()
    return transport.asked
