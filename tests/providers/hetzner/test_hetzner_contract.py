"""Hetzner's driver keeps the contract before its API on paper, which the vendor's own description judges."""

from __future__ import annotations

import pytest

from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Permission
from providers.hetzner.driver import Hetzner
from state.errors import Unauthorized
from tests.providers.contract import ProviderContract
from tests.providers.faults import FaultContract
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import S3_KEY, S3_SECRET, make
from tests.providers.hetzner.hetzner_fake import READ_ONLY_TOKEN, TOKEN
from tests.providers.scripted import FakeClock


class TestHetzner(ProviderContract):
    """The suite, unchanged."""

    def test_a_wrong_token_is_refused(self, cloud: HetznerCloud, clock: FakeClock) -> None:
        driver = make("00" * 32, cloud, clock)
        with pytest.raises(Unauthorized) as caught:
            driver.check_credentials()
        assert "the token you provided is invalid" in caught.value.detail
        assert caught.value.hint
        assert "00" * 32 not in caught.value.text()

    def test_a_token_that_only_reads_is_told_and_changes_nothing(self, cloud: HetznerCloud, clock: FakeClock) -> None:
        account = make(READ_ONLY_TOKEN, cloud, clock).check_credentials()
        assert len(account.missing_rights) == 1
        assert account.missing_rights[0].startswith("Read & Write (makes servers")
        assert not cloud.keys

    def test_every_key_to_the_object_store_is_the_owners_and_opens_all(self, provider: Hetzner) -> None:
        provider.regions()
        grants = (BucketGrant("by-demo-config", Permission.READ),)
        assert provider.create_bucket_key("by-demo-a", grants) == (S3_KEY.reveal(), S3_SECRET)
        assert provider.create_bucket_key("by-demo-b", FULL_ACCESS) == (S3_KEY.reveal(), S3_SECRET)
        assert provider.bucket_keys("by-demo-a") == (BucketKey(S3_KEY.reveal(), frozenset(FULL_ACCESS)),)
        provider.delete_bucket_key(S3_KEY.reveal())
        assert not provider.capabilities.narrow_bucket_keys


class TestHetznerFaults(FaultContract):
    """The suite, unchanged."""

    create = ("POST", "/servers")
    read = ("GET", "/servers")

    @pytest.fixture
    def credential(self) -> str:
        return TOKEN
