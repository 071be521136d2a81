"""DigitalOcean's driver when the cloud misbehaves: scripted answers, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from providers.contract import FULL_ACCESS, Firewall, InboundRule, MachineSpec, MachineStatus, Protocols, RecordSet
from providers.digitalocean.driver import DigitalOcean
from providers.http import Patience
from state.errors import (
    Conflict,
    DeadlineExceeded,
    HostError,
    NotFound,
    ProviderError,
    Unauthorized,
    Unavailable,
    UsageError,
)
from state.secret import Secret
from tests.providers.description import judge
from tests.providers.samples import FIREWALL, FIREWALL_ID, INBOUND, MACHINE, RECORD, SPEC, VPC, empty, one
from tests.providers.scripted import FakeClock, HalfAnswer, Scripted, Step, answer

TOKEN = Secret("dop_v1_" + "0f" * 32)
ACTION = "by-demo-made-ws-1-1"
TIMEOUT = httpx.ReadTimeout("timed out")


def driver(*steps: Step) -> tuple[DigitalOcean, Scripted, FakeClock]:
    clock = FakeClock()
    transport = Scripted(*steps)
    return DigitalOcean(TOKEN, clock=clock, transport=transport), transport, clock


@pytest.fixture(autouse=True)
def _described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request of every test here is one the vendor's description knows."""
    handle = Scripted.handle_request

    def judged(self: Scripted, request: httpx.Request) -> httpx.Response:
        request.read()
        assert judge(request) == []
        return handle(self, request)

    monkeypatch.setattr(Scripted, "handle_request", judged)


@pytest.mark.parametrize(
    "lost",
    [TIMEOUT, httpx.ReadError("reset"), answer(500, {"id": "server_error", "message": "x"}), answer(504)],
    ids=["time-out", "reset", "500", "504"],
)
def test_a_machine_whose_answer_was_lost_is_adopted(lost: Step) -> None:
    do, transport, clock = driver(empty("droplets"), lost, empty("droplets"), one("droplets", MACHINE))
    machine = do.create_machine(SPEC, ACTION)
    assert machine.id == "7"
    assert [line.split("?")[0] for line in transport.lines()].count("POST /v2/droplets") == 1
    assert sum(clock.slept) <= Patience().settle_s


def test_half_an_answer_to_a_create_is_a_lost_one() -> None:
    half = httpx.Response(202, stream=HalfAnswer())
    do, transport, _ = driver(empty("droplets"), half, one("droplets", MACHINE))
    assert do.create_machine(SPEC, ACTION).id == "7"
    assert transport.lines()[-1].startswith(f"GET /v2/droplets?tag_name={ACTION}")


