"""Opening a vendor's cloud asks nobody anything and makes nothing there."""

from __future__ import annotations

import httpx
import pytest

from buildyard import vendor_cloud
from buildyard.answering import REHEARSAL_ANSWERS
from fleet.settings import read_settings
from state.clock import SystemClock
from state.secret import Secret


def test_it_sends_nothing_until_it_is_asked_for_something(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(httpx.Client, "send", lambda _self, request, **_: asked.append(request))
    monkeypatch.setattr(vendor_cloud, "own_addresses", lambda: ("8.8.4.4", "2a00:1450:4009:81f::200e"))
    settings = read_settings({**REHEARSAL_ANSWERS, "provider.name": "digitalocean"})
    access = vendor_cloud.reach(settings, {"digitalocean.token": Secret("dop_v1_" + "0f" * 32)}, SystemClock())
    assert asked == []
    assert access.store.endpoint_url == "https://lon1.digitaloceanspaces.com"
    assert access.operator_addresses() == ("8.8.4.4/32", "2a00:1450:4009:81f::200e/128")
    access.provider.close()
