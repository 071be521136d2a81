"""Runs a recipe on a machine: compiles, sends, reads the frames, tells what happens, reports."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

from recipes.compiler import STATE_FOLDER, compile_recipe
from recipes.report import Report, StepResult
from recipes.ssh import Completed, Link
from recipes.steps import Recipe
from state.errors import DeadlineExceeded, MachineError, StepFailed, Stopped, Unreachable
from state.events import Emit, Event, Kind, StepStatus
from state.printable import printable
from state.secret import Redactor

#: How much longer the connection waits than the machine's own deadline, so that the machine can say what happened.
GRACE_S = 15.0
#: What a machine printed last, kept for when it dies; as many as a failure shows.
LAST_LINES = 20


def run_recipe(
    link: Link,
    recipe: Recipe,
    *,
    machine: str,
    emit: Emit,
    redact: Redactor,
    check_only: bool = False,
    cancel: threading.Event,
    deadline_s: float,
    folder: str = STATE_FOLDER,
) -> Report:
    """Brings the machine to what the recipe declares, or says what is missing.

    Args:
        link: an open connection.
        machine: its name, for events.
        redact: sees every text before anyone else.
        check_only: changes nothing; steps end unchanged or would-change.
        cancel: the machine ends its step and begins no other.
        deadline_s: for the whole recipe.
        folder: where the machine keeps lock and debts.

    Raises:
        StepFailed: with the step's label and the last lines it printed.
        MachineError: the machine could not run the program at all, or another run holds it.
        Unreachable, DeadlineExceeded, Stopped.
    """
    if not recipe.steps:
        return Report(recipe.name, ())
    program = compile_recipe(recipe, check_only=check_only, deadline_s=deadline_s, folder=folder)
    reader = _Reader(program.labels, recipe.name, machine, emit, redact)
    try:
        ended = link.run_agent(program, reader.line, timeout_s=deadline_s + GRACE_S, cancel=cancel)
    except Unreachable as lost:
        raise reader.lost(lost.detail) from lost
    reader.finish(ended, link)
    return Report(recipe.name, tuple(reader.results), reader.facts)


class _Reader:
    """Turns frames into events and results."""

    def __init__(self, labels: tuple[str, ...], recipe: str, machine: str, emit: Emit, redact: Redactor) -> None:
        self.labels = labels
        self.recipe = recipe
        self.machine = machine
        self.emit = emit
        self.redact = redact
        self.results: list[StepResult] = []
        self.facts: dict[str, str] = {}
        self.why: str | None = None  # how the program says it ended; None: it did not say
        self.step = ""  # that runs now
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)

    def clean(self, text: str) -> str:
        return self.redact(printable(text))

    def tell(self, kind: Kind, text: str, step: str | None = None, **data: Any) -> None:
        self.emit(Event(kind, text, machine=self.machine, recipe=self.recipe, step=step, data=data))

    def line(self, line: bytes) -> None:
        """One frame; a machine that sends something else is broken or hostile."""
        try:
            frame = json.loads(line)
            kind = frame["f"]
            label = self.labels[int(frame["i"])] if "i" in frame else ""
            self.frame(kind, label, frame)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise MachineError(
                f"{self.machine} answered recipe {self.recipe} with something that is no frame.",
                detail=self.clean(line[:200].decode("utf-8", "replace")),
            ) from error

    def frame(self, kind: str, label: str, frame: dict[str, Any]) -> None:
        if kind == "start":
            self.step = label
            self.last_lines.clear()
            self.tell(Kind.STEP_STARTED, label, label)
        elif kind == "output":
            for line in map(self.clean, frame["lines"]):
                self.last_lines.append(line)
                self.tell(Kind.OUTPUT, line, label)
        elif kind == "fact":
            self.facts[label] = str(frame["value"])
        elif kind == "finished":
            self.step_finished(label, frame)
        elif kind == "waiting":
            self.tell(Kind.NOTE, f"{self.machine} waits {self.clean(frame['text'])}")
        elif kind == "end":
            self.why = str(frame["why"])

    def step_finished(self, label: str, frame: dict[str, Any]) -> None:
        status = StepStatus(frame["status"])
        result = StepResult(label, status, int(frame["ms"]), self.clean(frame["diff"]), self.clean(frame["output"]))
        self.results.append(result)
        self.tell(Kind.STEP_FINISHED, label, label, status=status.value, ms=result.milliseconds, diff=result.diff)

    def lost(self, why: str) -> Unreachable:
        """The machine died, or the way to it."""
        doing = f"{self.step} (recipe {self.recipe})" if self.step else f"recipe {self.recipe}"
        printed = ("The last it printed:", *self.last_lines) if self.last_lines else ()
        return Unreachable(
            f"{self.machine} stopped answering during {doing}.",
            detail="\n".join((f"The connection to it was lost: {why or 'it ended without a word'}", *printed)),
            hint=f"look at {self.machine} in the provider's console, then run the same command again: it goes on; "
            "a machine that is off is started, one that is gone is made anew",
        )

    def finish(self, ended: Completed, link: Link) -> None:
        """Returns when all steps were done; raises what happened otherwise."""
        where = f"recipe {self.recipe} on {self.machine}"
        if self.results and self.results[-1].status is StepStatus.FAILED:
            failed = self.results[-1]
            raise StepFailed(
                f"{failed.label} ({where}) failed: {failed.diff.splitlines()[0] if failed.diff else 'no reason given'}",
                detail="\n".join(part for part in (failed.diff, failed.output) if part),
                hint="mend the cause and run the same command again: what is done stays done",
            )
        if self.why == "":
            return
        errors = self.clean(ended.stderr.decode("utf-8", "replace")).strip()
        if self.why == "stopped":
            raise Stopped(f"Stopped during {where}.")
        if self.why and "no time left" in self.why:
            raise DeadlineExceeded(f"Time ran out during {where}.", detail=self.clean(self.why))
        if self.why:
            raise MachineError(f"{where} did not begin: {self.clean(self.why)}", hint="wait for it, then try again")
        if ended.exit_code < 0 and not link.alive:
            raise self.lost(errors)
        raise MachineError(
            f"{where} ended without a word (exit code {ended.exit_code}).",
            detail=errors,
            hint="the machine needs python3, and sudo without a password for the user of the connection",
        )
