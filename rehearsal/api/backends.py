"""What the API stands on besides machines: a name server and an object store, as small as the API needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from state.secret import Secret


class RecordRefused(Exception):
    """The name server did not take a record; the text says why."""


class NameServer(Protocol):
    """An authoritative name server. Names are absolute and end with a dot. All of it may be repeated."""

    def create_zone(self, zone: str) -> None: ...
    def delete_zone(self, zone: str) -> None: ...
    def zones(self) -> tuple[str, ...]: ...

    def put_rrset(self, zone: str, name: str, type_: str, ttl_s: int, contents: tuple[str, ...]) -> None:
        """Makes the values of that name and type exactly these; none removes them.

        Raises:
            RecordRefused: a value is not of that type, or a CNAME stands beside others.
        """


@dataclass(frozen=True, slots=True)
class BucketKey:
    """Who may do what in the object store.

    Attributes:
        grants: (bucket, permission); bucket "" means all; permissions are read, readwrite and fullaccess.
    """

    access_key: str
    secret_key: Secret
    grants: tuple[tuple[str, str], ...]


class BucketKeys(Protocol):
    """The object store's list of keys."""

    def put_all(self, keys: tuple[BucketKey, ...]) -> None:
        """Makes the list exactly this, beside the store's own administrator."""
