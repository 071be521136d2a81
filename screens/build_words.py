"""What is said about a whole run: heading, numbers, and the one sentence about what matters now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.standing import Phase, Snapshot
from screens import signs
from screens.durations import clock
from screens.widgets.machine_rows import wait_words

if TYPE_CHECKING:
    from fleet.expected import Expected

_VERBS = {"build": ("Building", "Build of"), "destroy": ("Destroying", "Removal of")}


def heading_words(job: str, name: str, url: str, detail: str, *, live: bool, over: bool) -> str:
    """``Building shop.example.org · development · on this machine``."""
    site = url.removeprefix("https://").rstrip("/") or name
    verb = _VERBS.get(job, (job.capitalize(),) * 2)[over] if live else f"Replay of the {job} of"
    return f"{verb} {site}" + (f" · {detail}" if detail else "")


def time_words(snapshot: Snapshot, now: float, expected: Expected | None) -> str:
    """``7:02 of about 8:10``."""
    elapsed = clock(snapshot.elapsed_s(now))
    if snapshot.phase is not Phase.RUNNING:
        return f"took {elapsed}"
    likely = expected.run_s.get(snapshot.kind) if expected is not None and snapshot.planned else None
    return f"{elapsed} of about {clock(likely)}" if likely else elapsed


def number_words(snapshot: Snapshot) -> str:
    """``41 of 47 steps · 3 machines working``."""
    if not snapshot.total:
        return "preparing" if snapshot.phase is Phase.RUNNING else "nothing was begun"
    numbers = f"{snapshot.done} of {snapshot.total} steps" if snapshot.planned else f"{snapshot.done} steps done"
    if snapshot.phase is Phase.RUNNING and snapshot.working:
        numbers += f" · {snapshot.working} {'machine' if snapshot.working == 1 else 'machines'} working"
    return numbers


def sentence(snapshot: Snapshot, now: float, job: str, name: str, url: str, *, stopping: bool) -> tuple[str, str]:
    """What matters now, and how it is drawn."""
    failure = snapshot.failure
    failed = ""
    if failure is not None:
        view, action = failure
        failed = f"{action.label}{f' on {view.name}' if view.name else ''} failed"
    match snapshot.phase:
        case Phase.DONE:
            what = f"{url or name} is served" if job == "build" else f"all of {name} is removed"
            return f"{signs.DONE} Done: {what} · {_counts(snapshot)}", "done"
        case Phase.FAILED:
            why = snapshot.problem.summary.rstrip(".") if snapshot.problem is not None else ""
            return f"{signs.FAILED} {why or failed or 'Not everything was done'} · what was finished stays", "failed"
        case Phase.STOPPED:
            return f"{signs.WARNING} Stopped: what was finished stays, the same command goes on from here", "waiting"
        case Phase.INTERRUPTED:
            why = snapshot.problem.summary if snapshot.problem is not None else "The run ended before it could say how."
            return f"{signs.FAILED} {why}", "failed"
    if stopping:
        return f"{signs.WAITING} Stopping: the steps under way end first", "waiting"
    if failed:
        return f"{signs.FAILED} {failed}; what does not need it goes on", "failed"
    wait = snapshot.longest_wait
    if wait is not None:
        view, action, waiting = wait
        return f"{signs.WAITING} {view.name} {action.label} {wait_words(waiting, now)}", "waiting"
    if snapshot.cloud.doing is not None:
        return f"{signs.DOING} {snapshot.cloud.doing.target}", "doing"
    if snapshot.planned and snapshot.working:
        names = " and ".join(view.name for view in snapshot.machines if view.doing is not None)
        names = names if snapshot.working < 4 else f"{snapshot.working} machines"
        return f"{signs.DOING} {names} at work; nobody waits", "doing"
    return f"{signs.DOING} {snapshot.note or 'the run begins'}", "doing"


def _counts(snapshot: Snapshot) -> str:
    changed = sum(action.changed for view in snapshot.everywhere for action in view.actions)
    same = sum(action.unchanged for view in snapshot.everywhere for action in view.actions)
    return f"{changed} changed, {same} as it was" if changed else "all as it was"
