"""What the probing sees of a real webserver from the database machine: each trouble by its name, and the load."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from buildyard.program import Program
from fleet.autoscaler.prober import Looking, Prober
from fleet.autoscaler.probing import Probing
from fleet.autoscaler.view import Load, Observation, Outcome
from fleet.links import Links
from recipes.load import LOAD_PATH
from recipes.prober import FILE, PROGRAM
from recipes.ssh import Link
from recipes.texts import text_of
from recipes.webserver import HEALTH_PATH
from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded
from state.paths import Home
from tests.journeys.conftest import Site, environment

pytestmark = pytest.mark.machines

#: Figures are new every five seconds; the machine that tests may be busy.
PATIENCE_S = 90.0
CLOCK = SystemClock()
T = TypeVar("T")
BURN = "for one in 1 2; do (timeout 120 sh -c 'while :; do :; done' &) ; done >/dev/null 2>&1"


@pytest.fixture(scope="module")
def probing(site: Site) -> Iterator[Probing]:
    """From db-1, at ws-1's private address, as the autoscaler does it; but from the public side, and every second."""
    program = Program(Home(site.home), environment(site.home), CLOCK)
    deployment = program.open_built(program.paths(site.deployment), may_ask=False)
    record = deployment.record.load()
    assert record is not None
    database = record.machine("db-1")
    assert database is not None

    def connect() -> Link:
        return Links(deployment).to(database)

    # in development mode nobody looks, so the program is not there
    brought = "/tmp/brought"
    with connect() as link:
        link.put(text_of(FILE).encode(), brought)
    root(site, "db-1", "install", "-m", "755", brought, PROGRAM)
    ca_pem = (site.rehearsal / "site-roots.pem").read_text()
    looking = Looking(site.domain, Looking.at_site(site.domain, "").expect, ca_pem, every_s=1.0)
    with Probing(looking, CLOCK) as made:
        made.targets({"ws-1": site.address("ws-1", "private_ipv4")})
        made.look_from([Prober("db-1", connect, has_database=True)])
        yield made
    root(site, "db-1", "rm", brought, PROGRAM)
    wait_until(
        "the program on db-1 to end",
        lambda: site.on("db-1", "sh", "-c", "pgrep -fc buildyard-prob[e] || true").strip() == "0",
        timeout_s=PATIENCE_S,
        clock=CLOCK,
    )


def root(site: Site, machine: str, *words: str) -> str:
    return site.on(machine, "sudo", "-n", *words)


def next_look(probing: Probing, outcome: Outcome) -> Observation:
    """The first look that ended after now, and so."""
    now = time.time()

    def found() -> Observation | None:
        looks = probing.seen().observations.get("ws-1", ())
        return next((look for look in looks if look.at > now and look.outcome is outcome), None)

    return waited(probing, f"a look that ends with {outcome}", found)


def next_load(probing: Probing, fits: Callable[[Load], bool] = lambda _load: True) -> Load:
    """The first figures of after now that fit."""
    now = time.time()

    def found() -> Load | None:
        load = probing.seen().loads.get("ws-1")
        return load if load is not None and load.at > now and fits(load) else None

    return waited(probing, "figures that fit", found)


def database_says(probing: Probing, problem: str) -> None:
    """The database machine's own word begins so; "" when it is well."""

    def found() -> bool:
        said = probing.seen().database_problem
        return said is not None and (said.startswith(problem) if problem else said == "")

    waited(probing, f"the word {problem!r} on the database", found)


def waited(probing: Probing, what: str, found: Callable[[], T | None]) -> T:
    try:
        return wait_until(what, found, timeout_s=PATIENCE_S, clock=CLOCK, first_s=0.1, longest_s=0.3)
    except DeadlineExceeded as late:
        raise AssertionError(f"{late.summary} Seen: {probing.seen()}") from late


@contextmanager
def signalled(site: Site, machine: str, unit: str) -> Iterator[None]:
    """All processes of a unit stand still."""
    root(site, machine, "systemctl", "kill", "--signal=STOP", unit)
    try:
        yield
    finally:
        root(site, machine, "systemctl", "kill", "--signal=CONT", unit)


@contextmanager
def stopped(site: Site, machine: str, unit: str) -> Iterator[None]:
    root(site, machine, "systemctl", "stop", unit)
    try:
        yield
    finally:
        root(site, machine, "systemctl", "start", unit)


@contextmanager
def unmended(site: Site) -> Iterator[None]:
    """The caretaker would mend MariaDB within a minute."""
    job, aside = "/etc/cron.d/buildyard-database-health", "/root/buildyard-database-health"
    root(site, "db-1", "mv", job, aside)
    try:
        yield
    finally:
        root(site, "db-1", "mv", aside, job)


def test_a_webserver_that_is_well_and_what_it_says_of_itself(site: Site, probing: Probing) -> None:
    look = next_look(probing, Outcome.OK)
    assert 0 < look.answer_ms < 2000
    load = next_load(probing)
    assert load.connections == 0, "the prober's own is none"
    assert 5 < load.disk_free_percent < 100
    database_says(probing, "")


