"""Production mode on this machine: what a visitor gets from each webserver, and what its owner is told of all of it."""

from __future__ import annotations

import json

import pytest

from tests.journeys.autoscaling import settled
from tests.journeys.conftest import Deployed
from tests.journeys.scan import scan

pytestmark = pytest.mark.machines

WEBSERVERS = ("ws-1", "ws-2")
PORTS = (22, 80, 443, 1035, 2035)


def test_the_first_build_makes_four_machines(production: Deployed) -> None:
    print(f"The production rehearsal was built in {production.first['seconds']} s.")
    assert (production.first["ok"], production.first["failed"]) == (True, 0)
    status = production.json("status")
    assert (status["mode"], status["healthy"]) == ("production", True), status["reason"]
    roles = {machine["name"]: machine["role"] for machine in status["machines"] if machine["healthy"]}
    assert roles == {"as-1": "autoscaler", "db-1": "database", "ws-1": "webserver", "ws-2": "webserver"}
    scaling = status["autoscaler"]
    assert {key: scaling[key] for key in ("target", "minimum", "maximum", "have")} == {
        "target": 2,
        "minimum": 1,
        "maximum": 6,
        "have": 2,
    }
    assert {"leader", "last_decision", "reason"} <= scaling.keys()


@pytest.mark.parametrize("family", ["public_ipv4", "public_ipv6"])
@pytest.mark.parametrize("webserver", WEBSERVERS)
def test_each_webserver_serves_the_page_at_its_own_address(production: Deployed, webserver: str, family: str) -> None:
    page = production.visit(f"https://{production.domain}/", production.address(webserver, family))
    assert page.returncode == 0, page.stderr
    assert " 200" in page.stdout.splitlines()[0]
    assert "<title>A rehearsal" in page.stdout


@pytest.mark.parametrize(("kind", "family"), [("A", "public_ipv4"), ("AAAA", "public_ipv6")])
def test_dns_answers_with_both_webservers_and_nothing_else(production: Deployed, kind: str, family: str) -> None:
    both = sorted(production.address(webserver, family) for webserver in WEBSERVERS)
    for name in (production.domain, f"www.{production.domain}"):
        assert production.resolve(name, kind) == both


def test_the_autoscaler_has_no_door_but_ssh_and_that_for_its_operator_only(production: Deployed) -> None:
    address = production.address("as-1")
    here = scan("", [address], silent=False, ports=PORTS)[address]
    assert here.open == {1035}
    elsewhere = scan(production.cloud.namespaces.foreign, [address], silent=False, ports=PORTS)[address]
    assert not elsewhere.open


def test_the_site_was_installed_once(production: Deployed) -> None:
    journal = next((production.home / "deployments" / production.deployment / "runs").glob("*/journal.jsonl"))
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    said = [each["text"] for each in events if each["kind"] == "output" and each.get("step") == "site"]
    assert said.count("installed") == 1
    users = production.on("db-1", "sudo", "-n", "mariadb", "app", "-Ne", "SELECT COUNT(*) FROM wp_users")
    assert users.strip() == "1"


def test_one_certificate_is_issued_by_the_autoscaler_and_served_by_both(production: Deployed) -> None:
    shown = {
        production.on(
            name,
            "sudo",
            "-n",
            "openssl",
            "x509",
            "-noout",
            "-serial",
            "-in",
            "/etc/buildyard/tls/current/fullchain.pem",
        )
        for name in WEBSERVERS
    }
    assert len(shown) == 1
    holders = [
        name
        for name in ("as-1", "db-1", *WEBSERVERS)
        if "dns-credentials" in production.on(name, "sudo", "-n", "ls", "/etc/buildyard")
    ]
    assert holders == ["as-1"]


def test_building_again_changes_nothing(production: Deployed) -> None:
    settled(production)
    again = production.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)
    assert production.json("plan")["actions"] == []


def test_what_somebody_altered_on_a_webserver_is_mended(production: Deployed) -> None:
    production.on("ws-2", "sudo", "-n", "sed", "-i", "$a # by hand", "/etc/cron.d/buildyard-pull")
    assert [action["id"] for action in production.json("plan")["actions"]] == ["recipe:ws-2:shared-config"]
    assert production.json("build")["changed"] == 1


def test_scaling_is_refused_outside_of_the_owners_limits(production: Deployed) -> None:
    refused = production.buildyard("scale", "9")
    assert refused.returncode == 2
    assert "allows 1 to 6 webservers, not 9" in refused.stderr
    assert production.json("scale", "2")["target"] == 2


def test_the_record_lies_in_the_state_bucket_and_who_has_no_copy_reads_it_there(production: Deployed) -> None:
    copy = production.home / "deployments" / production.deployment / "fleet.json"
    before = copy.read_bytes()
    # status needs a file there to know that anything was built; it is the record of nothing
    empty = {**json.loads(before), "machines": [], "serial": 0}
    copy.write_text(json.dumps(empty))
    try:
        assert len(production.json("status")["machines"]) == 4
        assert len(json.loads(copy.read_text())["machines"]) == 4
    finally:
        copy.write_bytes(before)
