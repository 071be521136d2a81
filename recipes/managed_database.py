# ruff: noqa: S608 - every statement is made of constants and alphanumeric passwords
"""The database machine beside a database that the provider runs: client, account, rights, content.

The server may be MySQL 8 or MariaDB, so only statements that both know are used. Who may come is the provider's to
enforce, by exact addresses (:func:`fleet.policy.database_sources`); a provider may let them come from the private or
from the public side, so the account is good for any host, but with TLS only. Accounts that the provider made for itself
are not ours to know: unlike on a machine of our own (:mod:`recipes.database`) nothing is said about others.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.base import CONFIG
from recipes.context import Context, ManagedServer
from recipes.database import DATABASE, PASSWORD, RIGHTS, USER, baseline
from recipes.shared_config import SYSTEM_CA
from recipes.steps import Directory, File, Package, Script, Step
from state.errors import ProviderError
from state.secret import Secret

FOLDER = f"{CONFIG}/database"
#: Authority of the server's certificate; the importer of dumps, who is nobody, reads it too.
AUTHORITY = f"{CONFIG}/database-ca.pem"
#: Option files of MariaDB's client: whoever is logged in by one comes with TLS and has compared the server's name.
ADMINISTRATOR = f"{FOLDER}/administrator.cnf"
#: The prober looks for this one: where it is, the database is asked through it.
APPLICATION = f"{FOLDER}/application.cnf"

_ASK = """\
found=$(mariadb --defaults-file="$1" --batch --skip-column-names --raw --execute "$2")
[ "$found" = "$3" ] || { printf '%s -> %s\\n' "${found:-nothing}" "$3"; exit 1; }
"""
_TELL = 'mariadb --defaults-file="$4" --batch\n'
#: What the application's account holds, asked by itself: its rights in the database and whatever is beyond them.
_HELD = f"""\
SELECT GROUP_CONCAT(held ORDER BY held SEPARATOR ', ') FROM (
    SELECT CONCAT(privilege_type, IF(table_schema = '{DATABASE}', '', CONCAT(' on ', table_schema)),
        IF(is_grantable = 'YES', ' (grantable)', '')) AS held
        FROM information_schema.schema_privileges WHERE grantee = '''{USER}''@''%'''
    UNION ALL SELECT CONCAT(privilege_type, ' on everything')
        FROM information_schema.user_privileges WHERE grantee = '''{USER}''@''%''' AND privilege_type <> 'USAGE'
    UNION ALL SELECT CONCAT(privilege_type, ' on ', table_schema, '.', table_name)
        FROM information_schema.table_privileges WHERE grantee = '''{USER}''@''%'''
) AS all_of_it"""


def steps(context: Context) -> Iterator[Step]:
    """Client, database, account with the least rights, and the content of a baseline."""
    server = context.managed
    if server is None:
        raise AssertionError("there is no managed database in this deployment")
    yield Package(label="MariaDB's client", names=("mariadb-client",))
    yield Directory(label="access to the database", path=FOLDER, mode=0o700)
    if server.ca_pem:
        yield File(label="authority of the database", path=AUTHORITY, content=server.ca_pem.rstrip("\n") + "\n")
    password = context.secrets[PASSWORD.name]
    for path, user, secret, label in (
        (ADMINISTRATOR, server.user, server.password, "access of the database's administrator"),
        (APPLICATION, USER, password, "access of the application"),
    ):
        yield File(label=label, path=path, content=_options(server, user, secret), mode=0o600)
    yield Script(
        label="application's database",
        check=_ASK,
        apply=_TELL,
        arguments=(
            ADMINISTRATOR,
            f"SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = '{DATABASE}'",
            "utf8mb4",
            ADMINISTRATOR,
        ),
        stdin=f"CREATE DATABASE IF NOT EXISTS {DATABASE}; ALTER DATABASE {DATABASE} CHARACTER SET utf8mb4;\n",
    )
    yield from _account(password)
    yield from baseline(context, ADMINISTRATOR)


def _options(server: ManagedServer, user: str, password: Secret) -> Secret:
    values = {
        "host": server.host,
        "port": str(server.port),
        "user": user,
        "password": password.reveal(),
        "ssl-ca": AUTHORITY if server.ca_pem else SYSTEM_CA,
    }
    # the file's own way of quoting: a value in double quotes ends at the next one
    for name, value in values.items():
        if not value.isprintable() or '"' in value or "\\" in value:
            raise ProviderError(
                f"The provider tells a {name} of its database that an option file cannot hold.",
                hint="set another password for its administrator at the provider, then run buildyard build",
            )
    lines = [f'{name} = "{value}"' for name, value in values.items()]
    return Secret("\n".join(["[client]", *lines, "ssl-verify-server-cert", "connect-timeout = 10", ""]))


def _account(password: Secret) -> Iterator[Step]:
    text = password.reveal()
    if not text.isalnum():
        raise ValueError("a generated password has letters and digits only")
    account = f"'{USER}'@'%'"
    yield Script(
        label="application's user",
        # its own login proves password and TLS; what a server keeps of passwords differs between MySQL and MariaDB
        check=_ASK,
        apply=_TELL,
        arguments=(APPLICATION, "SELECT CURRENT_USER()", f"{USER}@%", ADMINISTRATOR),
        stdin=Secret(
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{text}' REQUIRE SSL;\n"
            f"ALTER USER {account} IDENTIFIED BY '{text}' REQUIRE SSL;\n"
        ),
    )
    yield Script(
        label="rights of the application's user",
        check=_ASK,
        apply=_TELL,
        arguments=(APPLICATION, _HELD, ", ".join(RIGHTS), ADMINISTRATOR),
        stdin=(
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account};\n"
            f"GRANT {', '.join(RIGHTS)} ON {DATABASE}.* TO {account};\n"
        ),
    )
