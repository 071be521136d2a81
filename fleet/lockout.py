"""A fresh login shows that the operator still comes in: then a machine keeps its change of who may use SSH."""

from __future__ import annotations

from fleet.links import Links
from recipes.lockout import CONFIRM, TIMEOUT_S
from recipes.ssh import Link
from state.clock import Clock, wait_until
from state.errors import DeadlineExceeded, MachineError, Unreachable
from state.fleet_record import MachineRecord

#: sshd takes its new settings at once; the rest is for a slow network.
LOGIN_DEADLINE_S = 60.0
CONFIRM_TIMEOUT_S = 30.0


def confirm(links: Links, machine: MachineRecord, clock: Clock) -> None:
    """Logs in anew, never over the connection that made the change, and confirms it.

    Raises:
        DeadlineExceeded: the machine does not let us in; it takes the change back by itself.
        HostKeyMismatch: another machine answers.
        MachineError: it does not take the confirmation.
    """
    links.forget(machine.name)

    def login() -> Link | None:
        try:
            return links.to(machine)
        except Unreachable:
            return None

    hint = f"{machine.name} takes the change back by itself after {TIMEOUT_S} s; then mend the answers and build again"
    try:
        link = wait_until(
            f"a fresh login on {machine.name} after the change of who may use SSH",
            login,
            timeout_s=LOGIN_DEADLINE_S,
            clock=clock,
        )
    except DeadlineExceeded as problem:
        raise DeadlineExceeded(problem.summary, detail=problem.detail, hint=hint) from problem
    answer = link.run(CONFIRM, timeout_s=CONFIRM_TIMEOUT_S, as_root=True)
    if answer.exit_code != 0:
        said = answer.stderr.decode(errors="replace").strip()
        raise MachineError(f"{machine.name} does not take the confirmation of its SSH rules.", detail=said, hint=hint)
