"""Exoscale's DNS: one record a value, with the priority in a field of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from providers.contract import RecordSet
from providers.exoscale import api
from providers.exoscale.zones import Zones
from state.errors import NotFound, UsageError

#: Types whose value ends in a host name; the API gives those with or without a final dot.
_HOSTS = frozenset({"CNAME", "MX", "NS", "SRV", "ALIAS"})

#: Types whose value begins with a priority, which the API has in a field of its own.
_WITH_PRIORITY = frozenset({"MX", "SRV"})

#: Types of which a name has one record: changed in place, since a second one would be refused.
_SINGLE = frozenset({"CNAME", "ALIAS"})

_CAA = re.compile(r'(\d+) (\S+) "?([^"]*)"?')


def canonical(type_: str, value: str) -> str:
    """The one spelling of a value: hosts in lower case without final dot, addresses as RFC 5952 has them, no quotes."""
    if type_ in ("A", "AAAA"):
        try:
            return str(ip_address(value))
        except ValueError:
            return value
    if type_ in _HOSTS:
        return value.lower().removesuffix(".")
    if type_ == "CAA":
        found = _CAA.fullmatch(value)
        return " ".join(found.groups()) if found else value
    if type_ == "TXT" and len(value) > 1 and value[0] == value[-1] == '"':
        # the API gives texts now with quotes, now without
        return value[1:-1]
    return value


def record_value(body: Mapping[str, Any]) -> str:
    """A record's value as one text, such as ``10 mail.example.org`` for an MX."""
    type_, content = str(body["type"]), str(body.get("content") or "")
    if type_ in _WITH_PRIORITY:
        content = f"{int(body.get('priority') or 0)} {content}"
    return canonical(type_, content)


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
        found = _CAA.fullmatch(text)
        if found is None:
            raise UsageError(f"A value of a CAA record has flags, a tag and a value: {value!r}.")
        text = f'{found[1]} {found[2]} "{found[3]}"'
    return {**body, "content": text}


@dataclass(frozen=True, slots=True)
class _Record:
    id: str
    name: str
    type: str
    value: str
    ttl_s: int


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
        """All sets of a domain but the vendor's own, by name and type; the TTL of a set is its shortest."""
        found: dict[tuple[str, str], list[_Record]] = {}
        for record in self._listed(self._id(domain)):
            found.setdefault((record.name, record.type), []).append(record)
        return tuple(
            RecordSet(name, type_, tuple(sorted({r.value for r in records})), min(r.ttl_s for r in records))
            for (name, type_), records in sorted(found.items())
        )

    def put(self, domain: str, wanted: RecordSet) -> None:
        """Makes the set exactly this: what is new is added before what is old goes; a TTL changes in place."""
        domain_id = self._id(domain)
        standing = self._of(domain_id, wanted.name, wanted.type)
        values = list(dict.fromkeys(canonical(wanted.type, value) for value in wanted.values))
        bodies = {value: record_body(wanted.name, wanted.type, value, wanted.ttl_s) for value in values}
        if wanted.type in _SINGLE and standing and values:
            kept = {self._change(domain_id, standing[0], values[0], wanted.ttl_s)}
        else:
            kept = {self._keep(domain_id, wanted, value, bodies[value], standing) for value in values}
        for record in standing:
            if record.id not in kept:
                operation = api.DELETE_RECORD.at(domain=domain_id, id=record.id)
                self.zones.remove(self.zones.home, operation, f"a {record.type} record of {domain}")

    def _keep(
        self, domain_id: str, wanted: RecordSet, value: str, body: Mapping[str, Any], standing: list[_Record]
    ) -> str:
        """The id of the record with that value, made where there is none."""
        for record in standing:
            if record.value == value:
                return self._change(domain_id, record, value, wanted.ttl_s)

        known = {record.id for record in standing}

        def find() -> str | None:
            fresh = self._of(domain_id, wanted.name, wanted.type)
            return next((record.id for record in fresh if record.value == value and record.id not in known), None)

        what = f"a {wanted.type} record of {wanted.name}"
        operation = api.CREATE_RECORD.at(domain=domain_id)
        return self.zones.make(self.zones.home, operation, what, body=body, find=find, looked=True)

    def _change(self, domain_id: str, record: _Record, value: str, ttl_s: int) -> str:
        if (record.value, record.ttl_s) != (value, ttl_s):
            # only what changes: the description lets a change take no priority of 0, a create does
            body: dict[str, Any] = {} if record.ttl_s == ttl_s else {"ttl": ttl_s}
            if record.value != value:
                body["content"] = value
            operation = api.CHANGE_RECORD.at(domain=domain_id, id=record.id)
            self.zones.do(self.zones.home, operation, f"a {record.type} record of {record.name}", body=body)
        return record.id

    def _of(self, domain_id: str, name: str, type_: str) -> list[_Record]:
        return [record for record in self._listed(domain_id) if (record.name, record.type) == (name, type_)]

    def _listed(self, domain_id: str) -> list[_Record]:
        def read(body: Mapping[str, Any]) -> _Record | None:
            if body.get("system-record"):
                return None
            name = str(body.get("name") or "@")
            return _Record(str(body["id"]), name, str(body["type"]), record_value(body), int(body.get("ttl") or 0))

        listed = self.zones.home.listed(api.RECORDS.at(domain=domain_id), read)
        return [record for record in listed if record is not None]

    def _id(self, domain: str) -> str:
        found = self.domains().get(domain)
        if found is None:
            raise NotFound(
                f"Exoscale has no DNS zone {domain} in this organization.",
                hint="make it in the portal under DNS, and let the domain's registrar name Exoscale's name servers",
            )
        return found
