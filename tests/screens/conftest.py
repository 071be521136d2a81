"""What tests of screens share: the fake backend, an app around one page, and waits that end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import BuildyardApp
from screens.page import Page
from tests.screens.fake_backend import FakeBackend
from tests.screens.resting import rest_by_the_loop
from tests.screens.wizard_talks import Desk

HERE = Path(__file__).parent
#: The smallest terminal and a usual one.
SIZES = ((80, 24), (120, 40))


@pytest.fixture(autouse=True)
def _a_still_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No blinking, and nothing of the developer's own terminal."""
    monkeypatch.setattr(Input, "cursor_blink", False, raising=False)
    rest_by_the_loop(monkeypatch)
    for name in [name for name in os.environ if name.startswith(("TEXTUAL_", "BUILDYARD_"))] + ["NO_COLOR"]:
        if not name.startswith("TEXTUAL_SNAPSHOT_"):  # the snapshots' own
            monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that lies here is a part of its own in ``check``."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.screens)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def app_of(backend: FakeBackend, page: Callable[[], Page], **more: Any) -> BuildyardApp:
    """The program with that page on top."""
    return BuildyardApp(backend, (page,), paint_first=False, **more)


async def until(pilot: Pilot[Any], what: str, holds: Callable[[], object], timeout_s: float = 10) -> None:
    """Waits until something holds; background threads get their turn in between."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.01)
        await pilot.pause()


def text_on(app: BuildyardApp) -> str:
    """Everything the screen shows, line by line, as a person reads it."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
