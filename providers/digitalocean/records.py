"""DigitalOcean's DNS: one record a value, with numbers in fields of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers import record_sets
from providers.contract import RecordSet
from providers.digitalocean import api
from providers.http import Api
from providers.record_sets import Record
from providers.record_values import HOSTS, canonical
from state.errors import UsageError

#: Types whose data the API wants with a final dot and gives without.
_DOTTED = HOSTS | {"CAA"}

#: Fields that stand before the data in the value of a type, in the order of zone files.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "MX": ("priority",),
    "SRV": ("priority", "weight", "port"),
    "CAA": ("flags", "tag"),
}

#: Types whose description demands fields that mean nothing for them; null is what the vendor's own examples send.
_EMPTY: Mapping[str, tuple[str, ...]] = dict.fromkeys(("TXT", "NS", "SRV"), ("flags", "tag"))


def record_value(body: Mapping[str, Any], zone: str) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_ = body["type"]
    data = body.get("data") or ""
    if type_ in _DOTTED and data == "@":
        data = zone
    parts = [str(body.get(name) if body.get(name) is not None else 0) for name in _FIELDS.get(type_, ())]
    return canonical(type_, " ".join([*parts, data]))


def record_body(name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
    """The record that is sent for a value."""
    fields = _FIELDS.get(type_, ())
    parts = canonical(type_, value).split(" ", len(fields)) if fields else [canonical(type_, value)]
    if len(parts) != len(fields) + 1:
        raise UsageError(f"A value of a {type_} record has {len(fields) + 1} parts: {value!r}.")
    body: dict[str, Any] = {"type": type_, "name": name, "data": parts[-1], "ttl": ttl_s}
    body |= dict.fromkeys(_EMPTY.get(type_, ()))
    for field, text in zip(fields, parts, strict=False):
        body[field] = text if field == "tag" else int(text)
    # A CAA's data may also be an address to write to, or ";" for "nobody".
    if type_ in _DOTTED and body.get("tag") != "iodef" and parts[-1] != ";":
        body["data"] = f"{parts[-1]}."
    return body


@dataclass(frozen=True, slots=True)
class Records:
    """The zones of an account: sets of records over the API's single ones."""

    api: Api

    def zones(self) -> tuple[str, ...]:
        """The names of all zones."""
        return tuple(self.api.listed(api.ZONES, lambda body: str(body["name"])))

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone unless it is there."""
        self.api.create(
            api.CREATE_ZONE,
            body={"name": zone},
            find=lambda: zone if zone in self.zones() else None,
            reader=lambda body: str(body["domain"]["name"]),
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

    def listed(self, type_: str) -> list[Record]:
        def read(body: Mapping[str, Any]) -> Record:
            value = record_value(body, self.name)
            return Record(str(body["id"]), body["name"], body["type"], value, int(body.get("ttl") or 0))

        return self.api.listed(api.RECORDS.at(zone=self.name), read, query={"type": type_} if type_ else {})

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        return record_body(name, type_, value, ttl_s)

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        self.api.create(
            api.CREATE_RECORD.at(zone=self.name),
            body=body,
            find=find,
            reader=lambda answer: str(answer["domain_record"]["id"]),
            looked=True,
        )

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        self.api.call(api.PATCH_RECORD.at(zone=self.name, id=record.id), body=body)

    def remove(self, record: Record) -> None:
        self.api.delete(api.DELETE_RECORD.at(zone=self.name, id=record.id))
