"""The vendor's own OpenAPI description as a judge of what a driver sends, stricter than the description itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import PathNotFound
from openapi_core.validation.exceptions import ValidationError
from werkzeug.datastructures import Headers, ImmutableMultiDict

CHECKOUT = Path(__file__).resolve().parents[2]
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def folder() -> Path:
    """Where the vendors' descriptions are."""
    path = Path(os.environ.get("BUILDYARD_SPECS", CHECKOUT.parent / "shared" / "specs"))
    assert path.is_dir(), f"BUILDYARD_SPECS must name the folder of the vendors' API descriptions; {path} is none"
    return path


def bearer(request: httpx.Request) -> list[str]:
    """What is wrong with how a request is authorized, where the vendor wants a bearer token."""
    return [] if request.headers.get("Authorization", "").startswith("Bearer ") else ["no bearer token"]


@cache
def digitalocean() -> tuple[Description, ...]:
    """The operations we need, then all: snapshots are only in the whole file."""
    return tuple(Description(folder() / name) for name in ("digitalocean.json", "full/digitalocean.json"))


class Description:
    """One description file.

    Args:
        path: as JSON.
        version: what stands for ``{apiVersion}`` in its paths (Linode's).
        authorized: what is wrong with a request's credentials.
    """

    def __init__(
        self, path: Path, *, version: str = "", authorized: Callable[[httpx.Request], list[str]] = bearer
    ) -> None:
        document = json.loads(path.read_text("utf-8"))
        server = urlsplit(document["servers"][0]["url"])
        # openapi-core and our own search then see whole paths
        self.host_url = f"{server.scheme}://{server.netloc}"
        document["servers"] = [{"url": self.host_url}]
        document["paths"] = {
            server.path.rstrip("/") + name.replace("{apiVersion}", version): methods
            for name, methods in document["paths"].items()
        }
        if version:
            _drop_parameter(document, "apiVersion")
        self._authorized = authorized
        self.document: Mapping[str, Any] = document
        for parameter in self.document.get("components", {}).get("parameters", {}).values():
            if parameter["in"] == "path" and "anyOf" in parameter["schema"]:
                # A number or a text: openapi-core does not cast these, and in a path both are text.
                parameter["schema"] = {"type": "string", "minLength": 1}
        self._api = OpenAPI.from_dict(self.document, config=Config(spec_validator_cls=None))

    def problems(self, request: httpx.Request) -> list[str]:
        """What is wrong with a request.

        Raises:
            PathNotFound: there is no such operation here.
        """
        asked = _Asked(request, self.host_url)
        problems = []
        try:
            self._api.validate_request(asked)
        except PathNotFound:
            raise
        except ValidationError as error:
            causes = getattr(error.__cause__, "schema_errors", [error.__cause__ or error])
            problems += [f"{type(error).__name__}: {getattr(cause, 'message', cause)}" for cause in causes]
        except Exception as error:  # noqa: BLE001 - whatever the validator meets is a problem of the request
            problems.append(f"{type(error).__name__}: {error}")
        operation = self._operation(request)
        known = {self._resolve(parameter)["name"] for parameter in operation.get("parameters", [])}
        problems += [f"unknown query parameter {name}" for name in request.url.params if name not in known]
        if request.content:
            content = self._resolve(operation.get("requestBody", {})).get("content", {})
            if "application/json" not in content:
                return [*problems, "a body nobody asked for"]
            schema = content["application/json"]["schema"]
            problems += [f"unknown field {name}" for name in self._unknown(schema, json.loads(request.content), "")]
            if request.headers.get("Content-Type") != "application/json":
                problems.append("the body is not called JSON")
        elif self._resolve(operation.get("requestBody", {})).get("required"):
            problems.append("the body is missing")
        return [*problems, *self._authorized(request)]

    def answer_problems(self, request: httpx.Request, response: httpx.Response) -> list[str]:
        """What is wrong with an answer: status, body and its fields.

        Raises:
            PathNotFound: there is no such operation here.
        """
        try:
            self._api.validate_response(_Asked(request, self.host_url), _Answered(response))
        except PathNotFound:
            raise
        except ValidationError as error:
            causes = getattr(error.__cause__, "schema_errors", [error.__cause__ or error])
            return [f"{type(error).__name__}: {getattr(cause, 'message', cause)}" for cause in causes]
        except Exception as error:  # noqa: BLE001 - whatever the validator meets is a problem of the answer
            return [f"{type(error).__name__}: {error}"]
        return []

    def _operation(self, request: httpx.Request) -> Mapping[str, Any]:
        wanted = request.url.path.split("/")
        best: tuple[int, Mapping[str, Any]] | None = None
        for template, methods in self.document["paths"].items():
            parts = template.split("/")
            if request.method.lower() not in methods or len(parts) != len(wanted):
                continue
            pairs = list(zip(parts, wanted, strict=True))
            if all(part == word or part.startswith("{") for part, word in pairs):
                exact = sum(part == word for part, word in pairs)
                if best is None or exact > best[0]:
                    best = (exact, methods[request.method.lower()])
        assert best is not None
        return best[1]

    def _resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for key in node["$ref"].split("/")[1:]:
                target = target[key.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def _unknown(self, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        """Fields of ``value`` that no branch of the schema names."""
        branches = list(self._branches(schema))
        if isinstance(value, list):
            items = [branch["items"] for branch in branches if "items" in branch]
            for number, item in enumerate(value):
                if items:
                    yield from self._unknown({"anyOf": items}, item, f"{where}[{number}]")
        if not isinstance(value, dict):
            return
        named: dict[str, list[Any]] = {}
        for branch in branches:
            for name, part in branch.get("properties", {}).items():
                named.setdefault(name, []).append(part)
        if not named:
            return
        for name, part in value.items():
            if name not in named:
                yield f"{where}.{name}"
            else:
                if all(self._resolve(option).get("readOnly") for option in named[name]):
                    yield f"{where}.{name} (read only)"
                yield from self._unknown({"anyOf": named[name]}, part, f"{where}.{name}")

    def _branches(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        schema = self._resolve(schema)
        yield schema
        for word in ("allOf", "oneOf", "anyOf"):
            for part in schema.get(word, ()):
                yield from self._branches(part)


class _Asked:
    """An httpx request as openapi-core reads one."""

    def __init__(self, request: httpx.Request, host_url: str) -> None:
        self.host_url = host_url
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.content or None
        self.content_type = request.headers.get("Content-Type", "").split(";")[0] or "application/json"
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.url.params.multi_items()), header=Headers(dict(request.headers))
        )


class _Answered:
    """An httpx answer as openapi-core reads one."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.content_type = response.headers.get("content-type", "application/json").split(";")[0]
        self.headers = dict(response.headers)
        self.data = response.content


def _drop_parameter(node: Any, name: str) -> None:
    """Takes a path parameter that was filled in out of the whole document."""
    if isinstance(node, list):
        node[:] = [each for each in node if not (isinstance(each, dict) and each.get("name") == name and "in" in each)]
        for each in node:
            _drop_parameter(each, name)
    elif isinstance(node, dict):
        for each in node.values():
            _drop_parameter(each, name)


class Judged(httpx.BaseTransport):
    """Passes requests on and keeps what the description says against them.

    Args:
        inner: who answers.
        page_size: what a list is asked for instead, so that few things fill several pages.
    """

    def __init__(self, inner: httpx.BaseTransport, *, page_size: int = 20) -> None:
        self._inner = inner
        self._page_size = page_size
        self.problems: list[str] = []
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.count += 1
        line = f"{request.method} {request.url.raw_path.decode()}"
        self.problems += [f"{line}: {problem}" for problem in judge(request)]
        if "per_page" in request.url.params:
            request.url = request.url.copy_merge_params({"per_page": str(self._page_size)})
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def judge(request: httpx.Request, descriptions: tuple[Description, ...] = ()) -> list[str]:
    """What the vendor's descriptions (DigitalOcean's by default) say against a request; the first that knows it."""
    for description in descriptions or digitalocean():
        try:
            return description.problems(request)
        except PathNotFound:
            continue
    return ["no such operation"]
