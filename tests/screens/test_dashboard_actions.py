"""What can be done from the dashboard: menu, build, runs, login, destroy; all by keyboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from screens.deployment_actions import actions_of
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.destroy import DestroyDialog
from screens.dialogs.login import LoginDialog
from screens.dialogs.menu import MenuDialog
from screens.dialogs.problem import ProblemDialog
from screens.logs import LogsPage
from screens.looking import Seen
from state.errors import LeaseHeld
from state.runs import RunState
from tests.screens.conftest import SIZES, app_of, text_on, until
from tests.screens.fake_backend import FakeBackend
from tests.screens.fleet_samples import (
    PASSWORD,
    RUNNING_CARD,
    SHOP,
    SHOP_CARD,
    UNFINISHED_CARD,
    Went,
    shop_backend,
)
from tests.screens.test_dashboard import looked, page_of, shown

FOLDER = Path("/runs/new")


@pytest.fixture
def backend() -> FakeBackend:
    some = shop_backend()
    some.all_cards = (SHOP_CARD,)
    return some


@pytest.fixture
def went() -> Went:
    return Went()


async def dialog(pilot: Pilot[Any], kind: type) -> None:
    await until(pilot, kind.__name__, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()


async def test_enter_opens_all_actions_each_with_its_command(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("enter")
        await dialog(pilot, MenuDialog)
        commands = []
        for _ in range(app.screen.query_one(OptionList).option_count):
            commands.append(next(line for line in shown(pilot).splitlines() if "the same: " in line))
            await pilot.press("down")
            await pilot.pause()
        said = [line.split("the same: ")[1].split(" │")[0].strip() for line in commands]
        assert said == [
            "buildyard build --deployment shop",
            "buildyard new --deployment shop",
            "buildyard watch --deployment shop",
            "buildyard logs as-1 --deployment shop",
            "buildyard status --password --deployment shop",
            "buildyard status --deployment shop",
            "buildyard replay --deployment shop",
            "buildyard destroy --deployment shop",
        ]
        await pilot.press("escape")
        await until(pilot, "the page", lambda: app.screen is page_of(pilot))
        assert went.to == []


async def test_a_letter_in_the_menu_chooses_at_once(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("enter")
        await dialog(pilot, MenuDialog)
        await pilot.press("c")
        await until(pilot, "the wizard", lambda: went.to == [("change", "shop")])


async def test_build_is_confirmed_then_started_and_shown(backend: FakeBackend, went: Went) -> None:
    backend.folders = {"build": [FOLDER]}
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("b")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("enter")
        await until(pilot, "the page", lambda: app.screen is page_of(pilot))
        assert ("start", "shop", "build") not in backend.asked, "enter alone builds nothing"
        await pilot.press("b")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("y")
        await until(pilot, "the run", lambda: went.to == [("run", "shop", FOLDER, "build", True)])


async def test_a_build_that_cannot_start_says_why(backend: FakeBackend, went: Went) -> None:
    backend.folders = {"build": [LeaseHeld("Another run changes shop now.", hint="buildyard attach")]}
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("b", "y")
        await dialog(pilot, ProblemDialog)
        assert "Another run changes shop now." in shown(pilot)
        assert "starting" not in page_of(pilot).heading.right
        assert went.to == []


async def test_a_run_that_goes_on_is_watched_and_nothing_else_begun(backend: FakeBackend, went: Went) -> None:
    backend.all_cards = (RUNNING_CARD,)
    app = app_of(backend, went.dashboard)
    async with app.run_test(notifications=True) as pilot:
        await looked(pilot)
        await pilot.press("b")
        await until(pilot, "the reason", lambda: "A run goes on (build)" in shown(pilot))
        assert app.screen is page_of(pilot)
        await pilot.press("a")
        assert went.to == [("run", "shop", RUNNING_CARD.runs[0].folder, "build", True)]
        await pilot.press("enter")
        await dialog(pilot, MenuDialog)
        assert "a  Watch the build" in shown(pilot)
        assert "buildyard attach --deployment shop" in shown(pilot)


async def test_the_autoscaler_is_watched_where_there_is_one(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("w")
        assert went.to == [("watch", "shop")]
    backend.all_cards = (replace(SHOP_CARD, mode="development"),)
    app = app_of(backend, went.dashboard)
    async with app.run_test(notifications=True) as pilot:
        await looked(pilot)
        await pilot.press("w")
        await until(pilot, "the reason", lambda: "Only production mode" in shown(pilot))
        assert len(went.to) == 1


async def test_an_earlier_run_is_chosen_and_played_again(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("v")
        await dialog(pilot, MenuDialog)
        assert "Runs of shop" in shown(pilot)
        await pilot.press("down")
        await pilot.pause()
        run = SHOP_CARD.runs[1]
        assert f"buildyard replay {run.id}" in shown(pilot)
        await pilot.press("enter")
        await until(pilot, "the run", lambda: went.to == [("run", "shop", run.folder, "build", False)])


async def test_an_unfinished_deployment_offers_to_go_on_answering(backend: FakeBackend, went: Went) -> None:
    backend.all_cards = (UNFINISHED_CARD,)
    app = app_of(backend, went.dashboard)
    async with app.run_test(notifications=True) as pilot:
        await looked(pilot)
        await pilot.press("b")
        await until(pilot, "the reason", lambda: "Some questions are not answered yet" in shown(pilot))
        await pilot.press("enter")
        await dialog(pilot, MenuDialog)
        assert "c  Go on answering" in shown(pilot)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert "Some questions are not answered yet" in shown(pilot), "the menu says why it cannot be built"
        assert isinstance(app.screen, MenuDialog)
        await pilot.press("up", "enter")
        await until(pilot, "the wizard", lambda: went.to == [("change", "later")])


async def test_the_password_is_drawn_only_on_request(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("p")
        await dialog(pilot, LoginDialog)
        assert "https://shop.example.org/wp-login.php" in shown(pilot)
        assert "admin" in shown(pilot)
        assert PASSWORD not in shown(pilot)
        await pilot.press("c")
        assert app.clipboard == PASSWORD
        assert PASSWORD not in shown(pilot)
        await pilot.press("s")
        await until(pilot, "the password", lambda: PASSWORD in shown(pilot))
        await pilot.press("s")
        await until(pilot, "it to be hidden", lambda: PASSWORD not in shown(pilot))


async def test_destroy_says_what_goes_and_takes_only_the_exact_name(backend: FakeBackend, went: Went) -> None:
    backend.folders = {"destroy": [FOLDER]}
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("D")
        await dialog(pilot, DestroyDialog)
        for part in ("4 machines (as-1, ws-1, ws-2, db-1)", "https://shop.example.org/", "$42.00 a month", "answers"):
            assert part in shown(pilot)
        for typed in ("", "Shop", "shop "):
            app.screen.query_one(Input).value = typed
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, DestroyDialog)
        assert "nothing was destroyed" in shown(pilot)
        assert went.to == []
        app.screen.query_one(Input).clear()
        await pilot.press(*"shop", "enter")
        await until(pilot, "the run", lambda: went.to == [("run", "shop", FOLDER, "destroy", True)])
        assert backend.asked[-1] == ("start", "shop", "destroy")


async def test_destroy_can_be_left_with_esc(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("D")
        await dialog(pilot, DestroyDialog)
        await pilot.press(*"shop", "escape")
        await until(pilot, "the page", lambda: app.screen is page_of(pilot))
        assert not [asked for asked in backend.asked if asked[0] == "start"]


async def test_l_opens_the_logs_and_esc_comes_back(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("l")
        await until(pilot, "the logs", lambda: isinstance(app.page, LogsPage))
        await pilot.press("escape")
        await until(pilot, "the dashboard", lambda: app.page is not None and app.page.NAME == "Deployments")


async def test_q_leaves(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        await pilot.press("q")
        await until(pilot, "the end", lambda: not app.is_running or app.return_value == 0)


async def test_help_has_every_key(backend: FakeBackend, went: Went) -> None:
    app = app_of(backend, went.dashboard)
    async with app.run_test(size=(120, 60)) as pilot:
        await looked(pilot)
        await pilot.press("question_mark")
        await until(pilot, "help", lambda: "Destroy this deployment; asks for its name" in shown(pilot))
        for words in ("All that can be done", "Earlier runs", "administrator logs in", "Watch the run that goes on"):
            assert words in text_on(app)


def test_what_cannot_be_done_says_why() -> None:
    def why(seen: Seen) -> dict[str, str]:
        return {entry.id: entry.why_not for entry in actions_of(seen)}

    assert not any(why(Seen(SHOP_CARD, SHOP)).values())
    unbuilt = why(Seen(replace(SHOP_CARD, built=False, runs=())))
    assert unbuilt["logs"] == unbuilt["destroy"] == "Nothing is built yet."
    assert unbuilt["runs"] == "There was no run yet."
    assert unbuilt["build"] == ""
    going = why(Seen(RUNNING_CARD, SHOP))
    assert going["build"] == going["destroy"] == going["change"] != ""
    assert going["attach"] == going["logs"] == ""
    assert RUNNING_CARD.runs[0].state is RunState.RUNNING


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_menu(snap_compare: Any, size: tuple[int, int]) -> None:
    async def opened(pilot: Pilot[Any]) -> None:
        await looked(pilot)
        await pilot.press("enter")
        await dialog(pilot, MenuDialog)

    assert snap_compare(app_of(shop_backend(), Went().dashboard), terminal_size=size, run_before=opened)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_destroy(snap_compare: Any, size: tuple[int, int]) -> None:
    async def opened(pilot: Pilot[Any]) -> None:
        await looked(pilot)
        await pilot.press("D")
        await dialog(pilot, DestroyDialog)
        pilot.app.screen.query_one(Input).cursor_blink = False
        await pilot.press(*"blo", "enter")
        await until(pilot, "the problem", lambda: "nothing was destroyed" in shown(pilot))

    assert snap_compare(app_of(shop_backend(), Went().dashboard), terminal_size=size, run_before=opened)
