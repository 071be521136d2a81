"""DigitalOcean's managed databases: clusters of one node, found by their names."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.digitalocean import api
from providers.http import Api
from providers.operations import Operation
from providers.sources import checked_sources
from state.errors import Conflict, UsageError
from state.secret import Secret

OPTIONS = Operation("GET", "/v2/databases/options")
CLUSTERS = api.DATABASES
CREATE = Operation("POST", "/v2/databases")
CLUSTER = Operation("GET", "/v2/databases/{id}")
DELETE = Operation("DELETE", "/v2/databases/{id}")
AUTHORITY = Operation("GET", "/v2/databases/{id}/ca")
SOURCES = Operation("GET", "/v2/databases/{id}/firewall", "rules")
PUT_SOURCES = Operation("PUT", "/v2/databases/{id}/firewall")

_SLUGS = {Engine.MYSQL: "mysql", Engine.POSTGRES: "pg"}
_ENGINES = {slug: engine for engine, slug in _SLUGS.items()}
#: docs.digitalocean.com/products/databases: trusted sources of one cluster.
_MOST_SOURCES = 100
#: Slugs tell processors and memory; the API has no prices of databases, and no list of its disks.
_SIZE = re.compile(r"db-s-(\d+)vcpu-(\d+)gb")


@dataclass(frozen=True, slots=True)
class Databases:
    """The database clusters of an account; see :class:`providers.databases.ManagedDatabases`."""

    api: Api

    def sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        """Single-node sizes, the smallest first; their prices are told nowhere in the API."""
        options = self.api.read(OPTIONS, lambda body: body["options"].get(_SLUGS[engine]) or {})
        if region not in (options.get("regions") or ()):
            return ()
        single = (layout for layout in options.get("layouts") or () if layout["num_nodes"] == 1)
        found = [size for layout in single for slug in layout["sizes"] if (size := _size(slug)) is not None]
        return tuple(sorted(found, key=lambda size: (size.memory_mib, size.cpus)))

    def ensure(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for it; one of that name is returned."""
        body: dict[str, Any] = {
            "name": spec.name,
            "engine": _SLUGS[spec.engine],
            "region": spec.region,
            "size": spec.size,
            "num_nodes": 1,
            "private_network_uuid": spec.network_id,
            "rules": _rules(spec.sources),
        }
        if spec.version:
            body["version"] = spec.version

        def find() -> Mapping[str, Any] | None:
            return next((each for each in self._listed() if each["name"] == spec.name), None)

        cluster = self.api.create(CREATE, body=body, find=find, reader=lambda answer: answer["database"])
        if (cluster["engine"], cluster["region"]) != (_SLUGS[spec.engine], spec.region):
            raise Conflict(
                f"There is a database {spec.name} already: {cluster['engine']} in {cluster['region']}.",
                hint="use another name for the deployment, or delete that database at the provider",
            )
        return self._read(cluster)

    def named(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        """Those whose names begin so."""
        return tuple(self._read(each) for each in self._listed() if each["name"].startswith(name_prefix))

    def one(self, database_id: str) -> ManagedDatabase:
        """Raises NotFound."""
        return self._read(self.api.read(CLUSTER.at(id=database_id), lambda answer: answer["database"]))

    def put_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        """The list is replaced whole."""
        self.api.call(PUT_SOURCES.at(id=database_id), body={"rules": _rules(sources)})

    def delete(self, database_id: str) -> None:
        self.api.delete(DELETE.at(id=database_id))

    def _listed(self) -> list[Mapping[str, Any]]:
        # all at once: this list has no pages
        return self.api.read(CLUSTERS, lambda body: list(body["databases"] or ()))

    def _read(self, cluster: Mapping[str, Any]) -> ManagedDatabase:
        id_, ready = str(cluster["id"]), cluster["status"] == "online"
        way = cluster.get("private_connection") or cluster.get("connection") or {}
        authority = self.api.read(AUTHORITY.at(id=id_), lambda body: str(body["ca"]["certificate"])) if ready else ""
        sources = self.api.read(SOURCES.at(id=id_), lambda body: [rule["value"] for rule in body["rules"]])
        password = way.get("password")
        return ManagedDatabase(
            id=id_,
            name=cluster["name"],
            engine=_ENGINES[cluster["engine"]],
            version=str(cluster.get("semantic_version") or cluster.get("version") or ""),
            ready=ready,
            host=str(way.get("host") or ""),
            port=int(way.get("port") or 0),
            user=str(way.get("user") or ""),
            password=Secret(password) if password else None,
            database=str(way.get("database") or ""),
            ca_pem=base64.b64decode(authority).decode(),
            sources=tuple(value if "/" in value else f"{value}/32" for value in sources),
            price_per_month=None,
        )


def _size(slug: str) -> DatabaseSize | None:
    found = _SIZE.fullmatch(slug)
    if found is None:
        return None
    cpus, memory_gib = map(int, found.groups())
    return DatabaseSize(slug, cpus, memory_gib * 1024, 0, None)


def _rules(sources: tuple[str, ...]) -> list[Mapping[str, str]]:
    wanted = checked_sources(sources)
    if len(wanted) > _MOST_SOURCES:
        raise UsageError(f"A database of this provider takes {_MOST_SOURCES} sources; there are {len(wanted)}.")
    if any(":" in source for source in wanted):
        raise UsageError("A database of this provider takes IPv4 sources only.")
    return [{"type": "ip_addr", "value": source} for source in wanted]
