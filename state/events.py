"""What happens during a run, as values: the journal keeps them, every view reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an event says."""

    RUN_STARTED = "run-started"  # data: command, mode, plan (list of actions)
    RUN_FINISHED = "run-finished"  # data: ok, changed, unchanged, failed, seconds
    ACTION_STARTED = "action-started"  # intent, written before anything happens
    ACTION_FINISHED = "action-finished"  # data: ok, and what was made (ids, addresses)
    ACTION_WAITING = "action-waiting"  # text: what for; data: waits_for
    STEP_STARTED = "step-started"
    STEP_FINISHED = "step-finished"  # data: status unchanged|changed|failed, ms, diff
    OUTPUT = "output"  # a line a machine printed
    NOTE = "note"  # a sentence for the reader; one of them carries the plan, see fleet.planned
    PROBLEM = "problem"  # data: summary, detail, hint
    DECISION = "decision"  # of the autoscaler; data: view, policy, now, decisions (fleet.autoscaler.codec)
    SAMPLE = "sample"  # of the autoscaler, every ten seconds; data: what it sees (fleet.autoscaler.sample)


class StepStatus(StrEnum):
    """How a step ended."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    WOULD_CHANGE = "would-change"  # check-only mode


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the journal.

    Attributes:
        kind: what it says.
        text: the sentence for a person.
        machine: the machine it is about, by name.
        action: id of the action.
        recipe, step: which recipe, which step of it.
        data: further facts, JSON values only.
        at: seconds since the epoch.
    """

    kind: Kind
    text: str = ""
    machine: str | None = None
    action: str | None = None
    recipe: str | None = None
    step: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)


#: Whoever wants to tell something is handed one of these; it may be called from any thread.
Emit = Callable[[Event], None]
