"""Route 53: sets of records, changed whole by one atomic UPSERT."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.aws.calls import LABEL, Aws
from providers.contract import RecordSet
from providers.record_values import HOSTS, caa_parts, canonical, quoted, strings
from state.errors import NotFound, ProviderError, UsageError


def sent(type_: str, value: str) -> str:
    """A value as Route 53 takes it."""
    if type_ == "TXT":
        return quoted(value, _escaped)
    if type_ == "CAA":
        parts = caa_parts(value)
        if parts is None:
            raise UsageError(f"A value of a CAA record has 3 parts: {value!r}.")
        return f"{parts[0]} {parts[1]} {quoted(parts[2], _escaped)}"
    text = canonical(type_, value)
    return f"{text}." if type_ in HOSTS else text


def given(type_: str, value: str) -> str:
    """A value of Route 53's as the contract has it."""
    if type_ == "TXT":
        return "".join(_unescape(piece) for piece in strings(value)) or value.strip('"')
    return canonical(type_, value)


def _escaped(text: str) -> str:
    """Quotes and backslashes are escaped, what is no printable ASCII is written as an octal code."""
    written = [
        f"\\{sign}" if sign in '"\\' else sign if " " <= sign <= "~" else "".join(f"\\{b:03o}" for b in sign.encode())
        for sign in text
    ]
    return "".join(written)


def _unescape(text: str) -> str:
    raw = re.sub(
        rb"\\([0-7]{3}|.)",
        lambda found: bytes([int(found[1], 8)]) if len(found[1]) == 3 else found[1],
        text.encode(),
    )
    return raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Records:
    """The public zones of an account."""

    aws: Aws

    def zones(self) -> tuple[str, ...]:
        """The names of all public zones."""
        zones = self.aws.listed("route53", "list_hosted_zones", "HostedZones")
        public = (zone for zone in zones if not (zone.get("Config") or {}).get("PrivateZone"))
        return tuple(dict.fromkeys(str(zone["Name"]).removesuffix(".") for zone in public))

    def ensure_zone(self, zone: str) -> None:
        """Makes the zone unless it is there."""
        # One reference for all repetitions of this create: Route 53 makes a second zone for another.
        reference = f"buildyard-{zone}-{uuid.uuid4()}"

        def make() -> str:
            answer = self.aws.call(
                "route53", "create_hosted_zone", repeatable=True, Name=zone, CallerReference=reference
            )
            return str(answer["HostedZone"]["Id"])

        self.aws.made(make, lambda: self._find(zone))

    def sets(self, zone: str) -> tuple[RecordSet, ...]:
        """All sets of a zone that hold values; aliases to AWS's own things hold none and are left out."""
        found: dict[tuple[str, str], RecordSet] = {}
        for body in self._listed(self._id(zone)):
            if not body.get("ResourceRecords"):
                continue
            one = _record_set(body, zone)
            other = found.get((one.name, one.type))
            if other is not None:  # sets that differ by weight or place
                values = tuple(sorted({*one.values, *other.values}))
                one = RecordSet(one.name, one.type, values, min(one.ttl_s, other.ttl_s))
            found[one.name, one.type] = one
        return tuple(found[key] for key in sorted(found))

    def put(self, zone: str, wanted: RecordSet) -> None:
        """Makes the set exactly this, in one step; one without values goes."""
        if not wanted.values:
            self.delete(zone, wanted.name, wanted.type)
            return
        values = list(dict.fromkeys(sent(wanted.type, value) for value in wanted.values))
        body = {
            "Name": _full(wanted.name, zone),
            "Type": wanted.type,
            "TTL": wanted.ttl_s,
            "ResourceRecords": [{"Value": value} for value in values],
        }
        self._change(self._id(zone), "UPSERT", body)

    def delete(self, zone: str, name: str, type_: str) -> None:
        """Removes a set; what is gone already is no error."""
        zone_id = self._id(zone)
        for left in (True, False):
            standing = [
                body
                for body in self._listed(zone_id)
                if body["Type"] == type_ and _relative(body["Name"], zone) == name and "SetIdentifier" not in body
            ]
            if not standing:
                return
            try:
                self._change(zone_id, "DELETE", standing[0])
                return
            except ProviderError as refused:
                # A DELETE names the set as it is; one that changed or went meanwhile is looked at again.
                if not left or "InvalidChangeBatch" not in refused.detail:
                    raise

    def _change(self, zone_id: str, action: str, body: Mapping[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": dict(body)}]}
        self.aws.call("route53", "change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)

    def _listed(self, zone_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            answer = self.aws.call("route53", "list_resource_record_sets", HostedZoneId=zone_id, **start)
            found += answer["ResourceRecordSets"]
            if not answer.get("IsTruncated"):
                return found
            following = {
                f"StartRecord{part}": answer[f"NextRecord{part}"]
                for part in ("Name", "Type", "Identifier")
                if answer.get(f"NextRecord{part}")
            }
            if following == start:
                raise ProviderError(f"{LABEL} answers a list whose pages never end (records of {zone_id}).")
            start = following

    def _id(self, zone: str) -> str:
        found = self._find(zone)
        if found is None:
            raise NotFound(f"There is no zone {zone} at Route 53.", hint="make the zone there first")
        return found

    def _find(self, zone: str) -> str | None:
        for body in self.aws.call("route53", "list_hosted_zones_by_name", DNSName=zone)["HostedZones"]:
            private = (body.get("Config") or {}).get("PrivateZone")
            if str(body["Name"]).removesuffix(".") == zone and not private:
                return str(body["Id"]).removeprefix("/hostedzone/")
        return None


def _record_set(body: Mapping[str, Any], zone: str) -> RecordSet:
    values = {given(body["Type"], each["Value"]) for each in body["ResourceRecords"]}
    return RecordSet(_relative(body["Name"], zone), body["Type"], tuple(sorted(values)), int(body.get("TTL") or 0))


def _full(name: str, zone: str) -> str:
    return f"{zone}." if name == "@" else f"{name}.{zone}."


def _relative(full: str, zone: str) -> str:
    # Route 53 writes what is no letter, digit, hyphen or underscore as an octal code: * is \052.
    name = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), full).removesuffix(".")
    return "@" if name == zone else name.removesuffix(f".{zone}")
