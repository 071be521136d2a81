# ruff: noqa: S608 - every statement is made of constants, addresses that ipaddress accepted and alphanumeric passwords
"""MariaDB on the private address and port 2035; the application's user may come from webservers only.

What an administrator or an intruder changed about users and rights is compared on every build and put right: accounts
and roles that are not listed here are dropped, and their connections are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from recipes.base import PROGRAMS
from recipes.context import Context, Role
from recipes.secrets import SecretKind, SecretSpec
from recipes.shared_config import store_ca
from recipes.steps import Directory, File, Package, Script, Service, Sql, Step
from recipes.texts import text_of
from state.secret import Secret

NAME = "database"
PASSWORD = SecretSpec("database-password", SecretKind.PASSWORD)
SECRETS = (PASSWORD,)
PORT = 2035
#: Name of the application's database and of its user.
DATABASE = "app"
USER = "app"

#: What WordPress needs to run and to update its tables, and nothing about other databases, files or users.
RIGHTS = (
    "ALTER",
    "CREATE",
    "CREATE TEMPORARY TABLES",
    "DELETE",
    "DROP",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "UPDATE",
)
#: A quarter of the memory for the buffer pool: the smallest machines also run the caretaker and s3fs.
_POOL_SHARE = 4
_SMALLEST_POOL_MIB = 64
_USUAL_POOL_MIB = 128
_LARGEST_POOL_MIB = 8192
#: One FPM child holds one connection; 151 is MariaDB's own default.
_CONNECTIONS = 151

#: Who else has an account: MariaDB's own, over the socket (Debian's packages make them).
_OWN_ACCOUNTS = "'root', 'mysql', 'mariadb.sys'"
#: "Everybody" of MariaDB 10.11 and later: an entry that cannot be dropped; its rights are looked at by themselves.
_EVERYBODY = "PUBLIC"
#: Threads of the server itself in its list of connections.
_SERVERS_OWN = "'system user', 'event_scheduler', 'unauthenticated user'"
#: Of an account; ``grantee`` is how information_schema writes it.
_HELD = """\
WITH grants AS (
    SELECT grantee, privilege_type AS held, is_grantable
        FROM information_schema.schema_privileges WHERE table_schema = '{database}'
    UNION ALL SELECT grantee, CONCAT(privilege_type, ' on ', table_schema), is_grantable
        FROM information_schema.schema_privileges WHERE table_schema <> '{database}'
    UNION ALL SELECT grantee, CONCAT(privilege_type, ' on everything'), is_grantable
        FROM information_schema.user_privileges WHERE privilege_type <> 'USAGE'
    UNION ALL SELECT grantee, CONCAT(privilege_type, ' on ', table_schema, '.', table_name), is_grantable
        FROM information_schema.table_privileges
    UNION ALL SELECT grantee, CONCAT(privilege_type, ' on ', CONCAT_WS('.', table_schema, table_name, column_name)),
        is_grantable FROM information_schema.column_privileges
), others AS (
    SELECT user, host, CONCAT(proc_priv, ' on ', db, '.', routine_name) AS held FROM mysql.procs_priv
    UNION ALL SELECT user, host, CONCAT('role ', role) FROM mysql.roles_mapping
    UNION ALL SELECT user, host, CONCAT('proxy of ', proxied_user) FROM mysql.proxies_priv
)
SELECT GROUP_CONCAT(held ORDER BY held SEPARATOR ', ') FROM (
    SELECT CONCAT(held, IF(is_grantable = 'YES', ' (grantable)', '')) AS held
        FROM grants WHERE grantee = '''{user}''@''{host}'''
    UNION ALL SELECT held FROM others WHERE user = '{user}' AND host = '{host}'
) AS all_of_it
"""


def steps(context: Context) -> Iterator[Step]:
    """Server, database, users, and the content of a baseline."""
    yield Package(label="MariaDB", names=("mariadb-server", "mariadb-client"))
    yield File(
        label="MariaDB settings",
        path="/etc/mysql/mariadb.conf.d/90-buildyard.cnf",
        content=_settings(context),
        notifies=("mariadb",),
    )
    yield Directory(label="folder for MariaDB's unit", path="/etc/systemd/system/mariadb.service.d")
    yield File(
        label="MariaDB waits for its address and is restarted",
        path="/etc/systemd/system/mariadb.service.d/10-buildyard.conf",
        content=text_of("mariadb-unit.conf"),
        notifies=("mariadb",),
    )
    yield Service(label="MariaDB runs", unit="mariadb")
    yield Sql(
        label="application's database",
        check=f"SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = '{DATABASE}'",
        expects="utf8mb4",
        apply=(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE};"
            f" ALTER DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        ),
    )
    yield Sql(
        label="no test database",
        check="SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'test'",
        expects="0",
        apply="DROP DATABASE test",
    )
    hosts = tuple(sorted(str(ip_address(node.private_ipv4)) for node in context.of(Role.WEBSERVER)))
    for host in hosts:
        yield from _user(host, context.secrets[PASSWORD.name])
    yield from _only_known(hosts)
    yield from baseline(context)


def _settings(context: Context) -> str:
    memory = context.node.memory_mib
    share = memory // _POOL_SHARE if memory else _USUAL_POOL_MIB
    return f"""\
