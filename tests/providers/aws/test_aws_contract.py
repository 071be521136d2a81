"""AWS' driver keeps the contract on AWS on paper."""

from __future__ import annotations

import pytest

from tests.providers.aws.aws_cloud import SECRET, Cloud
from tests.providers.contract import ProviderContract, network, spec  # noqa: F401 - fixtures
from tests.providers.databases import DatabaseContract, database_spec  # noqa: F401 - fixtures
from tests.providers.faults import FaultContract


class TestAws(ProviderContract, DatabaseContract):
    """The suites, unchanged."""


class TestAwsFaults(FaultContract):
    """The faults, unchanged; ``create`` and ``read`` name operations, for all requests of EC2 have one path."""

    create = ("POST", "RunInstances")
    read = ("POST", "DescribeInstances")

    @pytest.fixture
    def faulty(self, cloud: Cloud) -> Cloud:
        return cloud

    @pytest.fixture
    def credential(self) -> str:
        return SECRET.reveal()
