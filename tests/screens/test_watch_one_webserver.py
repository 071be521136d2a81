"""What a watcher asks for one webserver by keyboard: another one in its place, or that it stays without visitors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.watch_rows import Known
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.watch import WatchPage
from state.fleet_record import Stage
from tests.fleet.autoscaler_journal import record
from tests.screens.at_watch import LATER, POLICY, heard, watch_backend, watch_page
from tests.screens.conftest import app_of, text_on, until
from tests.screens.fake_backend import FakeBackend
from tests.screens.test_watch import choose, dialog, said


@pytest.fixture
def backend() -> FakeBackend:
    return watch_backend()


async def test_the_chosen_webserver_is_replaced(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        page = await heard(pilot)
        await choose(pilot, "ws-1")
        await pilot.press("r")
        await dialog(pilot, ConfirmDialog)
        shown = text_on(app)
        assert "Replace ws-1?" in shown
        assert "the same: buildyard replace ws-1 --deployment shop" in shown
        await pilot.press("enter")
        await dialog(pilot, WatchPage)
        assert backend.policies["shop"] == POLICY, "enter alone changes nothing"
        await pilot.press("r")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("y")
        await until(pilot, "that it shows", lambda: "to be replaced" in page.detail.text)
        assert "Another webserver takes the place of ws-1." in said(pilot)
    assert backend.policies["shop"] == replace(POLICY, replacing=(Asked("ws-1", LATER),))


async def test_the_chosen_webserver_is_drained_and_given_back(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await choose(pilot, "ws-1")
        await pilot.press("d")
        await dialog(pilot, ConfirmDialog)
        assert "the same: buildyard drain ws-1 --deployment shop" in text_on(app)
        await pilot.press("y")
        await until(pilot, "that it shows", lambda: "drained: no visitors as soon as" in page.detail.text)
        assert backend.policies["shop"] == replace(POLICY, drained=(Asked("ws-1", LATER),))
        await pilot.press("d")
        await dialog(pilot, ConfirmDialog)
        assert "buildyard drain ws-1 --off --deployment shop" in text_on(app)
        await pilot.press("y")
        await until(pilot, "that it is gone", lambda: "drained" not in page.detail.text)
    assert backend.policies["shop"] == POLICY


async def test_one_that_is_being_built_is_refused_with_the_reason(backend: FakeBackend) -> None:
    backend.knowns["shop"] = Known(record(3, ws_3={"stage": Stage.REACHED}))
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        await choose(pilot, "ws-3")
        for key in ("r", "d"):
            await pilot.press(key)
            await dialog(pilot, ProblemDialog)
            assert "ws-3 is still being built." in text_on(app)
            await pilot.press("escape")
            await dialog(pilot, WatchPage)
    assert not [asked for asked in backend.asked if asked[0] == "change_policy"]


async def test_a_protected_one_is_not_replaced(backend: FakeBackend) -> None:
    backend.policies["shop"] = replace(POLICY, protected=frozenset({"ws-1"}))
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        await choose(pilot, "ws-1")
        await pilot.press("r")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("y")
        await dialog(pilot, ProblemDialog)
        assert "buildyard protect ws-1 --off" in text_on(app)


@pytest.mark.parametrize("key", ["r", "d"])
async def test_only_a_webserver_can_be_meant(backend: FakeBackend, key: str) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await heard(pilot)
        await choose(pilot, "db-1")
        await pilot.press(key)
        await until(pilot, "why not", lambda: "choose one with the arrows" in said(pilot))
