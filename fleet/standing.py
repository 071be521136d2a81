"""How a run stands, as values: what :class:`fleet.progress.Progress` makes of a journal and views show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How the whole run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by the user
    INTERRUPTED = "interrupted"  # its process died before it could say how it ended


class State(StrEnum):
    """How an action, or all of a machine, stands."""

    TODO = "to do"
    WAITING = "waiting"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong.

    Attributes:
        summary, detail, hint: what, why, what next.
        lines: what the machine printed last.
    """

    summary: str
    detail: str = ""
    hint: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an action waits for.

    Attributes:
        machine: where that happens; None for the cloud.
        label: what must be done there.
        since: when the wait began.
        now: what runs there in the meantime, "" when it is the awaited action itself.
        failed: it ended badly, so the wait will not end in this run.
    """

    machine: str | None
    label: str
    since: float
    now: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a recipe; ``status`` is "" while it runs."""

    label: str
    started_at: float
    status: str = ""
    seconds: float = 0.0
    diff: str = ""


@dataclass(frozen=True, slots=True)
class ActionView:
    """An action.

    Attributes:
        label: its short name beside its machine's.
        target: its whole name.
        recipe: "" when it is none.
        steps: those that began.
        steps_known: how many there are in all, 0 when that is not known.
        seconds: how long it took; 0 while it runs.
    """

    id: str
    label: str
    target: str
    recipe: str
    reason: str
    state: State
    started_at: float = 0.0
    seconds: float = 0.0
    changed: int = 0
    unchanged: int = 0
    steps: tuple[StepView, ...] = ()
    steps_known: int = 0
    waiting: Waiting | None = None
    problem: Problem | None = None

    @property
    def step(self) -> StepView | None:
        """The step that runs now, or that failed; None when there is none."""
        last = self.steps[-1] if self.steps else None
        return last if last is not None and last.status in ("", "failed") else None

    @property
    def fraction(self) -> float:
        """How much of it is done, between 0 and 1; just below 1 until it says itself that it is."""
        if self.state is State.DONE:
            return 1.0
        ended = sum(1 for step in self.steps if step.status)
        return min(ended / self.steps_known, 0.95) if self.steps_known else 0.0


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine, or the cloud (``name`` is "").

    Attributes:
        role: such as "webserver", "" when the name does not tell.
        lines: what it printed last.
        seconds: how long its actions took; 0 while it is not done.
    """

    name: str
    role: str
    state: State
    actions: tuple[ActionView, ...]
    lines: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """How many actions are done."""
        return sum(1 for action in self.actions if action.state is State.DONE)

    @property
    def doing(self) -> ActionView | None:
        """The action that runs now, None when none does."""
        return next((action for action in self.actions if action.state is State.DOING), None)

    @property
    def failed(self) -> ActionView | None:
        """The first action that failed."""
        return next((action for action in self.actions if action.state is State.FAILED), None)

    @property
    def waiting(self) -> ActionView | None:
        """The action that waits, None when none does."""
        return next((action for action in self.actions if action.state is State.WAITING), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        phase: how it stands.
        command: ``build`` or ``destroy``, "" before it said so.
        kind: what its duration can be compared with: "first build", "build", "destroy".
        started_at, ended_at: seconds since the epoch; None where not (yet) known.
        cloud: what happens at the provider.
        machines: in the plan's order.
        planned: the plan is known, so ``total`` is all there will be.
        note: the last sentence for the reader.
        problem: what ended the run.
        words: the last sentence of the run itself.
        exit_code: of the run, None until it ended.
    """

    phase: Phase
    command: str
    kind: str
    started_at: float | None
    ended_at: float | None
    cloud: MachineView
    machines: tuple[MachineView, ...]
    planned: bool
    note: str = ""
    problem: Problem | None = None
    words: str = ""
    exit_code: int | None = None

    @property
    def everywhere(self) -> tuple[MachineView, ...]:
        """The cloud, then the machines."""
        return (self.cloud, *self.machines)

    @property
    def done(self) -> int:
        """How many actions are done."""
        return sum(view.done for view in self.everywhere)

    @property
    def total(self) -> int:
        """How many actions are known."""
        return sum(len(view.actions) for view in self.everywhere)

    @property
    def fraction(self) -> float:
        """How much of the run is done, between 0 and 1."""
        if self.phase is Phase.DONE:
            return 1.0
        parts = [action.fraction for view in self.everywhere for action in view.actions]
        return sum(parts) / len(parts) if parts else 0.0

    @property
    def working(self) -> int:
        """How many machines do something now."""
        return sum(1 for view in self.machines if view.doing is not None)

    @property
    def longest_wait(self) -> tuple[MachineView, ActionView, Waiting] | None:
        """Who has been waiting longest, and for what; None when nobody waits."""
        waits = [
            (view, action, action.waiting)
            for view in self.machines
            if (action := view.waiting) is not None and action.waiting is not None
        ]
        return min(waits, key=lambda wait: wait[2].since, default=None)

    @property
    def failure(self) -> tuple[MachineView, ActionView] | None:
        """The first failed action and where."""
        return next(((view, action) for view in self.everywhere if (action := view.failed) is not None), None)

    def elapsed_s(self, now: float) -> float:
        """How long it runs or ran."""
        if self.started_at is None:
            return 0.0
        return max(0.0, (self.ended_at if self.ended_at is not None else now) - self.started_at)
