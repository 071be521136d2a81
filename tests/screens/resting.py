"""When a program of Textual rests, told by its event loop.

Textual's own ``wait_for_idle`` takes a process that uses little processor time for one that has nothing to do. On a
busy machine a process that waits for its turn looks the same, and a test reads a screen that is not painted yet.
"""

from __future__ import annotations

import asyncio

import pytest
from textual._context import active_app
from textual.screen import Screen

#: After so many rounds something draws itself anew for ever, as a clock does; the tests' own waits see to the rest.
MOST_ROUNDS = 40


def rest_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here to the test's end, Textual's pilot waits until nothing is left to run or to paint."""
    monkeypatch.setattr("textual.app.wait_for_idle", _rest)
    monkeypatch.setattr("textual.pilot.wait_for_idle", _rest)


async def _rest(min_sleep: float = 0, max_sleep: float = 0) -> None:
    app = active_app.get(None)
    for _ in range(MOST_ROUNDS):
        await _nothing_is_ready()
        if app is None or not app.screen_stack or not _is_to_be_painted(app.screen):
            return
        app.screen._on_timer_update()


async def _nothing_is_ready() -> None:
    """Until everybody had a turn and nobody asked for another; timers and other threads aside."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(MOST_ROUNDS * 100):
        await asyncio.sleep(0)
        if not ready:
            return


def _is_to_be_painted(screen: Screen[object]) -> bool:
    return bool(
        screen.is_current
        and not screen.app._batch_count
        and (
            screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
            or screen._recompose_required
            or screen._dirty_widgets
            or screen._callbacks
        )
    )
