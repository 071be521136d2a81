"""The fixture of a cloud on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import paper


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[paper.Ground]:
    with paper.ground(tmp_path) as found:
        yield found
