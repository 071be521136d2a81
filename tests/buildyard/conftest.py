"""Build machines on paper that built a shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from state.encrypted_file import Cost, EncryptedFileStore
from tests.buildyard.sticks import PaperBuild, Stick, built
from tests.fleet import paper
from tests.fleet.paper import Ground


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A cloud's, to which all sticks of a test have a token."""
    monkeypatch.setattr("buildyard.jobs.Build", PaperBuild)
    # a guess at this passphrase may be cheap
    cheap = lambda path, passphrase, _cost: EncryptedFileStore(path, passphrase, Cost(n=2))  # noqa: E731
    monkeypatch.setattr("state.secret_store.EncryptedFileStore", cheap)
    with paper.ground(tmp_path) as one:
        yield one


@pytest.fixture(params=["development", "production"])
def stick(account: Ground, tmp_path: Path, request: pytest.FixtureRequest) -> Stick:
    """One that built the shop."""
    return built(account, tmp_path, request.param)


@pytest.fixture
def producer(account: Ground, tmp_path: Path) -> Stick:
    """One that built the shop in production mode."""
    return built(account, tmp_path, "production")
