"""What a recipe may know of the machine it is for and the deployment around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from state.secret import Secret

#: The answer that says what the Gateway Guardian stands before.
GUARDED = "access.guardian"


class Role(StrEnum):
    """What a machine is for."""

    AUTOSCALER = "autoscaler"
    WEBSERVER = "webserver"
    DATABASE = "database"


class Guarded(StrEnum):
    """What the Gateway Guardian stands before."""

    NOTHING = "nothing"
    ADMIN = "admin"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the fleet as recipes see it; an address is "" where there is none."""

    name: str
    role: Role
    public_ipv4: str
    public_ipv6: str
    private_ipv4: str
    #: memory of its size; 0 when unknown (services then take what fits the smallest size)
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """The code of the application, the same on every webserver, and the content it begins with.

    Attributes:
        id: names its folder on the machine: letters, digits, dots and hyphens.
        application: "wordpress".
        webroot_url: presigned address of the webroot's tar archive; whoever has it may read, so it is a secret.
        webroot_sha256: hexadecimal.
        database_url: presigned address of the SQL dump (gzip), read by the database machine.
        database_sha256: hexadecimal; also remembers that this dump was imported.
        site: the address inside the dump that stands for the site's own ("https://site.invalid").
        table_prefix: of the application's tables ("wp_").
    """

    id: str
    application: str
    webroot_url: Secret
    webroot_sha256: str
    database_url: Secret
    database_sha256: str
    site: str
    table_prefix: str = "wp_"


@dataclass(frozen=True, slots=True)
class ProgramRelease:
    """The program that an autoscaler machine runs.

    Attributes:
        url: presigned address of its archive; whoever has it may read, so it is a secret.
        sha256: of the archive, hexadecimal.
        version: checksum of its lock file: names its folder on the machine.
    """

    url: Secret
    sha256: str
    version: str


@dataclass(frozen=True, slots=True)
class AutoscalerFiles:
    """What an autoscaler machine is handed so that it needs nothing from the build machine.

    Attributes:
        program: what it runs.
        settings: JSON, nothing secret in it.
        credentials: JSON, all secrets by name.
    """

    program: ProgramRelease
    settings: str
    credentials: Secret


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3 store as machines reach it.

    Attributes:
        endpoint_url: ``https://…``
        ca_pem: the authority its certificate comes from, "" for a public one.
        access_key: of this role's own key, for ``config_bucket`` and, on webservers, ``assets_bucket``; its secret half
            is the secret named ``s3-secret-key``.
        assets_bucket: uploads of the application (:mod:`recipes.uploads`).
    """

    endpoint_url: str
    region: str
    ca_pem: str
    access_key: str
    config_bucket: str
    state_bucket: str
    artefact_bucket: str
    assets_bucket: str


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """Where certificates come from (ACME, RFC 8555) and whose API proves the domain (lego's name for it).

    Attributes:
        directory_url: the ACME directory.
        ca_pem: authority of the ACME server's own certificate, "" for a public one.
        dns_provider: lego's name of the DNS provider ("digitalocean").
        dns_environment: what lego needs beside the token (API URL of a rehearsal).
        dns_secrets: variables through which lego wants credentials, each with the secret's name; in 0600 files.
        resolver: ``address:port`` that lego asks whether the record has arrived.
    """

    directory_url: str
    ca_pem: str
    email: str
    dns_provider: str
    dns_environment: tuple[tuple[str, str], ...]
    dns_secrets: tuple[tuple[str, str], ...]
    resolver: str = ""


@dataclass(frozen=True, slots=True)
class ManagedServer:
    """A database server that the provider runs, as machines of the fleet reach it; TLS always.

    Attributes:
        host: a name or an address, the one that its certificate is for.
        user, password: the administrator's.
        ca_pem: authority of its certificate, "" for a public one.
    """

    host: str
    port: int
    user: str
    password: Secret
    ca_pem: str


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a recipe is made from. Recipes are pure: equal contexts give equal steps.

    Attributes:
        deployment: its name.
        mode: ``development`` or ``production``.
        domain: the site's domain; ``apex_and_www`` says that both it and ``www.`` are served.
        node: the machine the recipe is for.
        fleet: all machines, ``node`` among them.
        operators: CIDRs that may use SSH from outside (the build machine's address among them).
        admin_user: the user Buildyard logs in as; sudo without password.
        admin_keys: public keys of that user.
        signer_public_key: OpenSSH public key that signs what lies in the shared configuration directory.
        answers: all answers (no secrets).
        secrets: by name; each exists before the first recipe runs.
        release: the baseline the application begins with; None for a virgin one.
        autoscaler: for autoscaler machines only.
        proxied: an edge stands before the site (Cloudflare): visitors come from its networks only.
        managed: where the content lies when the provider runs the database; None when the database machine does.
    """

    deployment: str
    mode: str
    domain: str
    apex_and_www: bool
    node: Node
    fleet: tuple[Node, ...]
    operators: tuple[str, ...]
    admin_user: str
    admin_keys: tuple[str, ...]
    signer_public_key: str
    store: ObjectStore
    authority: CertificateAuthority
    answers: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    release: Release | None = None
    autoscaler: AutoscalerFiles | None = None
    proxied: bool = False
    managed: ManagedServer | None = None

    def answer(self, key: str, default: Any) -> Any:
        """The answer with that dotted key, whether the answers are flat or nested; ``default`` when there is none."""
        if key in self.answers:
            return self.answers[key]
        value: Any = self.answers
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return default if value in (None, "") else value

    @property
    def guarded(self) -> Guarded:
        """What the Gateway Guardian stands before; nothing where the answers are older than the question."""
        return Guarded(self.answer(GUARDED, Guarded.NOTHING))

    @property
    def in_production(self) -> bool:
        """Whether autoscalers look after the fleet."""
        return self.mode == "production"

    def of(self, role: Role) -> tuple[Node, ...]:
        """The machines with that role."""
        return tuple(node for node in self.fleet if node.role is role)
