"""Databases that a cloud runs: what there is to be had, and what a driver that offers them does."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from state.secret import Secret


class Engine(StrEnum):
    """What a managed database runs."""

    MYSQL = "mysql"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """A size of managed database; ``price_per_month`` in US dollars, None where no source says it."""

    slug: str
    cpus: int
    memory_mib: int
    disk_gib: int
    price_per_month: Decimal | None


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """The managed database to be made.

    Attributes:
        name: unique among the account's; the create is idempotent through it.
        version: the engine's, such as ``8`` or ``15``; "" for the vendor's usual one.
        sources: CIDRs that may connect from the first moment on; neither empty nor everybody.
    """

    name: str
    engine: Engine
    region: str
    size: str
    network_id: str
    sources: tuple[str, ...]
    version: str = ""


@dataclass(frozen=True, slots=True)
class ManagedDatabase:
    """A managed database as its cloud sees it.

    Attributes:
        ready: it can be logged in to; until then host, port, user and the like may be empty.
        host: where machines of the private network reach it, the public name where there is no other.
        password: of ``user``, the administrator's; None while it is unknown.
        database: made with it.
        ca_pem: authority of its certificate, "" for a public one.
        sources: CIDRs that may connect.
    """

    id: str
    name: str
    engine: Engine
    version: str
    ready: bool
    host: str
    port: int
    user: str
    password: Secret | None
    database: str
    ca_pem: str
    sources: tuple[str, ...]
    price_per_month: Decimal | None


class ManagedDatabases(Protocol):
    """A provider that runs databases (``supports_managed_database``)."""

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        """The cheapest first; none where the region or the engine is unknown."""

    def ensure_database(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for it and returns at once; one of that name is returned as it is.

        Raises:
            UsageError: its sources are empty or would let everybody in.
            Conflict: one of that name has another engine or is in another region.
        """

    def databases(self, name_prefix: str) -> tuple[ManagedDatabase, ...]: ...
    def database(self, database_id: str) -> ManagedDatabase:
        """Raises NotFound."""

    def put_database_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        """Makes the allowed sources exactly these, in place.

        Raises:
            UsageError: they are empty or would let everybody in.
        """

    def delete_database(self, database_id: str) -> None: ...
