"""The lock-out timer: a change of who may use SSH is taken back by the machine, unless a fresh login confirms it.

``recipes/files/buildyard-lockout`` is its program; why it is made so: docs/decisions/0009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from recipes.steps import Cron, Fact, File, Step
from recipes.texts import text_of

PROGRAM = "/usr/local/sbin/buildyard-lockout"
#: How long the machine waits for that login; the same as in the program.
TIMEOUT_S = 300
CONFIRM = (PROGRAM, "confirm")
_FACT = "lockout timer"


def steps() -> Iterator[Step]:
    """The program; at a restart it takes back what nobody confirmed, since the timer is gone then."""
    yield File(label="lockout timer's program", path=PROGRAM, content=text_of("buildyard-lockout"), mode=0o755)
    yield Cron(
        name="buildyard-lockout",
        label="unconfirmed change taken back at a restart",
        schedule="@reboot",
        command=(PROGRAM, "revert"),
    )


def guard(why: str) -> tuple[str, ...]:
    """What a step that could lock somebody out runs before its change; ``why`` is told when it is taken back."""
    return (PROGRAM, "arm", why)


def fact() -> Fact:
    """Whether a change waits for its confirmation: ends the recipes that make such changes."""
    return Fact(
        label=_FACT, command=("systemctl", "show", "--property=ActiveState", "--value", "buildyard-lockout.timer")
    )


def is_armed(facts: Mapping[str, str]) -> bool:
    """What the fact of a report says."""
    return facts.get(_FACT, "").strip() == "active"
