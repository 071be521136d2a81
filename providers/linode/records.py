"""Linode's DNS: one record a value, zones by number, times to live from a fixed list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from providers.contract import RecordSet
from providers.http import Api
from providers.linode import api
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

#: Types that we write, of which the value is a host name, and those with one record a name.
_WRITTEN = frozenset({"A", "AAAA", "CNAME", "TXT", "MX", "NS", "CAA"})
_HOSTS = frozenset({"CNAME", "MX", "NS"})
_SINGLE = frozenset({"CNAME"})


def time_to_live_s(wanted_s: int) -> int:
    """The longest that the API takes and that is not longer than wanted: nobody shall remember longer than asked."""
    return max((each for each in TIMES_TO_LIVE_S if each <= wanted_s), default=TIMES_TO_LIVE_S[0])


def canonical(type_: str, value: str) -> str:
    """The one spelling of a value: hosts in lower case without final dot, addresses as RFC 5952 has them."""
    if type_ in ("A", "AAAA"):
        try:
            return str(ip_address(value))
        except ValueError:
            return value
    return value.lower().removesuffix(".") if type_ in _HOSTS else value


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
    body: dict[str, Any] = {"type": type_, "name": "" if name == "@" else name, "ttl_sec": time_to_live_s(ttl_s)}
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
        return {**body, "tag": tag, "target": target.strip('"')}
    return {**body, "target": text}


@dataclass(frozen=True, slots=True)
class _Record:
    id: str
    name: str
    type: str
    value: str
    ttl_s: int


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
        """All sets of a zone, by name and type; the TTL of a set is its shortest."""
        found: dict[tuple[str, str], list[_Record]] = {}
        for record in self._listed(self._zone_id(zone)):
            found.setdefault((record.name, record.type), []).append(record)
        return tuple(
            RecordSet(name, type_, tuple(sorted({r.value for r in records})), min(r.ttl_s for r in records))
            for (name, type_), records in sorted(found.items())
        )

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this: what is new is added before what is old goes; a TTL changes in place."""
        zone_id = self._zone_id(zone)
        standing = self._of(zone_id, wanted)
        values = list(dict.fromkeys(canonical(wanted.type, value) for value in wanted.values))
        if wanted.type in _SINGLE and standing and values:
            kept = {self._change(zone_id, standing[0], values[0], wanted.ttl_s)}
        else:
            kept = {self._keep(zone_id, wanted, value, standing) for value in values}
        for record in standing:
            if record.id not in kept:
                self.api.delete(api.DELETE_RECORD.at(zone=zone_id, id=record.id))

    def _keep(self, zone_id: str, wanted: RecordSet, value: str, standing: list[_Record]) -> str:
        """The id of the record with that value, made where there is none."""
        for record in standing:
            if record.value == value:
                return self._change(zone_id, record, value, wanted.ttl_s)

        known = {record.id for record in standing}

        def find() -> str | None:
            # Only called when an answer was lost; before, the standing records were just read.
            fresh = self._of(zone_id, wanted)
            return next((record.id for record in fresh if record.value == value and record.id not in known), None)

        return self.api.create(
            api.CREATE_RECORD.at(zone=zone_id),
            body=record_body(wanted.name, wanted.type, value, wanted.ttl_s),
            find=find,
            reader=lambda body: str(body["id"]),
            looked=True,
        )

    def _change(self, zone_id: str, record: _Record, value: str, ttl_s: int) -> str:
        if (record.value, record.ttl_s) != (value, time_to_live_s(ttl_s)):
            body = record_body(record.name, record.type, value, ttl_s)
            del body["type"]  # what a record is does not change
            self.api.call(api.PUT_RECORD.at(zone=zone_id, id=record.id), body=body)
        return record.id

    def _of(self, zone_id: str, wanted: RecordSet) -> list[_Record]:
        return [one for one in self._listed(zone_id) if (one.name, one.type) == (wanted.name, wanted.type)]

    def _listed(self, zone_id: str) -> list[_Record]:
        def read(body: Mapping[str, Any]) -> _Record:
            ttl_s = int(body.get("ttl_sec") or 0)
            return _Record(str(body["id"]), body.get("name") or "@", body["type"], record_value(body), ttl_s)

        return self.api.listed(api.RECORDS.at(zone=zone_id), read)

    def _zones(self) -> dict[str, str]:
        # A "slave" is a copy of somebody else's name server.
        listed = self.api.listed(api.ZONES, dict)
        return {str(body["domain"]): str(body["id"]) for body in listed if body["type"] == "master"}

    def _zone_id(self, zone: str) -> str:
        found = self._zones().get(zone)
        if found is None:
            raise NotFound(f"Linode has no zone {zone}.", hint="make it there, or let Buildyard make it: build")
        return found