def test_visits_are_those_of_visitors_only(site: Site, probing: Probing) -> None:
    # it is looked at every second, and that counts as no visit
    alone = next_load(probing, lambda load: load.last_visit_s > 12)
    assert alone.requests_per_s == 0
    for _ in range(5):
        assert site.visit(f"https://{site.domain}/", site.address("ws-1")).returncode == 0
    visited = next_load(probing, lambda load: load.requests_per_s > 0)
    assert visited.last_visit_s < 15


def test_nobody_outside_sees_the_load_or_a_reason(site: Site) -> None:
    address = site.address("ws-1")
    assert " 404 " in site.visit(f"https://{site.domain}{LOAD_PATH}", address).stdout.splitlines()[0]
    with stopped(site, "db-1", "mariadb"):
        answer = site.visit(f"https://{site.domain}{HEALTH_PATH}", address).stdout
        assert " 500 " in answer.splitlines()[0]
        assert json.loads(answer.splitlines()[-1]) == {"healthy": False}
    wait_until(
        "the site to be well",
        lambda: '{"healthy":true}' in site.visit(f"https://{site.domain}{HEALTH_PATH}", address).stdout,
        timeout_s=PATIENCE_S,
        clock=CLOCK,
    )


def test_nginx_stopped(site: Site, probing: Probing) -> None:
    with stopped(site, "ws-1", "nginx"):
        assert next_look(probing, Outcome.REFUSED).detail == "nobody listens"
    next_look(probing, Outcome.OK)


@pytest.mark.campaign
def test_nginx_frozen(site: Site, probing: Probing) -> None:
    with signalled(site, "ws-1", "nginx"):
        assert next_look(probing, Outcome.SILENT).answer_ms >= 2000
    next_look(probing, Outcome.OK)


@pytest.mark.campaign
def test_php_frozen_and_the_load_is_still_told(site: Site, probing: Probing) -> None:
    with signalled(site, "ws-1", "buildyard-php"):
        assert next_look(probing, Outcome.SLOW).detail == f"no whole answer for {HEALTH_PATH} within 2 s"
        next_load(probing)
    next_look(probing, Outcome.OK)


@pytest.mark.campaign
def test_php_stopped(site: Site, probing: Probing) -> None:
    with stopped(site, "ws-1", "buildyard-php"):
        assert next_look(probing, Outcome.HTTP_ERROR).detail == f"HTTP 502 for {HEALTH_PATH}"
    next_look(probing, Outcome.OK)


def test_mariadb_stopped(site: Site, probing: Probing) -> None:
    with unmended(site), stopped(site, "db-1", "mariadb"):
        assert "refused" in next_look(probing, Outcome.DATABASE).detail
        database_says(probing, "MariaDB is inactive")
    next_look(probing, Outcome.OK)
    database_says(probing, "")


@pytest.mark.campaign
def test_mariadb_frozen_is_named_before_the_look_runs_out(site: Site, probing: Probing) -> None:
    with unmended(site), signalled(site, "db-1", "mariadb"):
        next_look(probing, Outcome.DATABASE)
        # its client gives up a moment before or after us
        database_says(probing, "MariaDB is active (")
    next_look(probing, Outcome.OK)
    database_says(probing, "")


def test_disk_full_and_the_load_is_still_told(site: Site, probing: Probing) -> None:
    fill = 'fallocate -l "$(($(df --output=avail -B1 / | tail -n 1) - 4194304))" /var/filled'
    root(site, "ws-1", "sh", "-c", fill)
    try:
        assert next_look(probing, Outcome.DISK_FULL).detail.endswith(" MiB are free")
        next_load(probing, lambda load: load.disk_free_percent < 1)
    finally:
        root(site, "ws-1", "rm", "-f", "/var/filled")
    next_look(probing, Outcome.OK)
    next_load(probing, lambda load: load.disk_free_percent > 5)


@pytest.mark.campaign
def test_cpu_is_the_machines_own(site: Site, probing: Probing) -> None:
    next_load(probing, lambda load: load.cpu_percent < 50)
    try:
        root(site, "db-1", "sh", "-c", BURN)
        elsewhere = [next_load(probing).cpu_percent for _ in range(4)]
        root(site, "db-1", "pkill", "-f", "do :; don[e]")
        root(site, "ws-1", "sh", "-c", BURN)
        next_load(probing, lambda load: load.cpu_percent > max(elsewhere) + 20)
    finally:
        for machine in ("ws-1", "db-1"):
            root(site, machine, "sh", "-c", "pkill -f 'do :; don[e]' || true")
    next_load(probing, lambda load: load.cpu_percent < max(elsewhere) + 20)


@pytest.mark.campaign
def test_the_teller_of_the_load_comes_back(site: Site, probing: Probing) -> None:
    before = root(site, "ws-1", "systemctl", "show", "--property=MainPID,User,DynamicUser", "buildyard-load")
    assert "DynamicUser=yes" in before
    root(site, "ws-1", "systemctl", "kill", "--signal=KILL", "buildyard-load")
    next_load(probing, lambda load: load.last_visit_s < 20)
    assert root(site, "ws-1", "systemctl", "is-active", "buildyard-load").strip() == "active"
