"""Vultr's description of 2023 with what is known to be otherwise today; each change names its source.

The list is repeated in ``docs/providers/vultr.md``.
"""

from __future__ import annotations

import json
from functools import cache
from types import SimpleNamespace
from typing import Any

from tests.providers.description import Description, folder


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def _listing(key: str, properties: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": {"type": "object", "properties": properties, "required": list(properties)}}
    return {"type": "object", "properties": {key: items}, "required": [key]}


_NOTHING = {"description": ""}


@cache
def vultr() -> tuple[Description, ...]:
    """The description of what we need, the databases that we wrote down ourselves, and the overlays."""
    document = json.loads((folder() / "vultr.json").read_text("utf-8"))
    whole = json.loads((folder() / "full" / "vultr.json").read_text("utf-8"))
    paths, schemas = document["paths"], document["components"]["schemas"]
    # The operations we need lack snapshots; the whole description has them, and judging by all of it takes longer.
    paths |= {path: methods for path, methods in whole["paths"].items() if path.startswith("/snapshots")}
    schemas |= {name: schema for name, schema in whole["components"]["schemas"].items() if name not in schemas}
    # /databases there is no word of the vendor's: written by us from github.com/vultr/govultr v3.32.0, database.go.
    _databases(paths)
    _object_storage(paths)
    _instances(paths, schemas)
    # The description knows only 200 there; a wrong key is answered 401 (its own chapter "Response Codes").
    paths["/account"]["get"]["responses"]["401"] = _NOTHING
    # A plan can cost $2.50 or $3.50: github.com/vultr/govultr v3.32.0, plans.go has a float.
    schemas["plans"]["properties"]["monthly_cost"] = {"type": "number"}
    file = SimpleNamespace(read_text=lambda _encoding: json.dumps(document))
    return (Description(file),)  # type: ignore[arg-type]


def _instances(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    # The description has an array "v6_networks": github.com/vultr/govultr v3.32.0, instance.go has flat fields.
    properties = schemas["instance"]["properties"]
    del properties["v6_networks"]
    properties |= {name: {"type": "string"} for name in ("v6_network", "v6_main_ip", "snapshot_id", "user_scheme")}
    properties["v6_network_size"] = {"type": "integer"}
    # "Server is currently locked" comes as a 500: github.com/vultr/ansible-collection-vultr/issues/113.
    for path in ("/instances/{instance-id}", "/instances/{instance-id}/halt", "/instances/{instance-id}/start"):
        for method in {"delete", "post"} & set(paths[path]):
            paths[path][method]["responses"]["500"] = _NOTHING


def _object_storage(paths: dict[str, Any]) -> None:
    # tier_id is wanted by every create now: docs.vultr.com/reference/vultr-cli/object-storage/create.
    create = paths["/object-storage"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    create["properties"]["tier_id"] = {"type": "integer"}
    create["required"] = ["cluster_id", "tier_id"]
    # github.com/vultr/govultr v3.32.0, object_storage.go: ListClusterTiers and ListBuckets.
    text, number = {"type": "string"}, {"type": "number"}
    tier = {"id": {"type": "integer"}, "slug": text, "sales_name": text, "price": number, "is_default": text}
    paths["/object-storage/clusters/{cluster-id}/tiers"] = {
        "parameters": [{"name": "cluster-id", "in": "path", "required": True, "schema": text}],
        "get": {"responses": {"200": _json(_listing("tiers", tier))}},
    }
    paths["/object-storage/{object-storage-id}/bucket"] = {
        "parameters": [{"name": "object-storage-id", "in": "path", "required": True, "schema": text}],
        "get": {
            "responses": {"200": _json(_listing("buckets", {"name": text, "date_created": text})), "404": _NOTHING}
        },
    }


def _databases(paths: dict[str, Any]) -> None:
    # github.com/vultr/govultr v3.32.0, database.go: ListPlans, and two fields that our first writing lacks.
    text, number = {"type": "string"}, {"type": "integer"}
    plan = {
        "id": text,
        "number_of_nodes": number,
        "type": text,
        "vcpu_count": number,
        "ram": number,
        "disk": number,
        "monthly_cost": number,
        "supported_engines": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "locations": {"type": "array", "items": text},
    }
    paths["/databases/plans"] = {
        "get": {
            "parameters": [
                {"name": "engine", "in": "query", "schema": text},
                {"name": "nodes", "in": "query", "schema": number},
                {"name": "region", "in": "query", "schema": text},
            ],
            "responses": {"200": _json(_listing("plans", plan))},
        }
    }
    for path in ("/databases", "/databases/{database-id}"):
        for operation in (each for name, each in paths[path].items() if name != "parameters"):
            operation["responses"] |= dict.fromkeys(("400", "404"), _NOTHING)
            for answer in operation["responses"].values():
                database = (answer.get("content") or {}).get("application/json", {}).get("schema", {})
                fields = database.get("properties", {}).get("database", {}).get("properties")
                if fields is not None:
                    fields |= {"public_host": text, "ca_certificate": text, "date_created": text}
