"""Who may do what in the database: the application's user what it needs; what an intruder left is named and removed."""

from __future__ import annotations

import json

import pytest

from state.clock import SystemClock, wait_until
from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

#: Runs statements from the webserver as the application does, or as somebody else; prints each one's refusal or result.
ASK = """\
$d = require '/srv/app/config/database.php';
[$user, $password] = $argc > 3 ? [$argv[2], $argv[3]] : [$d['user'], $d['password']];
mysqli_report(MYSQLI_REPORT_OFF);
$link = @new mysqli($d['host'], $user, $password, '', $d['port']);
$said = [];
foreach (json_decode($argv[1]) as $statement) {
    if ($link->connect_errno) { $said[] = $link->connect_error; continue; }
    $result = $link->query($statement);
    $said[] = $result === false ? $link->error : ($result === true ? 'done' : $result->fetch_row()[0]);
}
echo json_encode($said);
"""
REFUSED = (
    "CREATE USER thief@'%' IDENTIFIED BY 'x'",
    "SELECT user FROM mysql.global_priv",
    "SELECT user FROM mysql.user",
    "SELECT 1 INTO OUTFILE '/tmp/stolen'",
    "CREATE DATABASE another",
    "GRANT ALL ON app.* TO thief@'%'",
    "SET GLOBAL general_log = ON",
    "SHUTDOWN",
    "CREATE FUNCTION app.f() RETURNS INT RETURN 1",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE app.wp_options",
)
PLANTED = """\
CREATE USER evil@'%' IDENTIFIED BY 'evil-4711'; GRANT ALL ON *.* TO evil@'%' WITH GRANT OPTION;
CREATE USER `o'dd``one`@'10.%';
CREATE USER app@'%' IDENTIFIED BY 'evil-4711'; GRANT ALL ON app.* TO app@'%';
CREATE ROLE spooky; GRANT SELECT ON mysql.* TO spooky;
GRANT SELECT ON mysql.* TO PUBLIC;
GRANT SELECT ON mysql.user TO app@'WEBSERVER'; GRANT SELECT (host) ON mysql.db TO app@'WEBSERVER';
GRANT FILE ON *.* TO app@'WEBSERVER'; GRANT spooky TO app@'WEBSERVER'; SET DEFAULT ROLE spooky FOR app@'WEBSERVER';
GRANT PROXY ON root@localhost TO app@'WEBSERVER';
"""


def sql(site: Site, statements: str) -> list[str]:
    told = 'printf "%s" "$1" | mariadb --batch --skip-column-names'
    return site.on("db-1", "sudo", "-n", "sh", "-c", told, "sh", statements).splitlines()


def ask(site: Site, statements: tuple[str, ...], *login: str) -> list[str]:
    words = ("php", "-r", ASK, "--", json.dumps(statements), *login)
    answers: list[str] = json.loads(site.on("ws-1", "sudo", "-n", "-u", "app", *words))
    return answers


def accounts(site: Site) -> set[str]:
    """But for the entry of everybody, which stays when its rights are gone."""
    return set(sql(site, "SELECT CONCAT(user, '@', host) FROM mysql.global_priv")) - {"PUBLIC@"}


def test_the_applications_user_may_do_no_more_than_it_must(site: Site) -> None:
    answers = ask(site, ("SELECT COUNT(*) > 0 FROM app.wp_options", *REFUSED, "SELECT LOAD_FILE('/etc/passwd')"))
    assert answers[0] == "1"
    assert answers[-1] is None
    for statement, answer in zip(REFUSED, answers[1:-1], strict=True):
        assert any(word in answer for word in ("denied", "not allowed", "forbidden")), f"{statement}: {answer}"
    schemas = ask(site, ("SELECT GROUP_CONCAT(schema_name ORDER BY 1) FROM information_schema.schemata",))
    assert schemas == ["app,information_schema"]


def test_what_an_intruder_left_in_the_database_is_named_and_removed(site: Site) -> None:
    web = site.address("ws-1", "private_ipv4")
    before = accounts(site)
    assert before == {"root@localhost", "mysql@localhost", "mariadb.sys@localhost", f"app@{web}"}
    sql(site, PLANTED.replace("WEBSERVER", web))
    assert ask(site, ("SELECT 1",), "evil", "evil-4711") == ["1"]
    asking = ASK.replace("$", "$$")  # systemd takes one dollar for a variable
    stays = (
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=intruder",
        "php",
        "-r",
        asking,
        "--",
        '["SELECT SLEEP(600)"]',
    )
    site.on("ws-1", "sudo", "-n", *stays, "evil", "evil-4711")

    def there() -> bool:
        return sql(site, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'evil'") != ["0"]

    wait_until("the intruder to be connected", there, timeout_s=20, clock=SystemClock())
    planned = site.json("plan")["actions"]
    assert [action["id"] for action in planned] == ["recipe:db-1:database"]
    steps = [f"rights of the application's user at {web}", "no other users", "no rights for everybody"]
    assert planned[0]["steps"] == steps
    said = site.buildyard("plan").stdout
    for word in ("'evil'@'%'", "'app'@'%'", "'spooky'", "o\\'dd`one", "FILE on everything", "SELECT on mysql.user"):
        assert word in said

    built = site.json("build")
    assert (built["ok"], built["changed"]) == (True, len(steps))
    assert accounts(site) == before
    assert not there()
    assert "Access denied" in ask(site, ("SELECT 1",), "evil", "evil-4711")[0]
    refused = ask(site, ("SELECT user FROM mysql.user", "SET ROLE spooky"))
    assert "denied" in refused[0]
    assert "Invalid role" in refused[1]
    assert site.json("plan")["actions"] == []
    page = site.visit(f"https://{site.domain}/", site.address("ws-1"))
    assert " 200" in page.stdout.split("\n", 1)[0]
