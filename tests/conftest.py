"""What all tests share: a disk that is not waited for, and what ``check`` may run beside each other."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Nobody cuts the power here: to wait until the disk has it in earnest shows nothing, and takes milliseconds.

    Tests of a disk that is full or broken put their own in its place; machines and other processes wait as ever.
    """
    before = os.fsync
    os.fsync = lambda _file: None
    config.add_cleanup(lambda: setattr(os, "fsync", before))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that does not use a site of the journeys: one after the other, since some look at all rooms there are."""
    for item in items:
        if item.get_closest_marker("machines") and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("rooms"))
