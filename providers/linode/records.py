"""Linode's DNS: one record a value, zones by number, times to live from a fixed list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from providers import record_sets
from providers.contract import RecordSet
from providers.http import Api
from providers.linode import api
from providers.record_sets import Record
from providers.record_values import canonical
from state.errors import NotFound, UsageError

#: Seconds a record may live. The API makes the next longer one of any other, silently: ``ttl_sec`` of a domain in its
#: description; that of a record forgets 30 and 120, which the vendor's Terraform provider names for both.
TIMES_TO_LIVE_S = (
    30,
    120,
    300,
    3600,
    7200,
    14400,
    28800,
    57600,
    86400,
    172800,
    345600,
    604800,
    1209600,
    2419200,
)

#: Types that we write.
_WRITTEN = frozenset({"A", "AAAA", "CNAME", "TXT", "MX", "NS", "CAA"})


def time_to_live_s(wanted_s: int) -> int:
    """The longest that the API takes and that is not longer than wanted: nobody shall remember longer than asked."""
    return max((each for each in TIMES_TO_LIVE_S if each <= wanted_s), default=TIMES_TO_LIVE_S[0])


def record_value(body: Mapping[str, Any]) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_, target = body["type"], body.get("target") or ""
    if type_ == "MX":
        target = f"{body.get('priority') or 0} {target}"
    elif type_ == "SRV":
        target = f"{body.get('priority') or 0} {body.get('weight') or 0} {body.get('port') or 0} {target}"
    elif type_ == "CAA":
        # The API has no field for the flags; they are 0.
        target = f"0 {body.get('tag')} {target}"
    return canonical(type_, target)


def record_body(name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
    """The record that is sent for a value.

    Raises:
        UsageError: Linode has no such record, or the value is none of that type.
    """
    if type_ not in _WRITTEN:
        raise UsageError(f"Buildyard writes no {type_} records at Linode.", hint="make it in the Cloud Manager")
    body: dict[str, Any] = {"type": type_, "name": "" if name == "@" else name, "ttl_sec": ttl_s}
    text = canonical(type_, value)
    if type_ == "MX":
        priority, _, target = text.partition(" ")
        if not priority.isdecimal() or not target:
            raise UsageError(f"A value of an MX record is a number and a host: {value!r}.")
        return {**body, "priority": int(priority), "target": target}
    if type_ == "CAA":
        flags, tag, target = (*text.split(" ", 2), "", "")[:3]
        if flags != "0" or not target:
            raise UsageError(f"A CAA record at Linode is 0, a tag and a value: {value!r}.")
        return {**body, "tag": tag, "target": target}
    return {**body, "target": text}


@dataclass(frozen=True, slots=True)
class Records:
    """The zones of an account: sets of records over the API's single ones."""

    api: Api

    def zones(self) -> tuple[str, ...]:
        """The names of all zones whose records are written here."""
        return tuple(self._zones())

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone unless it is there."""
        # RFC 2142, chapter 7, names the mailbox.
        body = {"domain": zone, "type": "master", "soa_email": f"hostmaster@{zone}"}
        self.api.create(
            api.CREATE_ZONE,
            body=body,
            find=lambda: self._zones().get(zone),
            reader=lambda answer: str(answer["id"]),
        )

    def sets(self, zone: str) -> tuple[RecordSet, ...]:
        """All sets of a zone, by name and type."""
        return record_sets.sets(self._zone(zone).listed(""))

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set this, with the TTL of :func:`time_to_live_s`; see :func:`providers.record_sets.put`."""
        record_sets.put(self._zone(zone), replace(wanted, ttl_s=time_to_live_s(wanted.ttl_s)))

    def _zones(self) -> dict[str, str]:
        # A "slave" is a copy of somebody else's name server.
        listed = self.api.listed(api.ZONES, dict)
        return {str(body["domain"]): str(body["id"]) for body in listed if body["type"] == "master"}

    def _zone(self, zone: str) -> _Zone:
        found = self._zones().get(zone)
        if found is None:
            raise NotFound(f"Linode has no zone {zone}.", hint="make it there, or let Buildyard make it: build")
        return _Zone(self.api, found)


@dataclass(frozen=True, slots=True)
class _Zone:
    """See :class:`providers.record_sets.SingleRecords`."""

    api: Api
    id: str

    def listed(self, _type: str) -> list[Record]:
        def read(body: Mapping[str, Any]) -> Record:
            ttl_s = int(body.get("ttl_sec") or 0)
            return Record(str(body["id"]), body.get("name") or "@", body["type"], record_value(body), ttl_s)

        return self.api.listed(api.RECORDS.at(zone=self.id), read)

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        return record_body(name, type_, value, ttl_s)

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        self.api.create(
            api.CREATE_RECORD.at(zone=self.id),
            body=body,
            find=find,
            reader=lambda answer: str(answer["id"]),
            looked=True,
        )

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        # What a record is does not change.
        changed = {name: part for name, part in body.items() if name != "type"}
        self.api.call(api.PUT_RECORD.at(zone=self.id, id=record.id), body=changed)

    def remove(self, record: Record) -> None:
        self.api.delete(api.DELETE_RECORD.at(zone=self.id, id=record.id))
