"""From one command to a page: what a visitor somewhere in the world gets, and what the operator is told."""

from __future__ import annotations

import time

import pytest

from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

WELL_DEADLINE_S = 30


def set_title(site: Site, title: str) -> None:
    statement = f"UPDATE wp_options SET option_value = '{title}' WHERE option_name = 'blogname'"
    site.on("db-1", "sudo", "-n", "mariadb", "app", "-e", statement)


def test_the_first_build_says_what_it_did(site: Site) -> None:
    assert site.first["ok"] is True
    assert site.first["changed"] > 30
    assert site.first["failed"] == 0


@pytest.mark.parametrize(("family", "kind"), [("-4", "A"), ("-6", "AAAA")])
def test_a_visitor_gets_the_page_whose_title_is_in_the_database(site: Site, family: str, kind: str) -> None:
    """He asks the rehearsal's DNS and trusts its authority only; the title is written by SQL."""
    assert site.resolve(site.domain, kind) == [site.address("ws-1", "public_ipv4" if kind == "A" else "public_ipv6")]
    set_title(site, f"A title of {kind}")
    page = site.visit_by_name(f"https://{site.domain}/", family)
    assert page.returncode == 0, page.stderr
    assert " 200" in page.stdout.splitlines()[0]
    assert f"<title>A title of {kind}" in page.stdout


@pytest.mark.parametrize("family", ["-4", "-6"])
@pytest.mark.parametrize(
    ("url", "to"),
    [
        ("http://site.rehearsal.test/some/page", "https://site.rehearsal.test/some/page"),
        ("http://www.site.rehearsal.test/some/page", "https://www.site.rehearsal.test/some/page"),
        ("https://www.site.rehearsal.test/", "https://site.rehearsal.test/"),
    ],
)
def test_http_leads_to_https_and_www_to_the_site(site: Site, url: str, to: str, family: str) -> None:
    answer = site.visit_by_name(url, family)
    assert answer.returncode == 0, answer.stderr
    assert " 301" in answer.stdout.splitlines()[0]
    assert f"location: {to}" in answer.stdout.replace("Location:", "location:").splitlines()


def test_who_trusts_other_authorities_gets_nothing(site: Site) -> None:
    answer = site.foreign(
        "curl", "-sS", "--resolve", f"{site.domain}:443:{site.address('ws-1')}", f"https://{site.domain}/"
    )
    assert answer.returncode == 60, answer.stderr  # curl: the certificate cannot be verified


def test_a_name_that_is_not_ours_gets_no_page(site: Site) -> None:
    answer = site.foreign(
        "curl",
        "-sk",
        "--max-time",
        "10",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--resolve",
        f"other.test:443:{site.address('ws-1')}",
        "https://other.test/",
    )
    assert answer.stdout != "200"


def test_status_is_healthy_and_names_everything(site: Site) -> None:
    status = site.json("status")
    assert status["healthy"] is True, status["reason"]
    assert {machine["name"] for machine in status["machines"]} == {"ws-1", "db-1"}
    assert status["certificate"]["days_left"] > 1
    assert status["url"] == f"https://{site.domain}/"
    assert {entry["name"] for entry in status["dns"]} == {site.domain, f"www.{site.domain}"}
    assert status["cost_per_month"]


@pytest.mark.parametrize(
    ("machine", "unit", "said"), [("ws-1", "nginx", "connection refused"), ("db-1", "mariadb", "mariadb is inactive")]
)
def test_status_tells_within_30_s_what_stopped(site: Site, machine: str, unit: str, said: str) -> None:
    # the caretaker would mend MariaDB within a minute
    job, aside = "/etc/cron.d/buildyard-database-health", "/root/buildyard-database-health"
    move = "[ ! -e $1 ] || mv $1 $2"
    site.on(machine, "sudo", "-n", "sh", "-c", move, "sh", job, aside)
    site.on(machine, "sudo", "-n", "systemctl", "stop", unit)
    began = time.monotonic()
    try:
        status = site.json("status")
        assert status["healthy"] is False
        assert time.monotonic() - began < WELL_DEADLINE_S
        sick = next(each for each in status["machines"] if each["name"] == machine)
        assert sick["healthy"] is False
        assert said in sick["reason"]
        assert site.buildyard("status").returncode == 3
    finally:
        site.on(machine, "sudo", "-n", "systemctl", "start", unit)
        site.on(machine, "sudo", "-n", "sh", "-c", move, "sh", aside, job)
    assert site.json("status")["healthy"] is True


def test_logs_and_ssh_reach_a_machine_by_its_name(site: Site) -> None:
    assert "ws-1" in site.on("ws-1", "hostname")
    assert site.on("ws-1", "printf", "%s", "a b'c\"$(id)") == "a b'c\"$(id)"
    assert "nginx" in site.buildyard("logs", "ws-1", "--unit", "nginx").stdout
    wrong = site.buildyard("ssh", "ws-9", "--", "true")
    assert wrong.returncode == 2
    assert "ws-1" in wrong.stderr
