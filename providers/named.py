"""Picking things of a list by their names, for every driver."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def named(things: Iterable[N], name_prefix: str) -> tuple[N, ...]:
    """Those whose names begin so."""
    return tuple(thing for thing in things if thing.name.startswith(name_prefix))


def only(things: Iterable[N], name: str) -> N | None:
    """The first of that very name."""
    return next((thing for thing in things if thing.name == name), None)
