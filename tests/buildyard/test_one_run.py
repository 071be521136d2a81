"""`attach` and `replay` in lines: the run that is named, or the newest; what it said; its exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.autoscaler.codec import decision_data
from fleet.autoscaler.decide import decide
from state.events import Event, Kind
from state.journal import Journal
from state.paths import Home
from state.secret import Redactor
from tests.buildyard.test_cli import buildyard
from tests.fleet.autoscaler_views import NOW, policy, view, web

FIRST, SECOND = "20260131-100000-aaaaaa", "20260131-110000-bbbbbb"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A deployment with a run that failed and one that was done."""
    paths = Home(tmp_path / "home").deployment("shop").create()
    paths.answers.write_text("deployment: {name: shop}\n")
    for run_id, ok in ((FIRST, False), (SECOND, True)):
        data = {"ok": ok, "changed": 3, "unchanged": 40, "failed": int(not ok), "seconds": 12.5}
        with Journal(paths.runs / run_id, Redactor()) as journal:
            journal.emit(Event(Kind.RUN_STARTED, f"Building shop, {run_id}", data={"command": "build"}))
            journal.emit(Event(Kind.RUN_FINISHED, "Done." if ok else "Failed.", data=data))
    return tmp_path / "home"


@pytest.mark.parametrize("command", ["attach", "replay"])
def test_the_newest_run_is_shown_or_the_one_that_is_named(home: Path, command: str) -> None:
    newest = buildyard(command, "--plain", home=home)
    assert f"Building shop, {SECOND}" in newest.stdout
    assert newest.returncode == 0, newest.stderr
    named = buildyard(command, "20260131-10", "--plain", home=home)
    assert f"Building shop, {FIRST}" in named.stdout
    told = json.loads(buildyard(command, FIRST, "--json", home=home).stdout.splitlines()[-1])
    assert (told["ok"], told["changed"], told["run"]) == (False, 3, FIRST)


@pytest.mark.parametrize(("command", "code"), [("attach", 1), ("replay", 0)])
def test_who_attaches_gets_the_runs_exit_code_and_who_replays_does_not(home: Path, command: str, code: int) -> None:
    assert buildyard(command, FIRST, "--plain", home=home).returncode == code


@pytest.mark.parametrize("command", ["attach", "replay"])
def test_a_run_that_is_not_there_is_refused_with_those_that_are(home: Path, command: str) -> None:
    refused = buildyard(command, "2027", "--plain", home=home)
    assert refused.returncode == 2
    assert "shop has no run named 2027." in refused.stderr
    assert SECOND in refused.stderr


def test_a_replay_decides_again_what_the_autoscaler_decided(home: Path) -> None:
    journal = Home(home).deployment("shop").runs / SECOND / "journal.jsonl"
    shown, rules = view(web("ws-1", "..RRR"), web("ws-2")), policy(target=3)
    decided = decide(shown, rules, NOW)

    def keep(decisions: object) -> None:
        line = {"at": NOW, "kind": "decision", "data": decision_data(shown, rules, NOW, decisions)}  # type: ignore[arg-type]
        with journal.open("a") as file:
            file.write(json.dumps(line) + "\n")

    keep(decided)
    same = buildyard("replay", SECOND, "--expect-same", home=home)
    assert (same.returncode, same.stderr) == (0, "")
    assert "1 decisions, 0 of them" in same.stdout
    keep(replace(decided, wanted=1))
    told = buildyard("replay", SECOND, "--expect-same", "--json", home=home)
    assert told.returncode == 1
    assert json.loads(told.stdout)["different"] == [{"line": 4, "at": NOW, "problem": ""}]
    assert "comes out otherwise" in buildyard("replay", SECOND, "--expect-same", home=home).stdout
