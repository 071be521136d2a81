"""An account at Vultr on paper, and a driver that speaks with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.vultr.driver import Vultr
from state.secret import Secret
from tests.providers.contract import network, region, spec  # noqa: F401 - fixtures
from tests.providers.databases import database_spec  # noqa: F401 - fixture
from tests.providers.fake import Faulty
from tests.providers.scripted import FakeClock
from tests.providers.vultr.vultr_fake import TOKEN, VultrCloud


@pytest.fixture
def cloud() -> Iterator[VultrCloud]:
    cloud = VultrCloud()
    yield cloud
    assert cloud.problems == []


@pytest.fixture
def faulty(cloud: VultrCloud) -> Faulty:
    return Faulty(cloud)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def credential() -> str:
    return TOKEN


@pytest.fixture
def provider(faulty: Faulty, clock: FakeClock) -> Iterator[Vultr]:
    driver = Vultr(Secret(TOKEN), clock=clock, region="ams", transport=faulty)
    yield driver
    driver.close()
