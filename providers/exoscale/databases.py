"""Exoscale's managed databases (DBaaS): MySQL and PostgreSQL, reached by their public names from exact sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.exoscale import api
from providers.exoscale.zones import Zones, read_operation
from providers.http import Api
from providers.sources import checked_sources
from state.errors import Conflict, NotFound, UsageError
from state.secret import Secret

#: The engine as the vendor's lists name it, and as its paths do.
_KIND: Mapping[Engine, str] = {Engine.MYSQL: "mysql", Engine.POSTGRES: "pg"}
_PATH: Mapping[Engine, str] = {Engine.MYSQL: "mysql", Engine.POSTGRES: "postgres"}

#: Characters, by the API's description.
_LONGEST_NAME = 63


def _id(engine: Engine, name: str, zone: str) -> str:
    """A database is known by its name, under a path of its engine, in its zone."""
    return api.zoned(zone, f"{engine.value}.{name}")


def _parts(database_id: str) -> tuple[Engine, str, str]:
    zone, rest = api.unzoned(database_id)
    engine, _, name = rest.partition(".")
    if engine not in {each.value for each in Engine} or not name:
        raise UsageError(f"{database_id!r} is no id of a database at Exoscale: they read ENGINE.NAME@ZONE.")
    return Engine(engine), name, zone


@dataclass(frozen=True, slots=True)
class Databases:
    """The managed databases of an organization, in all zones."""

    zones: Zones

    def sizes(self, zone: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        """The plans of a zone, fewest machines and least memory first; no source of ours says what they cost."""
        if zone not in self.zones.names():
            return ()

        def read(body: Any) -> tuple[Mapping[str, Any], ...]:
            return tuple(body.get("plans") or ())

        plans = self.zones.at(zone).read(api.DATABASE_KIND.at(kind=_KIND[engine]), read)
        there = [plan for plan in plans if plan.get("authorized") and zone in (plan.get("zones") or ())]
        there.sort(
            key=lambda plan: (plan["node-count"], plan["node-memory"], plan.get("disk-space") or 0, plan["name"])
        )
        return tuple(
            DatabaseSize(
                slug=str(plan["name"]),
                cpus=int(plan["node-cpu-count"]),
                memory_mib=int(plan["node-memory"]) // 1024**2,
                disk_gib=int(plan.get("disk-space") or 0) // 1024**3,
                price_per_month=None,
            )
            for plan in there
        )

    def ensure(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for one, or gives the one of that name."""
        sources = checked_sources(spec.sources)
        if not 0 < len(spec.name) <= _LONGEST_NAME:
            raise UsageError(f"A database's name at Exoscale has at most {_LONGEST_NAME} characters: {spec.name!r}.")
        wanted = _id(spec.engine, spec.name, spec.region)

        def find() -> str | None:
            return next((an_id for an_id, name in self._listed() if name == spec.name), None)

        body: dict[str, Any] = {
            "plan": spec.size,
            "ip-filter": list(sources),
            # the vendor's own tools protect what they make from its deletion
            "termination-protection": False,
        }
        if spec.version:
            body["version"] = spec.version
        at = self.zones.at(spec.region)

        def begun(answer: Any) -> str:
            # the operation may last as long as the database's making, which nobody waits for here
            operation = read_operation(answer)
            if operation.state != "pending":
                self.zones.finish(at, operation, f"database {spec.name}")
            return wanted

        operation = api.CREATE_DATABASE.at(kind=_PATH[spec.engine], name=spec.name)
        made = at.create(operation, body=body, find=find, reader=begun)
        if made != wanted:
            raise Conflict(
                f"There is a database {spec.name} at Exoscale that is another one.",
                detail=f"it is {made}, not {wanted}",
                hint="use another name for the deployment, or destroy the one that has it",
            )
        return self.one(wanted)

    def named(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        """Databases by the beginning of their names."""
        found = []
        for an_id, name in self._listed():
            if name.startswith(name_prefix):
                try:
                    found.append(self.one(an_id))
                except NotFound:
                    continue  # gone since it was listed
        return tuple(found)

    def one(self, database_id: str) -> ManagedDatabase:
        """Raises NotFound."""
        engine, name, zone = _parts(database_id)
        at = self.zones.at(zone)

        def read(body: Any) -> Mapping[str, Any]:
            return {**body, "name": body["name"], "state": body.get("state")}

        body = at.read(api.DATABASE.at(kind=_PATH[engine], name=name), read)
        login = {key: str(value) for key, value in (body.get("uri-params") or {}).items()}
        ready = body["state"] == "running" and bool(login.get("host") and login.get("user"))
        return ManagedDatabase(
            id=database_id,
            name=name,
            engine=engine,
            version=str(body.get("version") or ""),
            ready=ready,
            host=login.get("host", ""),
            port=int(login.get("port") or 0),
            user=login.get("user", ""),
            password=self._password(at, engine, name, login["user"]) if ready else None,
            database=login.get("dbname", ""),
            ca_pem=self._authority(at) if ready else "",
            sources=tuple(str(source) for source in body.get("ip-filter") or ()),
            price_per_month=None,
        )

    def put_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        """Makes the allowed sources exactly these."""
        engine, name, zone = _parts(database_id)
        body = {"ip-filter": list(checked_sources(sources))}
        operation = api.CHANGE_DATABASE.at(kind=_PATH[engine], name=name)
        self.zones.do(self.zones.at(zone), operation, f"the sources of database {name}", body=body)

    def delete(self, database_id: str) -> None:
        """Removes it with all it holds."""
        _, name, zone = _parts(database_id)
        self.zones.remove(self.zones.at(zone), api.DELETE_DATABASE.at(name=name), f"database {name}")

    def _password(self, at: Api, engine: Engine, name: str, user: str) -> Secret:
        operation = api.DATABASE_PASSWORD.at(kind=_PATH[engine], name=name, user=user)
        return at.read(operation, lambda body: Secret(str(body["password"])))

    def _authority(self, at: Api) -> str:
        return at.read(api.DATABASE_AUTHORITY, lambda body: str(body["certificate"]))

    def _listed(self) -> list[tuple[str, str]]:
        """Ids and names of all of ours."""
        engines = {kind: engine for engine, kind in _KIND.items()}

        def look(zone: str, at: Api) -> list[tuple[str, str]]:
            listed = at.listed(api.DATABASES, lambda body: (str(body["type"]), str(body["name"]), body.get("zone")))
            return [
                (_id(engines[kind], name, zone), name)
                for kind, name, its_zone in listed
                if kind in engines and its_zone in (None, zone)
            ]

        return self.zones.everywhere(look)
