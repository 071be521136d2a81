"""The end: nothing of it is left on this machine."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Site
from tests.journeys.host import host_state

pytestmark = pytest.mark.machines


def test_destroy_leaves_nothing_on_the_host(site: Site) -> None:
    """That every line is as it was before is looked at by ``check``, when nobody rehearses any more."""
    prefix = site.cloud.namespaces.router.split("-")[0]
    ours = [str(site.rehearsal), f"{prefix}-"]
    done = site.buildyard("destroy", "--yes")
    assert done.returncode == 0, done.stderr
    assert site.buildyard("status").returncode != 0
    after = host_state()
    if prefix in after["rehearsals"]:
        ours.remove(f"{prefix}-")  # another rehearsal took the name that became free
    for what, lines in after.items():
        assert not [line for line in lines if any(mark in line for mark in ours)], what
