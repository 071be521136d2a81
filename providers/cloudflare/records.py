"""Cloudflare's DNS: one record a value, under whole names, some of them proxied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers import record_values
from providers.cloudflare import api
from providers.contract import RecordSet
from providers.http import Api
from state.errors import NotFound, UsageError

#: The TTL that means "the vendor's own"; a proxied record has no other.
AUTOMATIC_TTL = 1
#: Only these lead through the edge (developers.cloudflare.com/dns/proxy-status).
PROXIABLE = frozenset({"A", "AAAA", "CNAME"})

#: Types whose value stands in fields, in the order of zone files; the last field takes the rest.
_DATA: Mapping[str, tuple[str, ...]] = {
    "CAA": ("flags", "tag", "value"),
    "SRV": ("priority", "weight", "port", "target"),
}
_NUMBERS = frozenset({"flags", "priority", "weight", "port"})
#: Types of which a name has one record: changed in place, since a second one would be refused.
_SINGLE = frozenset({"CNAME"})


def canonical(type_: str, value: str) -> str:
    """The one spelling of a value; texts are bare."""
    return _bare(value) if type_ == "TXT" else record_values.canonical(type_, value)


def record_value(body: Mapping[str, Any]) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_ = body["type"]
    data = body.get("data") or {}
    if type_ in _DATA and data:
        return canonical(type_, " ".join(str(data[name]) for name in _DATA[type_]))
    content = str(body["content"])
    return canonical(type_, f"{body.get('priority', 0)} {content}" if type_ == "MX" else content)


def record_body(name: str, type_: str, value: str, ttl_s: int, proxied: bool) -> dict[str, Any]:
    """The record that is sent for a value; ``name`` is the whole one."""
    value = canonical(type_, value)
    body: dict[str, Any] = {"type": type_, "name": name, "ttl": AUTOMATIC_TTL if proxied else ttl_s}
    if type_ in PROXIABLE:
        body["proxied"] = proxied
    fields = _DATA.get(type_) or (("priority", "content") if type_ == "MX" else ("content",))
    parts = value.split(" ", len(fields) - 1)
    if len(parts) != len(fields):
        raise UsageError(f"A value of a {type_} record has {len(fields)} parts: {value!r}.")
    try:
        read = {field: int(text) if field in _NUMBERS else text for field, text in zip(fields, parts, strict=True)}
    except ValueError as error:
        raise UsageError(f"A value of a {type_} record begins with numbers: {value!r}.") from error
    if type_ == "TXT":
        # as the API wants it since 2024: developers.cloudflare.com/dns/manage-dns-records/reference
        read["content"] = record_values.quoted(value)
    return body | ({"data": read} if type_ in _DATA else read)


def _bare(content: str) -> str:
    """The text of a TXT record: the API gives its quoted strings, or what somebody once sent without quotes."""
    if not content.startswith('"'):
        return content
    return "".join(re.sub(r"\\(.)", r"\1", part) for part in record_values.strings(content))


@dataclass(frozen=True, slots=True)
class _Record:
    id: str
    name: str
    type: str
    value: str
    ttl_s: int
    proxied: bool


class Records:
    """The zones that a token sees: sets of records over the API's single ones.

    Args:
        vendor: the client.
    """

    def __init__(self, vendor: Api) -> None:
        self._api = vendor
        self._ids: dict[str, str] = {}

    def zones(self) -> tuple[str, ...]:
        """The names of all zones."""
        return tuple(self._api.listed(api.ZONES, lambda body: str(body["name"])))

    def zone_id(self, zone: str) -> str:
        """
        Raises:
            NotFound: the token sees no such zone.
        """
        if zone not in self._ids:
            found = self._find(zone)
            if found is None:
                raise NotFound(
                    f"Cloudflare has no zone {zone}, or the token does not see it.",
                    hint="Add the site in Cloudflare's control panel, or let the token into that zone.",
                )
            self._ids[zone] = found
        return self._ids[zone]

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone unless it is there; that needs Zone: Edit for an account, which a narrow token has not."""
        if self._find(zone) is None:
            self._ids[zone] = self._api.create(
                api.CREATE_ZONE,
                body={"name": zone, "account": {"id": self._account_id()}, "type": "full"},
                find=lambda: self._find(zone),
                reader=lambda body: str(body[api.RESULT]["id"]),
                looked=True,
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

    def proxied_sets(self, zone: str) -> frozenset[tuple[str, str]]:
        """(name, type) of those of which a record is proxied: then all of them are treated so."""
        return frozenset((record.name, record.type) for record in self._listed(zone, {}) if record.proxied)

    def put(self, zone: str, wanted: RecordSet, proxied: bool | None = None) -> None:
        """Makes the set exactly this: what is new is added before what is old goes; TTL and way change in place."""
        if proxied and wanted.type not in PROXIABLE:
            raise UsageError(
                f"A {wanted.type} record cannot lead through Cloudflare.",
                hint=f"Only {', '.join(sorted(PROXIABLE))} records can.",
            )
        standing = self._of(zone, wanted.name, wanted.type)
        through = any(record.proxied for record in standing) if proxied is None else proxied
        ttl_s = AUTOMATIC_TTL if through else wanted.ttl_s
        values = list(dict.fromkeys(canonical(wanted.type, value) for value in wanted.values))
        if wanted.type in _SINGLE and standing and values:
            kept = {self._change(zone, standing[0], values[0], ttl_s, through)}
        else:
            kept = {self._keep(zone, wanted, value, ttl_s, through, standing) for value in values}
        for record in standing:
            if record.id not in kept:
                self._api.delete(api.DELETE_RECORD.at(zone=self.zone_id(zone), id=record.id))

    def _keep(
        self, zone: str, wanted: RecordSet, value: str, ttl_s: int, proxied: bool, standing: list[_Record]
    ) -> str:
        """The id of the record with that value, made where there is none."""
        for record in standing:
            if record.value == value:
                return self._change(zone, record, value, ttl_s, proxied)

        def find() -> str | None:
            # Only called when an answer was lost, or somebody made it meanwhile.
            fresh = self._of(zone, wanted.name, wanted.type)
            return next((record.id for record in fresh if record.value == value), None)

        return self._api.create(
            api.CREATE_RECORD.at(zone=self.zone_id(zone)),
            body=record_body(_whole(wanted.name, zone), wanted.type, value, ttl_s, proxied),
            find=find,
            reader=lambda body: str(body[api.RESULT]["id"]),
            looked=True,
        )

    def _change(self, zone: str, record: _Record, value: str, ttl_s: int, proxied: bool) -> str:
        if (record.value, record.ttl_s, record.proxied) != (value, ttl_s, proxied):
            body = record_body(_whole(record.name, zone), record.type, value, ttl_s, proxied)
            self._api.call(api.PATCH_RECORD.at(zone=self.zone_id(zone), id=record.id), body=body)
        return record.id

    def _of(self, zone: str, name: str, type_: str) -> list[_Record]:
        # By type only: how a name is filtered has changed since the description was written.
        return [record for record in self._listed(zone, {"type": type_}) if record.name == name]

    def _listed(self, zone: str, query: Mapping[str, str]) -> list[_Record]:
        def read(body: Mapping[str, Any]) -> _Record:
            return _Record(
                id=str(body["id"]),
                name=_relative(str(body["name"]).lower(), zone),
                type=body["type"],
                value=record_value(body),
                ttl_s=int(body["ttl"]),
                proxied=bool(body.get("proxied")),
            )

        return self._api.listed(api.RECORDS.at(zone=self.zone_id(zone)), read, query=query)

    def _find(self, zone: str) -> str | None:
        found = self._api.listed(api.ZONES, lambda body: (str(body["name"]), str(body["id"])), query={"name": zone})
        return next((id_ for name, id_ in found if name == zone), None)

    def _account_id(self) -> str:
        found = self._api.listed(api.ACCOUNTS, lambda body: str(body["id"]))
        if len(found) != 1:
            raise NotFound(
                "The token does not say for which account a zone is to be made.",
                detail=f"It sees {len(found)} accounts.",
                hint="Add the site in Cloudflare's control panel, then try again.",
            )
        return found[0]


def _whole(name: str, zone: str) -> str:
    return zone if name == "@" else f"{name}.{zone}"


def _relative(name: str, zone: str) -> str:
    return "@" if name == zone else name.removesuffix(f".{zone}")
