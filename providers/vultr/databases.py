"""Vultr's managed databases. The vendor's description of 2023 lacks them: fields are those of its Go client.

Source: github.com/vultr/govultr v3.32.0, ``database.go``. Its lists take no pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.http import Api
from providers.sources import checked_sources
from providers.vultr import api
from state.errors import Conflict
from state.secret import Secret

_ENGINES: Mapping[Engine, str] = {Engine.MYSQL: "mysql", Engine.POSTGRES: "pg"}
#: A version must be named; these are in the vendor's own examples (docs.vultr.com/reference/vultr-cli/database/create,
#: docs.vultr.com/reference/terraform/resources/database).
_USUAL_VERSION: Mapping[Engine, str] = {Engine.MYSQL: "8", Engine.POSTGRES: "15"}


@dataclass(frozen=True, slots=True)
class Databases:
    """The managed databases of an account."""

    api: Api

    def sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        """Plans of that region which run the engine, the cheapest first."""
        sizes = [
            DatabaseSize(
                slug=plan["id"],
                cpus=plan["vcpu_count"],
                memory_mib=plan["ram"],
                disk_gib=plan["disk"],
                price_per_month=_price(plan),
            )
            for plan in self._plans()
            if region in (plan.get("locations") or ()) and (plan.get("supported_engines") or {}).get(_ENGINES[engine])
        ]
        return tuple(sorted(sizes, key=lambda size: (size.price_per_month or 0, size.slug)))

    def ensure(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for it, or gives the one of that name."""
        body = {
            "database_engine": _ENGINES[spec.engine],
            "database_engine_version": spec.version or _USUAL_VERSION[spec.engine],
            "region": spec.region,
            "plan": spec.size,
            "label": spec.name,
            "vpc_id": spec.network_id,
            # Part of the request: one without sources is open to everybody.
            "trusted_ips": list(checked_sources(spec.sources)),
        }
        made = self.api.create(
            api.CREATE_DATABASE,
            body=body,
            find=lambda: next((one for one in self._listed() if one.get("label") == spec.name), None),
            reader=lambda answer: dict(answer["database"]),
        )
        if (made["database_engine"], made["region"].lower()) != (_ENGINES[spec.engine], spec.region):
            raise Conflict(
                f"The database {spec.name} is {made['database_engine']} in {made['region']}.",
                hint="Use another name for the deployment, or destroy the one that has it.",
            )
        return _read(made, self._prices())

    def all(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        """Those whose names begin so."""
        listed = [one for one in self._listed() if str(one.get("label") or "").startswith(name_prefix)]
        prices = self._prices() if listed else {}
        return tuple(_read(one, prices) for one in listed if one["database_engine"] in _ENGINES.values())

    def one(self, database_id: str) -> ManagedDatabase:
        """Raises NotFound."""
        body = self.api.read(api.DATABASE.at(id=database_id), lambda answer: dict(answer["database"]))
        return _read(body, self._prices())

    def put_sources(self, database_id: str, sources: tuple[str, ...]) -> None:
        """Makes the allowed sources exactly these: a PUT replaces the whole list."""
        body = {"trusted_ips": list(checked_sources(sources))}
        self.api.call(api.CHANGE_DATABASE.at(id=database_id), body=body)

    def delete(self, database_id: str) -> None:
        self.api.delete(api.DELETE_DATABASE.at(id=database_id))

    def _listed(self) -> list[Mapping[str, Any]]:
        return self.api.read(api.DATABASES, lambda answer: list(answer["databases"] or ()))

    def _plans(self) -> list[Mapping[str, Any]]:
        return self.api.read(api.DATABASE_PLANS, lambda answer: list(answer["plans"] or ()))

    def _prices(self) -> Mapping[str, Decimal | None]:
        return {plan["id"]: _price(plan) for plan in self._plans()}


def _price(plan: Mapping[str, Any]) -> Decimal | None:
    cost = plan.get("monthly_cost")
    return Decimal(str(cost)) if cost is not None else None


def _read(body: Mapping[str, Any], prices: Mapping[str, Decimal | None]) -> ManagedDatabase:
    password = body.get("password") or ""
    return ManagedDatabase(
        id=body["id"],
        name=body.get("label") or "",
        engine=next(engine for engine, name in _ENGINES.items() if name == body["database_engine"]),
        version=str(body.get("database_engine_version") or ""),
        ready=str(body.get("status") or "").lower() == "running" and bool(body.get("host") and password),
        # With a VPC this is the private name; the public one is ``public_host``.
        host=body.get("host") or "",
        port=int(body.get("port") or 0),
        user=body.get("user") or "",
        password=Secret(password) if password else None,
        database=body.get("dbname") or "",
        ca_pem=body.get("ca_certificate") or "",
        sources=tuple(str(ip_network(source, strict=False)) for source in body.get("trusted_ips") or ()),
        price_per_month=prices.get(body.get("plan") or ""),
    )
