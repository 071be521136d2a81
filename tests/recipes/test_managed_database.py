"""The machines beside a database that the provider runs: who holds which password, and what is never given up."""

from __future__ import annotations

import dataclasses

import pytest

from recipes import database_access, managed_database, roles
from recipes.context import Context, ManagedServer, Node
from recipes.database import PASSWORD, RIGHTS
from recipes.steps import File, Package, Script, Step
from state.errors import ProviderError
from state.secret import Secret
from tests.recipes.test_roles import ALLOW, DATA, RELEASE, WEB, all_steps, context_for

ADMIN = "canary-of-doadmin"
SERVER = ManagedServer("db.example.net", 25060, "doadmin", Secret(ADMIN), "-----BEGIN CERTIFICATE-----\nx\n")


def managed(node: Node, server: ManagedServer = SERVER, **changes: object) -> Context:
    return context_for(node, managed=server, **changes)


def text_of(content: str | bytes | Secret) -> str:
    return content.reveal() if isinstance(content, Secret) else str(content)


def file(steps: list[Step], path: str) -> File:
    (found,) = (step for step in steps if isinstance(step, File) and step.path == path)
    return found


def packages(context: Context) -> set[str]:
    return {name for step in all_steps(context) if isinstance(step, Package) for name in step.names}


def test_the_database_machine_becomes_a_client() -> None:
    assert "mariadb-server" not in packages(managed(DATA))
    assert "mariadb-client" in packages(managed(DATA))
    labels = [step.label for step in all_steps(managed(DATA))]
    assert "database checked every minute" not in labels, "it would start MariaDB, which is not there"
    names = [stage.recipe.name for stage in roles.stages(managed(DATA), ALLOW)]
    assert names == [stage.recipe.name for stage in roles.stages(context_for(DATA), ALLOW)]


def test_only_root_of_the_database_machine_reads_the_passwords_and_each_login_is_verified() -> None:
    steps = all_steps(managed(DATA))
    for path, user in ((managed_database.ADMINISTRATOR, "doadmin"), (managed_database.APPLICATION, "app")):
        options = file(steps, path)
        assert (options.owner, options.mode, type(options.content)) == ("root", 0o600, Secret)
        lines = text_of(options.content).splitlines()
        assert {f'user = "{user}"', 'host = "db.example.net"', "ssl-verify-server-cert"} <= set(lines)
        assert f'ssl-ca = "{managed_database.AUTHORITY}"' in lines
    assert ADMIN not in repr(steps)
    password = managed(DATA).secrets[PASSWORD.name].reveal()
    for step in steps:
        if isinstance(step, Script):
            assert password not in " ".join((step.check, step.apply, *step.arguments))
            assert password not in repr(step)


def test_a_webserver_never_has_the_administrators_password() -> None:
    for step in all_steps(managed(WEB, release=RELEASE)):
        for field in dataclasses.fields(step):
            value = getattr(step, field.name)
            assert ADMIN not in (text_of(value) if isinstance(value, str | bytes | Secret) else repr(value))


def test_a_password_or_host_that_would_end_its_line_is_refused() -> None:
    for server in (
        dataclasses.replace(SERVER, password=Secret('x"\n!include /etc/shadow')),
        dataclasses.replace(SERVER, host="db\nssl-verify-server-cert=0"),
        dataclasses.replace(SERVER, password=Secret("back\\slash")),
    ):
        with pytest.raises(ProviderError, match="option file"):
            list(managed_database.steps(managed(DATA, server)))


def test_a_public_certificate_is_compared_with_the_systems_authorities() -> None:
    public = dataclasses.replace(SERVER, ca_pem="")
    options = file(all_steps(managed(DATA, public)), managed_database.ADMINISTRATOR)
    assert 'ssl-ca = "/etc/ssl/certs/ca-certificates.crt"' in text_of(options.content)
    labels = [step.label for step in database_access.steps(managed(WEB, public))]
    assert labels == ["access to the database"], "PHP knows those by itself"


def test_the_application_asks_for_a_verified_connection_and_nothing_changes_for_others() -> None:
    path = "/srv/app/config/database.php"
    settings = text_of(file(all_steps(managed(WEB)), path).content)
    assert "'flags' => MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT," in settings
    assert "'host' => 'db.example.net'" in settings
    assert "'port' => 25060" in settings
    own = text_of(file(all_steps(context_for(WEB)), path).content)
    assert "'flags' => 0," in own
    assert "'port' => 2035" in own
    assert not [step for step in all_steps(context_for(WEB)) if "authorities" in step.label]


def test_only_what_mysql_and_mariadb_both_know_is_said() -> None:
    said = "\n".join(
        " ".join((*step.arguments, text_of(step.stdin)))
        for step in managed_database.steps(managed(DATA))
        if isinstance(step, Script)
    )
    assert f"GRANT {', '.join(RIGHTS)} ON app.* TO 'app'@'%'" in said
    assert "REQUIRE SSL" in said
    for word in ("mysql.", "EXECUTE IMMEDIATE", "OR REPLACE", "JSON_VALUE", "PASSWORD("):
        assert word not in said


def test_a_baseline_comes_by_the_administrators_option_file() -> None:
    (step,) = (
        each for each in managed_database.steps(managed(DATA, release=RELEASE)) if each.label.startswith("content")
    )
    assert isinstance(step, Script)
    assert step.arguments[-1] == managed_database.ADMINISTRATOR
    assert isinstance(step.stdin, Secret)
