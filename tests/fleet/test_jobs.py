"""What status says of the periodic work on a machine, from the records that the machine's job runner leaves."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from fleet.jobs import failed_jobs
from fleet.links import Links
from recipes.ssh import Completed
from state.errors import Unreachable
from state.fleet_record import MachineRecord

MACHINE = MachineRecord("db-1", "database", 1, 1)


class Answering:
    """Links to a machine that prints this, or cannot be reached."""

    def __init__(self, printed: bytes | None) -> None:
        self._printed = printed

    def to(self, _machine: MachineRecord) -> Answering:
        return self

    def run(self, _argv: Any, *, timeout_s: float) -> Completed:
        if self._printed is None:
            raise Unreachable("db-1 does not answer.")
        return Completed(0, self._printed, b"")


def record(name: str, code: int, *lines: str) -> bytes:
    return json.dumps({"name": name, "exit_code": code, "last_lines": lines}).encode() + b"\n"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (record("pull", 0, "fine"), ()),
        (record("pull", 0) + record("shared-watch", 1, "one", "no answer"), ("shared-watch: no answer",)),
        (record("certificate", 2), ("certificate: ended with 2",)),
        (record("pull", 1, "\x1b[31mred\x07"), ("pull: red",)),
        (b"no json\n[]\n{}\n", ()),
        (None, ()),
    ],
)  # fmt: skip
def test_a_job_that_failed_is_told_with_its_last_line(printed: bytes | None, said: tuple[str, ...]) -> None:
    assert failed_jobs(cast("Links", Answering(printed)), MACHINE) == said
