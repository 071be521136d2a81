"""Exoscale's own description as a judge, with what is wrong in it put right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from providers.exoscale import api
from providers.operations import Operation
from tests.providers.description import Description, folder

#: The form of the signature's header, whoever signed.
_SIGNED = re.compile(
    r"EXO2-HMAC-SHA256 credential=EXO[0-9a-zA-Z]+(?:,signed-query-args=(?P<args>[a-z-]+(?:;[a-z-]+)*))?"
    r",expires=[0-9]{1,12},signature=[A-Za-z0-9+/]{43}="
)


def signed(request: httpx.Request) -> list[str]:
    """What is wrong with how a request is authorized: only the list of zones is asked for by nobody in particular."""
    header = request.headers.get("Authorization")
    if (request.method, request.url.path) == ("GET", "/v2/zone"):
        return ["signed, though it is public"] if header else []
    found = _SIGNED.fullmatch(header or "")
    if found is None:
        return ["no signature"]
    names = found["args"].split(";") if found["args"] else []
    return [] if names == sorted(request.url.params) else ["other query arguments are signed than sent"]


class ExoscaleDescription(Description):
    """Its paths end in ``{id}:verb`` beside ``{id}``: with a border between the two each request finds its own.

    The fake's ids are the same in every test, so most of what is sent and answered was judged before.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, authorized=lambda _request: [])
        self._judged: dict[tuple[object, ...], list[str]] = {}

    def problems(self, request: httpx.Request) -> list[str]:
        seen = (request.method, request.url, request.content, request.headers.get("Content-Type"))
        if seen not in self._judged:
            self._judged[seen] = super().problems(_apart(request))
        return [*self._judged[seen], *signed(request)]

    def answer_problems(self, request: httpx.Request, response: httpx.Response) -> list[str]:
        seen = (request.method, request.url, response.status_code, response.content)
        if seen not in self._judged:
            self._judged[seen] = super().answer_problems(_apart(request), response)
        return self._judged[seen]


def _apart(request: httpx.Request) -> httpx.Request:
    url = request.url.copy_with(path=_border(request.url.path))
    return httpx.Request(request.method, url, headers=request.headers, content=request.content)


def _border(path: str) -> str:
    return re.sub(r":([a-z-]+)$", r"/:\1", path)


@cache
def exoscale() -> tuple[Description, ...]:
    """The operations that the driver uses, put right."""
    document = json.loads((folder() / "full" / "exoscale.json").read_text("utf-8"))
    overlay(document)
    with TemporaryDirectory() as place:
        path = Path(place) / "exoscale.json"
        path.write_text(json.dumps(document), "utf-8")
        return (ExoscaleDescription(path),)


def overlay(document: dict[str, Any]) -> None:
    """What differs from the vendor's file; docs/providers/exoscale.md has the same list."""
    # The host has the zone in it, which is no part of a path.
    document["servers"] = [{"url": document["servers"][0]["url"].replace("{zone}", "ch-gva-2")}]
    used = {_shape(each.path) for each in vars(api).values() if isinstance(each, Operation)}
    kept = {path: methods for path, methods in document["paths"].items() if _kept(path, used)}
    schemas = document["components"]["schemas"]
    # 1. Joining and leaving a group demand a whole instance, whose id is "read only": then nothing could be sent.
    for verb in ("attach", "detach"):
        body = kept["/security-group/{id}:" + verb]["put"]["requestBody"]["content"]["application/json"]["schema"]
        body["properties"]["instance"] = {
            "type": "object",
            "properties": {"id": {"type": "string", "format": "uuid"}},
            "required": ["id"],
        }
    # 2. A group's rules are "write only", and yet what a group is read for.
    del schemas["security-group"]["properties"]["rules"]["writeOnly"]
    # 3. No refusal is described at all; each has a message.
    refusal = {
        "description": "refusal",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"message": {"type": "string"}},
                    "required": ["message"],
                }
            }
        },
    }
    for methods in kept.values():
        for operation in methods.values():
            operation["responses"]["4XX"] = refusal
    document["paths"] = {_border(path): methods for path, methods in kept.items()}


def _kept(path: str, used: set[str]) -> bool:
    return _shape(f"/v2{path}") in used or any(
        _shape(f"/v2{path}") == shape.replace("-{}/", f"-{kind}/") for shape in used for kind in ("mysql", "postgres")
    )


def _shape(path: str) -> str:
    """A path whatever its parts are called."""
    return re.sub(r"\{[a-z-]+\}", "{}", path)


def operations_of(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """All (method, path) of a description."""
    return {(method, path) for path, methods in document["paths"].items() for method in methods}
