"""The API in-process over a room in memory: what it answers, and what it tells the room to do."""

from __future__ import annotations

from pathlib import Path

import httpx

from rehearsal.api.backends import BucketKey
from rehearsal.habits import Habits
from tests.rehearsal.api_in_process import BOX, KEY, Api, eventually
from tests.rehearsal.described import Described
from tests.rehearsal.in_memory import TOKEN


def test_what_can_be_had_matches_the_description(api: Api) -> None:
    assert api.get("/account")["account"]["status"] == "active"
    assert {region["slug"] for region in api.get("/regions")["regions"]} >= {"fra1"}
    sizes = {size["slug"]: size for size in api.get("/sizes")["sizes"]}
    assert sizes["s-1vcpu-1gb"]["price_monthly"] == 6
    assert "debian-12-x64" in [image["slug"] for image in api.get("/images?type=distribution")["images"]]
    for empty in ("/droplets", "/vpcs", "/firewalls", "/domains", "/tags", "/databases", "/spaces/keys", "/actions"):
        api.get(empty)


def test_without_the_token_nothing_is_told(api: Api) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN.reveal()}"}):
        for path in ("/v2/account", "/v2/nothing-there"):
            answer = httpx.Response(200)
            api.client.headers.pop("authorization", None)
            answer = api.client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["id"] == "unauthorized"


def test_what_is_not_there(api: Api) -> None:
    gone = ("/droplets/7", "/droplets/x", "/vpcs/x", "/firewalls/x", "/domains/x.com", "/account/keys/9", "/actions/1")
    for path in gone:
        assert api.get(path, 404)["id"] == "not_found"
    assert api.client.get("/v2/unknown").json()["id"] == "not_found"


def test_a_body_that_is_no_object(api: Api) -> None:
    for content in (b"[1]", b"{", b'"x"'):
        answer = api.client.post("/v2/tags", content=content)
        assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")


def test_a_machine_from_order_to_end(api: Api) -> None:
    key = api.post("/account/keys", {"name": "mine", "public_key": KEY})["ssh_key"]
    vpc = api.post("/vpcs", {"name": "net", "region": "fra1"})["vpc"]
    api.room.hold.clear()
    body = {**BOX, "ssh_keys": [key["fingerprint"]], "user_data": "#cloud-config\n", "tags": ["a:b"]}
    answer = api.post("/droplets", {**body, "vpc_uuid": vpc["id"]}, 202)
    id_, action = answer["droplet"]["id"], answer["links"]["actions"][0]["id"]
    assert (answer["droplet"]["status"], answer["droplet"]["networks"]["v4"]) == ("new", [])
    assert api.get(f"/actions/{action}")["action"]["status"] == "in-progress"
    api.room.hold.set()
    eventually(lambda: api.get(f"/actions/{action}")["action"]["status"] == "completed")
    droplet = api.get(f"/droplets/{id_}")["droplet"]
    assert droplet["status"] == "active"
    assert {net["type"] for net in droplet["networks"]["v4"]} == {"public", "private"}
    request = api.room.requests[id_]
    assert (request.public_keys, request.user_data, request.memory_mib) == ((KEY,), "#cloud-config\n", 1024)
    assert [one["id"] for one in api.get("/droplets?tag_name=a:b")["droplets"]] == [id_]
    assert api.get("/droplets?tag_name=other")["droplets"] == []
    assert [one["id"] for one in api.get("/droplets?name=BOX-1")["droplets"]] == [id_]
    api.delete(f"/vpcs/{vpc['id']}", 409)
    api.delete(f"/droplets/{id_}")
    api.get(f"/droplets/{id_}", 404)
    eventually(lambda: not api.room.requests)
    eventually(lambda: api.client.delete(f"/v2/vpcs/{vpc['id']}").status_code == 204)
    assert api.droplet()["id"] != id_, "an id was used again"


def test_orders_that_cannot_be(api: Api) -> None:
    for wrong in (
        {"name": "under_score"},
        {"size": "s-9"},
        {"image": "dos"},
        {"image": 999},
        {"region": "moon1"},
        {"ssh_keys": [12]},
        {"vpc_uuid": "none"},
        {"tags": ["white space"]},
        {"tags": "text"},
        {"name": None},
        {"user_data": "x" * 70_000},
    ):
        assert api.client.post("/v2/droplets", json={**BOX, **wrong}).status_code == 422, wrong
    assert api.get("/droplets")["droplets"] == []


