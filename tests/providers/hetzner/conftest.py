"""What the tests of Hetzner's driver share: its API on paper, and the driver over it, by a clock that does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.hetzner.driver import Hetzner
from tests.providers.contract import network, region, spec  # noqa: F401 - fixtures
from tests.providers.fake import Faulty
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import make
from tests.providers.hetzner.hetzner_fake import TOKEN
from tests.providers.scripted import FakeClock


@pytest.fixture
def cloud() -> Iterator[HetznerCloud]:
    cloud = HetznerCloud()
    yield cloud
    assert cloud.problems == [], "\n".join(sorted(set(cloud.problems)))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def faulty(cloud: HetznerCloud) -> Faulty:
    return Faulty(cloud)


@pytest.fixture
def provider(faulty: Faulty, clock: FakeClock) -> Iterator[Hetzner]:
    driver = make(TOKEN, faulty, clock)
    yield driver
    driver.close()
