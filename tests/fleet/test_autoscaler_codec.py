"""What the journal and the bucket keep of the autoscaler comes back as it was, or is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.codec import (
    as_data,
    decision_data,
    from_data,
    policy_as_json,
    policy_from_json,
    redecide,
)
from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Decisions
from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy, policy_problem
from fleet.autoscaler.schedule import parse_window
from fleet.autoscaler.view import View
from state.errors import StateError
from state.journal import Journal
from state.secret import Redactor
from tests.fleet.autoscaler_views import NOW, load, policy, view, web

RICH = policy(
    time_zone="Europe/Berlin",
    windows=(parse_window("22:30-06:00 Fri,Sat = 5"),),
    load_rules=(LoadRule(Metric.CPU_PERCENT, 61.5),),
    price_cap_per_month=Decimal("99.90"),
    protected=frozenset({"ws-2", "ws-1"}),
    replacing=(Asked("ws-1", NOW - 5.5),),
    drained=(Asked("ws-2", NOW),),
)
SHOWN = view(web("ws-1", "..RRR", load=load(33.3)), web("ws-2"), recommended_before=((NOW - 15, 3),))


def test_everything_comes_back_as_it_was() -> None:
    assert policy_from_json(policy_as_json(RICH)) == RICH
    decisions = decide(SHOWN, RICH, NOW)
    assert decisions.acts
    for kind, value in ((View, SHOWN), (ScalingPolicy, RICH), (Decisions, decisions)):
        kept = json.loads(json.dumps(as_data(value)))  # type: ignore[arg-type]
        assert from_data(kind, kept) == value  # type: ignore[type-var]


def test_a_newer_one_is_refused() -> None:
    with pytest.raises(StateError, match="newer Buildyard"):
        from_data(ScalingPolicy, {**as_data(RICH), "version": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"version": True},
        {"minimum": "2"},
        {"minimum": True},
        {"target": 2.5},
        {"drain_s": float("nan")},
        {"price_cap_per_month": "much"},
        {"load_rules": [{"metric": "mood", "target": 1.0}]},
        {"load_rules": "none"},
        {"windows": [{"days": [0]}]},
        {"drained": ["ws-1"]},
        {"replacing": [{"machine": "ws-1", "asked_at": None}]},
        {"colour": "red"},
    ],
)
def test_what_is_something_else_is_refused_and_not_bent(change: dict[str, Any]) -> None:
    with pytest.raises(StateError, match="damaged"):
        from_data(ScalingPolicy, {**as_data(RICH), **change})


def test_what_an_older_one_did_not_write_has_its_default() -> None:
    old = as_data(RICH)
    for name in ("never_well_proof_s", "replacing", "drained"):
        del old[name]
    assert from_data(ScalingPolicy, old) == replace(RICH, replacing=(), drained=())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"version": 1}', b"\xff"])
def test_a_damaged_policy_is_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="damaged"):
        policy_from_json(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"minimum": 3}, "The target is 2: choose 3 to 8"),
        ({"minimum": 9}, "no minimum above the maximum"),
        ({"maximum": 29}, "choose 1 to 28"),
        ({"load_rules": (LoadRule(Metric.CPU_PERCENT, 0.0),)}, "target above 0"),
        ({"largest_step_in": 0}, "The largest steps are 1 machine or more"),
        ({"drain_s": -1.0}, "drain_s is -1.0"),
        ({"price_cap_per_month": Decimal(-1)}, "price cap"),
    ],
)
def test_a_policy_nobody_can_scale_by_is_told_and_refused(change: dict[str, Any], says: str) -> None:
    wrong = replace(policy(), **change)
    assert says in policy_problem(wrong)
    with pytest.raises(StateError):
        policy_from_json(policy_as_json(wrong))
    assert policy_problem(policy()) == ""


def lines(*decisions: Decisions) -> list[bytes]:
    return [
        json.dumps({"kind": "decision", "at": NOW, "data": decision_data(SHOWN, RICH, NOW, one)}).encode()
        for one in decisions
    ]


def test_a_journal_is_decided_again() -> None:
    same = decide(SHOWN, RICH, NOW)
    other = replace(same, wanted=7)
    journal = [b'{"kind":"note","at":1,"text":"x"}', *lines(same), b'{"kind":"deci', *lines(other)]
    count, differences = redecide(journal)
    assert count == 2
    ((difference),) = differences
    assert (difference.line, difference.was, difference.is_now, difference.problem) == (4, other, same, "")


def test_what_cannot_be_read_again_is_a_difference() -> None:
    newer = json.loads(lines(decide(SHOWN, RICH, NOW))[0])
    newer["data"]["view"]["version"] = 9
    _, differences = redecide([json.dumps(newer).encode(), b'{"kind":"decision"}'])
    assert "newer Buildyard" in differences[0].problem
    assert "damaged" in differences[1].problem


def test_it_survives_how_the_journal_writes(tmp_path: Path) -> None:
    """Lists and names as the journal's own cleaning leaves them."""
    with Journal(tmp_path, Redactor()) as journal:
        cleaned = journal._clean(decision_data(SHOWN, RICH, NOW, decide(SHOWN, RICH, NOW)))
    assert redecide([json.dumps({"kind": "decision", "data": cleaned}).encode()]) == (1, [])
