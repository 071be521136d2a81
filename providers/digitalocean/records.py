"""DigitalOcean's DNS: one record a value, with numbers in fields of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from providers.contract import RecordSet
from providers.digitalocean import api
from providers.http import Api
from state.errors import UsageError

#: Types whose value ends in a host name; the API wants those with a final dot and gives them without.
_HOSTS = frozenset({"CNAME", "MX", "NS", "SRV", "CAA"})

#: Fields that stand before the data in the value of a type, in the order of zone files.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "MX": ("priority",),
    "SRV": ("priority", "weight", "port"),
    "CAA": ("flags", "tag"),
}

#: Types whose description demands fields that mean nothing for them; null is what the vendor's own examples send.
_EMPTY: Mapping[str, tuple[str, ...]] = dict.fromkeys(("TXT", "NS", "SRV"), ("flags", "tag"))

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
        return (value if type_ == "CAA" else value.lower()).removesuffix(".")
    return value


def record_value(body: Mapping[str, Any], zone: str) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_ = body["type"]
    data = body.get("data") or ""
    if type_ in _HOSTS and data == "@":
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
    if type_ in _HOSTS and body.get("tag") != "iodef" and parts[-1] != ";":
        body["data"] = f"{parts[-1]}."
    return body


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
        """All sets of a zone, by name and type; the TTL of a set is its shortest."""
        found: dict[tuple[str, str], list[_Record]] = {}
        for record in self._listed(zone, {}):
            found.setdefault((record.name, record.type), []).append(record)
        return tuple(
            RecordSet(name, type_, tuple(sorted({r.value for r in records})), min(r.ttl_s for r in records))
            for (name, type_), records in sorted(found.items())
        )

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this: what is new is added before what is old goes; a TTL changes in place."""
        standing = self._of(zone, wanted.name, wanted.type)
        values = list(dict.fromkeys(canonical(wanted.type, value) for value in wanted.values))
        if wanted.type in _SINGLE and standing and values:
            kept = {self._change(zone, standing[0], values[0], wanted.ttl_s)}
        else:
            kept = {self._keep(zone, wanted, value, standing) for value in values}
        for record in standing:
            if record.id not in kept:
                self.delete(zone, record.id)

    def delete(self, zone: str, record_id: str) -> None:
        """Removes one record."""
        self.api.delete(api.DELETE_RECORD.at(zone=zone, id=record_id))

    def _keep(self, zone: str, wanted: RecordSet, value: str, standing: list[_Record]) -> str:
        """The id of the record with that value, made where there is none."""
        for record in standing:
            if record.value == value:
                return self._change(zone, record, value, wanted.ttl_s)

        known = {record.id for record in standing}

        def find() -> str | None:
            # Only called when an answer was lost; before, the standing records were just read.
            fresh = self._of(zone, wanted.name, wanted.type)
            return next((record.id for record in fresh if record.value == value and record.id not in known), None)

        return self.api.create(
            api.CREATE_RECORD.at(zone=zone),
            body=record_body(wanted.name, wanted.type, value, wanted.ttl_s),
            find=find,
            reader=lambda body: str(body["domain_record"]["id"]),
            looked=True,
        )

    def _change(self, zone: str, record: _Record, value: str, ttl_s: int) -> str:
        if (record.value, record.ttl_s) != (value, ttl_s):
            body = record_body(record.name, record.type, value, ttl_s)
            self.api.call(api.PATCH_RECORD.at(zone=zone, id=record.id), body=body)
        return record.id

    def _of(self, zone: str, name: str, type_: str) -> list[_Record]:
        return [record for record in self._listed(zone, {"type": type_}) if record.name == name]

    def _listed(self, zone: str, query: Mapping[str, str]) -> list[_Record]:
        def read(body: Mapping[str, Any]) -> _Record:
            value = record_value(body, zone)
            return _Record(str(body["id"]), body["name"], body["type"], value, int(body.get("ttl") or 0))

        return self.api.listed(api.RECORDS.at(zone=zone), read, query=query)
