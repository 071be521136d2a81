"""What a machine's pane says, row by row, for the room there is: plain values, so that it can be tested as such."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from rich.cells import cell_len, set_cell_size

from fleet.standing import ActionView, MachineView, State, Waiting
from screens import signs
from screens.durations import clock, short, took

#: (text, kind): the kind decides how it is drawn.
Part = tuple[str, str]
Row = tuple[Part, ...]

SIGNS = {
    State.TODO: signs.TODO,
    State.WAITING: signs.WAITING,
    State.DOING: signs.DOING,
    State.DONE: signs.DONE,
    State.FAILED: signs.FAILED,
    State.STOPPED: signs.WARNING,
}
KINDS = {
    State.TODO: "muted",
    State.WAITING: "waiting",
    State.DOING: "doing",
    State.DONE: "done",
    State.FAILED: "failed",
    State.STOPPED: "waiting",
}
_LONGEST_NAME = 18
_LEAST_OUTPUT = 3


def fit(text: str, width: int) -> str:
    """The text in that many cells, cut with an ellipsis where it is longer."""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)) + "…"


def wrapped(text: str, width: int, most: int) -> list[str]:
    """The text in rows of that width, at most so many."""
    rows = textwrap.wrap(text, max(8, width)) or [""]
    if len(rows) > most:
        rows = [*rows[: most - 1], fit(" ".join(rows[most - 1 :]), width)]
    return rows


def standing(view: MachineView) -> str:
    """How a machine stands, in a few words, with its sign."""
    count = f"{view.done} of {len(view.actions)}"
    words = {
        State.TODO: "to come" if not view.done else f"not finished, {count}",
        State.WAITING: "waits",
        State.DOING: count,
        State.DONE: f"done {took(view.seconds)}",
        State.FAILED: "failed",
        State.STOPPED: f"stopped at {count}",
    }
    return f"{SIGNS[view.state]} {words[view.state]}"


def wait_words(waiting: Waiting, now: float) -> str:
    """``waits for db-1 "database", 31 s so far``."""
    where = f"{waiting.machine} " if waiting.machine else ""
    if waiting.failed:
        return f'cannot begin: {where}"{waiting.label}" failed'
    there = f" ({waiting.now} runs there now)" if waiting.now else ""
    return f'waits for {where}"{waiting.label}"{there}, {short(now - waiting.since)} so far'


def doing_time(action: ActionView, now: float, expected_s: float) -> str:
    """``31 s of ~40 s``."""
    elapsed = now - action.started_at
    # An expectation that was exceeded by far only irritates.
    likely = f" of ~{short(expected_s)}" if expected_s >= 1 and elapsed < 2 * expected_s else ""
    return f"{short(elapsed)}{likely}"


def tally(action: ActionView) -> str:
    """``9 changed``."""
    return f"{action.changed} changed" if action.changed else "as it was"


def machine_rows(
    view: MachineView, *, now: float, width: int, height: int, expected_s: Callable[[str], float], over: bool
) -> list[Row]:
    """The rows of a pane: what is done, what is done now, what is to come, what the machine says; never too many.

    Args:
        view: the machine.
        now: seconds since the epoch.
        width, height: cells.
        expected_s: how long a recipe takes usually, 0 where nobody knows.
        over: the run has ended.
    """
    name = min(max((cell_len(action.label) for action in view.actions), default=8), _LONGEST_NAME, max(8, width - 20))
    ended = [action for action in view.actions if action.state in (State.DONE, State.STOPPED)]
    to_come = [action for action in view.actions if action.state is State.TODO]
    middle: list[Row] = []
    for action in view.actions:
        if action.state is State.DOING:
            middle += _doing(action, now, width, name, expected_s(action.recipe))
        elif action.state is State.FAILED:
            middle += _failed(action, width, name)
        elif action.state is State.WAITING and action.waiting is not None:
            words = f"{action.label} {wait_words(action.waiting, now)}"
            first, *rest = wrapped(words, width - 2, 3)
            middle.append(((f"{signs.WAITING} ", "waiting"), (first, "plain")))
            middle += [((f"  {row}", "plain"),) for row in rest]
    middle = middle[:height]
    room = height - len(middle)
    talks = bool(view.lines) and (view.state is State.FAILED or (view.state is State.DOING and not over))
    output = min(_LEAST_OUTPUT, room // 2, len(view.lines)) if talks else 0
    shown = ended[len(ended) - min(len(ended), room - output) :]
    room -= len(shown)
    coming = to_come[: max(0, room - (output + 1 if talks else 0))]
    rows = [_ended(action, width, name) for action in shown] + middle
    rows += [((f"{signs.TODO} {fit(action.label, width - 2)}", "muted"),) for action in coming]
    room -= len(coming)
    if talks and room > 0:
        lines = view.lines[-room:]
        if room > len(lines) or room > _LEAST_OUTPUT:
            rows.append(())
            lines = view.lines[-(room - 1) :] if room > 1 else ()
        rows += [((f"  {fit(line, width - 2)}", "output"),) for line in lines]
    return rows[:height]


def cloud_row(view: MachineView, *, now: float, width: int) -> Row:
    """The cloud in one row: how much is done, what is done now, what waits."""
    parts: list[Part] = []
    done = [action for action in view.actions if action.state is State.DONE]
    others = [action for action in view.actions if action.state not in (State.DONE, State.TODO)]
    to_come = [action for action in view.actions if action.state is State.TODO]
    for action in others:
        words = {
            State.DOING: f"{action.label} {short(now - action.started_at)}",
            State.FAILED: f"{action.label} failed",
            State.STOPPED: f"{action.label} stopped",
            State.WAITING: f"{action.label} waits for {_place(action.waiting)}",
        }[action.state]
        kind = "muted" if action.state is State.WAITING else KINDS[action.state]  # that is the usual order of things
        parts.append((f"{SIGNS[action.state]} {words}", kind))
    if to_come and not any(action.state is State.WAITING for action in others):
        parts += [(f"{signs.TODO} {action.label}", "muted") for action in to_come[:1]]
    left = width - sum(cell_len(text) + 3 for text, _ in parts)
    shown: list[Part] = []
    for action in reversed(done):
        text = f"{signs.DONE} {action.label}"
        if cell_len(text) + 3 > left - 9:
            break
        left -= cell_len(text) + 3
        shown.insert(0, (text, "done"))
    if len(shown) < len(done):
        shown.insert(0, (f"{signs.DONE} {len(done) - len(shown)} {'more' if shown else 'done'}", "done"))
    row: list[Part] = []
    room = width
    for text, kind in [*shown, *parts]:
        cut = fit(text, room)
        row += [(cut, kind), ("   ", "plain")]
        room -= cell_len(cut) + 3
        if room < 4:
            break
    return tuple(row[:-1])


def _place(waiting: Waiting | None) -> str:
    return (waiting.machine or waiting.label) if waiting is not None else "others"


def _ended(action: ActionView, width: int, name: int) -> Row:
    label = fit(action.label, name).ljust(name)
    if action.state is State.STOPPED:
        return ((f"{signs.WARNING} ", "waiting"), (label, "plain"), ("  stopped", "muted"))
    tail = f"{took(action.seconds):>7}"
    words = tally(action)
    if name + 2 + len(tail) + 3 + len(words) <= width:
        tail += f"   {words}"
    return ((f"{signs.DONE} ", "done"), (label, "plain"), (tail, "muted"))


def _doing(action: ActionView, now: float, width: int, name: int, expected_s: float) -> list[Row]:
    label = fit(action.label, name).ljust(name)
    time = doing_time(action, now, expected_s)
    lead = " " * max(1, 7 - len(short(now - action.started_at)))
    rows: list[Row] = [
        ((f"{signs.DOING} ", "doing"), (label, "strong"), (fit(lead + time, width - name - 2), "strong"))
    ]
    step = action.step
    if step is not None:
        number = sum(1 for each in action.steps if each.status) + 1
        of = f" of {action.steps_known}" if action.steps_known >= number else ""
        since = short(now - step.started_at)
        tail = f" · step {number}{of} · {since}"
        if cell_len(step.label) + 2 + len(tail) > width:
            tail = f" · {since}"
        rows.append(((f"  {fit(step.label, width - 2 - len(tail))}", "plain"), (tail, "muted")))
    return rows


def _failed(action: ActionView, width: int, name: int) -> list[Row]:
    label = fit(action.label, name).ljust(name)
    rows: list[Row] = [
        ((f"{signs.FAILED} ", "failed"), (label, "strong"), (f"  failed after {clock(action.seconds)}", "failed"))
    ]
    problem = action.problem
    summary = problem.summary if problem is not None else "no reason was given"
    if action.step is not None and action.step.label not in summary:
        rows.append(((f"  {fit(action.step.label, width - 2)}", "plain"),))
    rows += [((f"  {row}", "plain"),) for row in wrapped(summary, width - 2, 3)]
    # Mostly the last lines say what it was; the whole of it is in the details.
    quoted = [line for line in (problem.detail.splitlines() if problem else ()) if line and line not in summary]
    rows += [((f"  {fit(line, width - 2)}", "output"),) for line in quoted[-2:]]
    rows.append((("  enter: details   r: retry", "accent"),))
    return rows
