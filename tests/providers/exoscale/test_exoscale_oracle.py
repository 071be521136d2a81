"""The vendor's own client as an oracle: it and our driver send the same for the same wish, signed the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from exoscale.api.v2 import Client
from exoscale_auth import ExoscaleV2Auth

from providers.contract import MachineSpec, RecordSet
from providers.databases import Engine
from providers.exoscale import api
from providers.exoscale.driver import Exoscale
from state.secret import Secret
from tests.providers.contract import KEY as SSH_KEY
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import KEY, SECRET
from tests.providers.exoscale.exoscale_wishes import (
    ACTION,
    FLEET,
    GOING,
    GRANTS,
    PING,
    SSH,
    WISHES,
    ZONE,
    Wish,
    World,
    new_database,
)
from tests.providers.oracle import Bridge, Recorder
from tests.providers.scripted import FakeClock


@pytest.fixture
def world() -> Iterator[World]:
    fake = WholeExoscaleFake(KEY, SECRET)
    recorder = Recorder(fake)
    driver = Exoscale(Secret(KEY), Secret(SECRET), clock=FakeClock(), zone=ZONE, transport=recorder)
    network = driver.ensure_network("by-demo-net", ZONE)
    key = driver.ensure_ssh_key("by-demo-key", SSH_KEY)
    group = driver.put_firewall("by-demo-fw", FLEET, (SSH, PING)).id
    spec = MachineSpec("ws-1", ZONE, "standard.tiny", "debian-12", network.id, "#cloud-config\n", (FLEET,), (key.id,))
    machine = driver.create_machine(spec, ACTION)
    driver.ensure_zone("example.org")
    driver.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 60))
    driver.create_bucket_key("by-demo-state", GRANTS)
    yield World(fake, recorder, driver, spec, machine, group)
    driver.close()
    assert fake.problems == []


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> tuple[Client, Recorder]:
    caught = Recorder(httpx.MockTransport(lambda _request: httpx.Response(200, json={})))
    client = Client(KEY, SECRET, zone=ZONE)
    client.http_client.mount("https://", Bridge(caught))
    unsigned = requests.Session()
    unsigned.mount("https://", Bridge(caught))
    # the list of zones is asked for outside of the client's session, unsigned
    monkeypatch.setattr(requests, "request", unsigned.request)
    return client, caught


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish, world: World, vendor: tuple[Client, Recorder]) -> None:
    client, caught = vendor
    world.recorder.asked.clear()
    wish.ours(world)
    wish.theirs(client, world)
    [theirs] = caught.sent()
    assert theirs in world.recorder.sent()


@pytest.mark.parametrize("wish", GOING, ids=lambda wish: wish.name)
def test_both_remove_the_same(wish: Wish, world: World, vendor: tuple[Client, Recorder]) -> None:
    client, caught = vendor
    wish.theirs(client, world)
    world.recorder.asked.clear()
    wish.ours(world)
    [theirs] = caught.sent()
    assert theirs in world.recorder.sent()


def test_both_make_the_same_of_a_snapshot(world: World, vendor: tuple[Client, Recorder]) -> None:
    client, caught = vendor
    world.recorder.asked.clear()
    image = world.driver.snapshot(world.machine.id, "by-demo-1")
    world.driver.delete_snapshot(image.id)
    [copy_id] = {
        path.split("/")[-1] for method, path, _, _ in world.recorder.sent() if method == "GET" and "/snapshot/" in path
    }
    client.get_snapshot(id=copy_id)
    client.promote_snapshot_to_template(id=copy_id, name="by-demo-1", ssh_key_enabled=True, password_enabled=False)
    client.delete_snapshot(id=copy_id)
    client.delete_template(id=api.unzoned(image.id)[1])
    assert [each for each in caught.sent() if each not in world.recorder.sent()] == []


def test_ours_starts_a_machine_with_the_body_that_the_description_demands(
    world: World, vendor: tuple[Client, Recorder]
) -> None:
    # The vendor's client leaves the body out when nothing is in it, which the description does not allow.
    client, caught = vendor
    world.driver.power_off(world.machine.id)
    world.driver.power_on(world.machine.id)
    client.start_instance(id=world.machine_id)
    [(method, path, query, body)] = caught.sent()
    assert body is None
    assert (method, path, query, {}) in world.recorder.sent()


def test_every_request_is_signed_byte_by_byte_as_the_vendors_client_signs(world: World) -> None:
    new_database(world, Engine.MYSQL)
    world.driver.snapshots("by-demo-")
    world.driver.check_credentials()
    theirs = ExoscaleV2Auth(KEY, SECRET)
    signed = 0
    for request in world.recorder.asked:
        header = request.headers.get("Authorization")
        if request.url.path == "/v2/zone":
            assert header is None
            continue
        expires = int(header.partition("expires=")[2].partition(",")[0])
        prepared = requests.Request(request.method, str(request.url), data=request.content or None).prepare()
        theirs._sign_request(prepared, expires)
        assert prepared.headers["Authorization"] == header
        signed += 1
    assert signed > 20


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/v2/instance?labels=a&ip-address=203.0.113.7", None),
        ("GET", "/v2/template?visibility=private&family=", None),
        ("GET", "/v2/template?family=a%20b&family=c", None),
        ("DELETE", "/v2/ssh-key/a%20key%2Fwith%C3%A4", None),
        ("POST", "/v2/dns-domain", {"unicode-name": "müller.example"}),
    ],
)
def test_queries_quoted_paths_and_bodies_are_signed_alike(method: str, url: str, body: Any) -> None:
    recorder = Recorder(httpx.MockTransport(lambda request: httpx.Response(200, json={})))
    driver = Exoscale(Secret(KEY), Secret(SECRET), clock=FakeClock(), transport=recorder)
    client = driver._zones.home._client
    client.request(method, url, json=body)
    driver.close()
    [request] = recorder.asked
    prepared = requests.Request(method, str(request.url), data=request.content or None).prepare()
    ExoscaleV2Auth(KEY, SECRET)._sign_request(prepared, 1_000_600)
    assert prepared.headers["Authorization"] == request.headers["Authorization"]
