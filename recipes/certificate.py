"""The site's certificate: issued by DNS-01 in one place, carried encrypted and signed, installed on the webservers.

In development mode the database machine is the issuer (*caretaker*), in production the leading autoscaler; the first
build lets the first one issue, so that two do not ask the authority at once. The bundle in the shared configuration
directory is the line "recipient FINGERPRINT", the chain in the clear, and the key as CMS for the webserver role's
certificate; it is signed with the caretaker's key. A valid bundle that is there already is used again: a rebuild costs
the authority nothing, and rate limits cannot lock a site out.
"""

from __future__ import annotations

import hashlib
import shlex
import ssl
from collections.abc import Iterator

from recipes.base import CONFIG, PROGRAMS, STATE
from recipes.context import Context, Role
from recipes.secrets import SecretKind, SecretSpec, certificate_of
from recipes.shared_config import COPY, HOOKS, SIGNING_KEY, SYSTEM_CA
from recipes.signed import CERTIFICATE_FILE
from recipes.steps import Absent, Directory, File, Package, Script, Step
from recipes.texts import text_of

NAME = "certificate"
#: Decrypts what is meant for webservers; only webservers have it.
ROLE_KEY = SecretSpec("webserver-role-key", SecretKind.CERTIFIED_KEY)
SECRETS = (ROLE_KEY, SIGNING_KEY)
#: Where webservers keep the installed certificate: ``current`` points to the folder in use.
TLS = f"{CONFIG}/tls"
CURRENT = f"{TLS}/current"
#: On the issuer only: what lego proves the domain with, a file for each variable; no process has it in its environment.
CREDENTIALS = f"{CONFIG}/dns-credentials"
FORMER_TOKEN = f"{CONFIG}/dns-token"
CARETAKER_KEY = f"{CONFIG}/caretaker.key"
#: Installs the certificate that was pulled.
HOOK = f"{HOOKS}/{CERTIFICATE_FILE}"
#: Written by issuer and webservers: names, not_after (seconds since the epoch), installed (whether it is the real one).
RECORD = f"{STATE}/certificate.json"
#: Let's Encrypt's certificates live 90 days and it advises to renew with a third left.
RENEW_BEFORE_DAYS = 30
#: The authority's validation and lego's propagation check take up to two minutes each.
ISSUE_TIMEOUT_S = 600.0

#: A condition of sh: the folder $1 holds a certificate and the key that belongs to it.
PAIR_FITS = (
    'certified=$(openssl x509 -in "$1/fullchain.pem" -noout -pubkey)'
    ' && [ "$certified" = "$(openssl pkey -in "$1/key.pem" -pubout)" ]'
)

_FILE_CA = f"{CONFIG}/acme-ca.pem"


def names_of(context: Context) -> tuple[str, ...]:
    """The names the certificate is for."""
    return (context.domain, f"www.{context.domain}") if context.apex_and_www else (context.domain,)


def steps(context: Context) -> Iterator[Step]:
    """Installing on webservers; issuing on the database machine or, in production, on the autoscalers."""
    if context.node.role is Role.WEBSERVER:
        yield from _install(context)
    else:
        yield from _issue(context)


def _issue(context: Context) -> Iterator[Step]:
    authority = context.authority
    yield Package(label="ACME client", names=("lego",))
    yield Absent(label="no token for DNS where earlier builds put it", path=FORMER_TOKEN)
    yield Directory(label="credentials for DNS", path=CREDENTIALS, mode=0o700)
    for variable, name in authority.dns_secrets:
        path = f"{CREDENTIALS}/{variable}"
        yield File(label=f"credential {variable}", path=path, content=context.secrets[name], mode=0o600)
    yield File(
        label="caretaker's signing key",
        path=CARETAKER_KEY,
        content=context.secrets[SIGNING_KEY.name],
        mode=0o600,
    )
    recipient = certificate_of(context.secrets[ROLE_KEY.name])
    yield File(label="whom the key is encrypted for", path=f"{CONFIG}/webserver-role.pem", content=recipient)
    if authority.ca_pem:
        yield File(label="authority of the ACME server", path=_FILE_CA, content=authority.ca_pem)
    else:
        yield Absent(label="no authority of the ACME server's own", path=_FILE_CA)
    yield File(label="certificate's settings", path=f"{CONFIG}/certificate.conf", content=_settings(context, recipient))
    yield Directory(label="ACME account", path=f"{STATE}/lego", mode=0o700)
    yield File(
        label="certificate issuer",
        path=f"{PROGRAMS}/buildyard-certificate",
        content=text_of("buildyard-certificate"),
        mode=0o755,
    )
    if context.in_production and context.node.name != min(node.name for node in context.of(Role.AUTOSCALER)):
        return
    yield Script(
        label="certificate issued",
        check="buildyard-certificate check\n",
        apply="buildyard-certificate renew\n",
        timeout_s=ISSUE_TIMEOUT_S,
    )


def _settings(context: Context, recipient: str) -> str:
    """Assignments for sh, and the environment lego wants; nothing in it is secret."""
    authority = context.authority
    der = ssl.PEM_cert_to_DER_cert(recipient)
    lines = {
        "DIRECTORY_URL": authority.directory_url,
        "EMAIL": authority.email,
        "NAMES": " ".join(names_of(context)),
        "DNS_PROVIDER": authority.dns_provider,
        "RESOLVER": authority.resolver,
        "RECIPIENT": hashlib.sha256(der).hexdigest(),
        "RENEW_BEFORE_S": str(RENEW_BEFORE_DAYS * 86_400),
        **{f"{variable}_FILE": f"{CREDENTIALS}/{variable}" for variable, _ in authority.dns_secrets},
        **dict(authority.dns_environment),
    }
    if authority.ca_pem:
        # the first is for the ACME server, the second for the provider's API: a private cloud has one for both
        lines |= {"LEGO_CA_CERTIFICATES": _FILE_CA, "SSL_CERT_FILE": _FILE_CA}
    else:
        lines["SSL_CERT_FILE"] = SYSTEM_CA
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(lines.items()))


def _install(context: Context) -> Iterator[Step]:
    yield File(
        label="webserver role's key",
        path=f"{CONFIG}/role-key.pem",
        content=context.secrets[ROLE_KEY.name],
        mode=0o600,
    )
    yield File(
        label="hook of the certificate",
        path=HOOK,
        content=text_of("hook-certificate"),
        mode=0o755,
    )
    yield Script(
        label="certificate installed",
        check=_INSTALLED,
        apply=f"buildyard-pull {CERTIFICATE_FILE}\n{_INSTALLED}",
        arguments=(CURRENT, f"{COPY}/{CERTIFICATE_FILE}", *names_of(context)),
        timeout_s=180.0,
    )


# the chain that came, whole, with its key; valid for a day at least, for each name
_INSTALLED = f"""\
{{ {PAIR_FITS}; }} || exit 1
chain=$1/fullchain.pem
sed -n '/^-----BEGIN CERTIFICATE-----$/,/^-----END CERTIFICATE-----$/p' "$2" | cmp -s - "$chain"
shift 2
openssl x509 -in "$chain" -noout -checkend 86400 >/dev/null
for name; do
    openssl x509 -in "$chain" -noout -checkhost "$name" | grep -q 'does match'
done
"""
