"""Two build machines have one deployment: they stay alike, and neither undoes what the other did unheard."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from buildyard.answering import take_answers
from state.fleet_store import FleetStore
from tests.buildyard.sticks import Stick, adopt, key_of


def test_two_sticks_that_both_live_take_over_what_the_other_made(
    stick: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Stick(tmp_path / "second", stick.ground)
    assert adopt(other, key_of(stick, capsys)) == 0
    one = other.program.open(other.shop, lambda _event: None, may_ask=False)
    old = one.record.load()
    assert old is not None
    one.access.provider.delete_bucket_key(old.store_keys["webserver"])
    assert other.build().data["changed"] == 1, "a new key for the webservers"
    assert stick.build().data["changed"] == 0
    assert stick.secrets() == other.secrets()
    there, here = (FleetStore(each.shop.fleet_record).load() for each in (other, stick))
    assert there is not None
    assert here is not None
    assert here.store_keys == there.store_keys


def test_answers_given_elsewhere_are_told_once_before_they_are_undone(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Stick(tmp_path / "second", producer.ground)
    assert adopt(other, key_of(producer, capsys)) == 0
    other.answer(access__operators=["auto", "198.51.100.7"])
    assert other.build().data["ok"]
    told = producer.build()
    assert (told.data["ok"], told.data["changed"]) == (False, 0)
    assert "shop was built by other answers since" in producer.said()
    assert "They differ in: access.operators" in producer.said()
    theirs = producer.shop.answers_elsewhere
    assert f"build --answers {theirs}" in producer.said()
    take_answers(producer.program, argparse.Namespace(answers=str(theirs), deployment=None))
    assert (producer.build().data["ok"], producer.build().data["changed"]) == (True, 0)


def test_repeated_it_goes_by_the_answers_here(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Stick(tmp_path / "second", producer.ground)
    assert adopt(other, key_of(producer, capsys)) == 0
    other.answer(access__operators=["auto", "198.51.100.7"])
    assert other.build().data["ok"]
    assert not producer.build().data["ok"]
    assert producer.build().data["ok"]
    assert not other.build().data["ok"], "now it is the other one's to hear of it"
