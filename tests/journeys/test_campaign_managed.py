"""Production with a database that the provider runs: who gets to it and how, who does not, and a fleet that grows."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.autoscaler.published import published
from fleet.managed import own_database
from fleet.scaling import opened_state
from providers.databases import ManagedDatabase
from recipes.managed_database import ADMINISTRATOR
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from tests.journeys.autoscaling import JOURNAL, SHORT, comes_true, opened, policy, settled
from tests.journeys.conftest import Deployed, run_buildyard
from tests.journeys.test_8_database import REFUSED

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(2400)]

ANSWERS = "database:\n  kind: managed\n  size: db-s-1vcpu-1gb\n"
FLEET = ("as-1", "db-1", "ws-1")
#: Connects as the application does, to a host of our choice and with its flags or none, and says how it came there.
CONNECT = """\
$d = require '/srv/app/config/database.php';
mysqli_report(MYSQLI_REPORT_OFF);
$link = mysqli_init();
$flags = $argv[2] === 'its' ? $d['flags'] : (int) $argv[2];
[$host, $login] = [$argv[1] ?: $d['host'], [$d['user'], $d['password'], $d['name']]];
if (!@mysqli_real_connect($link, $host, ...[...$login, $d['port'], null, $flags])) {
    exit('refused: ' . mysqli_connect_error());
}
$said = [mysqli_fetch_row(mysqli_query($link, "SHOW STATUS LIKE 'Ssl_version'"))[1]];
foreach (json_decode($argv[3] ?? '[]') as $statement) {
    $said[] = @mysqli_query($link, $statement) === false ? mysqli_error($link) : 'done';
}
echo json_encode($said);
"""
#: Says whether somebody takes connections there; silence and a refusal are the same to the application.
KNOCK = 'timeout 4 bash -c "exec 3<>/dev/tcp/$0/$1" 2>/dev/null && echo yes || echo no'
#: Imports a small dump into a database of its own, as the recipe does it with a baseline's.
DUMP = f"""\
cd "$(mktemp -d)"
printf 'CREATE TABLE t (n INT); INSERT INTO t VALUES (4711);\\n' | gzip >dump.gz
mariadb --defaults-file={ADMINISTRATOR} -e 'DROP DATABASE IF EXISTS scratch'
printf 'file://%s/dump.gz' "$PWD" | buildyard-import apply scratch "$(sha256sum dump.gz | cut -d ' ' -f 1)" \\
    /etc/ssl/certs/ca-certificates.crt {ADMINISTRATOR}
mariadb --defaults-file={ADMINISTRATOR} -Ne 'SELECT n FROM scratch.t'
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One webserver, one autoscaler, the database machine, in a home and a rehearsal of its own."""
    home = tmp_path_factory.mktemp("managed")
    answers = home.parent / "managed.yaml"
    answers.write_text(ANSWERS)
    try:
        words = ("rehearse", "--mode", "production", "--webservers", "1", "--answers", str(answers))
        done = run_buildyard(home, *words, "--plain", "--yes", "--json")
        assert done.returncode == 0, done.stderr[-4000:]
        yield Deployed(home, json.loads(done.stdout.splitlines()[-1]))
    finally:
        run_buildyard(home, "destroy", "--yes", "--plain")


def database(site: Deployed) -> ManagedDatabase:
    found = own_database(opened(site))
    assert found is not None
    return found


def public_address(site: Deployed) -> str:
    """The database's other side: its machine is the only one in the room that is in no record."""
    room = Room(site.rehearsal)
    inner = {room.reserve(each).private_ipv4: room.reserve(each).public_ipv4 for each in room.present()}
    return inner[database(site).host]


def connect(site: Deployed, host: str = "", flags: str = "its", statements: tuple[str, ...] = ()) -> Any:
    words = ("php", "-r", CONNECT, "--", host, flags, json.dumps(statements))
    said = site.on("ws-1", "sudo", "-n", "-u", "app", *words)
    return json.loads(said) if said.startswith("[") else said


def own_sources(site: Deployed, *machines: str) -> set[str]:
    return {f"{site.address(name, side)}/32" for name in machines for side in ("private_ipv4", "public_ipv4")}


