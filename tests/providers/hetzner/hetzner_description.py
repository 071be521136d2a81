"""Hetzner's API description as its API is: what the file gets wrong is put right here, and told in
docs/providers/hetzner.md."""

from __future__ import annotations

import json
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.providers.description import Description, folder

_NUMBER_OR_NAME = {"oneOf": [{"type": "integer", "format": "int64"}, {"type": "string", "minLength": 1}]}


@cache
def hetzner() -> tuple[Description, ...]:
    """The whole file: the one cut to our operations lacks images of machines."""
    document = json.loads((folder() / "full" / "hetzner.json").read_text("utf-8"))
    _overlay(document)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "hetzner.json"
        path.write_text(json.dumps(document), "utf-8")
        return (Description(path),)


def example(method: str, path: str, status: str) -> Any:
    """The description's own example of an answer, to make things like it."""
    content = hetzner()[0].document["paths"][f"/v1{path}"][method]["responses"][status]["content"]
    return json.loads(json.dumps(content["application/json"]["examples"]["default"]["value"]))


#: What the driver asks for; the file has more, and every path costs time with every request.
_OURS = re.compile(
    r"/(locations|server_types|pricing|actions/{id})"
    r"|/(images|ssh_keys|networks|servers|firewalls)(/{id})?"
    r"|/servers/{id}/actions/(poweroff|poweron|create_image)"
    r"|/firewalls/{id}/actions/(set_rules|apply_to_resources|remove_from_resources)"
    r"|/zones(/{id_or_name})?"
    r"|/zones/{id_or_name}/rrsets(/{rr_name}/{rr_type}(/actions/(set_records|change_ttl))?)?"
)


def _overlay(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    # The text says that a key is named by its number or its name, the type says text only. The vendor's clients (Go,
    # Python) send numbers.
    schemas["create_server_request"]["properties"]["ssh_keys"]["items"] = _NUMBER_OR_NAME
    # "ID or name", again only as text; the vendor's clients send the number of an image that has no name.
    schemas["create_server_request"]["properties"]["image"] = _NUMBER_OR_NAME
    # In the API since the file was made; the vendor's Python client 2.27 reads both.
    more = {"available": {"type": "boolean"}, "recommended": {"type": "boolean"}}
    schemas["server_type_location"]["properties"] |= more
    _let_null_through(document, document)
    paths = document["paths"]
    document["paths"] = {path: methods for path, methods in paths.items() if _OURS.fullmatch(path)}
    for methods in document["paths"].values():
        # The address again for each path; what reads the file here knows it from above.
        methods.pop("servers", None)
        for operation in methods.values():
            if isinstance(operation, dict):
                # OpenAPI's ranges of statuses are written 4XX (3.0.3, "Patterned Fields").
                responses = operation["responses"]
                operation["responses"] = {status.upper(): answer for status, answer in responses.items()}


def _let_null_through(node: Any, document: dict[str, Any]) -> None:
    """``nullable`` beside ``allOf`` adds nothing in OpenAPI 3.0.3: what is referred to forbids null all the same."""
    if isinstance(node, list):
        for each in node:
            _let_null_through(each, document)
    elif isinstance(node, dict):
        if node.get("nullable") is True and isinstance(node.get("allOf"), list):
            target: Any = document
            for key in node.pop("allOf")[0]["$ref"].split("/")[1:]:
                target = target[key]
            node |= {name: part for name, part in target.items() if name not in node}
        for each in node.values():
            _let_null_through(each, document)
