"""The vendor's own client as an oracle: what it sends for a wish, and that ours sends the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import linode_api4 as sdk
import requests
from requests.adapters import BaseAdapter

from providers.linode.driver import Linode
from state.secret import Secret
from tests.providers.description import judge
from tests.providers.linode.linode_description import linode
from tests.providers.scripted import FakeClock, Scripted, Step, answer

TOKEN = "0f" * 32


def page(*things: dict[str, Any]) -> Step:
    return answer(200, {"data": list(things), "page": 1, "pages": 1, "results": len(things)})


@dataclass(frozen=True)
class Wish:
    """One thing both can do; ``steps`` are the answers ours needs on its way, ``at`` the request to compare.

    ``ours_alone`` are fields of the body that only we send, each for the reason beside it.
    """

    name: str
    ours: Callable[[Linode], object]
    steps: Callable[[], tuple[Step, ...]]
    theirs: Callable[[sdk.LinodeClient], object]
    at: int = -1
    ours_alone: tuple[str, ...] = ()


class Caught(BaseAdapter):
    """Takes what requests would send and answers nothing of interest."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str, list[tuple[str, str]], Any]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        url = urlsplit(str(request.url))
        body = json.loads(request.body) if request.body else None
        self.sent.append((str(request.method), url.path, sorted(parse_qsl(url.query)), body))
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "application/json"
        response.raw = io.BytesIO(json.dumps({"id": 1, "data": [], "page": 1, "pages": 1, "results": 0}).encode())
        response.request = request
        response.url = str(request.url)
        return response

    def close(self) -> None: ...


def client() -> tuple[sdk.LinodeClient, Caught]:
    """The vendor's client, and what it would have sent."""
    client = sdk.LinodeClient(TOKEN, page_size=500, retry=False)
    caught = Caught()
    client.session.mount("https://", caught)
    return client, caught


def compare(wish: Wish) -> None:
    """Fails where the two send something else, or the description finds fault with ours."""
    their, caught = client()
    wish.theirs(their)
    transport = Scripted(*wish.steps())
    driver = Linode(Secret(TOKEN), clock=FakeClock(), transport=transport)
    wish.ours(driver)
    driver.close()
    assert transport.steps == []
    request = transport.asked[wish.at]
    body = json.loads(request.content) if request.content else None
    for field in wish.ours_alone:
        assert body.pop(field)
    assert [(request.method, request.url.path, sorted(request.url.params.multi_items()), body)] == caught.sent
    assert [problem for asked in transport.asked for problem in judge(asked, linode())] == []