def test_many_at_once_and_deleted_by_tag(api: Api) -> None:
    body = {key: value for key, value in BOX.items() if key != "name"}
    made = api.post("/droplets", {**body, "names": ["a", "b"], "tags": ["pair"]}, 202)["droplets"]
    eventually(lambda: len(api.room.requests) == 2)
    other = api.droplet(name="c")
    api.delete("/droplets?tag_name=pair")
    assert [one["id"] for one in api.get("/droplets")["droplets"]] == [other["id"]]
    eventually(lambda: set(api.room.requests) == {other["id"]})
    assert len(made) == 2


def test_pages(api: Api) -> None:
    for number in range(5):
        api.post("/tags", {"name": f"t{number}"})
    first = api.get("/tags?per_page=2")
    assert [tag["name"] for tag in first["tags"]] == ["t0", "t1"]
    assert first["meta"]["total"] == 5
    seen, link = [], "https://api.example.com/v2/tags?per_page=2"
    while link:
        one = api.client.get(link).json()
        seen += [tag["name"] for tag in one["tags"]]
        link = one["links"].get("pages", {}).get("next")
    assert seen == [f"t{number}" for number in range(5)]


def test_power(api: Api) -> None:
    id_ = api.droplet()["id"]

    def act(type_: str, expect: int = 201) -> None:
        answer = api.post(f"/droplets/{id_}/actions", {"type": type_}, expect)
        if expect == 201:
            eventually(lambda: api.get(f"/actions/{answer['action']['id']}")["action"]["status"] == "completed")

    act("power_on", 422)
    act("power_off")
    assert api.get(f"/droplets/{id_}")["droplet"]["status"] == "off"
    act("power_off", 422)
    act("power_on")
    act("reboot")
    assert api.get(f"/droplets/{id_}")["droplet"]["status"] == "active"
    api.room.running.clear()
    assert api.get(f"/droplets/{id_}")["droplet"]["status"] == "off", "a machine that stopped by itself looks active"
    act("fly", 422)


def test_a_snapshot_becomes_an_image(api: Api) -> None:
    id_ = api.droplet()["id"]
    action = api.post(f"/droplets/{id_}/actions", {"type": "snapshot", "name": "gold"})["action"]
    eventually(lambda: api.get(f"/actions/{action['id']}")["action"]["status"] == "completed")
    (image,) = api.get("/images?private=true")["images"]
    assert image["name"] == "gold"
    copy = api.droplet(name="copy", image=image["id"])
    assert api.room.requests[copy["id"]].release == f"snapshot:{image['id']}"
    (snapshot,) = api.get("/snapshots?resource_type=droplet")["snapshots"]
    api.delete(f"/snapshots/{snapshot['id']}")
    assert (api.room.snapshots, api.get("/images?private=true")["images"]) == ({}, [])


def test_names(api: Api) -> None:
    api.post("/domains", {"name": "example.com", "ip_address": "192.0.2.7"})
    records = "/domains/example.com/records"
    www = api.post(records, {"type": "A", "name": "www", "data": "192.0.2.1", "ttl": 60})["domain_record"]
    api.post(records, {"type": "A", "name": "www", "data": "192.0.2.2", "ttl": 60})
    api.post(records, {"type": "MX", "name": "@", "data": "mail.example.com.", "priority": 10})
    api.post(records, {"type": "TXT", "name": "_acme-challenge", "data": 'say "x"'})
    zone = api.names.data["example.com."]
    assert zone["www.example.com.", "A"] == (60, ("192.0.2.1", "192.0.2.2"))
    assert zone["example.com.", "MX"] == (1800, ("10 mail.example.com.",))
    assert zone["_acme-challenge.example.com.", "TXT"] == (1800, ('"say \\"x\\""',))
    changed = api.ask("PATCH", f"{records}/{www['id']}", 200, json={"type": "A", "data": "192.0.2.9"})
    assert (changed["domain_record"]["id"], changed["domain_record"]["ttl"]) == (www["id"], 60)
    assert zone["www.example.com.", "A"][1] == ("192.0.2.9", "192.0.2.2")
    listed = api.get(f"{records}?type=A&name=www.example.com")["domain_records"]
    assert {record["data"] for record in listed} == {"192.0.2.9", "192.0.2.2"}
    api.delete(f"{records}/{www['id']}")
    assert zone["www.example.com.", "A"][1] == ("192.0.2.2",)
    api.delete("/domains/example.com")
    assert api.names.data == {}
    api.get(records, 404)


