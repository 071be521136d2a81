"""The live view of the autoscaler as a person sees it, at two sizes."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from screens.dialogs.scale import ScaleDialog
from tests.fleet.autoscaler_journal import calm, leads
from tests.fleet.autoscaler_views import NOW
from tests.screens.at_watch import EVENTS, KNOWN, POLICY, heard, watch_backend, watch_page
from tests.screens.conftest import SIZES, app_of, until
from tests.screens.fake_backend import FakeBackend


def looks(snap_compare: Any, backend: FakeBackend, size: tuple[int, int], *keys: str, **more: Any) -> bool:
    async def before(pilot: Pilot[Any]) -> None:
        page = await heard(pilot)
        await until(pilot, "the newest", lambda: page.watched.at == newest)
        page._drawn = ()
        page._draw()
        await pilot.pause()
        await pilot.press(*keys)
        if "plus" in keys:
            await until(pilot, "the dialog", lambda: isinstance(pilot.app.screen, ScaleDialog))
        await pilot.pause()

    newest = more.pop("newest", EVENTS[-1].at)
    app = app_of(backend, lambda: watch_page(newest + 3, **more))
    return bool(snap_compare(app, terminal_size=size, run_before=before))


@pytest.mark.parametrize("size", SIZES)
def test_looks_while_one_is_replaced(snap_compare: Any, size: tuple[int, int]) -> None:
    assert looks(snap_compare, watch_backend(), size, "down", "down", "down")


@pytest.mark.parametrize("size", SIZES)
def test_looks_when_all_is_well(snap_compare: Any, size: tuple[int, int]) -> None:
    events = (leads(NOW), *calm(2, NOW + 1, 1800, POLICY))
    assert looks(snap_compare, watch_backend(events), size, newest=events[-1].at, free=True)


@pytest.mark.parametrize("size", SIZES)
def test_looks_asking_for_a_number(snap_compare: Any, size: tuple[int, int]) -> None:
    assert looks(snap_compare, watch_backend(known=KNOWN), size, "plus")
