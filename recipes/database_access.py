"""How the application's machines reach the content: on the database machine, or where the provider keeps it.

A database of the provider's is spoken to with TLS only. PHP's driver (mysqlnd) compares neither authority nor name when
it is merely asked for TLS, and WordPress gives it flags and nothing else; with MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT it
compares both, by the authorities that ``openssl.cafile`` names. Why so and not otherwise: docs/decisions/0022.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.base import CONFIG
from recipes.context import Context, Role
from recipes.database import DATABASE, PASSWORD, PORT, USER
from recipes.managed_database import AUTHORITY
from recipes.shared_config import SYSTEM_CA
from recipes.steps import File, Script, Service, Step
from recipes.texts import filled, php_text
from recipes.webserver import APPLICATION, PHP_SERVICE
from recipes.webserver import USER as PHP_USER
from state.secret import Secret

_PLAIN = "0"
_VERIFIED = "MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT"
#: The database's authority together with the system's: other programs of PHP's use those.
_AUTHORITIES = f"{APPLICATION}/config/authorities.pem"
_INI = f"{CONFIG}/php/database.ini"
_LINK = "91-buildyard-database.ini"
_BUNDLE_CHECK = 'cat "$1" "$2" | cmp -s - "$3"\n'
_BUNDLE_APPLY = 'cat "$1" "$2" >"$3.new" && chmod 644 "$3.new" && mv "$3.new" "$3"\n'
# both of them: WordPress's own jobs and the installer run PHP without a web server
_LINK_CHECK = """\
for folder in /etc/php/*/fpm/conf.d /etc/php/*/cli/conf.d; do
    [ "$(readlink "$folder/$2")" = "$1" ] || exit 1
done
"""
_LINK_APPLY = 'for folder in /etc/php/*/fpm/conf.d /etc/php/*/cli/conf.d; do ln -sfn "$1" "$folder/$2"; done\n'


def steps(context: Context) -> Iterator[Step]:
    """The application's settings about its database; its folder is there."""
    server = context.managed
    if server is not None and server.ca_pem:
        yield from _authorities(server.ca_pem)
    host, port, flags = context.of(Role.DATABASE)[0].private_ipv4, PORT, _PLAIN
    if server is not None:
        host, port, flags = server.host, server.port, _VERIFIED
    yield File(
        label="access to the database",
        path=f"{APPLICATION}/config/database.php",
        content=Secret(
            filled(
                "database.php",
                host=php_text(host),
                port=str(port),
                database=php_text(DATABASE),
                user=php_text(USER),
                password=php_text(context.secrets[PASSWORD.name].reveal()),
                flags=flags,
            )
        ),
        mode=0o640,
        group=PHP_USER,
    )


def _authorities(ca_pem: str) -> Iterator[Step]:
    """PHP knows the database's authority beside the system's."""
    yield File(label="authority of the database", path=AUTHORITY, content=ca_pem.rstrip("\n") + "\n")
    yield Script(
        label="authorities that PHP trusts",
        check=_BUNDLE_CHECK,
        apply=_BUNDLE_APPLY,
        arguments=(SYSTEM_CA, AUTHORITY, _AUTHORITIES),
        notifies=(PHP_SERVICE,),
    )
    yield File(
        label="PHP's list of authorities",
        path=_INI,
        content=f"; Written by Buildyard.\nopenssl.cafile = {_AUTHORITIES}\n",
        notifies=(PHP_SERVICE,),
    )
    yield Script(
        label="PHP reads that list",
        check=_LINK_CHECK,
        apply=_LINK_APPLY,
        arguments=(_INI, _LINK),
        notifies=(PHP_SERVICE,),
    )
    yield Service(label="PHP", unit=PHP_SERVICE, reload=True)
