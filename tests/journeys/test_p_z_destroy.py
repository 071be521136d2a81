"""The end of production mode: nothing of it is left on this machine."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Deployed
from tests.journeys.host import host_state

pytestmark = pytest.mark.machines


def test_destroy_leaves_nothing_of_production_on_the_host(production: Deployed) -> None:
    prefix = production.cloud.namespaces.router.split("-")[0]
    ours = [str(production.rehearsal), f"{prefix}-"]
    done = production.buildyard("destroy", "--yes")
    assert done.returncode == 0, done.stderr
    assert production.buildyard("status").returncode != 0
    after = host_state()
    if prefix in after["rehearsals"]:
        ours.remove(f"{prefix}-")  # another rehearsal took the name that became free
    for what, lines in after.items():
        assert not [line for line in lines if any(mark in line for mark in ours)], what
