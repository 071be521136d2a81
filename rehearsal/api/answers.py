"""How the vendor speaks: errors, pages and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rehearsal.store import Thing


class ApiError(Exception):
    """An answer that refuses.

    Args:
        status: of HTTP.
        id_: the vendor's word for the error.
        message: the vendor's sentence.
    """

    def __init__(self, status: int, id_: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id_
        self.message = message


def not_found(message: str = "The resource you were accessing could not be found.") -> ApiError:
    """What is not there."""
    return ApiError(404, "not_found", message)


def unprocessable(message: str) -> ApiError:
    """What is understood and cannot be done."""
    return ApiError(422, "unprocessable_entity", message)


def conflict(message: str) -> ApiError:
    """What is taken or in use."""
    return ApiError(409, "conflict", message)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer; no body with 204."""

    status: int
    body: Thing | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read.

    Attributes:
        path: the values in the path, as text.
        query: the values after the question mark.
        body: the JSON object sent, {} when there was none.
        url: scheme, host and path, for links to other pages.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Thing
    url: str = ""
    origin: str = ""

    def number(self, name: str) -> int:
        """A number in the path; what is no number is not found."""
        try:
            return int(self.path[name])
        except ValueError:
            raise not_found() from None


#: What answers a call; the app turns these into routes.
Endpoint = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    endpoint: Endpoint = field(repr=False)


def page(call: Call, key: str, things: Sequence[Any], **more: Any) -> Answer:
    """One page of a list, with the vendor's links: 20 a page unless asked for up to 200."""
    size = _within(call.query.get("per_page", "20"), 1, 200)
    number = _within(call.query.get("page", "1"), 1, 1_000_000)
    last = max(1, -(-len(things) // size))
    pages: dict[str, str] = {}
    if number > 1:
        pages["first"] = _page_link(call, 1)
        pages["prev"] = _page_link(call, number - 1)
    if number < last:
        pages["next"] = _page_link(call, number + 1)
        pages["last"] = _page_link(call, last)
    shown = things[(number - 1) * size : number * size]
    links = {"pages": pages} if pages else {}
    return Answer(200, {key: list(shown), "links": links, "meta": {"total": len(things)}, **more})


def now_text() -> str:
    """The time as the vendor writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def public(thing: Thing) -> Thing:
    """A thing without what only the rehearsal knows."""
    return {key: value for key, value in thing.items() if not key.startswith("_")}


def _within(text: str, lowest: int, highest: int) -> int:
    try:
        return min(max(int(text), lowest), highest)
    except ValueError:
        raise ApiError(400, "bad_request", f"{text!r} is not a number.") from None


def _page_link(call: Call, number: int) -> str:
    return f"{call.url}?{urlencode({**call.query, 'page': str(number)})}"
