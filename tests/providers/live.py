"""The contract on a real account: ``pytest tests/providers/live.py``; ``docs/providers/live.md`` says how. Costs money.

Never part of ``./check``: its name does not begin with ``test_``. Everything it made is deleted again, also when a test
fails; what could not be deleted is named at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.catalog import vendor_of
from providers.contract import Provider
from state.clock import SystemClock, wait_until
from state.secret import Secret
from tests.providers import contract
from tests.providers.contract import FLEET, ZONE, ProviderContract, network, region, spec

__all__ = ["network", "region", "spec"]

#: Real machines take minutes.
pytestmark = pytest.mark.timeout(1800)
OURS = "by-demo-"
GONE_S = 600.0


@pytest.fixture(scope="session")
def account() -> Iterator[Provider]:
    """Of the vendor that BUILDYARD_LIVE_VENDOR names; each credential from the file that its variable names."""
    contract.WAIT_S = GONE_S
    vendor = vendor_of(os.environ["BUILDYARD_LIVE_VENDOR"])
    secrets = {}
    for name in vendor.secret_names:
        variable = f"BUILDYARD_{name.replace('.', '_').upper()}_FILE"
        secrets[name] = Secret(Path(os.environ[variable]).read_text().strip())
    opened = vendor.open({"provider.region": os.environ.get("BUILDYARD_LIVE_REGION", "")}, secrets, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def provider(account: Provider) -> Iterator[Provider]:
    """The account without anything of the tests', before and after."""
    clean(account)
    yield account
    clean(account)


def clean(account: Provider) -> None:
    """Deletes what carries the tests' names and tags; all other things of the account are never asked for."""
    for machine in account.machines(FLEET):
        account.delete_machine(machine.id)
    wait_until("the machines to be gone", lambda: not account.machines(FLEET), timeout_s=GONE_S, clock=SystemClock())
    if account.capabilities.supports_snapshots:
        for snapshot in account.snapshots(OURS):
            account.delete_snapshot(snapshot.id)
    for firewall in account.firewalls(OURS):
        account.delete_firewall(firewall.id)
    for network_ in account.networks(OURS):
        account.delete_network(network_.id)
    for key in account.ssh_keys(OURS):
        account.delete_ssh_key(key.id)
    for zone in account.zones():
        if zone == ZONE:
            for one in account.record_sets(zone):
                if one.type not in ("NS", "SOA"):
                    account.delete_record_set(zone, one.name, one.type)
    account.delete_tags(lambda tag: tag.startswith(OURS))


class TestLive(ProviderContract):
    """The suite, unchanged."""
