"""Sets of DNS records at a vendor that knows single ones: what is added, what changes in place, what goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from providers.contract import RecordSet
from providers.record_values import canonical

#: Types of which a name has one record: changed in place, since a second one would be refused.
_SINGLE = frozenset({"CNAME", "ALIAS"})


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a vendor has it: ``name`` is ``@`` at the apex, ``value`` the canonical one."""

    id: str
    name: str
    type: str
    value: str
    ttl_s: int


class SingleRecords(Protocol):
    """One zone of a vendor whose API has a record for each value."""

    def listed(self, type_: str, /) -> list[Record]:
        """At least those of that type; all for ""."""

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        """What is sent to make that record.

        Raises:
            UsageError: the vendor has no such record.
        """

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        """Makes a record; ``find`` gives the id of one that was made though its answer was lost."""

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        """Changes a record in place to what ``body`` would make anew."""

    def remove(self, record: Record) -> None:
        """Removes a record; one that is gone already is no error."""


def sets(records: Iterable[Record]) -> tuple[RecordSet, ...]:
    """The sets of those records, by name and type; the TTL of a set is its shortest."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.name, record.type), []).append(record)
    return tuple(
        RecordSet(name, type_, tuple(sorted({each.value for each in together})), min(each.ttl_s for each in together))
        for (name, type_), together in sorted(found.items())
    )


def put(zone: SingleRecords, wanted: RecordSet) -> None:
    """Makes the set exactly this: what is new is added before what is old goes; a TTL changes in place.

    Raises:
        UsageError: a value that the vendor cannot have; nothing was changed.
    """
    standing = _of(zone, wanted)
    values = dict.fromkeys(canonical(wanted.type, value) for value in wanted.values)
    kept: dict[str, Record | None]
    if wanted.type in _SINGLE and standing and values:
        kept = {next(iter(values)): standing[0]}
    else:
        by_value = {record.value: record for record in reversed(standing)}
        kept = {value: by_value.get(value) for value in values}
    bodies = {
        value: zone.body(wanted.name, wanted.type, value, wanted.ttl_s)
        for value, record in kept.items()
        if record is None or (record.value, record.ttl_s) != (value, wanted.ttl_s)
    }
    for value, body in bodies.items():
        record = kept[value]
        if record is not None:
            zone.change(record, body)
        else:
            zone.make(body, _finder(zone, wanted, value, standing))
    ids = {record.id for record in kept.values() if record is not None}
    for record in standing:
        if record.id not in ids:
            zone.remove(record)


def _finder(zone: SingleRecords, wanted: RecordSet, value: str, standing: list[Record]) -> Callable[[], str | None]:
    """Looks for a record of that value that was not there before."""
    known = {record.id for record in standing}

    def find() -> str | None:
        fresh = (record for record in _of(zone, wanted) if record.value == value and record.id not in known)
        return next((record.id for record in fresh), None)

    return find


def _of(zone: SingleRecords, wanted: RecordSet) -> list[Record]:
    found = zone.listed(wanted.type)
    return [record for record in found if (record.name, record.type) == (wanted.name, wanted.type)]
