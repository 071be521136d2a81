"""Cloudflare's description of August 2024, corrected where it contradicts itself or what the API does today.

Each correction says how it is known. The subset has two of its own already (``info.x-overlay``): names that only the
server sets are not demanded of who makes a record, and a deletion needs no body.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.providers.description import Description, folder

_FAILURE = "#/components/schemas/zones_api-response-common-failure"
#: Operations that the subset leaves out.
_MORE = ("/accounts", "/zones/{zone_id}/access/apps")


@cache
def cloudflare(scratch: Path) -> tuple[Description, ...]:
    """The subset, then the few further operations of the whole file; both corrected.

    Args:
        scratch: a folder for the corrected files.
    """
    small = json.loads((folder() / "cloudflare.json").read_text("utf-8"))
    whole = json.loads((folder() / "full" / "cloudflare.json").read_text("utf-8"))
    whole["paths"] = {path: methods for path, methods in whole["paths"].items() if path.startswith(_MORE)}
    found = []
    for name, document in (("small.json", small), ("more.json", whole)):
        _correct(document)
        (scratch / name).write_text(json.dumps(document), "utf-8")
        found.append(Description(scratch / name))
    return tuple(found)


def _correct(document: dict[str, Any]) -> None:
    document.pop("security", None)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            # Many operations are said to need the old pair of e-mail and key; the vendor's SDK of 2026 sends a token to
            # all of them. That one is sent is checked beside it (tests/providers/description.py).
            operation.pop("security", None)
            responses = operation["responses"]
            # DNS's failures are called "4xx", which is no key of OpenAPI's ("4XX" is); and most failures shall be a
            # success and a failure at once (allOf "success": [true] and [false]).
            responses.pop("4xx", None)
            responses["4XX"] = {
                "description": "refused",
                "content": {"application/json": {"schema": {"$ref": _FAILURE}}},
            }
            if path.endswith(("/access/apps", "/policies")) and method == "get":
                # The vendor's SDK of 2026 pages these lists; the description knows no page of them.
                operation["parameters"] += [
                    {"in": "query", "name": name, "schema": {"type": "integer", "minimum": 1}}
                    for name in ("page", "per_page")
                ]
    record = document["components"]["schemas"].get("dns-records_dns-record", {})
    if "required" in record:
        # Each type says itself whether it needs content; of CAA and SRV it is read only, and yet demanded of all.
        record["required"].remove("content")
    settings = document["paths"].get("/zones/{zone_id}/settings/{setting_id}")
    if settings:
        # The SDK of 2026 sends the value alone; the description wants the setting's name again, which is in the path.
        settings["patch"]["requestBody"]["content"]["application/json"]["schema"] = {
            "type": "object",
            "properties": {"value": {"enum": ["off", "flexible", "full", "strict", "on"]}},
            "required": ["value"],
        }
    ranges = document["paths"].get("/ips")
    if ranges:
        # Both forms fit any list without jdcloud's, so that oneOf never holds.
        result = ranges["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        text = json.dumps(result).replace('"oneOf"', '"anyOf"')
        ranges["get"]["responses"]["200"]["content"]["application/json"]["schema"] = json.loads(text)
        for schema in document["components"]["schemas"].values():
            if "addressing_ips" in json.dumps(schema.get("properties", {}).get("result", {})):
                schema["properties"]["result"] = json.loads(
                    json.dumps(schema["properties"]["result"]).replace('"oneOf"', '"anyOf"')
                )
