"""The API's firewalls: what they let through, whom they follow, and what it tells the room of them."""

from __future__ import annotations

from typing import Any

from rehearsal.contract import Filter
from tests.rehearsal.api_in_process import Api, eventually


def test_a_tagged_machine_is_guarded_before_it_boots(api: Api) -> None:
    api.post("/tags", {"name": "web"})
    api.firewall(tags=["web"])
    id_ = api.droplet(tags=["web"])["id"]
    assert api.room.filters_at_boot[id_].accepts == (("tcp", 1035, 1035, "192.0.2.1/32"),)


def test_several_firewalls_are_one(api: Api) -> None:
    api.post("/tags", {"name": "web"})
    one, other = api.droplet(tags=["web"]), api.droplet(name="box-2")
    assert accepts(api, one) is None
    api.firewall(droplet_ids=[one["id"]])
    https = {"protocol": "tcp", "ports": "443", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}
    from_other = {"protocol": "icmp", "sources": {"droplet_ids": [other["id"]]}}
    second = api.firewall(name="second", tags=["web"], inbound_rules=[https, from_other])
    there = api.room.reserve(other["id"])
    expected = {
        ("tcp", 1035, 1035, "192.0.2.1/32"),
        ("tcp", 443, 443, "0.0.0.0/0"),
        ("tcp", 443, 443, "::/0"),
        ("icmp", 0, 0, f"{there.public_ipv4}/32"),
        ("icmp", 0, 0, f"{there.public_ipv6}/128"),
        ("icmp", 0, 0, f"{there.private_ipv4}/32"),
    }
    assert set(accepts(api, one) or ()) == expected
    assert accepts(api, other) is None
    api.ask("DELETE", f"/firewalls/{second['id']}/tags", 204, json={"tags": ["web"]})
    assert accepts(api, one) == (("tcp", 1035, 1035, "192.0.2.1/32"),)


def test_sources_follow_tags(api: Api) -> None:
    api.post("/tags", {"name": "db"})
    api.post("/tags", {"name": "web"})
    base, web = api.droplet(tags=["db"]), api.droplet(name="web", tags=["web"])
    api.firewall(tags=["db"], inbound_rules=[{"protocol": "tcp", "ports": "1-9", "sources": {"tags": ["web"]}}])
    assert {source for *_, source in accepts(api, base) or ()} >= {f"{api.room.reserve(web['id']).private_ipv4}/32"}
    resources = {"resources": [{"resource_id": str(web["id"]), "resource_type": "droplet"}]}
    api.ask("DELETE", "/tags/web/resources", 204, json=resources)
    assert accepts(api, base) == ()
    api.ask("POST", "/tags/web/resources", 204, json=resources)
    assert len(accepts(api, base) or ()) == 3
    api.delete(f"/droplets/{web['id']}")
    eventually(lambda: accepts(api, base) == ())


def test_a_firewall_is_changed_in_place(api: Api) -> None:
    id_ = api.droplet()["id"]
    made = api.firewall(droplet_ids=[id_])
    before = len(api.room.filters)
    rule = {"protocol": "udp", "ports": "all", "sources": {"addresses": ["10.0.0.0/8"]}}
    body = {"name": "guard", "droplet_ids": [id_], "inbound_rules": [rule]}
    changed = api.ask("PUT", f"/firewalls/{made['id']}", 200, json=body)["firewall"]
    assert (changed["id"], changed["inbound_rules"][0]["ports"]) == (made["id"], "0")
    assert len(api.room.filters) == before + 1, "more than one transaction"
    assert api.room.filter_of(id_).accepts == (("udp", 1, 65535, "10.0.0.0/8"),)
    api.delete(f"/firewalls/{made['id']}")
    assert api.room.filter_of(id_).accepts is None


def test_firewalls_that_cannot_be(api: Api) -> None:
    api.firewall()
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["1.2.3.4"]}}
    assert api.post("/firewalls", {"name": "guard", "inbound_rules": [rule]}, 409)["id"] == "conflict"
    for wrong in (
        {"inbound_rules": [{**rule, "ports": "70000"}]},
        {"inbound_rules": [{**rule, "ports": "9-1"}]},
        {"inbound_rules": [{**rule, "protocol": "gre"}]},
        {"inbound_rules": [{**rule, "sources": {"addresses": ["1.2.3.400"]}}]},
        {"inbound_rules": [{**rule, "sources": {"tags": ["unknown"]}}]},
        {"inbound_rules": [rule], "tags": ["unknown"]},
        {"inbound_rules": [rule], "droplet_ids": [77]},
        {"inbound_rules": [rule] * 51},
        {},
    ):
        assert api.client.post("/v2/firewalls", json={"name": "other", **wrong}).status_code == 422, wrong


def accepts(api: Api, droplet: dict[str, Any]) -> tuple[tuple[str, int, int, str], ...] | None:
    found: Filter = api.room.filter_of(droplet["id"])
    return found.accepts
