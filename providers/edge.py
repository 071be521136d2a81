"""What stands before a site and serves its zone too: Cloudflare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from providers.contract import Account, Dns, RecordSet


@dataclass(frozen=True, slots=True)
class AccessGate:
    """A log-in that an edge puts before a part of the site.

    Attributes:
        name: for a person, in the vendor's lists.
        place: host and path, such as ``www.example.org/wp-admin``; the gate is found by it.
        allowed: who gets through: e-mail addresses, or ``@example.org`` for all of a domain.
        session_h: hours until one has to log in again.
    """

    name: str
    place: str
    allowed: tuple[str, ...]
    session_h: int = 24


@runtime_checkable
class Edge(Dns, Protocol):
    """Name servers whose vendor can also stand before the site: visitors come to it, and it comes to the webservers.

    Whether some name servers are one is asked by ``isinstance``.
    """

    def check_credentials(self, zone: str, *, access: bool = False) -> Account:
        """Whose credentials these are, and which rights they lack for that zone.

        Args:
            zone: its name.
            access: gates are wanted too.

        Raises:
            Unauthorized: they do not work at all.
            NotFound: they see no such zone.
        """

    def put_record_set(self, zone: str, record_set: RecordSet, *, proxied: bool | None = None) -> None:
        """As :meth:`Dns.put_record_set`.

        Args:
            zone, record_set: as there; the TTL of a proxied set is the vendor's own, whatever is asked.
            proxied: visitors come to the vendor and not to the addresses; None leaves it as it is.

        Raises:
            UsageError: records of that type cannot be proxied.
        """

    def proxied_sets(self, zone: str) -> frozenset[tuple[str, str]]:
        """(name, type) of the sets whose visitors come to the vendor."""

    def ssl_mode(self, zone: str) -> str:
        """How the edge speaks with the webservers, in the vendor's word."""

    def require_strict(self, zone: str) -> None:
        """
        Raises:
            Conflict: the edge would speak with a webserver whose certificate it does not check; says what to do.
        """

    def origin_pulls(self, zone: str) -> bool:
        """Whether the edge shows webservers a certificate of its own (authenticated origin pulls)."""

    def put_origin_pulls(self, zone: str, on: bool) -> None:
        """Makes the edge show it, or not. It must show it before the webservers demand it."""

    def published_ranges(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The CIDRs, v4 and v6, from which the edge comes to webservers.

        Raises:
            ProviderError: what is published is no list of networks of both families.
        """

    def access_gates(self, zone: str) -> tuple[AccessGate, ...]: ...
    def put_access_gate(self, zone: str, gate: AccessGate) -> None:
        """Makes the gate at that place exactly this; it is never open in between.

        Raises:
            UsageError: nobody is allowed, or somebody who is no address.
        """

    def delete_access_gate(self, zone: str, place: str) -> None: ...
