"""Exoscale's DNS: one record a value, with the priority in a field of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from providers import record_sets
from providers.contract import RecordSet
from providers.exoscale import api
from providers.exoscale.zones import Zones
from providers.record_sets import Record
from providers.record_values import caa_parts, canonical
from state.errors import NotFound, UsageError

#: Types whose value begins with a priority, which the API has in a field of its own.
_WITH_PRIORITY = frozenset({"MX", "SRV"})


def _bare(text: str) -> str:
    """A text without quotes around it: the API gives texts now with them, now without."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def record_value(body: Mapping[str, Any]) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_, content = str(body["type"]), str(body.get("content") or "")
    if type_ in _WITH_PRIORITY:
        content = f"{int(body.get('priority') or 0)} {content}"
    return _bare(content) if type_ == "TXT" else canonical(type_, content)


def record_body(name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
    """The record that is sent for a value.

    Raises:
        UsageError: the value or the TTL is none.
    """
    if ttl_s < 1:
        raise UsageError(f"A record at Exoscale is kept for a second at least, not for {ttl_s}.")
    body: dict[str, Any] = {"name": "" if name == "@" else name, "type": type_, "ttl": ttl_s}
    text = canonical(type_, value)
    if type_ in _WITH_PRIORITY:
        priority, _, text = text.partition(" ")
        if not priority.isdecimal() or not text:
            raise UsageError(f"A value of a {type_} record begins with a priority: {value!r}.")
        body["priority"] = int(priority)
    if type_ == "CAA":
        parts = caa_parts(text)
        if parts is None:
            raise UsageError(f"A value of a CAA record has flags, a tag and a value: {value!r}.")
        text = f'{parts[0]} {parts[1]} "{parts[2]}"'
    return {**body, "content": text}


@dataclass(frozen=True, slots=True)
class Records:
    """The domains of an organization: sets of records over the API's single ones."""

    zones: Zones

    def domains(self) -> dict[str, str]:
        """The vendor's ids of all domains, by name."""
        listed = self.zones.home.listed(api.DOMAINS, lambda body: (str(body["unicode-name"]), str(body["id"])))
        return dict(listed)

    def ensure(self, domain: str) -> None:
        """Makes the domain unless it is there."""
        self.zones.make(
            self.zones.home,
            api.CREATE_DOMAIN,
            f"the zone {domain}",
            body={"unicode-name": domain},
            find=lambda: self.domains().get(domain),
        )

    def sets(self, domain: str) -> tuple[RecordSet, ...]:
        """All sets of a domain but the vendor's own, by name and type."""
        return record_sets.sets(self._domain(domain).listed(""))

    def put(self, domain: str, wanted: RecordSet) -> None:
        """Makes the set exactly this; see :func:`providers.record_sets.put`."""
        if wanted.type == "TXT":
            wanted = replace(wanted, values=tuple(map(_bare, wanted.values)))
        record_sets.put(self._domain(domain), wanted)

    def _domain(self, domain: str) -> _Domain:
        found = self.domains().get(domain)
        if found is None:
            raise NotFound(
                f"Exoscale has no DNS zone {domain} in this organization.",
                hint="make it in the portal under DNS, and let the domain's registrar name Exoscale's name servers",
            )
        return _Domain(self.zones, domain, found)


@dataclass(frozen=True, slots=True)
class _Domain:
    """See :class:`providers.record_sets.SingleRecords`."""

    zones: Zones
    name: str
    id: str

    def listed(self, _type: str) -> list[Record]:
        def read(body: Mapping[str, Any]) -> Record | None:
            if body.get("system-record"):
                return None
            name = str(body.get("name") or "@")
            return Record(str(body["id"]), name, str(body["type"]), record_value(body), int(body.get("ttl") or 0))

        listed = self.zones.home.listed(api.RECORDS.at(domain=self.id), read)
        return [record for record in listed if record is not None]

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        return record_body(name, type_, value, ttl_s)

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        what = f"a {body['type']} record of {body['name'] or '@'}"
        operation = api.CREATE_RECORD.at(domain=self.id)
        self.zones.make(self.zones.home, operation, what, body=body, find=find, looked=True)

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        # only what changes: the description lets a change take no priority of 0, a create does
        changed = {} if record.ttl_s == body["ttl"] else {"ttl": body["ttl"]}
        if record.value != record_value(body):
            changed["content"] = body["content"]
        operation = api.CHANGE_RECORD.at(domain=self.id, id=record.id)
        self.zones.do(self.zones.home, operation, f"a {record.type} record of {record.name}", body=changed)

    def remove(self, record: Record) -> None:
        operation = api.DELETE_RECORD.at(domain=self.id, id=record.id)
        self.zones.remove(self.zones.home, operation, f"a {record.type} record of {self.name}")
