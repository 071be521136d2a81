"""Vultr's DNS: one record a value, the apex without a name, texts in quotes, priorities in a field of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from providers.contract import RecordSet
from providers.http import Api
from providers.vultr import api
from state.errors import UsageError

#: Types whose value ends in a host name; the API has those without the final dot.
_HOSTS = frozenset({"CNAME", "MX", "NS", "SRV"})
#: Types whose first number is a field of its own.
_PRIORITY = frozenset({"MX", "SRV"})
#: Types of which a name has one record: changed in place, since a second one would be refused.
_SINGLE = frozenset({"CNAME"})


def canonical(type_: str, value: str) -> str:
    """The one spelling of a value: hosts in lower case without final dot, addresses as RFC 5952 has them."""
    if type_ in ("A", "AAAA"):
        try:
            return str(ip_address(value))
        except ValueError:
            return value
    if type_ in _HOSTS:
        return value.lower().removesuffix(".")
    if type_ == "CAA":
        flags, tag, *rest = value.split(" ", 2)
        return f"{flags} {tag} {rest[0].strip(chr(34)).removesuffix('.')}" if rest else value
    return value


def record_value(body: Mapping[str, Any]) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_, data = body["type"], body.get("data") or ""
    if type_ == "TXT":
        return str(data[1:-1] if len(data) > 1 and data[0] == data[-1] == '"' else data)
    return canonical(type_, f"{body.get('priority') or 0} {data}" if type_ in _PRIORITY else data)


def record_body(type_: str, value: str, ttl_s: int) -> dict[str, Any]:
    """What is sent for a value, without name and type.

    Raises:
        UsageError: the value cannot be a record of that type there.
    """
    value = canonical(type_, value)
    body: dict[str, Any] = {"data": value, "ttl": ttl_s}
    if type_ in _PRIORITY:
        priority, _, data = value.partition(" ")
        if not priority.isdecimal() or not data:
            raise UsageError(f"A value of a {type_} record begins with its priority: {value!r}.")
        body |= {"priority": int(priority), "data": data}
    elif type_ == "CAA":
        parts = value.split(" ", 2)
        if len(parts) != 3:
            raise UsageError(f"A value of a CAA record has three parts: {value!r}.")
        body["data"] = f'{parts[0]} {parts[1]} "{parts[2]}"'
    elif type_ == "TXT":
        # The API wants texts quoted and knows no quote inside of one
        # (github.com/StackExchange/dnscontrol, providers/vultr).
        if '"' in value:
            raise UsageError(f"A text at Vultr has no quotation marks: {value!r}.")
        body["data"] = f'"{value}"'
    return body


@dataclass(frozen=True, slots=True)
class _Record:
    id: str
    name: str
    type: str
    value: str
    ttl_s: int


def _read(body: Mapping[str, Any]) -> _Record:
    return _Record(
        str(body["id"]), body.get("name") or "@", body["type"], record_value(body), int(body.get("ttl") or 0)
    )


@dataclass(frozen=True, slots=True)
class Records:
    """The zones of an account: sets of records over the API's single ones."""

    api: Api

    def zones(self) -> tuple[str, ...]:
        """The names of all zones."""
        return tuple(self.api.listed(api.ZONES, lambda body: str(body["domain"])))

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone, without records of ours, unless it is there."""
        self.api.create(
            api.CREATE_ZONE,
            body={"domain": zone},
            find=lambda: zone if zone in self.zones() else None,
            reader=lambda body: str(body["domain"]["domain"]),
        )

    def sets(self, zone: str) -> tuple[RecordSet, ...]:
        """All sets of a zone, by name and type; the TTL of a set is its shortest."""
        found: dict[tuple[str, str], list[_Record]] = {}
        for record in self._listed(zone):
            found.setdefault((record.name, record.type), []).append(record)
        return tuple(
            RecordSet(name, type_, tuple(sorted({r.value for r in records})), min(r.ttl_s for r in records))
            for (name, type_), records in sorted(found.items())
        )

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this: what is new is added before what is old goes; a TTL changes in place."""
        bodies = {
            canonical(wanted.type, value): record_body(wanted.type, value, wanted.ttl_s) for value in wanted.values
        }
        standing = self._of(zone, wanted.name, wanted.type)
        if wanted.type in _SINGLE and standing and bodies:
            value = next(iter(bodies))
            kept = {self._change(zone, standing[0], value, bodies[value])}
        else:
            kept = {self._keep(zone, wanted, value, body, standing) for value, body in bodies.items()}
        for record in standing:
            if record.id not in kept:
                self.api.delete(api.DELETE_RECORD.at(zone=zone, id=record.id))

    def _keep(self, zone: str, wanted: RecordSet, value: str, body: Mapping[str, Any], standing: list[_Record]) -> str:
        """The id of the record with that value, made where there is none."""
        for record in standing:
            if record.value == value:
                return self._change(zone, record, value, body)
        known = {record.id for record in standing}

        def find() -> str | None:
            # Only called when an answer was lost; before, the standing records were just read.
            fresh = self._of(zone, wanted.name, wanted.type)
            return next((record.id for record in fresh if record.value == value and record.id not in known), None)

        return self.api.create(
            api.CREATE_RECORD.at(zone=zone),
            body={"name": "" if wanted.name == "@" else wanted.name, "type": wanted.type, **body},
            find=find,
            reader=lambda answer: str(answer["record"]["id"]),
            looked=True,
        )

    def _change(self, zone: str, record: _Record, value: str, body: Mapping[str, Any]) -> str:
        if (record.value, record.ttl_s) != (value, body["ttl"]):
            self.api.call(api.PATCH_RECORD.at(zone=zone, id=record.id), body=body)
        return record.id

    def _of(self, zone: str, name: str, type_: str) -> list[_Record]:
        return [record for record in self._listed(zone) if (record.name, record.type) == (name, type_)]

    def _listed(self, zone: str) -> list[_Record]:
        return self.api.listed(api.RECORDS.at(zone=zone), _read)
