"""Exoscale's driver keeps the contract, before a stateful fake that the vendor's own description judges."""

from __future__ import annotations

from tests.providers.contract import ProviderContract
from tests.providers.databases import DatabaseContract
from tests.providers.faults import FaultContract


class TestExoscale(ProviderContract):
    """The suite, unchanged."""


class TestExoscaleDatabases(DatabaseContract):
    """The suite, unchanged."""


class TestExoscaleFaults(FaultContract):
    """The suite, unchanged."""

    create = ("POST", "/v2/instance")
    read = ("GET", "/v2/instance")