[mysqld]
port = {PORT}
bind-address = {context.node.private_ipv4},127.0.0.1
skip-name-resolve
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_ci
innodb_buffer_pool_size = {min(max(share, _SMALLEST_POOL_MIB), _LARGEST_POOL_MIB)}M
max_connections = {_CONNECTIONS}
max_allowed_packet = 64M
performance_schema = OFF
local_infile = OFF
"""


def _user(host: str, password: Secret) -> Iterator[Step]:
    account = f"'{USER}'@'{host}'"
    text = password.reveal()
    if not text.isalnum():
        raise ValueError("a generated password has letters and digits only")
    yield Sql(
        label=f"application's user at {host}",
        check=Secret(
            f"SELECT COUNT(*) FROM mysql.global_priv WHERE user = '{USER}' AND host = '{host}'"
            f" AND JSON_VALUE(priv, '$.authentication_string') = PASSWORD('{text}')"
        ),
        expects="1",
        apply=Secret(
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{text}'; ALTER USER {account} IDENTIFIED BY '{text}'"
        ),
    )
    as_before = "' IDENTIFIED BY PASSWORD ', QUOTE(JSON_VALUE(priv, '$.authentication_string'))"
    replaced = f"CONCAT('CREATE OR REPLACE USER ', QUOTE(user), '@', QUOTE(host), {as_before})"
    yield Sql(
        label=f"rights of the application's user at {host}",
        check=_rights_of(USER, host),
        expects=", ".join(RIGHTS),
        # REVOKE would leave PROXY and the default role
        apply=(
            f"SELECT {replaced} INTO @statement FROM mysql.global_priv WHERE user = '{USER}' AND host = '{host}';"
            f" EXECUTE IMMEDIATE @statement; GRANT {', '.join(RIGHTS)} ON {DATABASE}.* TO {account}"
        ),
    )


def _rights_of(user: str, host: str) -> str:
    """A query: the rights in the database and whatever is held beyond them, in one line; NULL when there are none."""
    return _HELD.format(user=user, host=host, database=DATABASE)


def _only_known(hosts: tuple[str, ...]) -> Iterator[Step]:
    """No account, no role and no right for everybody beyond what is declared here."""
    known = f"(user IN ({_OWN_ACCOUNTS}) AND host = 'localhost')"
    if hosts:
        listed = ", ".join(f"'{host}'" for host in hosts)
        known += f" OR (user = '{USER}' AND host IN ({listed}))"
    strangers = f"FROM mysql.global_priv WHERE NOT ({known} OR (user = '{_EVERYBODY}' AND host = ''))"
    role = "JSON_VALUE(priv, '$.is_role') IS NOT NULL"
    account = f"CONCAT(QUOTE(user), IF({role}, '', CONCAT('@', QUOTE(host))))"
    connections = (
        "SELECT id, user, SUBSTRING_INDEX(host, ':', 1) AS host"
        f" FROM information_schema.processlist WHERE user NOT IN ({_SERVERS_OWN})"
    )
    yield Sql(
        label="no other users",
        check=f"SELECT GROUP_CONCAT({account} ORDER BY user, host) {strangers}",
        expects="NULL",
        # 1094: a connection that has ended by itself
        apply=f"""\
DELIMITER //
BEGIN NOT ATOMIC
    DECLARE CONTINUE HANDLER FOR 1094 DO 0;
    FOR one IN (SELECT CONCAT('DROP ', IF({role}, 'ROLE ', 'USER '), {account}) AS statement {strangers}) DO
        EXECUTE IMMEDIATE one.statement;
    END FOR;
    FOR one IN (SELECT id FROM ({connections}) AS connections WHERE NOT ({known})) DO
        KILL HARD one.id;
    END FOR;
END//
""",
    )
    yield Sql(
        label="no rights for everybody",
        check=_rights_of(_EVERYBODY, ""),
        expects="NULL",
        apply=f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {_EVERYBODY}",
    )


def baseline(context: Context, *login: str) -> Iterator[Step]:
    """The importer of dumps, and with it the content that a site begins with, once.

    Args:
        login: path of the client's option file, where root of the machine is not the database's administrator.
    """
    as_whom = ' "$4"' if login else ""
    yield File(
        label="importer of dumps",
        path=f"{PROGRAMS}/buildyard-import",
        content=text_of("buildyard-import"),
        mode=0o755,
    )
    release = context.release
    if release is None:
        return
    yield Script(
        label="content of the baseline",
        check=f'buildyard-import check "$1"{as_whom}\n',
        apply=f'buildyard-import apply "$1" "$2" "$3"{as_whom}\n',
        arguments=(DATABASE, release.database_sha256, store_ca(context), *login),
        stdin=release.database_url,
        timeout_s=1800.0,
    )
