"""The vendor's own client drives the API over HTTPS, trusting only the rehearsal's CA."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from rehearsal.authority import Authority
from state.clock import SystemClock, wait_until
from tests.rehearsal.api_in_process import BOX, KEY, eventually
from tests.rehearsal.in_memory import TOKEN, make_test_app


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The API on a port of this machine's loopback: its URL and the CA."""
    folder = tmp_path_factory.mktemp("api")
    authority = Authority(folder / "ca", "test")
    ca_file = authority.ensure()
    chain, key = authority.ensure_server("api", ["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_test_app(folder), ssl_certfile=chain, ssl_keyfile=key, log_config=None, timeout_graceful_shutdown=2
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until("the API to listen", lambda: running.started, timeout_s=10, clock=SystemClock(), first_s=0.01)
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", ca_file
    running.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def pydo(server: tuple[str, Path]) -> Iterator[Any]:
    """The vendor's client."""
    url, ca_file = server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydo import Client
    with Client(token=TOKEN.reveal(), endpoint=url, connection_verify=str(ca_file)) as client:
        yield client


def test_only_the_rehearsals_ca_vouches_for_it(server: tuple[str, Path]) -> None:
    url, ca_file = server
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(url)
    assert httpx.get(url, verify=ssl.create_default_context(cafile=ca_file)).status_code == 401


def test_keys(pydo: Any) -> None:
    made = pydo.ssh_keys.create(body={"name": "mine", "public_key": KEY})["ssh_key"]
    assert [key["id"] for key in pydo.ssh_keys.list()["ssh_keys"]] == [made["id"]]
    pydo.ssh_keys.delete(made["id"])
    assert pydo.ssh_keys.list()["ssh_keys"] == []


def test_a_guarded_machine_in_a_network(pydo: Any) -> None:
    vpc = pydo.vpcs.create(body={"name": "net", "region": "fra1"})["vpc"]
    pydo.tags.create(body={"name": "site"})
    rule = {"protocol": "tcp", "ports": "443", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}
    wall = pydo.firewalls.create(body={"name": "wall", "tags": ["site"], "inbound_rules": [rule]})["firewall"]
    made = pydo.droplets.create(body={**BOX, "vpc_uuid": vpc["id"], "tags": ["site"]})["droplet"]
    eventually(lambda: pydo.droplets.get(made["id"])["droplet"]["status"] == "active")
    assert [one["id"] for one in pydo.droplets.list(tag_name="site")["droplets"]] == [made["id"]]
    action = pydo.droplet_actions.post(made["id"], body={"type": "power_off"})["action"]
    eventually(lambda: pydo.actions.get(action["id"])["action"]["status"] == "completed")
    assert pydo.droplets.get(made["id"])["droplet"]["status"] == "off"
    assert [one["id"] for one in pydo.firewalls.list()["firewalls"]] == [wall["id"]]
    changed = pydo.firewalls.update(wall["id"], body={"name": "wall", "tags": [], "inbound_rules": [rule]})
    assert changed["firewall"]["tags"] == []
    pydo.firewalls.delete(wall["id"])
    pydo.droplets.destroy(made["id"])
    eventually(lambda: pydo.droplets.list()["droplets"] == [])
    eventually(lambda: (pydo.vpcs.delete(vpc["id"]) or {}).get("id") != "conflict")
    assert vpc["id"] not in [one["id"] for one in pydo.vpcs.list()["vpcs"]]


def test_names(pydo: Any) -> None:
    pydo.domains.create(body={"name": "example.com"})
    body = {"type": "A", "name": "www", "data": "192.0.2.1", "ttl": 60}
    made = pydo.domains.create_record("example.com", body=body)["domain_record"]
    pydo.domains.patch_record("example.com", made["id"], body={"type": "A", "data": "192.0.2.2"})
    records = pydo.domains.list_records("example.com", type="A")["domain_records"]
    assert [(record["name"], record["data"], record["ttl"]) for record in records] == [("www", "192.0.2.2", 60)]
    pydo.domains.delete_record("example.com", made["id"])
    pydo.domains.delete("example.com")
    assert pydo.domains.list()["domains"] == []


def test_a_managed_database(pydo: Any) -> None:
    body = {"name": "site-db", "engine": "mysql", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
    made = pydo.databases.create_cluster(body=body)["database"]
    id_ = made["id"]
    eventually(lambda: pydo.databases.get_cluster(id_)["database"]["status"] == "online")
    assert made["private_connection"]["port"] == 25060
    assert pydo.databases.get_ca(id_)["ca"]["certificate"]
    assert "mysql" in pydo.databases.list_options()["options"]
    rules = [{"type": "ip_addr", "value": "192.0.2.7"}]
    pydo.databases.update_firewall_rules(id_, body={"rules": rules})
    (rule,) = pydo.databases.list_firewall_rules(id_)["rules"]
    assert (rule["type"], rule["value"], rule["cluster_uuid"]) == ("ip_addr", "192.0.2.7", id_)
    user = pydo.databases.add_user(id_, body={"name": "app-01"})["user"]
    assert user["role"] == "normal"
    assert [one["name"] for one in pydo.databases.list_users(id_)["users"]] == ["doadmin", "app-01"]
    pydo.databases.delete_user(id_, "app-01")
    pydo.databases.add(id_, body={"name": "site"})
    assert [one["name"] for one in pydo.databases.list(id_)["dbs"]] == ["defaultdb", "site"]
    pydo.databases.destroy_cluster(id_)
    eventually(lambda: not pydo.databases.list_clusters()["databases"])
