"""What Exoscale's tests share: the driver before the fake, with faults between them and a clock that does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.exoscale.driver import Exoscale
from state.secret import Secret
from tests.providers.contract import network, region, spec  # noqa: F401 - fixtures
from tests.providers.databases import database_spec  # noqa: F401 - fixture
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import KEY, SECRET
from tests.providers.fake import Faulty
from tests.providers.scripted import FakeClock


@pytest.fixture
def fake() -> Iterator[WholeExoscaleFake]:
    fake = WholeExoscaleFake(KEY, SECRET)
    yield fake
    assert fake.problems == []


@pytest.fixture
def faulty(fake: WholeExoscaleFake) -> Faulty:
    return Faulty(fake)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def credential() -> str:
    return SECRET


@pytest.fixture
def provider(faulty: Faulty, clock: FakeClock) -> Iterator[Exoscale]:
    driver = Exoscale(Secret(KEY), Secret(SECRET), clock=clock, transport=faulty)
    yield driver
    driver.close()