def test_a_machine_that_was_not_made_is_asked_for_again_after_the_list_had_time() -> None:
    asked: list[str] = []

    def cloud(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method == "GET":
            return empty("droplets")
        if asked.count("POST") == 1:
            raise TIMEOUT
        return answer(202, {"droplet": MACHINE, "links": {}})

    do, _, clock = driver(*[cloud] * 100)
    assert do.create_machine(SPEC, ACTION).id == "7"
    assert asked.count("POST") == 2
    assert sum(clock.slept) >= Patience().settle_s


def test_of_two_machines_of_one_action_the_older_is_adopted() -> None:
    later = {**MACHINE, "id": 3, "created_at": "2026-01-02T00:00:00Z"}
    listed = answer(200, {"droplets": [later, MACHINE], "links": {}, "meta": {"total": 2}})
    do, _, _ = driver(listed)
    assert do.create_machine(SPEC, ACTION).id == "7"


def test_a_limited_create_is_made_once() -> None:
    do, transport, clock = driver(
        empty("droplets"),
        answer(429, {"id": "too_many_requests", "message": "API Rate limit exceeded."}, Retry_After="5"),
        answer(202, {"droplet": MACHINE, "links": {}}),
    )
    do.create_machine(SPEC, ACTION)
    assert transport.steps == []
    assert 5 <= sum(clock.slept) < 6


def test_machines_on_two_pages_are_all_seen() -> None:
    first = {
        "droplets": [MACHINE],
        "links": {"pages": {"next": "https://elsewhere.example/v2/droplets?page=2&per_page=1"}},
        "meta": {"total": 2},
    }
    second = {"droplets": [{**MACHINE, "id": 8}], "links": {"pages": {}}, "meta": {"total": 2}}
    do, transport, _ = driver(answer(200, first), answer(200, second))
    assert [machine.id for machine in do.machines("by-demo-fleet")] == ["7", "8"]
    # The link's number is followed, never its host: the token stays where it belongs.
    assert {request.url.host for request in transport.asked} == {"api.digitalocean.com"}
    assert transport.lines()[1] == "GET /v2/droplets?tag_name=by-demo-fleet&per_page=200&page=2"


def test_addresses_status_and_price_are_read() -> None:
    networks = {
        "v4": [
            {"ip_address": "10.0.0.2", "netmask": "255.255.0.0", "gateway": "", "type": "private"},
            {"ip_address": "203.0.113.9", "netmask": "255.255.255.0", "gateway": "", "type": "public"},
        ],
        "v6": [{"ip_address": "2001:db8::9", "netmask": 64, "gateway": "", "type": "public"}],
    }
    do, _, _ = driver(answer(200, {"droplet": {**MACHINE, "networks": networks, "status": "archive"}}))
    machine = do.machine("7")
    assert (machine.public_ipv4, machine.public_ipv6, machine.private_ipv4) == (
        "203.0.113.9",
        "2001:db8::9",
        "10.0.0.2",
    )
    assert machine.status is MachineStatus.OFF
    assert machine.price_per_month == Decimal("6.0")


def test_a_droplet_limit_says_what_to_do() -> None:
    refused = answer(
        422, {"id": "unprocessable_entity", "message": "creating this/these droplet(s) will exceed your droplet limit"}
    )
    do, _, _ = driver(empty("droplets"), refused)
    with pytest.raises(ProviderError) as caught:
        do.create_machine(SPEC, ACTION)
    assert "exceed your droplet limit" in caught.value.detail
    assert "higher limit" in caught.value.hint


def test_a_busy_machine_is_deleted_when_it_is_free() -> None:
    busy = answer(422, {"id": "unprocessable_entity", "message": "Droplet already has a pending event."})
    do, transport, clock = driver(busy, answer(204))
    do.delete_machine("7")
    assert transport.lines() == ["DELETE /v2/droplets/7"] * 2
    assert clock.slept


def test_a_machine_that_stays_busy_is_told_by_its_deadline() -> None:
    def busy(_request: httpx.Request) -> httpx.Response:
        return answer(422, {"id": "unprocessable_entity", "message": "Droplet already has a pending event."})

    do, _, clock = driver(*[busy] * 500)
    began = clock.time
    with pytest.raises(DeadlineExceeded, match="machine 7"):
        do.delete_machine("7")
    assert clock.time - began <= 310


def test_an_action_that_failed_is_told() -> None:
    do, _, _ = driver(
        answer(200, {"droplet": MACHINE}),
        answer(201, {"action": {"id": 11}}),
        answer(200, {"action": {"status": "in-progress"}}),
        answer(200, {"action": {"status": "errored"}}),
    )
    with pytest.raises(ProviderError, match="failed"):
        do.power_off("7")


def test_a_network_waits_until_its_last_member_has_gone() -> None:
    member = {"name": "ws-1", "urn": "do:droplet:7", "created_at": "2026-01-01T00:00:00Z"}
    do, transport, _ = driver(
        answer(200, {"vpc": {"name": "by-demo-net", "default": False}}),
        one("members", member),
        empty("members"),
        answer(409, {"id": "conflict", "message": "Can not delete VPC with members"}),
        empty("members"),
        answer(403, {"id": "forbidden", "message": "Can not delete VPC with members"}),
        empty("members"),
        answer(204),
    )
    do.delete_network(VPC)
    assert transport.steps == []


def test_a_network_that_a_token_may_not_delete_is_told_at_once() -> None:
    do, transport, _ = driver(
        answer(200, {"vpc": {"name": "by-demo-net", "default": False}}),
        empty("members"),
        answer(403, {"id": "forbidden", "message": "You are not authorized to perform this operation"}),
    )
    with pytest.raises(Unauthorized):
        do.delete_network(VPC)
    assert transport.steps == []


def test_missing_rights_are_named() -> None:
    def cloud(request: httpx.Request) -> httpx.Response:
        if request.url.path in ("/v2/firewalls", "/v2/tags"):
            return answer(403, {"id": "forbidden", "message": "You are not authorized to perform this operation"})
        if request.url.path == "/v2/account":
            return answer(200, {"account": {"email": "a@example.org", "status": "active", "team": {"name": "A team"}}})
        return answer(200, {})

    do, _, _ = driver(*[cloud] * 20)
    account = do.check_credentials()
    assert (account.name, account.status) == ("A team", "active")
    assert account.missing_rights == ("firewall:read", "tag:read")


def test_a_wrong_token_is_unauthorized() -> None:
    do, _, _ = driver(answer(401, {"id": "unauthorized", "message": "Unable to authenticate you"}))
    with pytest.raises(Unauthorized) as caught:
        do.check_credentials()
    assert TOKEN.reveal() not in caught.value.text()


def test_a_firewall_made_by_a_lost_create_is_changed_in_place() -> None:
    stale = {**FIREWALL, "id": FIREWALL_ID, "inbound_rules": FIREWALL["inbound_rules"][:1]}
    do, transport, _ = driver(
        answer(200, {"tag": {"name": "by-demo-role"}}),
        empty("firewalls"),
        empty("firewalls"),
        TIMEOUT,
        one("firewalls", stale),
        answer(200, {"firewall": {**FIREWALL, "id": FIREWALL_ID}}),
    )
    assert do.put_firewall("by-demo-fw", "by-demo-role", INBOUND).id == FIREWALL_ID
    assert [line.split()[0] for line in transport.lines()] == ["GET", "GET", "GET", "POST", "GET", "PUT"]


def test_a_rule_written_by_hand_is_seen_as_different() -> None:
    rules = [
        {"protocol": "tcp", "ports": "8000-9000", "sources": {"addresses": ["203.0.113.7"], "tags": ["other"]}},
        {"protocol": "icmp", "ports": "0", "sources": {"addresses": ["0.0.0.0/0"]}},
    ]
    do, _, _ = driver(one("firewalls", {**FIREWALL, "id": FIREWALL_ID, "inbound_rules": rules}))
    (firewall,) = do.firewalls("by-demo-")
    assert firewall == Firewall(
        FIREWALL_ID,
        "by-demo-fw",
        "by-demo-role",
        (
            InboundRule(Protocols.TCP, -1, ("203.0.113.7/32", "tags:other")),
            InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0",)),
        ),
    )


def test_a_rule_without_sources_is_refused_before_anything_is_sent() -> None:
    do, transport, _ = driver()
    with pytest.raises(UsageError):
        do.put_firewall("by-demo-fw", "by-demo-role", (InboundRule(Protocols.TCP, 22, ()),))
    assert transport.asked == []


def test_a_records_new_values_stand_before_the_old_ones_go() -> None:
    old = [{**RECORD, "id": 1, "data": "203.0.113.1"}, {**RECORD, "id": 2, "data": "203.0.113.2"}]
    do, transport, _ = driver(
        answer(200, {"domain_records": old, "links": {}, "meta": {"total": 2}}),
        answer(201, {"domain_record": {**RECORD, "id": 3, "data": "203.0.113.3"}}),
        answer(204),
    )
    do.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 60))
    assert [line.split("?")[0] for line in transport.lines()] == [
        "GET /v2/domains/example.org/records",
        "POST /v2/domains/example.org/records",
        "DELETE /v2/domains/example.org/records/1",
    ]


