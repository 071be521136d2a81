"""Whether a machine is well: what nobody said is not taken for good news."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fleet.status import _stopped_units
from recipes.ssh import Completed


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"active\nactive\n", ""),
        (b"active\ninactive\n", "cron is inactive"),
        (b"active\n", "cron is unknown"),
        (b"", "nginx is unknown, cron is unknown"),
    ],
)
def test_a_unit_of_which_nothing_is_said_is_not_well(said: bytes, reason: str) -> None:
    link = SimpleNamespace(run=lambda *_, **__: Completed(0, said, b""))
    links: Any = SimpleNamespace(to=lambda _machine: link)
    machine: Any = SimpleNamespace(role="webserver")
    assert _stopped_units(links, machine) == reason
