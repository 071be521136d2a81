"""The live view of the autoscaler, by keyboard."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from fleet.autoscaler.following import Hears
from fleet.autoscaler.watch_rows import Known
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.dialogs.scale import ScaleDialog
from screens.look import Look
from screens.watch import WatchPage
from screens.widgets.rows_view import RowsView
from state.errors import PassphraseMissing, UsageError
from state.events import Event, Kind
from tests.fleet.autoscaler_journal import calm, decision, line, record, sample, server
from tests.fleet.autoscaler_views import NOW, policy, view
from tests.screens.at_watch import EVENTS, KNOWN, LATER, POLICY, heard, page_of, watch_backend, watch_page
from tests.screens.conftest import app_of, text_on, until
from tests.screens.fake_backend import FakeBackend


@pytest.fixture
def backend() -> FakeBackend:
    return watch_backend()


def _tells(text: bytes, hears: Hears) -> None:
    hears.line(text)


async def choose(pilot: Pilot[Any], name: str) -> None:
    await pilot.press("home")
    for _ in range(40):
        if page_of(pilot).machines.chosen == name:
            await pilot.pause()
            return
        await pilot.press("down")
    raise AssertionError(f"{name} is not there")


def said(pilot: Pilot[Any]) -> str:
    """What was told in passing."""
    return "\n".join(note.message for note in pilot.app._notifications)


async def dialog(pilot: Pilot[Any], kind: type) -> None:
    await until(pilot, kind.__name__, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()


async def test_it_shows_who_leads_every_machine_and_what_was_decided(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        shown = text_on(app)
    assert "as-1 leads · 1 of 3 webservers serve · 2 wanted (2 to 6 allowed, 2 as a rule)" in shown
    assert "✔ ws-1    webserver  203.0.113.21 serving" in shown
    assert "yes 270 ms 88 %" in shown
    assert "✖ ws-2" in shown
    assert "▶ ws-3" in shown
    assert "cert 61 days · $42.00/month" in shown
    assert "▶ ws-2 is ill, it is silent: as-1 saw it 5 of 5 times" in shown
    assert "… ws-2 is not replaced yet" in shown
    assert "3 there, 2 wanted" in shown


async def test_the_chosen_machine_says_why_and_has_the_chart(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(120, 40)) as pilot:
        page = await heard(pilot)
        assert "slowest 270" in page.answers.text
        await choose(pilot, "ws-2")
        await until(pilot, "the sentence", lambda: page.detail.text.startswith("ws-2: ill: it is silent"))
        assert "ws-2 " in page.answers.text.splitlines()[0]
        await choose(pilot, "ws-3")
        await until(pilot, "the step", lambda: "takes the place of ws-2, package nginx" in page.detail.text)
        assert "DNS: shop.example.org → ws-1" in text_on(app)


async def test_what_happens_appears_and_the_chosen_machine_stays_chosen(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await choose(pilot, "ws-1")
        seen = view(*(server(f"ws-{number}", LATER) for number in (1, 2, 3)))
        backend.knowns["shop"] = replace(KNOWN, record=record(3))
        for event in (decision(seen, replace(POLICY, target=3), LATER), sample(seen, POLICY, LATER)):
            backend.happens.put(partial(_tells, line(event)))
        await until(pilot, "the news", lambda: "3 of 3 webservers serve" in page.status.text)
        assert page.machines.chosen == "ws-1"
        assert "3 webservers wanted: the target is 3." in page.told.text


async def test_a_lost_connection_is_said_and_how_old_the_figures_are(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        backend.happens.put(lambda hears: hears.stands("connecting to as-2", live=False))
        await until(pilot, "the sentence", lambda: "connecting to as-2" in page.status.text)
        assert page.status.text == "… connecting to as-2; what is shown is 0:03 old"
        assert "ws-1" in page.machines.text, "what was known stays"


async def test_scaling_asks_shows_its_command_and_changes_only_the_target(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await heard(pilot)
        await pilot.press("plus")
        await dialog(pilot, ScaleDialog)
        await pilot.press("plus")
        await pilot.pause()
        assert "4 webservers" in text_on(app)
        assert "the same: buildyard scale 4 --deployment shop" in text_on(app)
        await pilot.press("enter")
        await until(pilot, "the change", lambda: backend.policies["shop"] == replace(POLICY, target=4))
        await until(pilot, "that it shows", lambda: "4 as a rule" in page_of(pilot).status.text)
        assert "the autoscaler brings it about" in said(pilot)


async def test_scaling_stays_within_what_is_allowed_and_can_be_left(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        await pilot.press("minus")
        await dialog(pilot, ScaleDialog)
        assert "2 webservers" in text_on(app), "2 is the minimum"
        await pilot.press(*["up"] * 9)
        await pilot.pause()
        assert "6 webservers" in text_on(app)
        await pilot.press("escape")
        await dialog(pilot, WatchPage)
        await pilot.press("minus", "enter")
        await dialog(pilot, WatchPage)
        assert not [asked for asked in backend.asked if asked[0] == "change_policy"]


async def test_pause_is_confirmed_and_becomes_resume(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await pilot.press("space")
        await dialog(pilot, ConfirmDialog)
        assert "the same: buildyard pause --deployment shop" in text_on(app)
        await pilot.press("enter")
        await dialog(pilot, WatchPage)
        assert backend.policies["shop"] == POLICY, "enter alone changes nothing"
        await pilot.press("space")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("y")
        await until(pilot, "that it shows", lambda: "PAUSED: nothing is carried out" in page.status.text)
        assert backend.policies["shop"] == replace(POLICY, paused=True)
        await until(pilot, "the other word", lambda: "Resume" in text_on(app).splitlines()[-1])
        await pilot.press("space")
        await dialog(pilot, ConfirmDialog)
        assert "buildyard resume --deployment shop" in text_on(app)
        await pilot.press("y")
        await until(pilot, "that it acts", lambda: "PAUSED" not in page.status.text)
        assert backend.policies["shop"] == POLICY


async def test_the_chosen_webserver_is_protected_and_released(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await choose(pilot, "ws-1")
        await pilot.press("p")
        await dialog(pilot, ConfirmDialog)
        assert "the same: buildyard protect ws-1 --deployment shop" in text_on(app)
        await pilot.press("y")
        await until(pilot, "that it shows", lambda: "serving*" in page.machines.text)
        assert "protected: no decision ends it" in page.detail.text
        await pilot.press("p")
        await dialog(pilot, ConfirmDialog)
        assert "buildyard protect ws-1 --off --deployment shop" in text_on(app)
        await pilot.press("y")
        await until(pilot, "that it is gone", lambda: "serving*" not in page.machines.text)
    changes = [asked[2] for asked in backend.asked if asked[0] == "change_policy"]
    assert changes == ["protect ws-1", "protect ws-1 --off"]


async def test_only_a_webserver_can_be_protected(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await heard(pilot)
        await choose(pilot, "db-1")
        await pilot.press("p")
        await until(pilot, "why not", lambda: "choose one with the arrows" in said(pilot))
        assert app.screen is page_of(pilot)


async def test_a_change_that_is_refused_says_why(backend: FakeBackend) -> None:
    backend.policies["shop"] = UsageError("The scaling policy cannot be changed like that.", hint="buildyard new")
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await pilot.press("space")
        await dialog(pilot, ConfirmDialog)
        await pilot.press("y")
        await dialog(pilot, ProblemDialog)
        assert "cannot be changed like that" in text_on(app)
        assert "PAUSED" not in page.status.text


async def test_a_deployment_without_an_autoscaler_says_so() -> None:
    backend = FakeBackend(knowns={"shop": UsageError("shop is in development mode: it has no autoscaler.")})
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await dialog(pilot, ProblemDialog)
        assert "it has no autoscaler" in text_on(app)
    assert ("follow", "shop") not in backend.asked


async def test_the_passphrase_is_asked_for_when_it_is_needed(backend: FakeBackend) -> None:
    backend.knowns["shop"] = PassphraseMissing("No passphrase.")
    backend.secrets_exist = True
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "the question", lambda: "assphrase" in text_on(app))
        backend.knowns["shop"] = KNOWN
        await pilot.press(*"secret", "enter")
        await heard(pilot)


async def test_leaving_ends_the_following(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        await pilot.press("escape")
        await until(pilot, "the end", lambda: ("followed", "shop") in backend.asked)


async def test_the_charts_have_three_lengths_and_decisions_scroll(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        for minutes in (60, 10, 30):
            await pilot.press("t")
            await until(pilot, "the title", lambda minutes=minutes: f", {minutes} min" in page.answers.text)
        await pilot.press("tab")
        assert page.focused is page.told
        assert "leads (epoch 3)" not in text_on(app)
        await pilot.press("end")
        await until(pilot, "the oldest", lambda: "as-1 leads (epoch 3)." in text_on(app))


async def test_nothing_depends_on_colour_or_characters(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(backend, watch_page, look=Look(encoding="ascii"))
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot)
        strips = app.screen._compositor.render_strips()
        shown = "\n".join(_filtered(app, strip) for strip in strips)
    assert shown.isascii(), [character for character in shown if not character.isascii()]
    for words in ("+ ws-1 ", "x ws-2 ", "> ws-3 ", "building", "ill", "#"):
        assert words in shown


def _filtered(app: Any, strip: Strip) -> str:
    segments = list(strip)
    for one in app.get_line_filters():
        segments = one.apply(segments, app.ansi_theme and app.screen.styles.background)
    return "".join(segment.text for segment in segments)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 50), (250, 80)])
async def test_every_size_has_all_parts(backend: FakeBackend, size: tuple[int, int]) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=size) as pilot:
        page = await heard(pilot)
        shown = text_on(app)
        for part in ("machine", "Answer ms, 30 min", "Webservers, 30 min", "Decisions", "ws-3", "db-1", "Pause"):
            assert part in shown, part
        for rows in (rows for rows in page.query(RowsView) if rows.display):
            longest = max(len(row.rstrip()) for row in rows.text.splitlines())
            assert longest <= rows.size.width, f"{rows.id}: {longest} > {rows.size.width}"


MANY = policy(target=28, maximum=28)


def many_backend() -> FakeBackend:
    prices = {f"ws-{number}": Decimal(6) for number in range(1, 29)}
    return watch_backend(calm(28, NOW, 600, MANY), Known(record(28), prices))


@pytest.mark.parametrize("size", [(80, 24), (250, 80)])
async def test_thirty_machines_are_drawn_without_lag(size: tuple[int, int]) -> None:
    app = app_of(many_backend(), lambda: watch_page(NOW + 602))
    async with app.run_test(size=size) as pilot:
        page = await heard(pilot)
        await until(pilot, "all of them", lambda: page.watched.at == NOW + 600 and "ws-28" in page.machines.text)
        costs = []
        for second in range(10):
            for event in calm(28, NOW + 610 + 10 * second, 0, MANY):
                page.heard.line(line(event))
            gc.collect()
            # Of this thread alone: what else the machine does is no work of ours.
            began = time.thread_time()
            page._draw()
            app.screen._compositor.render_strips()
            costs.append((time.thread_time() - began) * 1000)
            await pilot.pause()
    assert sorted(costs)[5] < 50, [f"{cost:.1f} ms" for cost in costs]


async def test_at_most_four_repaints_a_second_however_much_happens(backend: FakeBackend) -> None:
    app = app_of(backend, watch_page)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        shown = 0
        before = page.status.show

        def show(rows: Any) -> None:
            nonlocal shown
            shown += 1
            before(rows)

        page.status.show = show  # type: ignore[method-assign]
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < 2:
            for _ in range(100):
                number += 1
                page.heard.line(line(Event(Kind.NOTE, f"note {number}", at=LATER + number / 1000)))
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - began
    assert number > 1000
    assert 1 <= shown <= seconds * 4 + 2


async def test_a_long_list_of_machines_is_walked_through(backend: FakeBackend) -> None:
    app = app_of(many_backend(), lambda: watch_page(NOW + 602))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await heard(pilot)
        await until(pilot, "all of them", lambda: "ws-28" in page.machines.text)
        assert "ws-28 " not in text_on(app)
        await pilot.press("end")
        await until(pilot, "the last", lambda: "db-1 " in text_on(app) and "ws-28 " in text_on(app))
        assert page.machines.chosen == "db-1"
        assert "machine role" in text_on(app), "the head stays"
        await pilot.press("pageup", "up")
        await until(pilot, "an earlier one", lambda: page.machines.chosen == "ws-18")
        assert "ws-18 " in text_on(app)


def test_the_story_ends_before_now() -> None:
    assert EVENTS[-1].at < LATER
