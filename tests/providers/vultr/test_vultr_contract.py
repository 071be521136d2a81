"""Vultr's driver keeps the contract, before the vendor's description and a cloud on paper."""

from __future__ import annotations

from tests.providers.contract import ProviderContract
from tests.providers.databases import DatabaseContract
from tests.providers.faults import FaultContract


class TestVultr(ProviderContract):
    """The suite, unchanged."""


class TestVultrDatabases(DatabaseContract):
    """The suite, unchanged."""


class TestVultrFaults(FaultContract):
    """The suite, unchanged."""

    create = ("POST", "/v2/instances")
    read = ("GET", "/v2/instances")
