"""Managed databases as their customers meet them: real servers on machines of their own."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import cloud
from rehearsal.room.room import Room
from tests.rehearsal.live_cloud import CLOCK, Cloud, eventually, machines_of, reads

pytestmark = pytest.mark.machines

#: The first of an engine waits for its image to be made, two minutes on a busy host.
_FIRST_S = 300.0

#: Logs in as a customer does, from whatever namespace it is started in; says the version, or why not.
_CUSTOMER = """
import json, ssl, sys
import pymysql
to, ca = json.load(sys.stdin), sys.argv[1]
trust = ssl.create_default_context(cafile=ca)
try:
    link = pymysql.connect(host=to["host"], port=to["port"], user=to["user"], password=to["password"],
                           database=to["database"], connect_timeout=4,
                           ssl=trust if to["ssl"] else None, ssl_disabled=not to["ssl"])
    with link.cursor() as cursor:
        for statement in sys.argv[2:]:
            cursor.execute(statement)
        link.commit()
        print("said", *(cursor.fetchone() or ("nothing",)))
except pymysql.err.OperationalError as error:
    print("refused", *error.args)
"""

_PG_CUSTOMER = """
import json, ssl, sys
import pg8000.dbapi
to, ca = json.load(sys.stdin), sys.argv[1]
trust = ssl.create_default_context(cafile=ca)
try:
    link = pg8000.dbapi.connect(to["user"], host=to["host"], port=to["port"], password=to["password"], timeout=4,
                                database=to["database"], ssl_context=trust if to["ssl"] else False)
    cursor = link.cursor()
    for statement in sys.argv[2:]:
        cursor.execute(statement)
    link.commit()
    print("said", *(cursor.fetchone() if cursor.description else ("nothing",)))
except pg8000.dbapi.InterfaceError as error:
    print("unreached", error)
except pg8000.dbapi.DatabaseError as error:
    print("refused", error.args[0]["C"])