def test_a_record_whose_answer_was_lost_is_not_made_twice() -> None:
    do, transport, _ = driver(empty("domain_records"), TIMEOUT, one("domain_records", RECORD))
    do.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 60))
    assert [line.split()[0] for line in transport.lines()] == ["GET", "POST", "GET"]


def test_a_record_set_that_is_right_is_left_alone() -> None:
    do, transport, _ = driver(one("domain_records", {**RECORD, "type": "AAAA", "data": "2001:db8::1"}))
    do.put_record_set("example.org", RecordSet("@", "AAAA", ("2001:DB8:0::1",), 60))
    assert len(transport.asked) == 1


def test_a_doubled_record_is_made_single() -> None:
    both = [{**RECORD, "id": 1}, {**RECORD, "id": 2}]
    do, transport, _ = driver(answer(200, {"domain_records": both, "links": {}, "meta": {"total": 2}}), answer(204))
    do.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 60))
    assert transport.lines()[-1] == "DELETE /v2/domains/example.org/records/2"


def test_a_bucket_key_whose_answer_was_lost_is_replaced() -> None:
    keys = [{"name": "by-demo", "access_key": "LOST"}, {"name": "by-demo", "access_key": "NEW"}]
    do, transport, _ = driver(
        TIMEOUT,
        answer(201, {"key": {"access_key": "NEW", "secret_key": "told-once", "name": "by-demo"}}),
        answer(200, {"keys": keys, "links": {}, "meta": {"total": 2}}),
        answer(204),
    )
    access_key, secret = do.create_bucket_key("by-demo", FULL_ACCESS)
    assert (access_key, secret) == ("NEW", Secret("told-once"))
    assert transport.lines()[-1] == "DELETE /v2/spaces/keys/LOST"


