"""The vendor's own client as an oracle: it and our driver send the same for the same wish."""

from __future__ import annotations

import httpx
import pydo
import pytest
import requests
from azure.core.pipeline.transport import RequestsTransport

from providers.contract import BucketGrant, Permission, RecordSet
from providers.digitalocean.driver import DigitalOcean
from state.secret import Secret
from tests.providers.description import judge
from tests.providers.oracle import Bridge, Recorder, Wish, compare
from tests.providers.samples import CREATE, FIREWALL, FIREWALL_ID, INBOUND, KEY, MACHINE, RECORD, SPEC, VPC, empty, one
from tests.providers.scripted import FakeClock, answer

TOKEN = "dop_v1_" + "0f" * 32


WISHES = (
    Wish(
        "list regions",
        lambda our: our.regions(),
        lambda: (empty("regions"),),
        lambda their: their.regions.list(per_page=200),
    ),
    Wish(
        "list sizes",
        lambda our: our.sizes("fra1"),
        lambda: (empty("sizes"),),
        lambda their: their.sizes.list(per_page=200),
    ),
    Wish(
        "list images",
        lambda our: our.images(),
        lambda: (empty("images"),),
        lambda their: their.images.list(type="distribution", per_page=200),
    ),
    Wish(
        "create key",
        lambda our: our.ensure_ssh_key("by-demo-key", KEY),
        lambda: (
            empty("ssh_keys"),
            empty("ssh_keys"),
            answer(201, {"ssh_key": {"id": 3, "name": "by-demo-key", "public_key": KEY}}),
        ),
        lambda their: their.ssh_keys.create({"name": "by-demo-key", "public_key": KEY}),
    ),
    Wish(
        "delete key",
        lambda our: our.delete_ssh_key("3"),
        lambda: (answer(204),),
        lambda their: their.ssh_keys.delete(3),
    ),
    Wish(
        "create network",
        lambda our: our.ensure_network("by-demo-net", "fra1"),
        lambda: (
            empty("vpcs"),
            answer(201, {"vpc": {"id": VPC, "name": "by-demo-net", "region": "fra1", "ip_range": "10.1.0.0/20"}}),
        ),
        lambda their: their.vpcs.create({"name": "by-demo-net", "region": "fra1"}),
    ),
    Wish(
        "delete network",
        lambda our: our.delete_network(VPC),
        lambda: (answer(200, {"vpc": {"name": "by-demo-net", "default": False}}), empty("members"), answer(204)),
        lambda their: their.vpcs.delete(VPC),
    ),
    Wish(
        "list members of a network",
        lambda our: our.delete_network(VPC),
        lambda: (answer(200, {"vpc": {"name": "by-demo-net", "default": False}}), empty("members"), answer(204)),
        lambda their: their.vpcs.list_members(VPC, per_page=200),
        at=1,
    ),
    Wish(
        "rename a network that is the region's default",
        lambda our: our.delete_network(VPC),
        lambda: (
            answer(200, {"vpc": {"name": "by-demo-net", "region": "fra1", "default": True}}),
            answer(200, {"vpc": {}}),
        ),
        lambda their: their.vpcs.patch(VPC, {"name": "default-fra1"}),
    ),
    Wish(
        "create machine",
        lambda our: our.create_machine(SPEC, "by-demo-made-ws-1-1"),
        lambda: (empty("droplets"), answer(202, {"droplet": MACHINE, "links": {}})),
        lambda their: their.droplets.create(CREATE),
    ),
    Wish(
        "list machines by tag",
        lambda our: our.machines("by-demo-fleet"),
        lambda: (empty("droplets"),),
        lambda their: their.droplets.list(tag_name="by-demo-fleet", per_page=200),
    ),
    Wish(
        "get machine",
        lambda our: our.machine("7"),
        lambda: (answer(200, {"droplet": MACHINE}),),
        lambda their: their.droplets.get(7),
    ),
    Wish(
        "delete machine",
        lambda our: our.delete_machine("7"),
        lambda: (answer(204),),
        lambda their: their.droplets.destroy(7),
    ),
    Wish(
        "power off",
        lambda our: our.power_off("7"),
        lambda: (
            answer(200, {"droplet": MACHINE}),
            answer(201, {"action": {"id": 11}}),
            answer(200, {"action": {"status": "completed"}}),
            answer(200, {"droplet": {**MACHINE, "status": "off"}}),
        ),
        lambda their: their.droplet_actions.post(7, {"type": "power_off"}),
        at=1,
    ),
    Wish(
        "get action",
        lambda our: our.power_off("7"),
        lambda: (
            answer(200, {"droplet": MACHINE}),
            answer(201, {"action": {"id": 11}}),
            answer(200, {"action": {"status": "completed"}}),
            answer(200, {"droplet": {**MACHINE, "status": "off"}}),
        ),
        lambda their: their.actions.get(11),
        at=2,
    ),
    Wish(
        "create tag",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (
            answer(404, {"id": "not_found", "message": "no"}),
            answer(201, {"tag": {"name": "by-demo-role"}}),
            one("firewalls", {**FIREWALL, "id": FIREWALL_ID}),
            answer(200, {"firewall": {**FIREWALL, "id": FIREWALL_ID}}),
        ),
        lambda their: their.tags.create({"name": "by-demo-role"}),
        at=1,
    ),
    Wish(
        "create firewall",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (
            answer(200, {"tag": {"name": "by-demo-role"}}),
            empty("firewalls"),
            empty("firewalls"),
            answer(202, {"firewall": {**FIREWALL, "id": FIREWALL_ID}}),
        ),
        lambda their: their.firewalls.create(FIREWALL),
    ),
    Wish(
        "change firewall",
        lambda our: our.put_firewall("by-demo-fw", "by-demo-role", INBOUND),
        lambda: (
            answer(200, {"tag": {"name": "by-demo-role"}}),
            one("firewalls", {**FIREWALL, "id": FIREWALL_ID}),
            answer(200, {"firewall": {**FIREWALL, "id": FIREWALL_ID}}),
        ),
        lambda their: their.firewalls.update(FIREWALL_ID, FIREWALL),
    ),
    Wish(
        "delete firewall",
        lambda our: our.delete_firewall(FIREWALL_ID),
        lambda: (answer(204),),
        lambda their: their.firewalls.delete(FIREWALL_ID),
    ),
    Wish(
        "create zone",
        lambda our: our.ensure_zone("example.org"),
        lambda: (empty("domains"), answer(201, {"domain": {"name": "example.org"}})),
        lambda their: their.domains.create({"name": "example.org"}),
    ),
    Wish(
        "list records",
        lambda our: our.record_sets("example.org"),
        lambda: (empty("domain_records"),),
        lambda their: their.domains.list_records("example.org", per_page=200),
    ),
    Wish(
        "create record",
        lambda our: our.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 60)),
        lambda: (empty("domain_records"), answer(201, {"domain_record": RECORD})),
        lambda their: their.domains.create_record(
            "example.org", {"type": "A", "name": "@", "data": "203.0.113.1", "ttl": 60}
        ),
    ),
    Wish(
        "change record",
        lambda our: our.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 90)),
        lambda: (one("domain_records", RECORD), answer(200, {"domain_record": RECORD})),
        lambda their: their.domains.patch_record(
            "example.org", 9, {"type": "A", "name": "@", "data": "203.0.113.1", "ttl": 90}
        ),
    ),
    Wish(
        "delete record",
        lambda our: our.delete_record_set("example.org", "@", "A"),
        lambda: (one("domain_records", RECORD), answer(204)),
        lambda their: their.domains.delete_record("example.org", 9),
    ),
    Wish(
        "make snapshot",
        lambda our: our.snapshot("7", "by-demo-1"),
        lambda: (
            empty("snapshots"),
            empty("actions"),
            answer(201, {"action": {"id": 11}}),
            answer(200, {"action": {"status": "completed"}}),
            one(
                "snapshots",
                {"id": "5", "name": "by-demo-1", "size_gigabytes": 1.5, "created_at": "2026-01-01T00:00:00Z"},
            ),
        ),
        lambda their: their.droplet_actions.post(7, {"type": "snapshot", "name": "by-demo-1"}),
        at=2,
    ),
    Wish(
        "list snapshots",
        lambda our: our.snapshots("by-demo-"),
        lambda: (empty("snapshots"),),
        lambda their: their.snapshots.list(resource_type="droplet", per_page=200),
    ),
    Wish(
        "delete snapshot",
        lambda our: our.delete_snapshot("5"),
        lambda: (answer(204),),
        lambda their: their.snapshots.delete(5),
    ),
    Wish(
        "create bucket key",
        lambda our: our.create_bucket_key("by-demo", (BucketGrant("by-demo-config", Permission.READ),)),
        lambda: (answer(201, {"key": {"access_key": "A", "secret_key": "S", "name": "by-demo"}}), empty("keys")),
        lambda their: their.spaces_key.create(
            {"name": "by-demo", "grants": [{"bucket": "by-demo-config", "permission": "read"}]}
        ),
        at=0,
    ),
    Wish(
        "delete bucket key",
        lambda our: our.delete_bucket_key("A"),
        lambda: (answer(204),),
        lambda their: their.spaces_key.delete("A"),
    ),
)


def answered(request: httpx.Request) -> httpx.Response:
    """Nothing of interest, with a status that the vendor's client takes."""
    if request.method == "DELETE":
        return httpx.Response(204)
    if (request.method, request.url.path) in (("POST", "/v2/droplets"), ("POST", "/v2/firewalls")):
        return httpx.Response(202, json={})
    return httpx.Response(201 if request.method == "POST" else 200, json={})


@pytest.fixture(scope="module")
def vendor() -> tuple[pydo.Client, Recorder]:
    session = requests.Session()
    caught = Recorder(httpx.MockTransport(answered))
    session.mount("https://", Bridge(caught))
    transport = RequestsTransport(session=session, session_owner=False)
    return pydo.Client(token=TOKEN, transport=transport), caught


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish[DigitalOcean, pydo.Client], vendor: tuple[pydo.Client, Recorder]) -> None:
    asked = compare(
        wish, *vendor, lambda transport: DigitalOcean(Secret(TOKEN), clock=FakeClock(), transport=transport)
    )
    assert [problem for each in asked for problem in judge(each)] == []
