"""Linode's own OpenAPI description, cut to what the driver asks, with what it gets wrong put right.

Each correction is an entry in ``docs/providers/linode.md``, where its source is.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.providers.description import Description, folder

HOST_URL = "https://api.linode.com"
#: Paths the driver asks, without ``/{apiVersion}``.
PATHS = (
    "/account",
    "/profile",
    "/profile/sshkeys",
    "/profile/sshkeys/{sshKeyId}",
    "/regions",
    "/regions/availability",
    "/linode/types",
    "/linode/instances",
    "/linode/instances/{linodeId}",
    "/linode/instances/{linodeId}/boot",
    "/linode/instances/{linodeId}/shutdown",
    "/linode/instances/{linodeId}/disks",
    "/images",
    "/images/{imageId}",
    "/vpcs",
    "/vpcs/ips",
    "/vpcs/{vpcId}",
    "/networking/firewalls",
    "/networking/firewalls/{firewallId}",
    "/networking/firewalls/{firewallId}/rules",
    "/networking/firewalls/{firewallId}/devices",
    "/networking/firewalls/{firewallId}/devices/{deviceId}",
    "/domains",
    "/domains/{domainId}",
    "/domains/{domainId}/records",
    "/domains/{domainId}/records/{recordId}",
    "/databases/engines",
    "/databases/types",
    "/databases/mysql/instances",
    "/databases/mysql/instances/{instanceId}",
    "/databases/mysql/instances/{instanceId}/credentials",
    "/databases/mysql/instances/{instanceId}/ssl",
    "/databases/postgresql/instances",
    "/databases/postgresql/instances/{instanceId}",
    "/databases/postgresql/instances/{instanceId}/credentials",
    "/databases/postgresql/instances/{instanceId}/ssl",
    "/object-storage/buckets",
    "/object-storage/keys",
    "/object-storage/keys/{keyId}",
)


@cache
def linode() -> tuple[Description, ...]:
    """The description as it is judged by."""
    document = {"openapi": "3.0.1", "info": {"title": "Linode", "version": ""}, "servers": [{"url": HOST_URL}]}
    document["paths"] = _paths((folder() / "full" / "linode.yaml").read_text("utf-8"))
    for correct in (_loosen, _page_every_list, _image_numbers, _generations, _apex, _device, _endpoints, _nulls):
        correct(document)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "linode.json"
        path.write_text(json.dumps(document, default=str), "utf-8")
        return (Description(path, version="v4"),)


def _paths(text: str) -> Any:
    """The paths we need, parsed alone: the whole file takes seconds."""
    parts = re.split(
        r"^  (?=/\{apiVersion\})", text.partition("\npaths:\n")[2].partition("\ncomponents:")[0], flags=re.MULTILINE
    )
    wanted = {f"/{{apiVersion}}{path}" for path in PATHS}
    found = [part for part in parts if part.partition(":")[0] in wanted]
    assert len(found) == len(wanted)
    return yaml.load("".join(f"  {part}" for part in found), Loader=yaml.CSafeLoader)


def _loosen(document: Any) -> None:
    """Closed branches of ``allOf``, times without a zone, and a pattern with unescaped dots."""
    for node in _nodes(document["paths"]):
        # The schemes are left out; the token is judged beside the description. Some name the server once more.
        node.pop("security", None)
        node.pop("servers", None)
        if node.get("additionalProperties") is False:
            del node["additionalProperties"]
        if node.get("format") in ("date-time", "ipv6/128", "ip"):
            del node["format"]
        if isinstance(node.get("pattern"), str):
            node["pattern"] = node["pattern"].replace("|..)", "|\\.\\.)")


def _page_every_list(document: Any) -> None:
    """Collections whose description forgets that they have pages."""
    for methods in document["paths"].values():
        operation = methods.get("get")
        if operation is None:
            continue
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        branches = [answer, *answer.get("allOf", ())]
        known = {each.get("name") for each in operation.get("parameters", ())}
        if any("pages" in branch.get("properties", {}) for branch in branches) and "page" not in known:
            operation.setdefault("parameters", []).extend(
                {"name": name, "in": "query", "schema": {"type": "integer", "minimum": least}}
                for name, least in (("page", 1), ("page_size", 25))
            )


def _image_numbers(document: Any) -> None:
    """An image of one's own is ``private/123``, with its slash as it is."""
    methods = document["paths"].pop("/{apiVersion}/images/{imageId}")
    document["paths"]["/{apiVersion}/images/private/{imageId}"] = methods


def _generations(document: Any) -> None:
    """Which kind of interfaces a machine has, of which the description of 2024 knows one."""
    schema = _body(document, "post", "/linode/instances")
    schema["allOf"][0]["properties"]["interface_generation"] = {"type": "string", "enum": ["legacy_config", "linode"]}


def _apex(document: Any) -> None:
    """The name of a record at the top of its zone is empty."""
    for node in _nodes(document["paths"]["/{apiVersion}/domains/{domainId}/records"]):
        _empty_name(node)
    for node in _nodes(document["paths"]["/{apiVersion}/domains/{domainId}/records/{recordId}"]):
        _empty_name(node)


def _empty_name(node: dict[str, Any]) -> None:
    name = node.get("properties", {}).get("name")
    if isinstance(name, dict):
        name.pop("minLength", None)


def _device(document: Any) -> None:
    """Whom a firewall shall guard is written, not only read."""
    for branch in _body(document, "post", "/networking/firewalls/{firewallId}/devices")["allOf"]:
        branch.pop("readOnly", None)


def _endpoints(document: Any) -> None:
    """Object stores by region, newer than the description (API 4.193.0)."""
    text = {"type": "string"}
    item = {
        "type": "object",
        "required": ["region", "endpoint_type"],
        "properties": {"region": text, "endpoint_type": text, "s3_endpoint": {**text, "nullable": True}},
    }
    number = {"type": "integer"}
    answer = {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": item},
            "page": number,
            "pages": number,
            "results": number,
        },
    }
    document["paths"]["/{apiVersion}/object-storage/endpoints"] = {
        "get": {
            "parameters": [{"name": name, "in": "query", "schema": number} for name in ("page", "page_size")],
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": answer}}}},
        },
    }


def _nulls(document: Any) -> None:
    """Null where the description has a thing: the access of a key for everything, the tag of what is no CAA record."""
    for node in _nodes(document["paths"]):
        field = node.get("properties", {}).get("bucket_access")
        if isinstance(field, dict):
            field["nullable"] = True
        field = node.get("properties", {}).get("tag")
        if isinstance(field, dict) and field.get("nullable") and None not in field.get("enum", [None]):
            field["enum"] = [*field["enum"], None]


def _body(document: Any, method: str, path: str) -> Any:
    return document["paths"][f"/{{apiVersion}}{path}"][method]["requestBody"]["content"]["application/json"]["schema"]


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in list(node.values()):
            yield from _nodes(value)
    elif isinstance(node, list):
        for each in node:
            yield from _nodes(each)
