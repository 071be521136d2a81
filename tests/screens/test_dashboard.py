"""What the dashboard shows: how each deployment is and why, before, during and after it was looked at."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from textual.pilot import Pilot

from fleet.status import Status
from screens.dashboard import DashboardPage
from screens.dialogs.passphrase import PassphraseDialog
from screens.looking import EVERY_S
from screens.page import Page
from state.errors import BuildyardError, PassphraseMissing, StateError, Unavailable
from state.runs import RunState
from state.secret import Secret
from tests.screens.conftest import SIZES, app_of, text_on, until
from tests.screens.fake_backend import FakeBackend
from tests.screens.fleet_samples import (
    ANSWERED_CARD,
    BLOG,
    NOW,
    RUNNING_CARD,
    SHOP,
    SHOP_CARD,
    UNFINISHED_CARD,
    Went,
    run_of,
    shop_backend,
)
from tests.screens.terminal import ROOT

TIMEOUT = Unavailable(
    "Linode does not answer.", detail="GET /v4/linode/instances: no answer in 30 s.", hint="buildyard status"
)


@dataclass
class SlowBackend(FakeBackend):
    """Looks end when the test says so."""

    may_end: threading.Event = field(default_factory=threading.Event)
    at_once: list[int] = field(default_factory=list)
    under_way: int = 0

    def status(self, name: str) -> Status:
        self.under_way += 1
        self.at_once.append(self.under_way)
        assert self.may_end.wait(20)
        self.under_way -= 1
        return super().status(name)


def slow_backend(*names: str) -> SlowBackend:
    cards = tuple(replace(SHOP_CARD, name=name) for name in names)
    return SlowBackend(all_cards=cards, statuses={name: replace(SHOP, deployment=name) for name in names})


def page_of(pilot: Pilot[Any]) -> DashboardPage:
    page = pilot.app.page  # type: ignore[attr-defined]
    assert isinstance(page, DashboardPage)
    return page


def shown(pilot: Pilot[Any]) -> str:
    return text_on(pilot.app)  # type: ignore[arg-type]


async def looked(pilot: Pilot[Any]) -> None:
    """Until every look has ended."""
    await until(pilot, "the cards", lambda: page_of(pilot)._looking.all)
    await until(
        pilot,
        "the looks",
        lambda: all(seen.tried_at and not seen.looking for seen in page_of(pilot)._looking.all if seen.card.built),
    )
    await pilot.pause()


async def test_a_deployment_is_shown_with_all_that_is_known(backend: FakeBackend) -> None:
    backend.all_cards, backend.statuses = (SHOP_CARD,), {"shop": SHOP}
    app = app_of(backend, Went().dashboard)
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        text = shown(pilot)
        for part in (
            "✔ healthy · all machines are well and the page is served",
            "https://shop.example.org/",
            "production on digitalocean · $42.00/month",
            "shop.example.org → 203.0.113.12, 203.0.113.13",
            "61 days left",
            "✔ ws-1     webserver   203.0.113.12  serving",
            "82 ms",
            "✔ build     done     2 min ago      took 8 min 02 s",
            "✖ build     failed   2 h ago        took 41 s",
            "seen just now",
        ):
            assert part in text
        assert page_of(pilot).heading.right == "1 deployment"
        assert text_on(app).count("✔ healthy") == 1


async def test_nobody_is_told_to_pay_for_a_rehearsal(backend: FakeBackend) -> None:
    backend.all_cards = (replace(SHOP_CARD, provider="rehearsal"),)
    backend.statuses = {"shop": replace(SHOP, provider="rehearsal")}
    app = app_of(backend, Went().dashboard)
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        text = shown(pilot)
        assert "production on rehearsal · costs nothing" in text
        assert text.count("costs nothing") == 2, "in the list and in its card"
        assert "$" not in text
        assert "✔ ws-1     webserver   203.0.113.12  serving" in text
        await pilot.press("b")
        await until(pilot, "the question", lambda: "Here it costs nothing." in shown(pilot))
        await pilot.press("escape", "D")
        await until(pilot, "what goes", lambda: "Destroy shop?" in shown(pilot))
        assert "a month" not in shown(pilot), "nothing is saved either"


async def test_a_sick_machine_is_named_with_its_reason() -> None:
    app = app_of(shop_backend(), Went().dashboard)
    async with app.run_test(size=(120, 40)) as pilot:
        await looked(pilot)
        text = shown(pilot)
        assert "✖ blog  not healthy" in text
        assert "✔ shop  healthy" in text
        assert "✖ not healthy · ws-1: page: the server answered 502 Bad Gateway instead of 200" in text
        assert "✖ ws-1" in text
        assert "10.77.0.21" in text, "a wide terminal shows the private addresses too"
        assert page_of(pilot).heading.right == "2 deployments · 1 not healthy"


async def test_arrows_choose_whose_details_are_shown() -> None:
    app = app_of(shop_backend(), Went().dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        assert "blog.example.org → 203.0.113.21" in shown(pilot)
        await pilot.press("down")
        await until(pilot, "the other one", lambda: "shop.example.org → 203.0.113.12" in shown(pilot))
        await pilot.press("tab", "end")
        await until(pilot, "the end of the card", lambda: "cut off" in shown(pilot))


async def test_before_the_first_look_is_there_what_is_known_is_shown_and_keys_work() -> None:
    backend = slow_backend("a", "b", "c", "d")
    app = app_of(backend, Went().dashboard)
    async with app.run_test() as pilot:
        await until(pilot, "the looks to begin", lambda: backend.under_way == 2)
        text = shown(pilot)
        assert "… looking…" in text
        assert "https://shop.example.org/" in text
        assert "✔ build     done     2 min ago" in text
        await pilot.press("down", "down")
        assert page_of(pilot).deployments.chosen == "c"
        backend.may_end.set()
        await looked(pilot)
        assert max(backend.at_once) == 2
        assert len(backend.at_once) == 4
        assert page_of(pilot).deployments.chosen == "c", "the choice stays where it was"


async def test_what_is_shown_is_looked_at_again_after_a_minute_and_by_r() -> None:
    backend, time = shop_backend(), [NOW]
    backend.all_cards = backend.all_cards[1:]
    page = DashboardPage(
        on_new=lambda: 0, on_change=lambda _: 0, on_run=lambda *_: 0, on_watch=lambda _: 0, now=lambda: time[0]
    )
    app = app_of(backend, lambda: page)
    async with app.run_test() as pilot:
        await looked(pilot)
        page.tick()
        await looked(pilot)
        assert backend.asked.count(("status", "shop")) == 1
        time[0] += EVERY_S
        page.tick()
        await until(pilot, "the second look", lambda: backend.asked.count(("status", "shop")) == 2)
        await looked(pilot)
        await pilot.press("r")
        await until(pilot, "the third look", lambda: backend.asked.count(("status", "shop")) == 3)


async def test_while_another_page_is_on_top_nobody_is_asked() -> None:
    class Other(Page):
        NAME = HELP = "other"

        def body(self) -> Any:
            return ()

    backend, time = shop_backend(), [NOW]
    page = DashboardPage(
        on_new=lambda: 0, on_change=lambda _: 0, on_run=lambda *_: 0, on_watch=lambda _: 0, now=lambda: time[0]
    )
    app = app_of(backend, lambda: page)
    async with app.run_test() as pilot:
        await looked(pilot)
        asked = len(backend.asked)
        await app.push_screen(Other())
        time[0] += EVERY_S
        page.tick()
        await pilot.pause()
        assert len(backend.asked) == asked
        app.pop_screen()
        await until(pilot, "the looks after coming back", lambda: len(backend.asked) == asked + 2)


async def test_a_failed_look_says_what_why_and_what_next_in_its_place() -> None:
    backend = shop_backend()
    backend.statuses["blog"] = TIMEOUT
    app = app_of(backend, Went().dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        text = shown(pilot)
        assert "▲ blog  unknown" in text
        assert "▲ Linode does not answer." in text
        assert "GET /v4/linode/instances: no answer in 30 s." in text
        assert "Next: buildyard status" in text
        assert "✔ shop  healthy" in text
        backend.statuses["blog"] = BLOG
        await pilot.press("r")
        await until(pilot, "the next look", lambda: "✖ not healthy" in shown(pilot))
        assert "Linode does not answer" not in shown(pilot)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (UNFINISHED_CARD, "○ unfinished · some questions are not answered yet; c goes on"),
        (ANSWERED_CARD, "○ not built · all is answered; b builds it"),
        (RUNNING_CARD, "▶ building · for 2 min; a shows it"),
        (
            replace(SHOP_CARD, built=False, runs=(run_of(7, RunState.DONE, "destroy"),)),
            "○ destroyed · its answers are still here; b builds it again",
        ),
    ],
)
async def test_how_it_stands_without_a_look(backend: FakeBackend, card: Any, said: str) -> None:
    backend.all_cards, backend.statuses = (card,), {"shop": SHOP}
    app = app_of(backend, Went().dashboard)
    async with app.run_test() as pilot:
        await looked(pilot)
        assert said in shown(pilot)


async def test_without_any_deployment_it_says_how_to_begin(backend: FakeBackend) -> None:
    went = Went()
    app = app_of(backend, went.dashboard)
    async with app.run_test() as pilot:
        await until(pilot, "the sentence", lambda: "Press n to begin one." in shown(pilot))
        # There is nothing to do with a deployment.
        await until(pilot, "the footer", lambda: shown(pilot).splitlines()[-1].startswith("n New q Quit ? Help"))
        await pilot.press("enter", "b", "r", "D", "n")
        assert went.to == [("new",)]
        backend.all_cards, backend.statuses = (SHOP_CARD,), {"shop": SHOP}
        page_of(pilot).tick()
        await looked(pilot)
        assert "✔ healthy" in shown(pilot)
        await pilot.press("n")
        assert went.to == [("new",), ("new",)]


async def test_a_home_that_cannot_be_read_is_said(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> tuple[()]:
        raise StateError("Cannot read the deployments.", hint="Look at the disk.")

    monkeypatch.setattr(backend, "cards", broken)
    app = app_of(backend, Went().dashboard)
    async with app.run_test() as pilot:
        await until(pilot, "what to do", lambda: "Next: Look at the disk." in shown(pilot))
        assert "Cannot read the deployments." in shown(pilot)


class LockedBackend(FakeBackend):
    """Nothing can be seen before the passphrase is known."""

    def status(self, name: str) -> Status:
        if self.passphrase is None:
            raise PassphraseMissing("The secrets are in an encrypted file.")
        return super().status(name)


def locked_backend() -> LockedBackend:
    some = shop_backend()
    return LockedBackend(all_cards=some.all_cards, statuses=some.statuses, secrets_exist=True)


async def test_the_passphrase_is_asked_for_once_and_opens_all() -> None:
    backend = locked_backend()
    app = app_of(backend, Went().dashboard)
    async with app.run_test() as pilot:
        await until(pilot, "the dialog", lambda: isinstance(app.screen, PassphraseDialog))
        await pilot.press(*"long enough".replace(" ", "_"), "enter")
        await looked(pilot)
        await until(pilot, "both", lambda: "✔ shop  healthy" in shown(pilot) and "✖ blog  not" in shown(pilot))
        assert backend.passphrase == Secret("long_enough")
        assert app.screen is page_of(pilot)


async def test_without_the_passphrase_it_goes_on_and_r_asks_again() -> None:
    app = app_of(locked_backend(), Went().dashboard)
    async with app.run_test() as pilot:
        await until(pilot, "the dialog", lambda: isinstance(app.screen, PassphraseDialog))
        await pilot.press("escape")
        await looked(pilot)
        assert app.screen is page_of(pilot), "it is not asked again for the other one"
        assert "▲ locked · its secrets need the passphrase; r asks for it" in shown(pilot)
        await pilot.press("r")
        await until(pilot, "the dialog again", lambda: isinstance(app.screen, PassphraseDialog))


@pytest.mark.parametrize("module", ["screens.dashboard", "screens.logs"])
def test_the_first_screen_waits_for_no_library_of_the_work(module: str) -> None:
    """SSH and vendors' clients take longer to load than a screen to draw; the work loads them when it is asked."""
    program = (
        f"import sys, {module}\n"
        "print(*(name for name in ('fabric', 'paramiko', 'boto3', 'httpx', 'yaml') if name in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.split() == []


def _snapshot_app(statuses: dict[str, Status | BuildyardError] | None = None, *, empty: bool = False) -> Any:
    backend = FakeBackend() if empty else shop_backend()
    backend.statuses.update(statuses or {})
    return app_of(backend, Went().dashboard)


async def _healthy_one(pilot: Pilot[Any]) -> None:
    await looked(pilot)
    await pilot.press("down")
    await until(pilot, "the other one", lambda: "shop.example.org → 203.0.113.12" in shown(pilot))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_one_sick(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(_snapshot_app(), terminal_size=size, run_before=looked)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_one_healthy(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(_snapshot_app(), terminal_size=size, run_before=_healthy_one)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_look_failed(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(_snapshot_app({"blog": TIMEOUT}), terminal_size=size, run_before=looked)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_empty(snap_compare: Any, size: tuple[int, int]) -> None:
    async def read(pilot: Pilot[Any]) -> None:
        await until(pilot, "the sentence", lambda: "Press n to begin one." in shown(pilot))

    assert snap_compare(_snapshot_app(empty=True), terminal_size=size, run_before=read)
