"""A journal folded into how the run stands. Knows no screen and no file: events in, a value out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.names import SHORT
from fleet.planned import PLAN_KEY, PlannedAction, planned_from
from fleet.standing import ActionView, MachineView, Phase, Problem, Snapshot, State, StepView, Waiting
from state.errors import Stopped
from state.events import Event, Kind

#: As many lines as a large pane shows.
KEPT_LINES = 60
FAILURE_LINES = 20
_CLOUD = ""
_ROLES = {short: role.value for role, short in SHORT.items()}


@dataclass
class _Act:
    """An action on its way."""

    planned: PlannedAction
    state: State = State.TODO
    started_at: float = 0.0
    ended_at: float = 0.0
    seconds: float = 0.0
    changed: int = 0
    unchanged: int = 0
    steps: list[StepView] = field(default_factory=list)
    problem: Problem | None = None
    seen: ActionView | None = None  # what it looked like; None when something happened since

    def view(self) -> ActionView:
        if self.seen is None:
            kind, _, rest = self.planned.id.partition(":")
            self.seen = ActionView(
                id=self.planned.id,
                label=self.planned.label,
                target=self.planned.target,
                recipe=rest.partition(":")[2] if kind == "recipe" else "",
                reason=self.planned.reason,
                state=self.state,
                started_at=self.started_at,
                seconds=self.seconds,
                changed=self.changed,
                unchanged=self.unchanged,
                steps=tuple(self.steps),
                steps_known=self.planned.steps,
                problem=self.problem,
            )
        return self.seen


class Progress:
    """Folds the events of one run, in their order; not for several threads at once."""

    def __init__(self) -> None:
        self._phase = Phase.RUNNING
        self._command = ""
        self._started_at: float | None = None
        self._last_at: float | None = None
        self._ended_at: float | None = None
        self._planned_at: float | None = None
        self._planned = False
        self._creates = False
        self._note = ""
        self._words = ""
        self._problem: Problem | None = None
        self._exit_code: int | None = None
        self._acts: dict[str, _Act] = {}
        self._places: dict[str, list[_Act]] = {_CLOUD: []}
        self._lines: dict[str, deque[str]] = {}

    def apply(self, event: Event) -> None:
        """Takes one event into account; one it does not understand changes nothing."""
        if self._started_at is None:
            self._started_at = event.at
        self._last_at = event.at
        match event.kind:
            case Kind.OUTPUT:
                self._line(event)
            case Kind.STEP_STARTED | Kind.STEP_FINISHED:
                self._step(event)
            case Kind.ACTION_STARTED:
                self._begin(event)
            case Kind.ACTION_FINISHED:
                self._finish(event)
            case Kind.NOTE:
                self._take_note(event)
            case Kind.ACTION_WAITING:
                self._note = event.text
            case Kind.PROBLEM:
                self._problem = _problem(event)
            case Kind.RUN_STARTED:
                self._command = str(event.data.get("command", ""))
            case Kind.RUN_FINISHED:
                self._end(event)

    def cut_off(self, why: Problem | None = None) -> None:
        """The journal ends here although the run did not say that it does."""
        if self._phase is Phase.RUNNING:
            self._phase, self._ended_at, self._exit_code = Phase.INTERRUPTED, self._last_at, 1
            self._problem = self._problem or why
            self._stop_all()

    @property
    def last_at(self) -> float | None:
        """When something happened last."""
        return self._last_at

    def snapshot(self) -> Snapshot:
        """How the run stands now. Cheap: only what changed is made anew."""
        waits = self._waits() if self._phase is Phase.RUNNING else {}
        views = {place: self._machine(place, acts, waits) for place, acts in self._places.items()}
        return Snapshot(
            phase=self._phase,
            command=self._command,
            kind=f"first {self._command}" if self._creates else self._command,
            started_at=self._started_at,
            ended_at=self._ended_at,
            cloud=views.pop(_CLOUD),
            machines=tuple(views.values()),
            planned=self._planned,
            note=self._note,
            problem=self._problem,
            words=self._words,
            exit_code=self._exit_code,
        )

    # events -----------------------------------------------------------------------------------------------------

    def _take_note(self, event: Event) -> None:
        plan = planned_from(event.data.get(PLAN_KEY))
        if plan:
            self._planned, self._planned_at = True, event.at
            for planned in plan:
                self._add(planned)
        if event.machine:
            self._line(event)
        else:
            self._note = event.text

    def _add(self, planned: PlannedAction) -> _Act:
        act = self._acts.get(planned.id)
        if act is None:
            act = self._acts[planned.id] = _Act(planned)
            self._places.setdefault(planned.machine or _CLOUD, []).append(act)
        if planned.id.startswith("machine:") and planned.change in ("create", "replace"):
            self._creates = True
        return act

    def _act_of(self, event: Event) -> _Act | None:
        if event.action is not None:
            found = self._acts.get(event.action)
            if found is not None:
                return found
        if event.machine and event.recipe:
            return self._acts.get(f"recipe:{event.machine}:{event.recipe}")
        return None

    def _begin(self, event: Event) -> None:
        if event.action is None:
            return
        change, reason = str(event.data.get("change", "")), str(event.data.get("reason", ""))
        act = self._add(PlannedAction(event.action, event.text, event.machine, change, reason))
        if not act.planned.change:  # an old journal's plan has ids only
            act.planned = replace(act.planned, target=event.text, change=change, reason=reason)
        act.state, act.started_at, act.seen = State.DOING, event.at, None

    def _finish(self, event: Event) -> None:
        act = self._act_of(event)
        if act is None:
            return
        data = event.data
        act.ended_at, act.seen = event.at, None
        act.seconds = _number(data.get("seconds")) or max(0.0, event.at - (act.started_at or event.at))
        act.changed, act.unchanged = int(_number(data.get("changed"))), int(_number(data.get("unchanged")))
        if data.get("ok"):
            act.state = State.DONE
            return
        act.state = State.STOPPED if data.get("stopped") else State.FAILED
        lines = tuple(self._lines.get(event.machine or _CLOUD, ()))[-FAILURE_LINES:]
        act.problem = replace(_problem(event), lines=lines)

    def _step(self, event: Event) -> None:
        act, label = self._act_of(event), event.step or event.text
        if act is None:
            return
        act.seen = None
        if event.kind is Kind.STEP_STARTED:
            act.steps.append(StepView(label, event.at))
            return
        seconds = _number(event.data.get("ms")) / 1000
        ended = StepView(
            label, event.at - seconds, str(event.data.get("status", "")), seconds, str(event.data.get("diff", ""))
        )
        if act.steps and act.steps[-1].label == label and not act.steps[-1].status:
            act.steps[-1] = ended
        else:
            act.steps.append(ended)

    def _line(self, event: Event) -> None:
        place = event.machine or _CLOUD
        lines = self._lines.get(place)
        if lines is None:
            lines = self._lines[place] = deque(maxlen=KEPT_LINES)
        lines.append(event.text)

    def _end(self, event: Event) -> None:
        ok = bool(event.data.get("ok"))
        code = int(_number(event.data.get("exit_code", 0 if ok else 1)))
        self._phase = Phase.DONE if ok else Phase.STOPPED if code == Stopped.exit_code else Phase.FAILED
        self._exit_code, self._ended_at, self._words = code, event.at, event.text
        self._stop_all()

    def _stop_all(self) -> None:
        """What had not ended when the run did was stopped."""
        for act in self._acts.values():
            if act.state is State.DOING:
                act.state, act.seen = State.STOPPED, None

    # views ------------------------------------------------------------------------------------------------------

    def _machine(self, place: str, acts: list[_Act], waits: Mapping[str, Waiting]) -> MachineView:
        actions = tuple(
            replace(act.view(), state=State.WAITING, waiting=waits[act.planned.id])
            if act.planned.id in waits
            else act.view()
            for act in acts
        )
        state = _together([action.state for action in actions], ended=self._phase is not Phase.RUNNING)
        role = _ROLES.get(place.rpartition("-")[0], "")
        seconds = sum(act.seconds for act in acts) if state is State.DONE else 0.0
        return MachineView(place, role, state, actions, tuple(self._lines.get(place, ())), seconds)

    def _waits(self) -> dict[str, Waiting]:
        """For each place that has nothing else to do: its next action and what that waits for."""
        found: dict[str, Waiting] = {}
        for place, acts in self._places.items():
            if any(act.state is State.DOING for act in acts):
                continue
            act = next((act for act in acts if act.state is State.TODO), None)
            if act is None:
                continue
            missing = [
                other
                for each in act.planned.waits_for
                if (other := self._acts.get(each)) is not None and other.state is not State.DONE
            ]
            elsewhere = [other for other in missing if (other.planned.machine or _CLOUD) != place]
            if elsewhere and len(elsewhere) == len(missing):
                found[act.planned.id] = self._waiting(elsewhere, self._idle_since(acts))
        return found

    def _idle_since(self, acts: list[_Act]) -> float:
        last = max((act.ended_at for act in acts), default=0.0)
        return last or self._planned_at or self._started_at or 0.0

    def _waiting(self, missing: list[_Act], since: float) -> Waiting:
        broken = next((act for act in missing if self._is_broken(act)), None)
        if broken is not None:
            return Waiting(broken.planned.machine, broken.planned.label, since, failed=True)
        # The one that runs longest; where none runs yet, the one whose turn comes after what runs longest.
        chosen, longest = missing[0], None
        for act in missing:
            running = self._longest(act)
            if running is not None and (longest is None or running.started_at < longest.started_at):
                chosen, longest = act, running
        now = "" if longest is None or longest is chosen else longest.planned.label
        return Waiting(chosen.planned.machine, chosen.planned.label, since, now)

    def _longest(self, act: _Act) -> _Act | None:
        """Of what must end before this one has: the action that runs longest."""
        running = [each for each in self._before(act) if each.state is State.DOING]
        return min(running, key=lambda each: each.started_at, default=None)

    def _is_broken(self, act: _Act) -> bool:
        return any(each.state in (State.FAILED, State.STOPPED) for each in self._before(act))

    def _before(self, act: _Act) -> list[_Act]:
        """The action and all it waits for that is not done."""
        seen: dict[str, _Act] = {}
        left = [act]
        while left:
            each = left.pop()
            if each.planned.id not in seen and each.state is not State.DONE:
                seen[each.planned.id] = each
                left += [self._acts[other] for other in each.planned.waits_for if other in self._acts]
        return list(seen.values())


def _together(states: list[State], *, ended: bool) -> State:
    """How a machine stands, from how its actions do."""
    for state in (State.FAILED, State.DOING, State.WAITING, State.STOPPED):
        if state in states:
            return state
    if states and all(state is State.DONE for state in states):
        return State.DONE
    # Between two actions a machine is at work, not idle.
    return State.DOING if State.DONE in states and not ended else State.TODO


def _problem(event: Event) -> Problem:
    data = event.data
    return Problem(str(data.get("summary") or event.text), str(data.get("detail") or ""), str(data.get("hint") or ""))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