"""


class Customer:
    """Comes to a database from somewhere."""

    def __init__(self, ca: Path, program: str = _CUSTOMER) -> None:
        self._ca, self._program = ca, program

    def says(self, namespace: str, to: dict[str, Any], *statements: str) -> str:
        """What one meets who comes from that namespace; "" is this host."""
        where = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
        argv = [*where, sys.executable, "-c", self._program, str(self._ca), *(statements or ("SELECT VERSION()",))]
        done = subprocess.run(argv, input=json.dumps(to), capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.strip() or done.stderr.strip()[-300:]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("rehearsal")
    try:
        yield Cloud(cloud.up(directory, clock=CLOCK))
    finally:
        cloud.down(directory, purge=True, clock=CLOCK)


@pytest.fixture(scope="module")
def cluster(up: Cloud) -> dict[str, Any]:
    """A cluster that trusts a tag nobody has yet."""
    body = {"name": "site-db", "engine": "mysql", "version": "8", "size": "db-s-1vcpu-1gb", "region": "fra1"}
    body |= {"num_nodes": 1, "rules": [{"type": "tag", "value": "web"}]}  # type: ignore[dict-item]
    made = up.ask("POST", "/databases", json=body)["database"]
    assert made["status"] == "creating"
    found: dict[str, Any] = eventually("the database", lambda: online(up, made["id"]), _FIRST_S)
    return found


@pytest.fixture(scope="module")
def customer(up: Cloud, cluster: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Customer:
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.write_bytes(base64.b64decode(up.ask("GET", f"/databases/{cluster['id']}/ca")["ca"]["certificate"]))
    return Customer(ca)


@pytest.fixture(scope="module")
def web(up: Cloud) -> dict[str, Any]:
    """A machine without a tag; its namespace is where its programs come from."""
    body = {"name": "web", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}
    made = up.ask("POST", "/droplets", json=body)["droplet"]

    def active() -> Any:
        found = up.ask("GET", f"/droplets/{made['id']}")["droplet"]
        return found if found["status"] == "active" else None

    found: dict[str, Any] = eventually("the machine", active, 60)
    return found


def online(up: Cloud, id_: str) -> dict[str, Any] | None:
    found: dict[str, Any] = up.ask("GET", f"/databases/{id_}")["database"]
    return found if found["status"] == "online" else None


def space(up: Cloud, machine_id: int) -> str:
    return up.described.namespaces.router.replace("-router", f"-m{machine_id}")


def trust(up: Cloud, cluster: dict[str, Any], *rules: tuple[str, str]) -> None:
    wanted = [{"type": type_, "value": value} for type_, value in rules]
    up.ask("PUT", f"/databases/{cluster['id']}/firewall", json={"rules": wanted})


def test_only_trusted_sources_log_in_and_the_list_changes_in_place(
    up: Cloud, cluster: dict[str, Any], customer: Customer, web: dict[str, Any]
) -> None:
    inside, outside = cluster["private_connection"], cluster["connection"]
    mine, foreign = space(up, web["id"]), up.described.namespaces.foreign
    assert [one["id"] for one in up.ask("GET", "/droplets")["droplets"]] == [web["id"]], "it is no droplet"
    assert "MariaDB" in cluster["semantic_version"]
    assert customer.says(mine, inside).startswith("refused 2003"), "it has not the tag yet"
    resource = {"resource_id": str(web["id"]), "resource_type": "droplet"}
    up.ask("POST", "/tags/web/resources", json={"resources": [resource]})
    for to in (inside, outside):
        assert "MariaDB" in customer.says(mine, to)
        assert customer.says(foreign, to).startswith("refused 2003")
    assert customer.says("", outside).startswith("refused 2003")
    assert customer.says(mine, {**inside, "password": "wrong"}).startswith("refused 1045")
    assert customer.says(mine, {**inside, "ssl": False}).startswith("refused"), "without TLS nobody is heard"

    trust(up, cluster, ("ip_addr", up.described.build_machine_addresses[0]))
    assert customer.says(mine, inside).startswith("refused 2003")
    assert "MariaDB" in customer.says("", outside)
    trust(up, cluster, ("droplet", str(web["id"])))
    assert "MariaDB" in customer.says(mine, inside)
    assert customer.says("", outside).startswith("refused 2003")
    trust(up, cluster)
    assert "MariaDB" in customer.says(foreign, outside), "as at the vendor: no rule, open to all"
    trust(up, cluster, ("tag", "web"))
    assert customer.says(foreign, outside).startswith("refused 2003")


def test_users_and_databases_are_the_servers_own(
    up: Cloud, cluster: dict[str, Any], customer: Customer, web: dict[str, Any]
) -> None:
    trust(up, cluster, ("droplet", str(web["id"])))
    mine, one = space(up, web["id"]), f"/databases/{cluster['id']}"
    up.ask("POST", f"{one}/dbs", json={"name": "site"})
    user = up.ask("POST", f"{one}/users", json={"name": "app-01"})["user"]
    to = {**cluster["private_connection"], "user": "app-01", "password": user["password"], "database": "site"}
    assert customer.says(mine, to, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (7)", "SELECT n FROM t") == "said 7"
    fresh = up.ask("POST", f"{one}/users/app-01/reset_auth", json={})["user"]
    assert customer.says(mine, to).startswith("refused 1045")
    assert customer.says(mine, {**to, "password": fresh["password"]}, "SELECT n FROM t") == "said 7"
    up.ask("DELETE", f"{one}/dbs/site")
    assert customer.says(mine, {**to, "password": fresh["password"]}).startswith("refused 1049")
    up.ask("DELETE", f"{one}/users/app-01")
    assert customer.says(mine, {**to, "database": "defaultdb"}).startswith("refused 1045")


def test_nothing_but_its_port_is_open(up: Cloud, cluster: dict[str, Any]) -> None:
    room = Room(Path(up.described.directory))
    (machine_id,) = (id_ for id_ in machines_of(up) if room.reserve(id_).public_ipv4 == cluster["connection"]["host"])
    listening = room.exec_in(machine_id, ["ss", "-Htln"]).stdout
    assert ":25060" in listening
    assert ":22 " not in listening
    shown = room.exec_in(machine_id, ["ps", "-eo", "args"]).stdout
    assert cluster["connection"]["password"] not in shown


def test_it_outlives_the_api(up: Cloud, cluster: dict[str, Any], customer: Customer, web: dict[str, Any]) -> None:
    trust(up, cluster, ("droplet", str(web["id"])))
    mine, to = space(up, web["id"]), cluster["private_connection"]
    customer.says(mine, to, "CREATE TABLE IF NOT EXISTS kept (n INT)", "INSERT INTO kept VALUES (1)")
    up.kill_api()
    eventually("the API", lambda: reads(lambda: online(up, cluster["id"])), 60)
    assert customer.says(mine, to, "SELECT COUNT(*) FROM kept") == "said 1"


def test_one_ordered_while_the_api_dies_is_made_once_and_goes_without_a_trace(up: Cloud) -> None:
    before = machines_of(up)
    body = {"name": "late-db", "engine": "mysql", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
    made = up.ask("POST", "/databases", json=body)["database"]
    CLOCK.sleep(4)  # its machine boots
    up.kill_api()
    began = time.monotonic()
    found = eventually("the database", lambda: reads(lambda: online(up, made["id"])), _FIRST_S)
    assert len(machines_of(up) - before) == 1, f"after {time.monotonic() - began:.0f} s"
    assert found["connection"]["password"] == made["connection"]["password"]
    up.ask("DELETE", f"/databases/{made['id']}")
    up.kill_api()
    eventually("its machine to be gone", lambda: machines_of(up) == before, 60)
    eventually("the API", lambda: reads(lambda: up.ask("GET", "/databases")))
    authority = Path(up.described.ca_pem_file).parent
    eventually("its key to be gone", lambda: len(list(authority.glob("database-*.key"))) == 1)


def test_postgresql_stands_behind_pg(up: Cloud, web: dict[str, Any]) -> None:
    sources = [{"type": "droplet", "value": str(web["id"])}]
    body = {"name": "pg-db", "engine": "pg", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
    made = up.ask("POST", "/databases", json={**body, "rules": sources})["database"]
    found = eventually("the database", lambda: online(up, made["id"]), _FIRST_S)
    customer = Customer(Path(up.described.ca_pem_file), _PG_CUSTOMER)
    mine, to, one = space(up, web["id"]), found["private_connection"], f"/databases/{made['id']}"
    assert found["semantic_version"].startswith("15")
    assert customer.says(mine, to, "SELECT current_user") == "said doadmin"
    assert customer.says(up.described.namespaces.foreign, found["connection"]).startswith("unreached")
    assert customer.says(mine, {**to, "ssl": False}) == "refused 28000", "without TLS nobody is heard"
    up.ask("POST", f"{one}/dbs", json={"name": "site"})
    user = up.ask("POST", f"{one}/users", json={"name": "app-01"})["user"]
    app = {**to, "user": "app-01", "password": user["password"], "database": "site"}
    assert customer.says(mine, {**to, "database": "site"}, 'GRANT ALL ON SCHEMA public TO "app-01"') == "said nothing"
    statements = ("CREATE TABLE t (n INT)", "INSERT INTO t VALUES (7)", "SELECT n FROM t")
    assert customer.says(mine, app, *statements) == "said 7"
    up.ask("DELETE", f"{one}/dbs/site")
    up.ask("DELETE", f"{one}/users/app-01")
    assert customer.says(mine, {**app, "database": "defaultdb"}) == "refused 28P01"
    before = machines_of(up)
    up.ask("DELETE", one)
    eventually("its machine to be gone", lambda: len(machines_of(up)) == len(before) - 1, 60)
