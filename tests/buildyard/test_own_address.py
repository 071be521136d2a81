"""How `auto` finds this machine's addresses at a vendor; nobody is asked for real."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from buildyard.own_address import own_addresses
from state.errors import Unavailable

TRACE = "fl=123f45\nh={host}\nip={ip}\nts=1764037000.123\nvisit_scheme=https\nuag=python-httpx\ncolo=LHR\ntls=TLSv1.3\n"
V4, V6 = "8.8.4.4", "2a00:1450:4009:81f::200e"


def echo(v4: str | Exception, v6: str | Exception) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        assert request.url.path == "/cdn-cgi/trace"
        ip = v6 if ":" in request.url.host else v4
        if isinstance(ip, Exception):
            raise ip
        return httpx.Response(200, text=TRACE.format(host=request.url.host, ip=ip))

    return httpx.MockTransport(answer)


def test_both_families_are_found() -> None:
    assert own_addresses(echo(V4, V6)) == (V4, V6)


@pytest.mark.parametrize(
    ("v4", "v6", "found"),
    [
        (V4, httpx.ConnectError("Network is unreachable"), (V4,)),
        (httpx.ConnectTimeout("timed out"), V6, (V6,)),
        (V4, "192.168.1.7", (V4,)),
        (V4, "fe80::1", (V4,)),
        (V6, V6, (V6,)),
    ],
)
def test_one_family_may_be_missing(v4: str | Exception, v6: str | Exception, found: tuple[str, ...]) -> None:
    assert own_addresses(echo(v4, v6)) == found


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(302, headers={"location": "http://127.0.0.1/"}),
        lambda _: httpx.Response(200, text="<html>Log in to the hotel's network</html>"),
        lambda _: httpx.Response(200, text="ip=10.0.0.7\n"),
        lambda _: httpx.Response(200, content=b"\xff" * 100_000),
    ],
)
def test_when_nothing_is_found_the_address_is_asked_for(answer: Callable[[httpx.Request], httpx.Response]) -> None:
    with pytest.raises(Unavailable, match="public address") as caught:
        own_addresses(httpx.MockTransport(answer))
    assert "1.1.1.1" in caught.value.detail
    assert "2606:4700:4700::1111" in caught.value.detail
    assert "access.operators" in caught.value.hint