def test_a_snapshot_under_way_is_waited_for_not_begun_again() -> None:
    taken = {"id": "5", "name": "by-demo-1", "size_gigabytes": 1.5, "created_at": "2026-01-01T00:00:00Z"}
    do, transport, _ = driver(
        empty("snapshots"),
        one("actions", {"id": 11, "type": "snapshot", "status": "in-progress"}),
        answer(200, {"action": {"status": "in-progress"}}),
        answer(200, {"action": {"status": "completed"}}),
        one("snapshots", taken),
    )
    assert do.snapshot("7", "by-demo-1").size_gib == Decimal("1.5")
    assert all(line.startswith("GET") for line in transport.lines())


@pytest.mark.parametrize(
    "ask",
    [lambda do: do.machine("7"), lambda do: do.machines("t"), lambda do: do.zones(), lambda do: do.check_credentials()],
)
def test_an_answer_of_another_shape_is_no_traceback(ask: Callable[[DigitalOcean], object]) -> None:
    do, _, _ = driver(answer(200, {"surprise": True}))
    with pytest.raises(Unavailable):
        ask(do)


def test_what_is_not_there_is_not_found() -> None:
    do, _, _ = driver(answer(404, {"id": "not_found", "message": "The resource you requested could not be found."}))
    with pytest.raises(NotFound):
        do.machine("7")


def test_a_network_of_that_name_elsewhere_is_a_conflict() -> None:
    do, _, _ = driver(
        one("vpcs", {"id": VPC, "name": "by-demo-net", "region": "nyc3", "ip_range": "10.1.0.0/20"}),
    )
    with pytest.raises(Conflict, match="nyc3"):
        do.ensure_network("by-demo-net", "fra1")


def test_an_authority_that_cannot_be_read_is_this_machines_fault(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HostError):
        DigitalOcean(TOKEN, clock=FakeClock(), ca_pem_file=tmp_path / "missing.pem")


def test_a_snapshot_id_is_sent_as_the_number_it_is() -> None:
    spec = MachineSpec(
        **{name: getattr(SPEC, name) for name in MachineSpec.__dataclass_fields__} | {"image": "118857366"}
    )
    do, transport, _ = driver(empty("droplets"), answer(202, {"droplet": MACHINE, "links": {}}))
    do.create_machine(spec, ACTION)
    assert transport.bodies()[0]["image"] == 118857366
