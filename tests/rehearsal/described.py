"""The vendor's own description of its API as a judge of answers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.templating.paths.exceptions import PathError

SPECS = Path(os.environ.get("BUILDYARD_SPECS", Path(__file__).parents[3] / "shared/specs"))


class Described:
    """Compares answers with the description where it is there; paths that it lacks pass.

    Args:
        file: the description as JSON.
    """

    def __init__(self, file: Path) -> None:
        self._api: OpenAPI | None = None
        self.checked = 0
        if file.exists():
            spec: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            spec["servers"] = [{"url": "/"}]
            self._api = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))

    def check(self, answer: httpx.Response) -> None:
        """Raises when the answer is none of those described for its operation."""
        if self._api is None:
            return
        try:
            self._api.validate_response(_Request(answer.request), _Response(answer))
            self.checked += 1
        except PathError:
            return


class _Request:
    """What openapi-core wants to know of a request."""

    content_type = "application/json"

    def __init__(self, request: httpx.Request) -> None:
        self.host_url = f"{request.url.scheme}://{request.url.host}"
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.content
        self.parameters: Any = None


class _Response:
    """What openapi-core wants to know of an answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status_code = answer.status_code
        self.content_type = answer.headers.get("content-type", "application/json")
        self.headers = dict(answer.headers)
        self.data = answer.content
