"""The runner's part: appends to a journal what a build of many machines would, thousands of lines a second."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from fleet.graph import Action, Change
from fleet.planned import PLAN_KEY, plan_data
from state.events import Event, Kind
from state.journal import JOURNAL, Journal, write_runner
from state.process import ProcessIdentity
from state.secret import Redactor

RECIPES = ("base", "host-key", "firewall", "mail", "shared-config", "webserver", "wordpress", "certificate")
STEPS = 25
#: Each machine begins another step so often.
STEP_S = 1.2
_BATCHES_PER_S = 100
_TEXT = "Unpacking libexample-{number:07d}:amd64 (1:10.11.19-0+deb12u1) over (1:10.11.18-0+deb12u1) ..."


def plan(machines: int) -> list[Action]:
    """A fleet of webservers."""
    actions = [Action("network", Change.CREATE, "private network", "machines talk over it")]
    for number in range(1, machines + 1):
        name = f"ws-{number}"
        before = f"machine:{name}"
        actions.append(Action(before, Change.CREATE, f"machine {name}", "it is missing", ("network",), name))
        for recipe in RECIPES:
            after = f"recipe:{name}:{recipe}"
            actions.append(Action(after, Change.CREATE, f"{recipe} on {name}", "the machine is new", (before,), name))
            before = after
    return actions


def write(folder: Path, machines: int, lines_per_s: int, seconds: float) -> int:
    """Writes for that long.

    Returns:
        How many lines of output it wrote.
    """
    write_runner(folder, ProcessIdentity.of_this_process())
    names = [f"ws-{number}" for number in range(1, machines + 1)]
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.RUN_STARTED, "build bench", data={"command": "build"}))
        actions = plan(machines)
        steps = {action.id: STEPS for action in actions if action.id.startswith("recipe:")}
        journal.emit(Event(Kind.NOTE, "the plan", data={PLAN_KEY: plan_data(actions, steps)}))
        for name in names:
            for kind in (Kind.ACTION_STARTED, Kind.ACTION_FINISHED):
                journal.emit(Event(kind, f"machine {name}", name, f"machine:{name}", data={"ok": True, "seconds": 1}))
            journal.emit(Event(Kind.ACTION_STARTED, f"base on {name}", name, f"recipe:{name}:base"))
        file = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND)
        began, written, rounds = time.monotonic(), 0, 0
        heads = [
            f'"kind":"output","machine":"{name}","action":"recipe:{name}:base","recipe":"base","step":"packages"'
            for name in names
        ]
        while (elapsed := time.monotonic() - began) < seconds:
            due = int(elapsed * lines_per_s)
            at = f"{time.time():.3f}"
            batch = [
                f'{{"at":{at},{heads[number % machines]},"text":"{_TEXT.format(number=number)}"}}\n'
                for number in range(written, due)
            ]
            os.write(file, "".join(batch).encode())
            written = due
            if elapsed > (rounds + 1) * STEP_S / machines:
                _one_step(journal, names[rounds % machines], rounds // machines)
                rounds += 1
            time.sleep(1 / _BATCHES_PER_S)
        os.close(file)
        data = {"ok": True, "changed": 1, "unchanged": 0, "failed": 0, "seconds": seconds, "exit_code": 0}
        journal.emit(Event(Kind.RUN_FINISHED, "Done.", data=data))
    return written


def _one_step(journal: Journal, name: str, turn: int) -> None:
    """The end of one step, the beginning of the next; after the last one the next recipe."""
    recipe, step = RECIPES[turn // STEPS % len(RECIPES)], f"step {turn % STEPS + 1} of its own"
    action = f"recipe:{name}:{recipe}"
    if turn % STEPS == 0 and turn:
        before = RECIPES[(turn // STEPS - 1) % len(RECIPES)]
        done = {"ok": True, "changed": STEPS, "unchanged": 0, "seconds": STEPS * STEP_S}
        journal.emit(Event(Kind.ACTION_FINISHED, f"{before} on {name}", name, f"recipe:{name}:{before}", data=done))
        journal.emit(Event(Kind.ACTION_STARTED, f"{recipe} on {name}", name, action))
    journal.emit(Event(Kind.STEP_STARTED, step, name, action, recipe, step))
    data = {"status": "changed", "ms": 800, "diff": "+ a line\n- another"}
    journal.emit(Event(Kind.STEP_FINISHED, step, name, action, recipe, step, data=data))


if __name__ == "__main__":
    lines = write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    print(json.dumps({"lines": lines}))
