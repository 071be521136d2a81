"""The database engines of managed clusters: what is run in a cluster's machine so that it serves as the vendor's does.

Pure: programs and what they read, for whoever runs them. Names have been checked by the API and passwords are of its
own making, both of letters that need no quoting; passwords and keys go by standard input only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from state.secret import Secret

#: Where the vendor's clusters listen, and what they bring.
PORT = 25060
ADMINISTRATOR = "doadmin"
FIRST_DATABASE = "defaultdb"
_FOLDER = "/etc/managed"
_CA, _CHAIN, _KEY = f"{_FOLDER}/ca.pem", f"{_FOLDER}/server.pem", f"{_FOLDER}/server.key"


@dataclass(frozen=True, slots=True)
class Order:
    """A program to be run in a cluster's machine as its root."""

    argv: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a cluster shows those who come: PEM texts."""

    ca: str
    chain: str
    key: Secret


# psql quotes its variables itself: :'a' as a value, :"a" as a name.
_PG_NEW_ROLE = """SELECT format('CREATE ROLE %I', :'name')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \\gexec
"""
_PG_END_ROLE = """SELECT format('REASSIGN OWNED BY %1$I TO %2$I; DROP OWNED BY %1$I', :'name', :'heir')
  WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \\gexec
DROP ROLE IF EXISTS :"name";
"""
_PG_NEW_DATABASE = """SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'owner')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec
"""


class Engine(Protocol):
    """One engine.

    Attributes:
        slug: the vendor's word for it.
        scheme: of connection strings.
        version: the one the vendor's list shows.
        packages: what Debian calls it.
        unit: of systemd.
    """

    @property
    def slug(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def unit(self) -> str: ...

    def listen(self, tls: Tls) -> tuple[Order, ...]:
        """From Debian's settings to the vendor's: its port, on all addresses, TLS only. May be repeated."""

    def put_user(self, name: str, password: Secret) -> Order:
        """Makes a user, or gives one that is there a new password."""

    def drop_user(self, name: str) -> Order: ...
    def put_database(self, name: str) -> Order: ...
    def drop_database(self, name: str) -> Order: ...

    def log_in(self, address: str, user: str, password: Secret) -> Order:
        """Comes as a customer does, by TCP and TLS with the CA, and asks for the version."""


@dataclass(frozen=True, slots=True)
class MariaDb:
    """MariaDB, where the vendor runs MySQL: Debian has no MySQL. ``semantic_version`` says which it really is."""

    slug: str = "mysql"
    scheme: str = "mysql"
    version: str = "8"
    packages: tuple[str, ...] = ("mariadb-server",)
    unit: str = "mariadb.service"

    def listen(self, tls: Tls) -> tuple[Order, ...]:
        """See :class:`Engine`."""
        settings = (
            f"[mysqld]\nport = {PORT}\nbind-address = *\nskip-name-resolve\nrequire_secure_transport = ON\n"
            f"ssl-ca = {_CA}\nssl-cert = {_CHAIN}\nssl-key = {_KEY}\n"
        )
        file = "/etc/mysql/mariadb.conf.d/99-managed.cnf"
        return (*_tls_files(tls, "mysql"), _file(file, settings, "0644"), *_restart(self.unit))

    def put_user(self, name: str, password: Secret) -> Order:
        """See :class:`Engine`."""
        # As at the vendor: everything but the server's own privileges, for new users as for the first.
        rights = (
            "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
            " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE,"
            " CREATE USER, EVENT, TRIGGER"
        )
        return self._sql(
            f"CREATE USER IF NOT EXISTS `{name}`@'%';\n"
            f"ALTER USER `{name}`@'%' IDENTIFIED BY '{password.reveal()}';\n"
            f"GRANT {rights} ON *.* TO `{name}`@'%' WITH GRANT OPTION;\n"
        )

    def drop_user(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql(f"DROP USER IF EXISTS `{name}`@'%';\n")

    def put_database(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4;\n")

    def drop_database(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql(f"DROP DATABASE IF EXISTS `{name}`;\n")

    def log_in(self, address: str, user: str, password: Secret) -> Order:
        """See :class:`Engine`."""
        options = f"[client]\nhost={address}\nport={PORT}\nuser={user}\npassword={password.reveal()}\nssl-ca={_CA}\n"
        question = ("--skip-column-names", "--batch", "--execute=SELECT VERSION()", FIRST_DATABASE)
        return Order(("mariadb", "--defaults-file=/dev/stdin", "--ssl-verify-server-cert", *question), options)

    def _sql(self, statements: str) -> Order:
        return Order(("mariadb", "--batch"), statements)


@dataclass(frozen=True, slots=True)
class PostgreSql:
    """PostgreSQL of Debian 12."""

    slug: str = "pg"
    scheme: str = "postgresql"
    version: str = "15"
    packages: tuple[str, ...] = ("postgresql",)
    unit: str = "postgresql@15-main.service"

    def listen(self, tls: Tls) -> tuple[Order, ...]:
        """See :class:`Engine`."""
        folder = f"/etc/postgresql/{self.version}/main"
        settings = (
            f"port = {PORT}\nlisten_addresses = '*'\nssl = on\npassword_encryption = 'scram-sha-256'\n"
            f"ssl_ca_file = '{_CA}'\nssl_cert_file = '{_CHAIN}'\nssl_key_file = '{_KEY}'\n"
        )
        doors = "local all postgres peer\nhostssl all all all scram-sha-256\n"
        return (
            *_tls_files(tls, "postgres"),
            _file(f"{folder}/conf.d/99-managed.conf", settings, "0644"),
            _file(f"{folder}/pg_hba.conf", doors, "0640", "postgres"),
            *_restart(self.unit),
        )

    def put_user(self, name: str, password: Secret) -> Order:
        """See :class:`Engine`."""
        rights = "CREATEDB CREATEROLE" if name == ADMINISTRATOR else ""
        return self._sql(
            _PG_NEW_ROLE + f"ALTER ROLE :\"name\" LOGIN {rights} PASSWORD :'password';\n",
            name=name,
            password=password.reveal(),
        )

    def drop_user(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql(_PG_END_ROLE, name=name, heir=ADMINISTRATOR)

    def put_database(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql(_PG_NEW_DATABASE, name=name, owner=ADMINISTRATOR)

    def drop_database(self, name: str) -> Order:
        """See :class:`Engine`."""
        return self._sql('DROP DATABASE IF EXISTS :"name" WITH (FORCE);\n', name=name)

    def log_in(self, address: str, user: str, password: Secret) -> Order:
        """See :class:`Engine`."""
        target = (
            f"host={address} port={PORT} user={user} password={password.reveal()} dbname={FIRST_DATABASE}"
            f" sslmode=verify-full sslrootcert={_CA}"
        )
        return self._sql(f'\\connect "{target}"\nSHOW server_version;\n')

    def _sql(self, statements: str, **words: str) -> Order:
        given = "".join(f"\\set {key} '{word}'\n" for key, word in words.items())
        psql = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", f"--port={PORT}", "--file=-")
        return Order(
            ("runuser", "-u", "postgres", "--", *psql, "--set=ON_ERROR_STOP=1", "postgres"), given + statements
        )


ENGINES: tuple[Engine, ...] = (MariaDb(), PostgreSql())


def _file(path: str, text: str, mode: str, owner: str = "root") -> Order:
    return Order(("install", "-D", "-m", mode, "-o", owner, "/dev/stdin", path), text)


def _tls_files(tls: Tls, owner: str) -> tuple[Order, ...]:
    return (
        _file(_CA, tls.ca, "0644"),
        _file(_CHAIN, tls.chain, "0644"),
        _file(_KEY, tls.key.reveal(), "0600", owner),
    )


def _restart(unit: str) -> tuple[Order, ...]:
    # Nobody logs in to the vendor's machine.
    return Order(("systemctl", "disable", "--quiet", "--now", "ssh.service")), Order(("systemctl", "restart", unit))
