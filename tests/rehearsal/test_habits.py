"""Other vendors' habits: said on the command line, kept, and met by who asks the API."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rehearsal import habits
from rehearsal.__main__ import main
from rehearsal.habits import Habits
from state.errors import StateError, UsageError
from tests.rehearsal.api_in_process import Api, eventually
from tests.rehearsal.described import Described


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["none"], Habits()),
        (["no-snapshots", "consistent-after=5"], Habits(snapshots=False, consistent_after_s=5)),
        (["refuse-every=3", "no-private-filtering"], Habits(refuse_every=3, private_filtering=False)),
        (["fail-every=2"], Habits(fail_every=2)),
        (["requests-per-hour=10", "no-managed-databases"], Habits(requests_per_hour=10, managed_databases=False)),
    ],
)
def test_what_is_said_is_kept(tmp_path: Path, words: list[str], expected: Habits) -> None:
    file = tmp_path / "habits.json"
    assert habits.read(file) == Habits()
    habits.write(file, habits.parse(words))
    assert habits.read(file) == expected
    file.write_text('{"of another program": 1}')
    with pytest.raises(StateError):
        habits.read(file)


@pytest.mark.parametrize(
    "word", ["no-such", "consistent-after", "consistent-after=soon", "refuse-every=0", "no-snapshots=1"]
)
def test_what_is_no_habit_is_refused_before_anything_is_made(
    tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError):
        habits.parse([word])
    folder = tmp_path / "rehearsal"
    assert main(["up", "--directory", str(folder), "--habit", word]) == UsageError.exit_code
    assert word.partition("=")[0] in capsys.readouterr().err
    assert not folder.exists()


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def api_of(path: Path, described: Described, chosen: Habits, clock: Any = None) -> Api:
    return Api(path, described, chosen, clock)


def test_answers_are_as_old_as_said(tmp_path: Path, described: Described) -> None:
    clock = Hand()
    api = api_of(tmp_path, described, Habits(consistent_after_s=5), clock)
    try:
        api.post("/domains", {"name": "one.example"})
        assert api.get("/domains")["domains"] == []
        api.get("/domains/one.example", 404)
        api.post("/domains", {"name": "one.example"}, 422)  # who writes sees the truth
        clock.sleep(5)
        assert [one["name"] for one in api.get("/domains")["domains"]] == ["one.example"]
        api.delete("/domains/one.example")
        assert [one["name"] for one in api.get("/domains")["domains"]] == ["one.example"]
        clock.sleep(5)
        assert api.get("/domains")["domains"] == []
    finally:
        api.close()


def test_a_change_shows_as_late_as_a_creation(tmp_path: Path, described: Described) -> None:
    clock = Hand()
    api = api_of(tmp_path, described, Habits(consistent_after_s=5), clock)
    try:
        made = api.firewall()
        clock.sleep(5)
        rule = {"protocol": "tcp", "ports": "443", "sources": {"addresses": ["192.0.2.9"]}}
        api.post(f"/firewalls/{made['id']}/rules", {"inbound_rules": [rule]}, 204)
        clock.sleep(2)
        assert len(api.get(f"/firewalls/{made['id']}")["firewall"]["inbound_rules"]) == 1
        clock.sleep(3)
        assert len(api.get(f"/firewalls/{made['id']}")["firewall"]["inbound_rules"]) == 2
    finally:
        api.close()


def test_every_third_request_is_one_too_many(tmp_path: Path, described: Described) -> None:
    api = api_of(tmp_path, described, Habits(refuse_every=3))
    try:
        answers = [api.client.get("/v2/account") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429]
        assert answers[2].headers["retry-after"] == "1"
    finally:
        api.close()


def test_every_second_request_fails_and_does_nothing(tmp_path: Path, described: Described) -> None:
    api = api_of(tmp_path, described, Habits(fail_every=2))
    try:
        asked = [api.client.post("/v2/domains", json={"name": name}) for name in ("one.example", "two.example")]
        assert [answer.status_code for answer in asked] == [201, 500]
        assert asked[1].json()["id"] == "server_error"
        assert [one["name"] for one in api.get("/domains")["domains"]] == ["one.example"]
    finally:
        api.close()


def test_the_private_side_is_nobodys_business(tmp_path: Path, described: Described) -> None:
    api = api_of(tmp_path, described, Habits(private_filtering=False))
    try:
        box = api.droplet()
        api.firewall(droplet_ids=[box["id"]])
        (found,) = api.room.filters[-1]
        assert found.accepts == (("tcp", 1035, 1035, "192.0.2.1/32"),)
        own = {net["ip_address"] for net in box["networks"]["v4"]}
        assert own & {found.addresses.public_ipv4}
        assert found.addresses.private_ipv4 == ""
        body = {"name": "db-1", "engine": "mysql", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
        api.post("/databases", body)
        eventually(lambda: len(api.room.filters[-1]) == 2)
        assert api.room.filters[-1][1].addresses.private_ipv4, "a managed database keeps its trusted sources"
    finally:
        api.close()


def test_all_habits_have_a_name() -> None:
    attributes = {attribute for attribute, _ in habits.NAMES.values()}
    assert attributes == {field.name for field in dataclasses.fields(Habits)}
