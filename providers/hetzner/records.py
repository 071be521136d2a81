"""Hetzner's DNS: whole sets of records, each value as it stands in a zone file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.contract import RecordSet
from providers.hetzner import api
from providers.hetzner.actions import Actions, action_ids
from providers.http import Api
from providers.operations import Operation
from providers.record_values import HOSTS, caa_parts, canonical, quoted, strings
from state.errors import NotFound, UsageError

#: Seconds, and values in a set: the API description's ``create_rrset_request`` and ``set_records``.
LEAST_TTL_S, MOST_TTL_S, MOST_VALUES = 60, 2**31 - 1, 50


def written(type_: str, value: str) -> str:
    """A value as it is sent.

    Raises:
        UsageError: a CAA record without its three parts.
    """
    value = canonical(type_, value)
    if type_ in HOSTS:
        # Without a final dot the vendor takes it as relative to the zone.
        return f"{value}."
    if type_ == "TXT":
        return quoted(value)
    if type_ == "CAA":
        parts = caa_parts(value)
        if parts is None:
            raise UsageError(f"A value of a CAA record has 3 parts: {value!r}.")
        return f'{parts[0]} {parts[1]} "{parts[2]}"'
    return value


def read_value(type_: str, text: str, zone: str) -> str:
    """A value as the contract has it, from what the vendor answers."""
    if type_ == "TXT":
        found = strings(text)
        return "".join(re.sub(r"\\(.)", r"\1", each) for each in found) if found else text
    if type_ in HOSTS and not text.endswith("."):
        *before, host = text.split(" ")
        text = " ".join([*before, zone if host == "@" else f"{host}.{zone}"])
    return canonical(type_, text)


def _records(type_: str, values: Iterable[str]) -> list[dict[str, str]]:
    return [{"value": value} for value in dict.fromkeys(written(type_, each) for each in values)]


@dataclass(frozen=True, slots=True)
class Records:
    """The zones of a project."""

    api: Api
    actions: Actions

    def zones(self) -> tuple[str, ...]:
        """The names of all zones."""
        return tuple(self.api.listed(api.ZONES, lambda body: str(body["name"])))

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone unless it is there; the vendor takes no subdomain of a domain as a zone."""
        begun = self.api.create(
            api.CREATE_ZONE,
            body={"name": zone, "mode": "primary"},
            find=lambda: () if zone in self.zones() else None,
            reader=action_ids,
        )
        self.actions.finish(begun, f"the zone {zone}")

    def sets(self, zone: str) -> tuple[RecordSet, ...]:
        """All sets of a zone but its SOA, which is the vendor's, by name and type."""
        bodies = self.api.listed(api.RECORD_SETS.at(zone=zone), dict)
        usual_s = self._usual_ttl_s(zone) if any(body["ttl"] is None for body in bodies) else LEAST_TTL_S
        found = (self._read(body, zone, usual_s) for body in bodies if body["type"] != "SOA")
        return tuple(sorted(found, key=lambda one: (one.name, one.type)))

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this, in one step of the vendor's; a TTL it does not take becomes the nearest it takes.

        Raises:
            UsageError: more values than the vendor takes.
        """
        if not wanted.values:
            self.delete(zone, wanted.name, wanted.type)
            return
        records, ttl_s = _records(wanted.type, wanted.values), min(max(wanted.ttl_s, LEAST_TTL_S), MOST_TTL_S)
        if len(records) > MOST_VALUES:
            raise UsageError(
                f"Hetzner takes {MOST_VALUES} values of one name and type; {wanted.name} has {len(records)}."
            )
        standing = self._of(zone, wanted.name, wanted.type)
        if standing is None:
            begun = self.api.create(
                api.CREATE_RECORD_SET.at(zone=zone),
                body={"name": wanted.name, "type": wanted.type, "ttl": ttl_s, "records": records},
                find=lambda: () if self._of(zone, wanted.name, wanted.type) else None,
                reader=action_ids,
                looked=True,
            )
            self.actions.finish(begun, f"the {wanted.type} record of {wanted.name}")
            if begun:
                return
            # Its answer was lost or somebody else was first: it is brought to what is wanted.
            standing = {"records": [], "ttl": None}
        if {each["value"] for each in standing["records"]} != {each["value"] for each in records}:
            self._change(zone, wanted, api.SET_RECORDS, {"records": records})
        if standing["ttl"] != ttl_s:
            self._change(zone, wanted, api.CHANGE_TTL, {"ttl": ttl_s})

    def delete(self, zone: str, name: str, type_: str) -> None:
        """Removes a set; one that is gone already is no error."""
        try:
            begun = self.api.read(api.DELETE_RECORD_SET.at(zone=zone, name=name, type=type_), action_ids)
        except NotFound:
            return
        self.actions.finish(begun, f"the end of the {type_} record of {name}")

    def _change(self, zone: str, wanted: RecordSet, operation: Operation, body: Mapping[str, Any]) -> None:
        begun = self.api.read(operation.at(zone=zone, name=wanted.name, type=wanted.type), action_ids, body=body)
        self.actions.finish(begun, f"the {wanted.type} record of {wanted.name} to be changed")

    def _of(self, zone: str, name: str, type_: str) -> dict[str, Any] | None:
        try:
            return self.api.read(
                api.RECORD_SET.at(zone=zone, name=name, type=type_), lambda answer: dict(answer["rrset"])
            )
        except NotFound:
            return None

    def _read(self, body: Mapping[str, Any], zone: str, usual_s: int) -> RecordSet:
        values = sorted(read_value(body["type"], each["value"], zone) for each in body["records"])
        return RecordSet(body["name"], body["type"], tuple(values), usual_s if body["ttl"] is None else body["ttl"])

    def _usual_ttl_s(self, zone: str) -> int:
        return self.api.read(api.ZONE.at(zone=zone), lambda answer: int(answer["zone"]["ttl"]))
