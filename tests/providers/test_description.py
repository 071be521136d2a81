"""The judge itself: it lets right requests pass and names what is wrong with others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.providers.description import judge

URL = "https://api.digitalocean.com"
AUTHORIZED = {"Authorization": "Bearer t"}
DROPLET = {"name": "ws-1", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["a"]}


def post(path: str, body: Any) -> httpx.Request:
    return httpx.Request("POST", URL + path, json=body, headers=AUTHORIZED)


def test_right_requests_pass() -> None:
    assert judge(post("/v2/droplets", DROPLET)) == []
    assert judge(httpx.Request("GET", f"{URL}/v2/droplets?tag_name=a&per_page=200", headers=AUTHORIZED)) == []
    assert judge(httpx.Request("DELETE", f"{URL}/v2/snapshots/5", headers=AUTHORIZED)) == []


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (post("/v2/droplets", {**DROPLET, "vpc_id": "x"}), "unknown field .vpc_id"),
        (post("/v2/droplets", {**DROPLET, "tags": "a"}), "InvalidRequestBody"),
        (post("/v2/droplets", {"name": "ws-1"}), "InvalidRequestBody"),
        (post("/v2/droplets", {**DROPLET, "name": "ws_1"}), "InvalidRequestBody"),
        (post("/v2/vpcs", {"name": "n"}), "required"),
        (post("/v2/account/keys", {"name": "n", "public_key": "k", "id": 5}), "unknown field .id (read only)"),
        (
            post(
                "/v2/firewalls",
                {
                    "name": "f1",
                    "inbound_rules": [{"protocol": "tcp", "ports": "1", "sources": {"adresses": ["203.0.113.7"]}}],
                },
            ),
            "unknown field .inbound_rules[0].sources.adresses",
        ),
        (httpx.Request("GET", f"{URL}/v2/droplets?tag=a", headers=AUTHORIZED), "unknown query parameter tag"),
        (httpx.Request("GET", f"{URL}/v2/droplets?per_page=500", headers=AUTHORIZED), "InvalidParameter"),
        (httpx.Request("GET", f"{URL}/v2/droplets/abc", headers=AUTHORIZED), "Parameter"),
        (httpx.Request("GET", f"{URL}/v2/machines", headers=AUTHORIZED), "no such operation"),
        (httpx.Request("POST", f"{URL}/v2/vpcs", headers=AUTHORIZED), "body"),
        (httpx.Request("GET", f"{URL}/v2/droplets"), "no bearer token"),
        (httpx.Request("GET", f"{URL}/v2/account", json={}, headers=AUTHORIZED), "a body nobody asked for"),
    ],
)
def test_wrong_requests_are_named(request_: httpx.Request, word: str) -> None:
    request_.read()
    problems = judge(request_)
    assert any(word in problem for problem in problems), problems
