"""Linode's managed databases: MySQL and PostgreSQL, reached by a public name from allowed addresses only."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.http import Api
from providers.linode import api
from providers.named import only
from providers.operations import Operation
from providers.sources import checked_sources
from state.clock import Clock, wait_until
from state.errors import Conflict, NotFound, UsageError
from state.secret import Secret

_WORDS = {Engine.MYSQL: "mysql", Engine.POSTGRES: "postgresql"}
#: 3 to 32 characters: ``label`` in the API's description; that it has no two hyphens in a row is true of all others.
_LABEL = re.compile(r"[A-Za-z](?:[-_]?[A-Za-z0-9])+")
#: The database that is made with it: by Aiven, who runs them (aiven.io/docs/products/mysql/get-started).
_DATABASE = "defaultdb"
#: Seconds until a new one can be changed or deleted: "10 to 15 minutes" to deploy, half an hour on a bad day
#: (techdocs.akamai.com/linode-api/reference/post-databases-mysql-instances).
_READY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Databases:
    """The managed databases of an account; their ids are an engine and a number, such as ``mysql/123``."""

    api: Api
    clock: Clock

    def sizes(self, engine: Engine) -> tuple[DatabaseSize, ...]:
        """The cheapest first; each with one node."""
        sizes = [size for size in self.api.listed(api.DATABASE_TYPES, lambda body: _read_size(body, engine)) if size]
        return tuple(sorted(sizes, key=lambda size: (size.price_per_month is None, size.price_per_month, size.slug)))

    def ensure(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for it; the one of that name is returned as it is."""
        sources = _ipv4_only(checked_sources(spec.sources))
        if not 3 <= len(spec.name) <= 32 or not _LABEL.fullmatch(spec.name):
            raise UsageError(
                f"Linode takes no database with the name {spec.name!r}.",
                hint="3 to 32 letters, digits and single hyphens: give the deployment a shorter name",
            )

        def find() -> ManagedDatabase | None:
            return only(self.listed(spec.name), spec.name)

        found = find()
        if found is None:
            body = {
                "label": spec.name,
                "region": spec.region,
                "type": spec.size,
                "engine": self._engine(spec.engine, spec.version),
                "cluster_size": 1,
                "allow_list": list(sources),
            }
            found = self.api.create(
                api.CREATE_DATABASE.at(engine=_WORDS[spec.engine]),
                body=body,
                find=find,
                reader=lambda answer: self._read(answer, None, ""),
                looked=True,
            )
        region = self.api.read(_at(api.DATABASE, found.id), lambda body: str(body["region"]))
        if (found.engine, region) != (spec.engine, spec.region):
            raise Conflict(
                f"The database {spec.name} is {found.engine} in {region}, not {spec.engine} in {spec.region}.",
                hint="Use another name for the deployment, or delete that database.",
            )
        return found

    def listed(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        """By the beginning of their names."""
        found = []
        # Each engine's own list: nothing says that a number is not used by both.
        for engine in _WORDS.values():
            listed = self.api.listed(
                api.DATABASES.at(engine=engine), lambda body: (f"{body['engine']}/{body['id']}", str(body["label"]))
            )
            for database_id, label in listed:
                if label.startswith(name_prefix):
                    with suppress(NotFound):  # deleted a moment ago
                        found.append(self.one(database_id))
        return tuple(found)

    def one(self, database_id: str) -> ManagedDatabase:
        """Raises NotFound."""
        body = self.api.read(_at(api.DATABASE, database_id), dict)
        if body["status"] != "active":
            return self._read(body, None, "")
        # Both are told of an active one only.
        login = self.api.read(_at(api.DATABASE_LOGIN, database_id), dict)
        ca_pem = self.api.read(
            _at(api.DATABASE_CA, database_id), lambda answer: base64.b64decode(answer["ca_certificate"]).decode()
        )
        return self._read(body, login, ca_pem)

    def put_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        """Makes the allowed sources exactly these, in place, as soon as it can be changed."""
        body = {"allow_list": list(_ipv4_only(checked_sources(sources)))}
        self._when_settled(
            database_id, lambda: self.api.call(_at(api.CHANGE_DATABASE, database_id), body=body), "be changed"
        )

    def delete(self, database_id: str) -> None:
        """Deletes it; one that is still being made, when it has been made: before, the API refuses."""
        try:
            self._when_settled(
                database_id, lambda: self.api.delete(_at(api.DELETE_DATABASE, database_id)), "be deleted"
            )
        except NotFound:
            return

    def _when_settled(self, database_id: str, act: Callable[[], object], what: str) -> None:
        def done() -> bool:
            status = self.api.read(_at(api.DATABASE, database_id), lambda body: str(body["status"]))
            if status not in ("active", "failed", "degraded"):
                return False
            try:
                act()
            except Conflict:
                return False  # something began between the look and the call
            return True

        wait_until(f"the database {database_id} to {what}", done, timeout_s=_READY_S, clock=self.clock, longest_s=10.0)

    def _engine(self, engine: Engine, version: str) -> str:
        """The API's id of a version, the newest where none is asked for."""
        listed = self.api.listed(api.DATABASE_ENGINES, lambda body: (str(body["engine"]), str(body["id"])))
        ids = [each for word, each in listed if word == _WORDS[engine]]
        wanted = version.split(".") if version else []
        fitting = [each for each in ids if _numbers(each)[: len(wanted)] == [_number(part) for part in wanted]]
        if not fitting:
            raise UsageError(
                f"Linode has no {engine} {version}.".replace(" .", "."),
                hint=f"choose one of: {', '.join(sorted(ids)) or 'none is offered now'}",
            )
        return max(fitting, key=_numbers)

    def _read(self, body: Mapping[str, Any], login: Mapping[str, Any] | None, ca_pem: str) -> ManagedDatabase:
        engine = next(one for one, word in _WORDS.items() if word == body["engine"])
        prices = {size.slug: size.price_per_month for size in self.sizes(engine)}
        return ManagedDatabase(
            id=f"{body['engine']}/{body['id']}",
            name=body["label"],
            engine=engine,
            version=body["version"],
            ready=login is not None,
            # There is no private name: a database in a VPC is in beta there, for chosen customers.
            host=(body.get("hosts") or {}).get("primary") or "",
            port=int(body.get("port") or 0),
            user=login["username"] if login else "",
            password=Secret(login["password"]) if login else None,
            database=_DATABASE,
            ca_pem=ca_pem,
            sources=tuple(body.get("allow_list") or ()),
            price_per_month=prices.get(body["type"]),
        )


def _at(operation: Operation, database_id: str) -> Operation:
    engine, slash, number = database_id.partition("/")
    if engine not in _WORDS.values() or not slash or not number.isdecimal():
        raise NotFound(f"Linode has no database {database_id!r}.")
    return operation.at(engine=engine, id=number)


def _read_size(body: Mapping[str, Any], engine: Engine) -> DatabaseSize | None:
    nodes = (body.get("engines") or {}).get(_WORDS[engine]) or ()
    single = next((each for each in nodes if each["quantity"] == 1), None)
    if single is None or body.get("deprecated"):
        return None
    price = (single.get("price") or {}).get("monthly")
    return DatabaseSize(
        slug=body["id"],
        cpus=body["vcpus"],
        memory_mib=body["memory"],
        disk_gib=body["disk"] // 1024,
        price_per_month=Decimal(str(price)) if price else None,
    )


def _ipv4_only(sources: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [source for source in sources if ":" in source]
    if wrong:
        raise UsageError(
            f"Linode's databases let IPv4 addresses in only, not {', '.join(wrong)}.", hint="name IPv4 addresses"
        )
    return sources


def _numbers(engine_id: str) -> list[int]:
    return [_number(part) for part in engine_id.partition("/")[2].split(".")]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