def test_the_page_is_served_from_a_database_that_the_provider_runs(shop: Deployed) -> None:
    print(f"The rehearsal with a managed database was built in {shop.first['seconds']} s.")
    status = shop.json("status")
    assert status["healthy"], status["reason"]
    found = status["database"]
    assert (found["name"], found["healthy"]) == ("by-rehearsal-db", True)
    assert set(found["sources"]) == own_sources(shop, *FLEET)
    page = shop.visit(f"https://{shop.domain}/", shop.address("ws-1"))
    assert " 200" in page.stdout.split("\n", 1)[0]
    assert "<title>A rehearsal" in page.stdout
    assert shop.on("db-1", "sh", "-c", "command -v mariadbd || echo none").strip() == "none"
    assert "MariaDB" in database(shop).version


def test_the_fleet_gets_to_it_and_nobody_else(shop: Deployed) -> None:
    at, port = database(shop).host, str(database(shop).port)
    for name in FLEET:
        assert shop.on(name, "bash", "-c", KNOCK, at, port).strip() == "yes", name
    for address in (at, public_address(shop)):
        foreign = shop.foreign("bash", "-c", KNOCK, address, port)
        assert foreign.stdout.strip() == "no", "a host somewhere in the world"
        here = subprocess.run(["bash", "-c", KNOCK, address, port], capture_output=True, text=True, check=True)
        assert here.stdout.strip() == "no", "the build machine"


def test_the_application_comes_with_tls_and_to_nobody_but_that_server(shop: Deployed) -> None:
    assert connect(shop)[0].startswith("TLSv1.")
    assert connect(shop, flags="0").startswith("refused: Access denied")
    # the same server by a name that is not in its certificate: who takes its place would have no better one
    shop.on("ws-1", "sudo", "-n", "sh", "-c", 'echo "$1 db.example.org" >>/etc/hosts', "sh", database(shop).host)
    try:
        assert connect(shop, "db.example.org") == "refused: Cannot connect to MySQL using SSL"
        assert connect(shop, "db.example.org", "2048")[0].startswith("TLSv1."), (
            "MYSQLI_CLIENT_SSL alone compares nothing"
        )
    finally:
        shop.on("ws-1", "sudo", "-n", "sed", "-i", "/db.example.org/d", "/etc/hosts")
    # an authority that is not the database's
    other = ("-d", "openssl.cafile=/etc/ssl/certs/ca-certificates.crt")
    said = shop.on("ws-1", "sudo", "-n", "-u", "app", "php", *other, "-r", CONNECT, "--", "", "its")
    assert said == "refused: Cannot connect to MySQL using SSL"
    links = shop.on("ws-1", "sh", "-c", "readlink /etc/php/*/fpm/conf.d/91-buildyard-database.ini")
    assert links.split() == ["/etc/buildyard/php/database.ini"]


def test_the_applications_account_may_do_no_more_than_it_must(shop: Deployed) -> None:
    answers = connect(shop, statements=("SELECT COUNT(*) FROM wp_options", *REFUSED))[1:]
    assert answers[0] == "done"
    for statement, answer in zip(REFUSED, answers[1:], strict=True):
        assert any(word in answer for word in ("denied", "not allowed", "forbidden")), f"{statement}: {answer}"


def test_no_password_of_it_lies_where_others_read(shop: Deployed) -> None:
    password = database(shop).password
    assert password is not None
    files = shop.on(
        "db-1", "sudo", "-n", "sh", "-c", "stat -c '%a %U' /etc/buildyard/database /etc/buildyard/database/*"
    )
    assert files.split("\n")[:3] == ["700 root", "600 root", "600 root"]
    found = shop.on(
        "ws-1", "sudo", "-n", "sh", "-c", 'grep -rl "$1" /etc /srv /var/lib /run || echo none', "sh", password.reveal()
    )
    assert found.strip() == "none", "the administrator's is nothing to a webserver"
    runs = (shop.home / "deployments" / shop.deployment / "runs").glob("*/*")
    assert not [file for file in runs if file.is_file() and password.reveal().encode() in file.read_bytes()]


