"""A machine that dies in the middle of a recipe: at once, or by saying nothing more. The error says which step it was
in, what it printed last and what to do; the same recipe goes on afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bench.engine.machines import Machines, machines
from recipes.lost import SILENCE_MS
from recipes.run import run_recipe
from recipes.ssh import open_link, wait_for_ssh
from recipes.steps import Recipe, Script
from rehearsal.room.network import machine_space
from state.clock import SystemClock
from state.errors import Unreachable
from state.events import Event, Kind
from state.secret import Redactor

pytestmark = [pytest.mark.machines, pytest.mark.timeout(600)]

SLOW = Recipe(
    "app",
    (
        Script(
            label="import the dump",
            check="test -e /srv/done",
            apply='echo "row 1"; echo "row 2"; while [ ! -e /srv/go ]; do sleep 0.1; done; touch /srv/done',
        ),
    ),
)
DROP_ALL = "add table inet cut; add chain inet cut {0} {{ type filter hook {0} priority -300; policy drop; }}"


@pytest.fixture(scope="module")
def made() -> Iterator[Machines]:
    with machines(1) as one:
        yield one


def dies(made: Machines, kill: Callable[[], object]) -> tuple[Unreachable, float]:
    """What is raised when that happens while the step prints, and after how many seconds."""
    died_at = 0.0

    def emit(event: Event) -> None:
        nonlocal died_at
        if event.kind is Kind.OUTPUT and event.text == "row 2":
            kill()
            died_at = time.monotonic()

    with open_link(made.addresses[0], made.key) as link, pytest.raises(Unreachable) as caught:
        run_recipe(link, SLOW, machine="db-1", emit=emit, redact=Redactor(), cancel=threading.Event(), deadline_s=300.0)
    return caught.value, time.monotonic() - died_at


def check_words(problem: Unreachable, why: str) -> None:
    assert problem.summary == "db-1 stopped answering during import the dump (recipe app)."
    reason, *printed = problem.detail.splitlines()
    assert reason.startswith(f"The connection to it was lost: {why}")
    assert printed == ["The last it printed:", "row 1", "row 2"]
    assert "look at db-1 in the provider's console, then run the same command again" in problem.hint


def test_one_that_says_nothing_more_is_left_after_half_a_minute(made: Machines) -> None:
    space = machine_space(made.room.block, 1)
    rules = "; ".join(DROP_ALL.format(hook) for hook in ("input", "output"))
    problem, after_s = dies(made, lambda: made.room.exec_from(space, ["nft", rules]))
    try:
        check_words(problem, "it gave no sign of life for 30 s")
        assert after_s <= SILENCE_MS / 1000 + 15
    finally:
        made.room.exec_from(space, ["nft", "delete table inet cut"])


def test_one_that_is_switched_off_is_told_at_once_and_its_recipe_goes_on_later(made: Machines) -> None:
    problem, after_s = dies(made, lambda: made.room.power_off(1))
    check_words(problem, "it ended the connection")
    assert after_s <= 10
    made.room.power_on(1)
    with wait_for_ssh(made.addresses[0], made.key, timeout_s=60, clock=SystemClock()) as link:
        link.run(["touch", "/srv/go"], timeout_s=10)
        report = run_recipe(
            link,
            SLOW,
            machine="db-1",
            emit=lambda _event: None,
            redact=Redactor(),
            cancel=threading.Event(),
            deadline_s=60.0,
        )
        assert link.run(["ls", "/srv"], timeout_s=10).stdout == b"done\ngo\n"
    assert len(report.results) == 1
