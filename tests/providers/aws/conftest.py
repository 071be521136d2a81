"""One AWS on paper for all tests of the folder, as new for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.aws.calls import Aws
from providers.aws.driver import Amazon
from providers.http import Patience
from tests.providers.aws.aws_cloud import EXPECTED, KEY, REGION, SECRET, Cloud, moto_server
from tests.providers.scripted import FakeClock

AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with moto_server() as url:
            yield url


@pytest.fixture(scope="session")
def paper(server_url: str) -> Cloud:
    return Cloud(server_url)


@pytest.fixture(scope="session")
def access(paper: Cloud) -> Iterator[Aws]:
    """Clients take half a second to make: these serve all tests."""
    made = Aws(KEY, SECRET, REGION, FakeClock(), endpoint_url=paper.url, watch=lambda client: paper.watch(client))
    yield made
    made.close()


@pytest.fixture
def cloud(paper: Cloud) -> Iterator[Cloud]:
    paper.reset()
    yield paper
    assert paper.problems == []
    assert set(paper.refused) <= EXPECTED


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws(access: Aws, cloud: Cloud, clock: FakeClock) -> Aws:
    access.clock = clock
    access.patience = Patience()
    access.page_items = 1000
    return access


@pytest.fixture
def provider(aws: Aws) -> Amazon:
    return Amazon(aws, fetch=lambda _url: AUTHORITY)


@pytest.fixture
def region() -> str:
    return REGION
