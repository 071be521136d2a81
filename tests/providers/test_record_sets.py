"""Sets over single records: who resolves a name meanwhile is never told nothing, and nobody's records go by mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from providers.contract import RecordSet
from providers.record_sets import Record, put, sets
from state.errors import UsageError

OLD = Record("1", "@", "A", "203.0.113.1", 60)
OTHERS = Record("2", "www", "A", "203.0.113.9", 60)


class PaperZone:
    """A zone in memory that writes down what is done to it."""

    def __init__(self, *records: Record) -> None:
        self.records = list(records)
        self.done: list[str] = []
        self.adopted: list[str | None] = []

    def listed(self, _type: str) -> list[Record]:
        return list(self.records)

    def body(self, name: str, type_: str, value: str, ttl_s: int) -> dict[str, Any]:
        if value == "impossible":
            raise UsageError("The vendor has no such record.")
        return {"name": name, "type": type_, "value": value, "ttl_s": ttl_s}

    def make(self, body: Mapping[str, Any], find: Callable[[], str | None]) -> None:
        self.done.append(f"make {body['value']} {body['ttl_s']}")
        self.adopted.append(find())
        self.records.append(Record(f"new-{len(self.records)}", **body))
        self.adopted.append(find())

    def change(self, record: Record, body: Mapping[str, Any]) -> None:
        self.done.append(f"change {record.id} to {body['value']} {body['ttl_s']}")

    def remove(self, record: Record) -> None:
        self.done.append(f"remove {record.id}")


def test_new_values_stand_before_old_ones_go() -> None:
    zone = PaperZone(OLD, OTHERS)
    put(zone, RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 60))
    assert zone.done == ["make 203.0.113.2 60", "make 203.0.113.3 60", "remove 1"]


def test_what_is_right_is_left_alone() -> None:
    zone = PaperZone(OLD, OTHERS)
    put(zone, RecordSet("@", "A", ("203.0.113.1",), 60))
    assert zone.done == []


def test_a_value_spelled_otherwise_is_the_same_and_counts_once() -> None:
    zone = PaperZone(Record("1", "@", "AAAA", "2001:db8::1", 60))
    put(zone, RecordSet("@", "AAAA", ("2001:DB8:0::1", "2001:db8::1"), 60))
    assert zone.done == []


def test_a_time_to_live_changes_in_place() -> None:
    zone = PaperZone(OLD)
    put(zone, RecordSet("@", "A", ("203.0.113.1",), 90))
    assert zone.done == ["change 1 to 203.0.113.1 90"]


@pytest.mark.parametrize("type_", ["CNAME", "ALIAS"])
def test_of_what_a_name_has_one_the_one_is_changed(type_: str) -> None:
    zone = PaperZone(
        Record("1", "www", type_, "old.example.org", 60), Record("2", "www", type_, "older.example.org", 60)
    )
    put(zone, RecordSet("www", type_, ("New.example.org.",), 60))
    assert zone.done == ["change 1 to new.example.org 60", "remove 2"]


def test_records_twice_become_one() -> None:
    zone = PaperZone(OLD, Record("7", "@", "A", "203.0.113.1", 60))
    put(zone, RecordSet("@", "A", ("203.0.113.1",), 60))
    assert zone.done == ["remove 7"]


def test_no_values_remove_the_set_and_nothing_else() -> None:
    zone = PaperZone(OLD, OTHERS, Record("3", "@", "TXT", "one", 60))
    put(zone, RecordSet("@", "A", (), 0))
    assert zone.done == ["remove 1"]


def test_a_value_that_cannot_be_is_refused_before_anything_is_changed() -> None:
    zone = PaperZone(OLD)
    with pytest.raises(UsageError):
        put(zone, RecordSet("@", "A", ("203.0.113.2", "impossible"), 60))
    assert zone.done == []


def test_after_a_lost_answer_only_a_record_that_was_not_there_before_is_ours() -> None:
    zone = PaperZone(Record("1", "@", "TXT", "else", 60), Record("2", "www", "TXT", "wanted", 60))
    put(zone, RecordSet("@", "TXT", ("wanted",), 60))
    assert zone.adopted == [None, "new-2"]


def test_sets_are_by_name_and_type_with_the_shortest_time_to_live() -> None:
    records = [OTHERS, Record("3", "@", "A", "203.0.113.2", 30), OLD, Record("4", "@", "A", "203.0.113.1", 90)]
    assert sets(records) == (
        RecordSet("@", "A", ("203.0.113.1", "203.0.113.2"), 30),
        RecordSet("www", "A", ("203.0.113.9",), 60),
    )
