"""The vendor's own client as an oracle: what it sends for a wish, and that ours sends the same."""

from __future__ import annotations

from typing import Any

import httpx
import linode_api4 as sdk

from providers.linode.driver import Linode
from state.secret import Secret
from tests.providers import oracle
from tests.providers.description import judge
from tests.providers.linode.linode_description import linode
from tests.providers.oracle import Bridge, Recorder
from tests.providers.scripted import FakeClock, Step, answer

TOKEN = "0f" * 32


def page(*things: dict[str, Any]) -> Step:
    return answer(200, {"data": list(things), "page": 1, "pages": 1, "results": len(things)})


def compare(wish: oracle.Wish[Linode, sdk.LinodeClient]) -> None:
    """Fails where the two send something else, or the description finds fault with ours."""
    client = sdk.LinodeClient(TOKEN, page_size=500, retry=False)
    empty = {"id": 1, "data": [], "page": 1, "pages": 1, "results": 0}
    caught = Recorder(httpx.MockTransport(lambda _request: httpx.Response(200, json=empty)))
    client.session.mount("https://", Bridge(caught))
    asked = oracle.compare(
        wish, client, caught, lambda transport: Linode(Secret(TOKEN), clock=FakeClock(), transport=transport)
    )
    assert [problem for each in asked for problem in judge(each, linode())] == []
