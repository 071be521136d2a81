"""DigitalOcean's driver keeps the contract, on the rehearsal's API and before the vendor's own description."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Permission, RecordSet
from providers.digitalocean.driver import DigitalOcean
from providers.http import Patience
from state.clock import SystemClock
from state.errors import Unauthorized
from state.secret import Secret
from tests.providers.contract import ProviderContract, network, region, spec  # noqa: F401 - fixtures
from tests.providers.databases import DatabaseContract, database_spec  # noqa: F401 - a fixture
from tests.providers.description import Judged
from tests.providers.rehearsed import PaperNames, PaperRoom, serving

TOKEN = Secret("dop_v1_" + "0f" * 32)


@pytest.fixture
def names() -> PaperNames:
    return PaperNames()


@pytest.fixture
def api_url(names: PaperNames) -> Iterator[str]:
    with serving(TOKEN, PaperRoom(), names) as url:
        yield url


@pytest.fixture
def provider(api_url: str) -> Iterator[DigitalOcean]:
    judged = Judged(httpx.HTTPTransport())
    driver = DigitalOcean(
        TOKEN, api_url=api_url, clock=SystemClock(), transport=judged, patience=Patience(settle_s=0.2, call_s=10)
    )
    yield driver
    driver.close()
    assert judged.count
    assert judged.problems == []


class TestDigitalOcean(ProviderContract, DatabaseContract):
    """The suite, unchanged."""

    def test_a_wrong_token_is_refused(self, api_url: str) -> None:
        driver = DigitalOcean(Secret("dop_v1_" + "00" * 32), api_url=api_url, clock=SystemClock())
        with pytest.raises(Unauthorized) as caught:
            driver.check_credentials()
        driver.close()
        assert "Unable to authenticate you" in caught.value.detail
        assert caught.value.hint

    def test_records_reach_the_name_server(self, provider: DigitalOcean, names: PaperNames) -> None:
        provider.ensure_zone("contract.example.org")
        provider.put_record_set("contract.example.org", RecordSet("www", "A", ("203.0.113.1", "203.0.113.2"), 60))
        ttl_s, contents = names.rrsets["www.contract.example.org.", "A"]
        assert (ttl_s, set(contents)) == (60, {"203.0.113.1", "203.0.113.2"})

    def test_bucket_keys_are_made_replaced_and_deleted(self, provider: DigitalOcean) -> None:
        grants = (
            BucketGrant("by-demo-config", Permission.READ),
            BucketGrant("by-demo-assets", Permission.READ_WRITE),
        )
        first, secret = provider.create_bucket_key("by-demo-state", grants)
        assert secret.reveal()
        other, _ = provider.create_bucket_key("by-demo-state-of-another", FULL_ACCESS)
        second, _ = provider.create_bucket_key("by-demo-state", grants)
        assert second != first
        assert provider.bucket_keys("by-demo-state") == (BucketKey(second, frozenset(grants)),)
        assert provider.bucket_keys("by-demo-state-of-another") == (BucketKey(other, frozenset(FULL_ACCESS)),)
        provider.delete_bucket_key(first)
        provider.delete_bucket_key(second)
        provider.delete_bucket_key(second)
