"""`allow` beside another run: it waits for the lease a while, says for whom, and undoes nobody's change."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from buildyard.commands import allow
from state.clock import SystemClock
from state.errors import LeaseHeld
from state.fleet_record import FleetRecord
from state.fleet_store import FleetStore
from state.lease import KEY, held
from state.lease_record import parse
from state.objects import LocalObjects
from state.paths import DeploymentPaths

ARGUMENTS = argparse.Namespace(deployment="shop", address="198.51.100.7", yes=True, json=True)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalObjects:
    store = LocalObjects(tmp_path / "store")
    monkeypatch.setattr("fleet.lease_store.lease_store", lambda *_: store)
    monkeypatch.setattr("buildyard.answering.with_operator", lambda *_: None)
    monkeypatch.setattr(allow, "PATIENCE_S", 0.2)
    return store


@pytest.fixture
def program(tmp_path: Path) -> Any:
    paths = DeploymentPaths("shop", tmp_path / "deployments" / "shop").create()
    record = FleetStore(paths.fleet_record)
    record.create(FleetRecord.new("shop"))

    def deployment(*operators: str) -> SimpleNamespace:
        settings = SimpleNamespace(operators=operators)
        return SimpleNamespace(record=record, clock=SystemClock(), operators=operators, settings=settings)

    return SimpleNamespace(
        paths=lambda _name: paths,
        open_built=lambda *_, **__: deployment("192.0.2.1/32"),
        with_operators_of_now=lambda *_: deployment("192.0.2.1/32", "198.51.100.7/32"),
    )


def test_while_a_build_holds_the_lease_nothing_is_changed_and_it_says_who(
    store: LocalObjects, program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fleet.allow.allow", lambda *_: pytest.fail("changed beside a build"))
    with (
        held(store, why="buildyard build", clock=SystemClock(), lost=lambda: None),
        pytest.raises(LeaseHeld, match="is changing this deployment \\(buildyard build\\)") as refused,
    ):
        allow.run(ARGUMENTS, program)
    assert "Waiting up to 0 s" in capsys.readouterr().err
    assert "the firewalls do not yet" in refused.value.detail
    assert refused.value.hint.startswith("buildyard allow again")


def test_it_changes_under_the_lease_what_the_answers_say_by_then(
    store: LocalObjects, program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(deployment: Any, before_each: Any) -> None:
        before_each()
        there = store.get(KEY)
        assert there is not None
        assert not parse(there[0]).released
        assert deployment.operators == ("192.0.2.1/32", "198.51.100.7/32")

    kept: list[tuple[str, ...]] = []

    def keep(copies: Any, _tell: object) -> None:
        there = store.get(KEY)
        assert there is not None
        assert not parse(there[0]).released
        kept.append(copies.deployment.operators)

    monkeypatch.setattr("fleet.allow.allow", change)
    monkeypatch.setattr("buildyard.recovery_copies.RecoveryCopies.keep_answers", keep)
    assert allow.run(ARGUMENTS, program) == 0
    assert json.loads(capsys.readouterr().out)["operators"] == ["192.0.2.1/32", "198.51.100.7/32"]
    assert kept == [("192.0.2.1/32", "198.51.100.7/32")], "so that another stick knows of it"
    there = store.get(KEY)
    assert there is not None
    assert parse(there[0]).released
