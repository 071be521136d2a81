"""The driver over Linode's cloud on paper, by a clock that does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.linode.driver import Linode
from state.secret import Secret
from tests.providers.contract import network, region, spec  # noqa: F401 - fixtures
from tests.providers.databases import database_spec  # noqa: F401 - fixture
from tests.providers.fake import Faulty
from tests.providers.linode.linode_fake import TOKEN, LinodeFake
from tests.providers.scripted import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud() -> Iterator[LinodeFake]:
    fake = LinodeFake()
    yield fake
    assert fake.problems == []


@pytest.fixture
def faulty(cloud: LinodeFake) -> Faulty:
    return Faulty(cloud)


@pytest.fixture
def provider(faulty: Faulty, clock: FakeClock) -> Iterator[Linode]:
    driver = Linode(Secret(TOKEN), clock=clock, transport=faulty)
    yield driver
    driver.close()


@pytest.fixture
def credential() -> str:
    return TOKEN
