"""The judge itself: it must find a wrong answer, or the other tests prove nothing."""

from __future__ import annotations

import httpx
import pytest
from openapi_core.exceptions import OpenAPIError

from tests.rehearsal.described import SPECS, Described

pytestmark = pytest.mark.usefixtures("described")
_URL = "https://api.example.com/v2/account"


def _answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request("GET", _URL))


def test_a_wrong_answer_is_found(described: Described) -> None:
    if not (SPECS / "digitalocean.json").exists():
        described.check(_answer(200, {}))  # without the description everything passes, and nothing is counted
        assert described.checked == 0
        return
    before = described.checked
    account = {"droplet_limit": 1, "floating_ip_limit": 1, "email": "a@example.com", "uuid": "u", "status_message": ""}
    described.check(_answer(200, {"account": {**account, "email_verified": True, "status": "active"}}))
    described.check(_answer(401, {"id": "unauthorized", "message": "no"}))
    assert described.checked == before + 2
    for wrong in (
        _answer(200, {"account": {**account, "email_verified": True, "status": "happy"}}),
        _answer(200, {"account": account}),
        _answer(401, {"message": "no id"}),
    ):
        with pytest.raises(OpenAPIError):
            described.check(wrong)
