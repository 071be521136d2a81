"""Exoscale's zones: an API host each, things that live in one of them, and operations that take their time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from providers.contract import Region
from providers.exoscale import api
from providers.http import Api
from providers.operations import Operation
from state.clock import Clock, wait_until
from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unavailable, UsageError

T = TypeVar("T")

#: Answers for what belongs to the whole organization when nobody named a zone; the default of the vendor's own tools.
DEFAULT_ZONE = "ch-gva-2"

#: A zone's name becomes part of a host's name, so nothing else may.
_ZONE = re.compile(r"[a-z]{2}-[a-z]{2,8}-[0-9]{1,2}")


def is_zone(name: str) -> bool:
    """Whether a name can be a zone's."""
    return _ZONE.fullmatch(name) is not None


#: Seconds until an operation that makes or changes something small is over, and until something is no longer in use.
OPERATION_S, IN_USE_S = 300.0, 300.0


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation: what it is about and how far it is."""

    id: str
    state: str
    reason: str
    message: str
    about: str


def read_operation(body: Mapping[str, Any]) -> Begun:
    reference = body.get("reference") or {}
    return Begun(
        id=str(body["id"]),
        state=str(body["state"]),
        reason=str(body.get("reason") or ""),
        message=str(body.get("message") or ""),
        about=str(reference.get("id") or ""),
    )


def _found(an_id: str) -> Begun:
    return Begun("", "success", "", "", an_id)


@dataclass(slots=True)
class Zones:
    """The hosts of all zones.

    Args:
        connect: opens a zone's API; ``hurried`` where its answer is not worth a long wait.
        clock: where time comes from.
        own: the zone of this deployment, "" while nobody knows it.
    """

    connect: Callable[[str, bool], Api]
    clock: Clock
    own: str = ""
    _apis: dict[str, Api] = field(init=False, default_factory=dict)
    _names: tuple[str, ...] = field(init=False, default=())
    _lock: Lock = field(init=False, default_factory=Lock)

    def close(self) -> None:
        """Ends all connections."""
        for each in self._apis.values():
            each.close()

    @property
    def home(self) -> Api:
        """Where things of the whole organization are asked for: keys, security groups, DNS, roles."""
        return self.at(self.own or DEFAULT_ZONE)

    def at(self, zone: str) -> Api:
        """The API of one zone.

        Raises:
            UsageError: that is no name of a zone.
        """
        if not is_zone(zone):
            raise UsageError(f"{zone!r} is no zone of Exoscale.", hint="they read like ch-gva-2")
        with self._lock:
            if zone not in self._apis:
                self._apis[zone] = self.connect(zone, bool(self.own) and zone != self.own)
            return self._apis[zone]

    def regions(self) -> tuple[Region, ...]:
        """All zones there are now."""
        names = self.home.listed(api.ZONES, lambda body: str(body["name"]))
        return tuple(Region(name, _label(name), available=True) for name in sorted(names) if is_zone(name))

    def names(self) -> tuple[str, ...]:
        """The names of all zones, the deployment's own first; asked for once."""
        if not self._names:
            self._names = tuple(sorted((each.slug for each in self.regions()), key=lambda one: (one != self.own, one)))
        return self._names

    def everywhere(self, look: Callable[[str, Api], list[T]]) -> list[T]:
        """What ``look`` finds in all zones together.

        A zone that does not answer is passed over when the deployment is known to be in another: an outage there must
        not keep this one from healing.
        """
        found: list[T] = []
        for zone in self.names():
            try:
                found += look(zone, self.at(zone))
            except (Unavailable, RateLimited):
                if self.own in ("", zone):
                    raise
        return found

    def make(
        self,
        at: Api,
        operation: Operation,
        what: str,
        *,
        body: Any,
        find: Callable[[], str | None],
        looked: bool = False,
        timeout_s: float = OPERATION_S,
    ) -> str:
        """Makes a thing once and waits for it; gives the vendor's id of it.

        Args:
            at: the API that makes it.
            operation: the create.
            what: the thing, for errors.
            body: what to make.
            find: looks its id up, by name or tag.
            looked: the caller just looked and there was none.
            timeout_s: seconds until it is there.
        """

        def found() -> Begun | None:
            an_id = find()
            return _found(an_id) if an_id is not None else None

        begun = at.create(operation, body=body, find=found, reader=read_operation, looked=looked)
        try:
            about = self.finish(at, begun, what, timeout_s).about
        except Conflict:
            # somebody made it meanwhile: the operation says so, not the request
            about = find() or ""
            if not about:
                raise
        # things known by their name have no reference
        return about or find() or ""

    def do(self, at: Api, operation: Operation, what: str, *, body: Any = None, timeout_s: float = OPERATION_S) -> None:
        """Does something and waits for its end."""
        self.finish(at, at.read(operation, read_operation, body=body), what, timeout_s)

    def remove(self, at: Api, operation: Operation, what: str, *, timeout_s: float = IN_USE_S, hint: str = "") -> None:
        """Deletes a thing as soon as nothing uses it any more; what is gone already is no error."""

        def gone() -> bool:
            try:
                self.do(at, operation, what)
            except NotFound:
                return True
            except Conflict:
                return False
            return True

        wait_until(
            f"{what} to be free for its deletion",
            gone,
            timeout_s=timeout_s,
            clock=self.clock,
            longest_s=5.0,
            hint=hint or "look in the portal what uses it, then repeat the command",
        )

    def finish(self, at: Api, begun: Begun, what: str, timeout_s: float = OPERATION_S) -> Begun:
        """Waits until an operation is over.

        Raises:
            ProviderError: or one of its kinds: it failed.
            DeadlineExceeded: it did not end.
        """
        latest = begun

        def over() -> Begun | None:
            nonlocal latest
            if latest.state == "pending":
                latest = at.read(api.OPERATION.at(id=begun.id), read_operation)
            return latest if latest.state != "pending" else None

        ended = wait_until(what, over, timeout_s=timeout_s, clock=self.clock, longest_s=5.0)
        if ended.state == "success":
            return ended if ended.about else begun
        raise api.REASONS.get(ended.reason, ProviderError)(
            f"Exoscale's operation failed; waited for {what}.",
            detail=f"operation {ended.id}: {ended.state}, {ended.reason or 'no reason'}: {ended.message}",
            hint="Look in the portal, then try again.",
        )

    def until(self, what: str, probe: Callable[[], T | None], timeout_s: float) -> T:
        """As :func:`state.clock.wait_until`."""
        return wait_until(what, probe, timeout_s=timeout_s, clock=self.clock, longest_s=5.0)


_CITIES: Mapping[str, str] = {
    "at-vie": "Vienna",
    "bg-sof": "Sofia",
    "ch-dk": "Zurich",
    "ch-gva": "Geneva",
    "de-fra": "Frankfurt",
    "de-muc": "Munich",
    "hr-zag": "Zagreb",
}


def _label(zone: str) -> str:
    city = _CITIES.get(zone.rpartition("-")[0])
    return f"{city} ({zone})" if city else zone
