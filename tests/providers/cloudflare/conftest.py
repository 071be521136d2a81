"""What Cloudflare's tests share: its fake behind its description, and our driver before both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.cloudflare.dns import Cloudflare
from providers.http import Patience
from state.secret import Secret
from tests.providers.cloudflare.described import cloudflare
from tests.providers.cloudflare.fake import TOKEN, FakeCloudflare
from tests.providers.description import Description
from tests.providers.fake import Faulty
from tests.providers.scripted import FakeClock

ZONE = "example.org"


@pytest.fixture(scope="session")
def descriptions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Description, ...]:
    return cloudflare(tmp_path_factory.mktemp("cloudflare"))


@pytest.fixture
def vendor(descriptions: tuple[Description, ...]) -> Iterator[FakeCloudflare]:
    fake = FakeCloudflare(descriptions)
    yield fake
    assert fake.asked
    assert fake.problems == []


@pytest.fixture
def faulty(vendor: FakeCloudflare) -> Faulty:
    return Faulty(vendor)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(faulty: Faulty, clock: FakeClock) -> Iterator[Cloudflare]:
    driver = Cloudflare(Secret(TOKEN), clock=clock, transport=faulty, patience=Patience(settle_s=2.0))
    yield driver
    driver.close()


@pytest.fixture
def zone(vendor: FakeCloudflare) -> str:
    """The id of a zone that is there."""
    return vendor.add_zone(ZONE)
