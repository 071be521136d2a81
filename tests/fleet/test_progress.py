"""A journal folded into how the run stands: what is done, what waits for what, how long it will take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.expected import expected
from fleet.graph import Action, Change
from fleet.planned import PLAN_KEY, PlannedAction, plan_data, planned_from
from fleet.progress import Progress
from fleet.standing import MachineView, Phase, Snapshot, State, Waiting
from state.events import Event, Kind
from state.journal import Journal
from state.secret import Redactor

PLAN = (
    Action("network", Change.CREATE, "private network", "machines talk over it"),
    Action("machine:db-1", Change.CREATE, "machine db-1", "it is missing", ("network",), "db-1"),
    Action("recipe:db-1:base", Change.CREATE, "base on db-1", "new", ("machine:db-1",), "db-1"),
    Action("recipe:db-1:database", Change.CREATE, "database on db-1", "new", ("recipe:db-1:base",), "db-1"),
    Action("machine:ws-1", Change.CREATE, "machine ws-1", "it is missing", ("network",), "ws-1"),
    Action(
        "recipe:ws-1:wordpress",
        Change.CREATE,
        "wordpress on ws-1",
        "new",
        ("machine:ws-1", "recipe:db-1:database"),
        "ws-1",
    ),
    Action("dns", Change.CHANGE, "DNS", "points there", ("recipe:ws-1:wordpress", "recipe:db-1:database")),
)
MACHINES = {action.id: action.machine for action in PLAN}


def began(at: float = 100.0) -> Event:
    return Event(Kind.RUN_STARTED, "build shop", data={"command": "build"}, at=at)


def plan(at: float = 101.0, **steps: int) -> Event:
    return Event(Kind.NOTE, "the plan", data={PLAN_KEY: plan_data(PLAN, {"recipe:db-1:database": 4})}, at=at)


def starts(action: str, at: float) -> Event:
    return Event(Kind.ACTION_STARTED, action, MACHINES.get(action), action, data={"change": "create"}, at=at)


def ends(action: str, at: float, **data: Any) -> Event:
    data = {"ok": True, "seconds": 5.0, "changed": 2, "unchanged": 1} | data
    return Event(Kind.ACTION_FINISHED, data.get("summary", action), MACHINES.get(action), action, data=data, at=at)


def step(kind: Kind, label: str, at: float, **data: Any) -> Event:
    return Event(kind, label, "db-1", "recipe:db-1:database", "database", label, data=data, at=at)


def over(at: float, **data: Any) -> Event:
    return Event(Kind.RUN_FINISHED, "Done.", data={"ok": True, "exit_code": 0} | data, at=at)


def fold(*events: Event) -> Snapshot:
    progress = Progress()
    for event in events:
        progress.apply(event)
    return progress.snapshot()


def place(snapshot: Snapshot, name: str) -> MachineView:
    return next(view for view in snapshot.everywhere if view.name == name)


def states(snapshot: Snapshot, name: str) -> list[State]:
    return [action.state for action in place(snapshot, name).actions]


BOTH_MACHINES = (
    began(),
    plan(),
    starts("network", 102),
    ends("network", 103),
    starts("machine:db-1", 103),
    starts("machine:ws-1", 103),
    ends("machine:db-1", 110),
    ends("machine:ws-1", 112),
)


def test_the_plan_is_known_before_anything_happens() -> None:
    snapshot = fold(began(), plan())
    assert (snapshot.done, snapshot.total, snapshot.planned) == (0, 7, True)
    assert [(view.name, view.role) for view in snapshot.machines] == [("db-1", "database"), ("ws-1", "webserver")]
    assert [action.label for action in place(snapshot, "db-1").actions] == ["machine", "base", "database"]


def test_before_the_plan_the_last_note_is_all_there_is() -> None:
    snapshot = fold(began(), Event(Kind.NOTE, "the cloud starts", at=101))
    assert (snapshot.note, snapshot.total, snapshot.planned) == ("the cloud starts", 0, False)


def test_an_action_that_needs_another_machine_waits_and_says_for_what_and_how_long() -> None:
    snapshot = fold(*BOTH_MACHINES, starts("recipe:db-1:base", 113), ends("recipe:db-1:base", 120))
    snapshot = fold(
        *BOTH_MACHINES,
        starts("recipe:db-1:base", 113),
        ends("recipe:db-1:base", 120),
        starts("recipe:db-1:database", 120),
    )
    assert states(snapshot, "ws-1") == [State.DONE, State.WAITING]
    assert place(snapshot, "ws-1").state is State.WAITING
    found = snapshot.longest_wait
    assert found is not None
    view, action, waiting = found
    assert (view.name, action.label) == ("ws-1", "wordpress")
    assert waiting == Waiting("db-1", "database", since=112)


def test_a_wait_for_what_has_not_begun_says_what_runs_there_now() -> None:
    snapshot = fold(*BOTH_MACHINES, starts("recipe:db-1:base", 113))
    action = place(snapshot, "ws-1").waiting
    assert action is not None
    assert action.waiting == Waiting("db-1", "database", since=112, now="base")


def test_of_several_the_one_that_runs_longest_is_waited_for() -> None:
    actions = [
        Action("recipe:db-1:a", Change.CREATE, "a", "", (), "db-1"),
        Action("recipe:ws-2:b", Change.CREATE, "b", "", (), "ws-2"),
        Action("recipe:ws-1:c", Change.CREATE, "c", "", ("recipe:db-1:a", "recipe:ws-2:b"), "ws-1"),
    ]
    note = Event(Kind.NOTE, "plan", data={PLAN_KEY: plan_data(actions, {})}, at=1)
    late = Event(Kind.ACTION_STARTED, "a", "db-1", "recipe:db-1:a", at=9)
    early = Event(Kind.ACTION_STARTED, "b", "ws-2", "recipe:ws-2:b", at=5)
    action = place(fold(note, late, early), "ws-1").waiting
    assert action is not None
    assert action.waiting == Waiting("ws-2", "b", since=1)


def test_what_waits_for_a_failure_is_told_that_it_will_not_begin() -> None:
    snapshot = fold(
        *BOTH_MACHINES, starts("recipe:db-1:base", 113), ends("recipe:db-1:base", 120, ok=False, summary="no disk")
    )
    action = place(snapshot, "ws-1").waiting
    assert action is not None
    assert action.waiting is not None
    assert action.waiting.failed


def test_steps_are_counted_and_the_one_that_runs_is_known_with_its_beginning() -> None:
    snapshot = fold(
        *BOTH_MACHINES,
        starts("recipe:db-1:database", 120),
        step(Kind.STEP_STARTED, "packages", 121),
        step(Kind.STEP_FINISHED, "packages", 125, status="changed", ms=4000),
        step(Kind.STEP_STARTED, "users", 126),
    )
    doing = place(snapshot, "db-1").doing
    assert doing is not None
    assert doing.step is not None
    assert (doing.step.label, doing.step.started_at, doing.steps_known) == ("users", 126, 4)
    assert [(each.label, each.status, each.seconds) for each in doing.steps] == [
        ("packages", "changed", 4.0),
        ("users", "", 0.0),
    ]
    assert doing.fraction == pytest.approx(0.25)
    assert snapshot.fraction == pytest.approx((3 + 0.25) / 7)


def test_a_failure_keeps_its_step_its_reason_and_the_last_twenty_lines() -> None:
    lines = [Event(Kind.OUTPUT, f"line {number}", "db-1", at=121) for number in range(30)]
    snapshot = fold(
        *BOTH_MACHINES,
        starts("recipe:db-1:database", 120),
        *lines,
        step(Kind.STEP_FINISHED, "users", 126, status="failed", ms=10),
        ends("recipe:db-1:database", 126, ok=False, summary="users failed", detail="why", hint="what next"),
    )
    found = snapshot.failure
    assert found is not None
    view, action = found
    assert (view.name, action.state, action.step.label if action.step else "") == ("db-1", State.FAILED, "users")
    problem = action.problem
    assert problem is not None
    assert (problem.summary, problem.detail, problem.hint) == ("users failed", "why", "what next")
    assert problem.lines == tuple(f"line {number}" for number in range(10, 30))


@pytest.mark.parametrize(
    ("data", "phase", "code"),
    [
        ({}, Phase.DONE, 0),
        ({"ok": False, "exit_code": 1}, Phase.FAILED, 1),
        ({"ok": False, "exit_code": 130}, Phase.STOPPED, 130),
    ],
)
def test_how_the_run_ended(data: dict[str, Any], phase: Phase, code: int) -> None:
    snapshot = fold(*BOTH_MACHINES, starts("recipe:db-1:base", 113), over(150, **data))
    assert (snapshot.phase, snapshot.exit_code, snapshot.elapsed_s(now=999)) == (phase, code, 50)
    assert State.STOPPED in states(snapshot, "db-1")
    assert State.WAITING not in states(snapshot, "ws-1")


def test_a_run_that_was_cut_off_stands_still_at_its_last_word() -> None:
    progress = Progress()
    for event in (*BOTH_MACHINES, starts("recipe:db-1:base", 113)):
        progress.apply(event)
    progress.cut_off()
    snapshot = progress.snapshot()
    assert (snapshot.phase, snapshot.exit_code, snapshot.elapsed_s(now=999)) == (Phase.INTERRUPTED, 1, 13)
    assert states(snapshot, "db-1")[1] is State.STOPPED


def test_a_run_that_the_user_stopped_does_not_look_failed() -> None:
    snapshot = fold(
        *BOTH_MACHINES, starts("recipe:db-1:base", 113), ends("recipe:db-1:base", 120, ok=False, stopped=True)
    )
    assert states(snapshot, "db-1")[1] is State.STOPPED
    assert snapshot.failure is None


def test_a_journal_of_an_older_version_has_ids_only() -> None:
    note = Event(Kind.NOTE, "plan", data={PLAN_KEY: ["network", "machine:db-1", "recipe:db-1:base"]}, at=1)
    snapshot = fold(note, starts("recipe:db-1:base", 2))
    assert (snapshot.total, [view.name for view in snapshot.machines]) == (3, ["db-1"])
    assert [action.label for action in snapshot.machines[0].actions] == ["machine", "base"]


def test_a_plan_survives_the_journal(tmp_path: Path) -> None:
    read = planned_from(plan_data(PLAN, {"recipe:db-1:database": 4}))
    assert read[3] == PlannedAction(
        "recipe:db-1:database", "database on db-1", "db-1", "create", "new", ("recipe:db-1:base",), 4
    )
    assert planned_from([{"no": "id"}, 7, None]) == ()
    assert planned_from("nonsense") == ()


def test_events_of_nothing_known_change_nothing() -> None:
    snapshot = fold(began(), ends("recipe:db-1:nothing", 5), step(Kind.STEP_STARTED, "users", 6))
    assert (snapshot.total, snapshot.done) == (0, 0)


def write_run(folder: Path, seconds: float, *, first: bool, ok: bool = True) -> Path:
    change = Change.CREATE if first else Change.CHECK
    actions = [Action("machine:db-1", change, "machine db-1", "", (), "db-1")]
    with Journal(folder, Redactor()) as journal:
        journal.emit(began(100))
        journal.emit(Event(Kind.NOTE, "plan", data={PLAN_KEY: plan_data(actions, {})}, at=100))
        journal.emit(step(Kind.STEP_STARTED, "packages", 100))
        journal.emit(step(Kind.STEP_FINISHED, "packages", 100 + seconds / 2, status="changed", ms=1))
        journal.emit(over(100 + seconds, ok=ok, exit_code=int(not ok)))
    return folder


def test_a_run_is_expected_to_take_what_earlier_ones_of_its_kind_took(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / "1", 400, first=True),
        write_run(tmp_path / "2", 500, first=True),
        write_run(tmp_path / "3", 900, first=True, ok=False),
        write_run(tmp_path / "4", 20, first=False),
    ]
    found = expected(folders)
    assert found.run_s == {"first build": 450, "build": 20}
    assert found.of_recipe("first build", "database") == 225
    assert found.of_recipe("build", "database") == 10
    assert found.of_recipe("build", "unheard of") == 0
    assert expected([]).run_s == {}