def test_a_dump_is_read_by_a_client_that_can_do_nothing_elsewhere(shop: Deployed) -> None:
    program = f"{DUMP}\nbuildyard-import check scratch {ADMINISTRATOR} && echo known"
    assert shop.on("db-1", "sudo", "-n", "sh", "-euc", program).splitlines()[-2:] == ["4711", "known"]
    # one that reaches for another database gets nowhere, and is not taken for done
    bad = DUMP.replace("CREATE TABLE t (n INT); INSERT INTO t VALUES (4711)", "INSERT INTO app.wp_options VALUES (1)")
    done = shop.buildyard("ssh", "db-1", "--", "sudo", "-n", "sh", "-euc", bad, timeout_s=120)
    assert "denied" in done.stderr
    ask = f"mariadb --defaults-file={ADMINISTRATOR} -Ne"
    left = shop.on(
        "db-1", "sudo", "-n", "sh", "-euc", f'{ask} "SELECT state FROM buildyard.imports; DROP DATABASE scratch"'
    )
    assert left.split() == ["begun"]
    users = shop.on(
        "db-1", "sudo", "-n", "sh", "-euc", f"{ask} \"SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'build%'\""
    )
    assert users.split() == ["0"]


def test_building_again_changes_nothing_and_what_was_opened_is_closed(shop: Deployed) -> None:
    settled(shop)
    again = shop.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)
    assert shop.json("plan")["actions"] == []
    one, before = opened(shop), database(shop)
    one.access.provider.put_database_sources(before.id, (*before.sources, "203.0.113.0/24"))  # type: ignore[attr-defined]
    assert shop.json("build")["ok"]
    assert database(shop).sources == before.sources


def test_a_database_that_lets_nobody_in_is_the_one_that_is_blamed(shop: Deployed) -> None:
    settled(shop)
    one, before = opened(shop), database(shop)
    one.access.provider.put_database_sources(before.id, ("203.0.113.7/32",))  # type: ignore[attr-defined]
    try:
        comes_true(shop, "the database to be blamed", lambda: "database" in held_back(shop), 180)
    finally:
        one.access.provider.put_database_sources(before.id, before.sources)  # type: ignore[attr-defined]
    settled(shop)
    names = {machine["name"] for machine in shop.json("status")["machines"]}
    assert names == set(FLEET), "no webserver was replaced for it"


def held_back(site: Deployed) -> str:
    state = opened_state(opened(site))
    told = published(state) if state is not None else None
    return " ".join(told["decisions"]["held_back"]) if told is not None else ""


def test_sources_follow_a_scale_out_before_the_new_machine_needs_them_and_shrink_after(shop: Deployed) -> None:
    settled(shop)
    began = time.time()
    with policy(shop, **SHORT, target=2):
        comes_true(shop, "two addresses", lambda: len(shop.resolve(shop.domain, "A")) == 2, 600)
        settled(shop)
        assert set(database(shop).sources) == own_sources(shop, *FLEET, "ws-2")
        at, port = database(shop).host, str(database(shop).port)
        assert shop.on("ws-2", "bash", "-c", KNOCK, at, port).strip() == "yes"
        page = shop.visit(f"https://{shop.domain}/", shop.address("ws-2"))
        assert " 200" in page.stdout.split("\n", 1)[0]
        events = [json.loads(line) for line in shop.on("as-1", "sudo", "-n", "cat", JOURNAL).splitlines()]
        late = [each for each in events if each["at"] >= began]
        let_in = next(
            number
            for number, each in enumerate(late)
            if (each["kind"], each.get("action")) == ("action-finished", "sources")
        )
        needs = next(number for number, each in enumerate(late) if each.get("action") == "recipe:ws-2:wordpress")
        assert let_in < needs
    wait_until(
        "the sources to be those of the fleet again",
        lambda: set(database(shop).sources) == own_sources(shop, *FLEET),
        timeout_s=300,
        clock=SystemClock(),
        longest_s=5,
    )


def test_it_ends_with_its_deployment(shop: Deployed) -> None:
    machines = len(Room(shop.rehearsal).present())
    things = shop.json("reconcile")["things"]
    assert [each["standing"] for each in things if each["kind"] == "managed database"] == ["ours"]
    assert machines >= len(FLEET) + 1
    done = shop.buildyard("destroy", "--yes", "--plain")
    assert done.returncode == 0, done.stderr
    assert "managed database by-rehearsal-db" in done.stdout
