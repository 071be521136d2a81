"""Tests that share a machine stay in one process, or they would wait for what another process does."""

from __future__ import annotations

import os

import pytest


@pytest.mark.machines
@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_with_machines_has_a_group_where_processes_share_the_work(
    request: pytest.FixtureRequest, turn: int
) -> None:
    """xdist writes the group behind the name; without it each test may run in either process."""
    shared = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@rooms" if shared else f"[{turn}]")
