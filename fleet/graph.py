"""Actions as a graph: everything that can go in parallel does, everything else waits and says for what."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from state.errors import BuildyardError


class Change(StrEnum):
    """What an action does to the world."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DESTROY = "destroy"
    CHECK = "check"  # looks, and mends what it finds


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        id: unique and stable: the same thing has the same id in the next run.
        change: what it does.
        target: what it does it to, as a person says it ("machine ws-1").
        reason: why.
        waits_for: ids of actions that must have ended well before.
        machine: the machine whose pane shows it; None for the cloud's.
        price_per_month: US dollars that it adds; negative for what it ends; None where it is unknown.
    """

    id: str
    change: Change
    target: str
    reason: str
    waits_for: tuple[str, ...] = ()
    machine: str | None = None
    price_per_month: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the graph ended: each action's id is in exactly one of these."""

    done: tuple[str, ...]
    failed: Mapping[str, BuildyardError]
    not_begun: tuple[str, ...]


def our_fault(doing: str, problem: BaseException) -> BuildyardError:
    """A fault of the program's own as an error a person can act on."""
    return BuildyardError(
        f"Buildyard itself failed in {doing}: {type(problem).__name__}: {problem}.",
        detail="".join(traceback.format_exception(problem)[-6:]),
        hint="repeat; when it fails again, report it with the log of this run",
    )


def perform(
    actions: Sequence[Action],
    act: Callable[[Action], None],
    *,
    cancel: threading.Event,
    threads: int,
) -> Outcome:
    """Runs the actions, each when all it waits for is done; after a failure only what does not need it goes on.

    After a fault of the program's own nothing new begins. That is no stop of the user's: ``cancel`` stays as it is.

    Args:
        actions: in any order; ``waits_for`` may name only ids among them.
        act: does one; raises :class:`BuildyardError` when it fails.
        cancel: when set, nothing new begins; set here on Ctrl-C, so that what is under way ends soon.
        threads: how many at once.
    """
    left = {action.id: action for action in actions}
    done: list[str] = []
    failed: dict[str, BuildyardError] = {}
    running: dict[Future[None], str] = {}
    broken = False
    with ThreadPoolExecutor(threads, thread_name_prefix="action") as pool, _stopping_on_ctrl_c(cancel):
        while left or running:
            ready = [action for action in left.values() if set(action.waits_for) <= set(done)]
            if not broken and not cancel.is_set():
                for action in ready:
                    running[pool.submit(act, left.pop(action.id))] = action.id
            if not running:
                break
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                action_id = running.pop(future)
                problem = future.exception()
                if problem is None:
                    done.append(action_id)
                elif isinstance(problem, BuildyardError):
                    failed[action_id] = problem
                else:
                    broken = True
                    failed[action_id] = our_fault(action_id, problem)
    return Outcome(tuple(done), failed, tuple(left))


@contextmanager
def _stopping_on_ctrl_c(cancel: threading.Event) -> Iterator[None]:
    """Inside the pool's block: leaving that waits for what is under way."""
    try:
        yield
    except KeyboardInterrupt:
        cancel.set()
        raise
