"""After a change of who may use SSH: a fresh login confirms it, and one that fails says what happens now."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fleet.links import Links
from fleet.lockout import confirm
from recipes.ssh import Completed
from state.errors import DeadlineExceeded, HostKeyMismatch, MachineError, Unreachable
from state.fleet_record import MachineRecord
from tests.providers.scripted import FakeClock

MACHINE = MachineRecord("ws-1", "webserver", 1, 1)


class Door:
    """Links to a machine that lets in after so many refusals, or shows something else."""

    def __init__(self, refusals: int = 0, exit_code: int = 0, problem: Exception | None = None) -> None:
        self.done: list[str] = []
        self._refusals = refusals
        self._exit_code = exit_code
        self._problem = problem

    def forget(self, name: str) -> None:
        self.done.append(f"forget {name}")

    def to(self, _machine: MachineRecord) -> Door:
        if self._problem:
            raise self._problem
        if self._refusals:
            self._refusals -= 1
            raise Unreachable("ws-1 does not answer.")
        self.done.append("login")
        return self

    def run(self, argv: tuple[str, ...], *, timeout_s: float, as_root: bool) -> Completed:
        self.done.append(" ".join(argv))
        return Completed(self._exit_code, b"", b"only a login that began after the change confirms it\n")


def confirmed(door: Door) -> list[str]:
    confirm(cast("Links", door), MACHINE, cast("Any", FakeClock()))
    return door.done


def test_the_connection_that_made_the_change_is_never_used() -> None:
    expected = ["forget ws-1", "login", "/usr/local/sbin/buildyard-lockout confirm"]
    assert confirmed(Door()) == expected
    assert confirmed(Door(refusals=2)) == expected


def test_who_is_shut_out_learns_that_the_machine_takes_it_back() -> None:
    with pytest.raises(DeadlineExceeded, match="fresh login on ws-1") as caught:
        confirmed(Door(refusals=10_000))
    assert "takes the change back by itself after 300 s" in caught.value.text()


def test_another_machine_in_its_place_is_not_waited_for() -> None:
    with pytest.raises(HostKeyMismatch):
        confirmed(Door(problem=HostKeyMismatch("ws-1 is not the machine it should be.")))


def test_a_machine_that_does_not_take_it_says_why() -> None:
    with pytest.raises(MachineError, match="does not take the confirmation") as caught:
        confirmed(Door(exit_code=1))
    assert "began after the change" in caught.value.text()