def test_records_that_cannot_be(api: Api) -> None:
    api.post("/domains", {"name": "example.com"})
    before = len(api.get("/domains/example.com/records")["domain_records"])
    for wrong in (
        {"type": "A", "name": "x", "data": "::1"},
        {"type": "AAAA", "name": "x", "data": "1.2.3.4"},
        {"type": "A", "name": "x", "data": "1.2.3.4", "ttl": 29},
        {"type": "CNAME", "name": "x", "data": "no-dot.example.com"},
        {"type": "MX", "name": "x", "data": "mail.example.com."},
        {"type": "TXT", "name": "x", "data": "two\nlines"},
        {"type": "BOX", "name": "x", "data": "y"},
        {"type": "A", "name": "refused", "data": "1.2.3.4"},
        {"type": "A", "name": "a b", "data": "1.2.3.4"},
    ):
        assert api.client.post("/v2/domains/example.com/records", json=wrong).status_code == 422, wrong
    assert len(api.get("/domains/example.com/records")["domain_records"]) == before, "a refused record was kept"
    assert api.client.post("/v2/domains", json={"name": "example.com"}).status_code == 422


def test_keys_of_the_object_store(api: Api) -> None:
    grants = [{"bucket": "site", "permission": "readwrite"}]
    made = api.post("/spaces/keys", {"name": "web", "grants": grants})["key"]
    (known,) = api.keys.keys
    assert isinstance(known, BucketKey)
    assert (known.access_key, known.secret_key.reveal()) == (made["access_key"], made["secret_key"])
    assert known.grants == (("site", "readwrite"),)
    (listed,) = api.get("/spaces/keys")["keys"]
    assert "secret_key" not in listed
    api.delete(f"/spaces/keys/{made['access_key']}")
    assert api.keys.keys == ()


def test_ssh_keys(api: Api) -> None:
    made = api.post("/account/keys", {"name": "one", "public_key": KEY})["ssh_key"]
    assert api.client.post("/v2/account/keys", json={"name": "two", "public_key": KEY}).status_code == 422
    assert api.client.post("/v2/account/keys", json={"name": "no", "public_key": "ssh-rsa AAAA"}).status_code == 422
    api.delete(f"/account/keys/{made['fingerprint']}")
    assert api.get("/account/keys")["ssh_keys"] == []


def test_too_many_requests(tmp_path: Path, described: Described) -> None:
    api = Api(tmp_path, described, Habits(requests_per_hour=3))
    for left in (2, 1, 0):
        answer = api.client.get("/v2/account")
        assert answer.headers["ratelimit-remaining"] == str(left)
    answer = api.client.get("/v2/account")
    described.check(answer)
    assert (answer.status_code, answer.json()["id"]) == (429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    api.close()


def test_a_death_in_the_middle_loses_nothing(api: Api) -> None:
    """What was under way when the process died is gone on with; what nobody ordered is removed."""
    kept, lost, gone = (api.droplet(name=f"box-{number}")["id"] for number in range(3))
    api.room.hold.clear()
    ordered = api.post("/droplets", {**BOX, "name": "late"}, 202)["droplet"]["id"]
    del api.room.requests[lost]
    api.room.running.discard(lost)
    stranger = 99
    api.room.requests[stranger] = api.room.requests[kept]
    api.room.hold.set()
    api.delete(f"/droplets/{gone}")
    api.start()  # the old process is simply forgotten: no shutdown happens to it
    eventually(lambda: set(api.room.requests) == {kept, lost, ordered})
    for id_ in (kept, lost, ordered):
        eventually(lambda id_=id_: api.get(f"/droplets/{id_}")["droplet"]["status"] == "active")


def test_a_death_between_a_promise_and_its_action_loses_nothing(api: Api) -> None:
    promised, leaving = (api.droplet(name=f"box-{number}")["id"] for number in range(2))
    api.close()
    store = api.store()
    for action in store.all("action"):
        store.delete("action", action["id"])
    store.change("droplet", promised, status="new")
    store.change("droplet", leaving, _leaving=True)
    store.close()
    del api.room.requests[promised]
    api.start()
    eventually(lambda: set(api.room.requests) == {promised})
    eventually(lambda: api.get(f"/droplets/{promised}")["droplet"]["status"] == "active")


def test_zones_and_keys_come_back_after_their_services_lost_them(api: Api) -> None:
    api.post("/domains", {"name": "example.com"})
    api.post("/domains/example.com/records", {"type": "A", "name": "www", "data": "192.0.2.1"})
    api.post("/spaces/keys", {"name": "web", "grants": []})
    api.names.data = {"stale.example.com.": {}}
    api.keys.keys = ()
    api.restart()
    assert set(api.names.data) == {"example.com."}
    assert api.names.data["example.com."]["www.example.com.", "A"] == (1800, ("192.0.2.1",))
    assert len(api.keys.keys) == 1
