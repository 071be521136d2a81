"""Where the lease lies: tried once, remembered, and the fall-back is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.lease_store import lease_store
from fleet.settings import Mode
from state.errors import ProviderError
from state.events import Event, Kind
from state.objects import LocalObjects
from state.paths import DeploymentPaths


class Store:
    """A bucket that has conditional writes or not, and counts how often that was tried."""

    name = "by-shop-state"

    def __init__(self, *, honours: bool, there: bool = True) -> None:
        self.honours, self.there, self.tried = honours, there, 0
        self.asked_once: list[bool] = []

    def ensure(self) -> bool:
        made, self.there = not self.there, True
        return made

    def probe_compare_and_set(self) -> bool:
        self.tried += 1
        return self.honours

    def get(self, _key: str, *, once: bool = False) -> None:
        self.asked_once.append(once)


@pytest.fixture
def paths(tmp_path: Path) -> DeploymentPaths:
    return DeploymentPaths("shop", tmp_path / "deployments" / "shop").create()


def deployment(
    store: Store, events: list[Event], url: str = "https://s3.example", mode: Mode = Mode.DEVELOPMENT
) -> Any:
    return SimpleNamespace(
        settings=SimpleNamespace(mode=mode),
        bucket=lambda _purpose: store,
        emit=events.append,
        access=SimpleNamespace(store=SimpleNamespace(endpoint_url=url)),
    )


def test_a_store_with_conditional_writes_is_tried_once_and_asked_briefly(paths: DeploymentPaths) -> None:
    store, events = Store(honours=True), []
    for _ in range(3):
        found = lease_store(deployment(store, events), paths)
        assert not isinstance(found, LocalObjects)
        found.get("lease.json")
    assert store.tried == 1
    assert store.asked_once == [True] * 3
    assert events == []


def test_a_store_without_them_is_replaced_by_a_folder_and_every_run_says_so(paths: DeploymentPaths) -> None:
    store, events = Store(honours=False), []
    for _ in range(2):
        found = lease_store(deployment(store, events), paths)
        assert found.put_if_absent("lease.json", b"mine") is not None
        found.delete("lease.json")
    assert store.tried == 1
    assert [event.kind for event in events] == [Kind.NOTE] * 2
    assert "no conditional writes" in events[0].text
    assert str(paths.local_objects) in events[0].text
    assert "one build machine at a time" in events[0].text


def test_production_is_refused_where_two_writers_are_not_kept_apart(paths: DeploymentPaths) -> None:
    with pytest.raises(ProviderError, match="no conditional writes") as caught:
        lease_store(deployment(Store(honours=False), [], mode=Mode.PRODUCTION), paths)
    assert "development" in caught.value.hint


def test_another_store_or_a_new_bucket_is_tried_again(paths: DeploymentPaths) -> None:
    store = Store(honours=True)
    lease_store(deployment(store, []), paths)
    lease_store(deployment(store, [], "https://other.example"), paths)
    store.there = False
    lease_store(deployment(store, [], "https://other.example"), paths)
    assert store.tried == 3
