"""The room that the tests of the machine room share: made once per file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from rehearsal.room.room import Room
from tests.rehearsal.room.ground import IMAGES, Keys, settled


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("user", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return Keys(folder / "user", folder / "host")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Room]:
    """A room with the machines 1 and 2."""
    made = Room(tmp_path_factory.mktemp("room"), images=IMAGES)
    try:
        made.up()
        for machine_id in (1, 2):
            made.create(keys.request(made, machine_id))
        for machine_id in (1, 2):
            settled(made, machine_id)
        yield made
    finally:
        made.down()
