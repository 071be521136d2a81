"""What the tests of the rehearsal share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.api_in_process import Api
from tests.rehearsal.described import SPECS, Described


@pytest.fixture(scope="session")
def described() -> Described:
    """The vendor's description, read once."""
    return Described(SPECS / "digitalocean.json")


@pytest.fixture
def api(tmp_path: Path, described: Described) -> Iterator[Api]:
    """The API in this process."""
    made = Api(tmp_path, described)
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private half of an SSH key."""
    file = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file
