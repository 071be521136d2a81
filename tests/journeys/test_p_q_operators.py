"""Who was let in since the last build stays in when the autoscaler builds and makes itself known."""

from __future__ import annotations

import pytest

from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from tests.journeys.autoscaling import SHORT, comes_true, policy, settled
from tests.journeys.conftest import Deployed
from tests.journeys.test_5_allow import ALLOWED_S, answers_of, cloud_sources, greeting, ufw_sources

pytestmark = [pytest.mark.machines, pytest.mark.campaign]


def test_an_operator_let_in_between_two_builds_stays_in_on_old_and_new_machines(production: Deployed) -> None:
    settled(production)
    other = Room(production.rehearsal).block.foreign_v4.replace("0/24", "2")
    answers = answers_of(production).read_text()
    try:
        assert f"{other}/32" in production.json("allow", other)["operators"]
        with policy(production, **SHORT, target=3):
            comes_true(production, "three addresses", lambda: len(production.resolve(production.domain, "A")) == 3, 180)
            settled(production)
            names = [each["name"] for each in production.json("status")["machines"]]
            assert len(names) == 5
            for sources in cloud_sources(production):
                assert f"{other}/32" in sources
            for name in names:
                wait_until(
                    f"{name} to let {other} in",
                    lambda name=name: greeting(production, production.address(name)).startswith("SSH-2.0"),
                    timeout_s=ALLOWED_S,
                    clock=SystemClock(),
                    longest_s=2,
                )
                assert f"{other}/32" in ufw_sources(production, name)
            assert production.json("scale", "2")["target"] == 2
    finally:
        answers_of(production).write_text(answers)
        home = production.buildyard("allow", timeout_s=150)
    assert home.returncode == 0, home.stderr
    for name in ("as-1", "db-1"):
        assert f"{other}/32" not in ufw_sources(production, name)
    settled(production)
