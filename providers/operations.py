"""What a cloud's API offers, as data: one :class:`Operation` a call, one :class:`Dialect` a vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from state.errors import ProviderError

#: Methods whose repetition changes nothing more (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a vendor's API.

    Attributes:
        method: HTTP method.
        path: with ``{names}`` to be filled in.
        items: the key under which a list stands in the answer; "" where the answer is no list.
        repeatable: may be sent again when its answer was lost; by default what HTTP says of the method.
    """

    method: str
    path: str
    items: str = ""
    repeatable: bool | None = None

    @property
    def may_be_repeated(self) -> bool:
        """Whether it may be sent again blindly."""
        return self.method in _IDEMPOTENT if self.repeatable is None else self.repeatable

    def at(self, **values: str) -> Operation:
        """The operation on one thing: the names in its path filled in, each quoted whole."""
        return replace(self, path=self.path.format(**{name: quote(value, safe="") for name, value in values.items()}))


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a vendor said instead of doing it: the class of error and the vendor's own words."""

    error: type[ProviderError]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one vendor speaks, as far as vendors differ.

    Attributes:
        label: the vendor's name for a person.
        explain: turns status and decoded body of a refusal into an error; None leaves it to the status alone.
        next_page: the query of the page after this one (body, query so far), None on the last.
        first_page: query that every list begins with (the largest page).
        total: how many items a listing's body says there are; None when it does not say.
        identity: the field by which two items of a list are the same one.
    """

    label: str
    explain: Callable[[int, Any], Refusal | None]
    next_page: Callable[[Any, Mapping[str, Any]], Mapping[str, Any] | None]
    first_page: Mapping[str, Any]
    total: Callable[[Any], int | None] = lambda _body: None
    identity: str = "id"
