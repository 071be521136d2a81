"""Vultr's DNS: one record a value, the apex without a name, texts in quotes, priorities in a field of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers import record_sets
from providers.contract import RecordSet
from providers.http import Api
from providers.record_sets import Record
from providers.record_values import caa_parts, canonical
from providers.vultr import api
from state.errors import UsageError

#: Types whose first number is a field of its own.
_PRIORITY = frozenset({"MX", "SRV"})


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
        parts = caa_parts(value)
        if parts is None:
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
        """All sets of a zone, by name and type."""
        return record_sets.sets(_Zone(self.api, zone).listed(""))

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this; see :func:`providers.record_sets.put`."""
        record_sets.put(_Zone(self.api, zone), wanted)


@dataclass(frozen=True, slots=True)
class _Zone:
    """See :class:`providers.record_sets.SingleRecords`."""

    api: Api
    name: str

    def listed(self, _type: str) -> list[Record]:
        def read(body: Mapping[str, Any]) -> Record:
            ttl_s = int(body.get("ttl") or 0)
            return Record(str(body["id"]), body.get("name") or "@", body["type"], record_value(body), ttl_s)

        return self.api.listed(api.RECORDS.at(zone=self.name), read)

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        return {"name": "" if name == "@" else name, "type": type_, **record_body(type_, value, ttl_s)}

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        self.api.create(
            api.CREATE_RECORD.at(zone=self.name),
            body=body,
            find=find,
            reader=lambda answer: str(answer["record"]["id"]),
            looked=True,
        )

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        # Name and type do not change.
        changed = {field: part for field, part in body.items() if field not in ("name", "type")}
        self.api.call(api.PATCH_RECORD.at(zone=self.name, id=record.id), body=changed)

    def remove(self, record: Record) -> None:
        self.api.delete(api.DELETE_RECORD.at(zone=self.name, id=record.id))
