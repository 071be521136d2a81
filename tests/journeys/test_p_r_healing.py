"""A webserver that is ill goes, another one comes, visitors notice nothing; a database that is down costs nobody."""

from __future__ import annotations

import time

import pytest

from tests.journeys.autoscaling import SHORT, comes_true, policy, reasons, settled, webservers
from tests.journeys.conftest import Deployed
from tests.journeys.visitors import asking_dns, visiting

pytestmark = [pytest.mark.machines, pytest.mark.campaign]

#: What issue and owner are promised: out of DNS after so long, another one (from an image) in its place after so long.
OUT_S = 30.0
BACK_S = 60.0
#: Visitors keep an address for so long.
TTL_S = 5.0
#: Visitors before anything happens.
BEFORE_S = 10.0


def test_nginx_ends_on_one_of_two_and_visitors_notice_nothing(production: Deployed) -> None:
    settled(production)
    victim = max(webservers(production))
    address = production.address(victim)
    with policy(production, **SHORT), asking_dns(production) as names, visiting(production, ttl_s=TTL_S) as visits:
        began = time.time()
        comes_true(production, "some visits", lambda: time.time() - began > BEFORE_S, 30)
        production.on(victim, "sudo", "-n", "systemctl", "mask", "--runtime", "nginx")
        t0 = time.time()
        production.on(victim, "sudo", "-n", "pkill", "-9", "nginx")
        out = comes_true(production, f"{victim} out of DNS", lambda: address not in names.now(), 60) - t0
        back = comes_true(production, "two addresses in DNS", lambda: len(names.now()) == 2, 180) - t0
        comes_true(production, f"the end of {victim}", lambda: address not in addresses(production), 120)
    print(f"Out of DNS after {out:.1f} s, another in its place after {back:.1f} s; {len(visits.all)} visits, ", end="")
    print(f"{len(visits.failed)} failed, {sum(bool(visit.trouble) for visit in visits.all)} took a second address.")
    assert out <= OUT_S
    assert back <= BACK_S
    assert len(visits.all) > 500
    assert visits.failed_outside(t0, t0 + OUT_S + TTL_S) == []
    assert len(visits.failed) <= len(visits.all) / 100
    assert f"{victim} is ill, connections are refused" in reasons(production, t0)


def test_a_database_that_is_down_costs_no_webserver(production: Deployed) -> None:
    settled(production)
    before, t0 = addresses(production), time.time()
    production.on("db-1", "sudo", "-n", "mv", "/etc/cron.d/buildyard-database-health", "/root/")
    production.on("db-1", "sudo", "-n", "systemctl", "stop", "mariadb")
    try:
        said = "nothing is built, taken out of DNS or destroyed"
        comes_true(production, "the database to be named", lambda: said in reasons(production, t0), 60)
        # as long as it takes to take one out and to replace it
        comes_true(production, "the time to do harm", lambda: time.time() - t0 > OUT_S + 30, 120)
    finally:
        production.on("db-1", "sudo", "-n", "systemctl", "start", "mariadb")
        production.on("db-1", "sudo", "-n", "mv", "/root/buildyard-database-health", "/etc/cron.d/")
    assert addresses(production) == before
    settled(production)
    assert "database" in reasons(production, t0).lower()
    assert "is ill" not in reasons(production, t0)


def test_more_and_fewer_webservers_without_a_failed_request(production: Deployed) -> None:
    settled(production)
    with (
        policy(production, **SHORT, target=3),
        visiting(production, per_s=10, ttl_s=TTL_S) as fresh,
        visiting(production, per_s=10, visitors=10, keep_alive=True) as kept,
    ):
        began = time.time()
        comes_true(production, "three addresses", lambda: len(production.resolve(production.domain, "A")) == 3, 180)
        print(f"The third served after {time.time() - began:.0f} s.")
        comes_true(production, "status to say three", lambda: production.json("status")["autoscaler"]["have"] == 3, 60)
        settled(production)
        again = production.json("build")
        assert (again["ok"], again["changed"]) == (True, 0), again
        assert production.json("scale", "2")["target"] == 2
        settled(production)
    assert len(fresh.all) > 200
    assert fresh.failed == []
    assert kept.failed == []


def addresses(site: Deployed) -> set[str]:
    """Of all machines at the provider that belong to the site."""
    return {each["public_ip"] for each in site.json("status")["machines"]}


def test_a_person_and_the_autoscaler_do_not_get_into_each_others_way(production: Deployed) -> None:
    """A build during a scale-out waits for it or is refused, with the name of whoever works there."""
    settled(production)
    with policy(production, **SHORT, target=3):
        name = "the new webserver's machine"
        comes_true(production, name, lambda: production.json("status")["autoscaler"]["have"] == 3, 60)
        done = production.buildyard("build", "--yes", "--plain")
        if done.returncode != 0:
            assert "the autoscaler on as-1 is changing this deployment" in done.stdout + done.stderr
        comes_true(production, "three addresses", lambda: len(production.resolve(production.domain, "A")) == 3, 180)
        assert production.json("scale", "2")["target"] == 2
    settled(production)
