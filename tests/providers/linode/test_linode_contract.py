"""Linode's driver keeps the contracts, before a cloud on paper that the vendor's own description judges."""

from __future__ import annotations

from providers.linode.records import time_to_live_s
from tests.providers.contract import ProviderContract
from tests.providers.databases import DatabaseContract
from tests.providers.faults import FaultContract


class TestLinode(ProviderContract):
    """The suite, with Linode's times to live: it has 30, 120 and 300 s, not the suite's 60 and 90 s."""

    def kept_ttl_s(self, wanted_s: int) -> int:
        return time_to_live_s(wanted_s)


class TestLinodeDatabases(DatabaseContract):
    """The suite, unchanged."""


class TestLinodeFaults(FaultContract):
    """The suite, unchanged."""

    create = ("POST", "/v4/linode/instances")
    read = ("GET", "/v4/linode/instances")
