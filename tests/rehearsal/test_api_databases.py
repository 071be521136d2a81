"""Managed databases in-process: answers as described, trusted sources as filters, promises kept after a death."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearsal.habits import Habits
from tests.rehearsal.api_in_process import Api, eventually
from tests.rehearsal.described import Described

ORDER = {"name": "site-db", "engine": "mysql", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}


def cluster_of(api: Api, **more: Any) -> dict[str, Any]:
    made = api.post("/databases", {**ORDER, **more})["database"]
    assert made["status"] == "creating"
    found: dict[str, Any] = eventually(lambda: online(api, made["id"]))
    return found


def online(api: Api, id_: str) -> dict[str, Any] | None:
    found: dict[str, Any] = api.get(f"/databases/{id_}")["database"]
    return found if found["status"] == "online" else None


def accepts(api: Api, cluster: dict[str, Any]) -> set[str]:
    (found,) = (f for f in api.room.filters[-1] if f.addresses.public_ipv4 == cluster["connection"]["host"])
    assert {rule[:3] for rule in found.accepts or ()} <= {("tcp", 25060, 25060)}
    assert found.accepts is not None, "never without a firewall: it has other ports"
    return {rule[3] for rule in found.accepts}


def trust(api: Api, cluster: dict[str, Any], *rules: dict[str, str], expect: int = 204) -> None:
    api.ask("PUT", f"/databases/{cluster['id']}/firewall", expect, json={"rules": list(rules)})


@pytest.mark.parametrize("engine", ["mysql", "pg"])
def test_a_cluster_from_order_to_end(api: Api, engine: str) -> None:
    layout = api.get("/databases/options")["options"][engine]
    assert ORDER["size"] in layout["layouts"][0]["sizes"]
    made = cluster_of(api, engine=engine, version=layout["versions"][0], tags=["site"])
    assert made["connection"]["user"] == "doadmin"
    assert made["connection"]["database"] in made["db_names"] == ["defaultdb"]
    assert made["private_connection"]["host"] != made["connection"]["host"]
    assert not [key for key in made if key.startswith("_")]
    assert api.get("/droplets")["droplets"] == []
    assert [one["id"] for one in api.get("/databases?tag_name=site")["databases"]] == [made["id"]]
    assert api.get("/tags/site")["tag"]["resources"]["databases"]["count"] == 1
    one = f"/databases/{made['id']}"
    user = api.post(f"{one}/users", {"name": "app"})["user"]
    api.post(f"{one}/users", {"name": "app"}, 409)
    assert api.get(f"{one}/users/app")["user"] == user
    assert api.ask("POST", f"{one}/users/app/reset_auth", 200)["user"]["password"] != user["password"]
    api.post(f"{one}/dbs", {"name": "site"})
    assert api.get(f"{one}/dbs")["dbs"] == [{"name": "defaultdb"}, {"name": "site"}]
    api.delete(f"{one}/dbs/site")
    api.delete(f"{one}/users/app")
    api.delete(f"{one}/users/doadmin", 422)
    passwords = [made["connection"]["password"], user["password"]]
    assert not [argv for _, argv, _ in api.room.orders if any(word in " ".join(argv) for word in passwords)]
    api.delete(one)
    api.get(one, 404)
    eventually(lambda: not api.room.present())
    assert eventually(lambda: not api.store().all("database"))


def test_trusted_sources_follow_machines_and_tags(api: Api) -> None:
    made = cluster_of(api)
    assert accepts(api, made) == {"0.0.0.0/0"}
    web = api.droplet(name="web-1", tags=["web"])
    own = {f"{net['ip_address']}/32" for net in web["networks"]["v4"]}
    trust(api, made, {"type": "tag", "value": "web"}, {"type": "ip_addr", "value": "192.0.2.7"})
    assert accepts(api, made) == own | {"192.0.2.7/32"}
    second = api.droplet(name="web-2", tags=["web"])
    assert len(accepts(api, made)) == 5
    api.delete(f"/droplets/{second['id']}")
    eventually(lambda: len(accepts(api, made)) == 3)
    trust(api, made, {"type": "droplet", "value": str(web["id"])})
    assert accepts(api, made) == own
    api.delete(f"/droplets/{web['id']}")
    eventually(lambda: not accepts(api, made))  # the rule that is left opens it to nobody, least of all to everybody
    for wrong in (
        {"type": "ip_addr", "value": "2001:db8::1"},
        {"type": "ip_addr", "value": "somewhere"},
        {"type": "droplet", "value": "999"},
        {"type": "k8s", "value": "x"},
    ):
        trust(api, made, wrong, expect=422)
    assert [rule["type"] for rule in api.get(f"/databases/{made['id']}/firewall")["rules"]] == ["droplet"]


def test_what_cannot_be_had_is_refused(api: Api) -> None:
    for wrong in ({"engine": "kafka"}, {"size": "huge"}, {"num_nodes": 3}, {"version": "5"}, {"name": "X'; DROP"}):
        api.post("/databases", {**ORDER, **wrong}, 422)
    made = cluster_of(api)
    api.post("/databases", ORDER, 422)
    api.post(f"/databases/{made['id']}/users", {"name": "a'b"}, 422)
    api.post(f"/databases/{made['id']}/dbs", {"name": "a`b"}, 422)
    assert api.get("/databases/no-such", 404)


def test_a_cluster_is_there_after_a_death_and_its_machine_is_no_orphan(api: Api) -> None:
    made = cluster_of(api)
    machines = api.room.present()
    api.restart()
    assert online(api, made["id"]) == made
    assert api.room.present() == machines
    api.room.delete(machines[0])
    api.restart()
    assert eventually(lambda: online(api, made["id"]))["connection"] == made["connection"]
    api.store().change("database", made["id"], _leaving=True)  # a death between the promise and the doing
    api.restart()
    eventually(lambda: not api.room.present())


def test_where_it_is_not_offered(tmp_path: Path, described: Described) -> None:
    api = Api(tmp_path, described, Habits(managed_databases=False))
    try:
        assert api.get("/databases/options")["options"] == {}
        api.post("/databases", ORDER, 422)
    finally:
        api.close()
