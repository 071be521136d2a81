"""The log viewer: every machine's lines in the order of time, searched, filtered, and quick when there are many."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from textual.pilot import Pilot

from screens.log_lines import matching, merge, parsed
from screens.logs import LogsPage
from screens.page import Page
from state.errors import BuildyardError, Unreachable
from tests.screens.conftest import SIZES, app_of, text_on, until
from tests.screens.fake_backend import FakeBackend
from tests.screens.fleet_samples import LOGS, SHOP, Went, shop_backend
from tests.screens.test_dashboard import shown

MACHINES = ("as-1", "ws-1", "ws-2", "db-1")
SILENT = Unreachable("No SSH connection to db-1.", hint="buildyard status")


def logs_page() -> Page:
    return LogsPage("shop", MACHINES)


def page_of(pilot: Pilot[Any]) -> LogsPage:
    page = pilot.app.page  # type: ignore[attr-defined]
    assert isinstance(page, LogsPage)
    return page


async def read(pilot: Pilot[Any]) -> None:
    await until(pilot, "all machines", lambda: page_of(pilot)._machines and not page_of(pilot)._asked)
    await pilot.pause()


def heading(pilot: Pilot[Any]) -> str:
    return page_of(pilot).heading.right


async def search(pilot: Pilot[Any], words: str) -> None:
    await pilot.press("slash", *words, "enter")
    await pilot.pause()


def texts(lines_of: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{line.machine} {line.text}" for line in merge({name: parsed(name, lines_of[name]) for name in lines_of})]


def test_lines_are_merged_by_time_whatever_the_zone_and_the_rest_of_a_message_stays_with_it() -> None:
    assert texts(LOGS) == [
        "as-1 systemd[1]: Started buildyard watch.",
        "ws-1 nginx[123]: started",
        "ws-2 nginx[119]: started",
        "db-1 mariadbd[300]: Too many connections",
        "ws-1 php-fpm8.2[140]: ERROR: unable to read what was expected from the database",
        "ws-1   at line two of the same message",
        "as-1 buildyard[211]: hold 2: 38 % of target load",
        "ws-1 nginx[123]: 502 Bad Gateway, an error of the upstream",
    ]


def test_odd_lines_are_taken_as_they_are() -> None:
    odd = "2026-99-31T15:40:00+0000 a x: no time"
    lines = parsed("a", ("-- Boot 1 --", "2026-01-31T15:40:00+0000 a x: 1", odd, ""))
    assert [line.text for line in lines] == ["-- Boot 1 --", "x: 1", odd, ""]
    assert [line.at for line in lines][1:] == [lines[1].at] * 3


def test_control_codes_are_taken_out() -> None:
    (line,) = parsed("a", ("2026-01-31T15:40:00+0000 a x: \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J\ttab",))
    assert line.text.isprintable()
    assert line.text.startswith("x: red ")


def test_a_search_sees_small_and_capital_letters_alike() -> None:
    lines = merge({"a": parsed("a", ("Error", "fine", "an ERROR"))})
    assert matching(lines, "error") == (0, 2)
    assert matching(lines, "") == ()


async def test_all_machines_are_read_and_the_newest_line_is_highlighted() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test(size=(80, 24)) as pilot:
        await read(pilot)
        text = shown(pilot)
        assert "15:41:09 db-1 mariadbd[300]: Too many connections" in text
        assert heading(pilot) == "all machines · 8 lines"
        assert "2026-01-31 15:43:00 ws-1  nginx[123]: 502 Bad Gateway, an error of the" in text
        await pilot.press("home")
        await until(pilot, "the first line in full", lambda: "2026-01-31 15:40:00 as-1" in shown(pilot))
        assert page_of(pilot).rows.has_focus


async def test_a_machine_that_does_not_answer_is_said_and_the_others_are_shown() -> None:
    backend = shop_backend()
    backend.log_lines["db-1"] = SILENT
    app = app_of(backend, logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        assert "✖ db-1: No SSH connection to db-1. Next: buildyard status" in shown(pilot)
        assert heading(pilot) == "all machines · 7 lines"
        backend.log_lines["db-1"] = LOGS["db-1"]
        await pilot.press("r")
        await until(pilot, "it to answer", lambda: heading(pilot) == "all machines · 8 lines")
        assert "No SSH connection" not in shown(pilot)


async def test_when_the_machines_are_not_known_yet_they_are_looked_for() -> None:
    backend = shop_backend()
    app = app_of(backend, lambda: LogsPage("shop"))
    async with app.run_test() as pilot:
        await read(pilot)
        assert ("status", "shop") in backend.asked
        assert heading(pilot) == "all machines · 8 lines"


async def test_when_the_machines_cannot_be_found_it_says_why() -> None:
    backend = shop_backend()
    backend.statuses["shop"] = SILENT
    app = app_of(backend, lambda: LogsPage("shop"))
    async with app.run_test() as pilot:
        await until(pilot, "the problem", lambda: "✖ shop: No SSH connection to db-1." in shown(pilot))
        backend.statuses["shop"] = SHOP
        await pilot.press("r")
        await until(pilot, "the lines", lambda: heading(pilot) == "all machines · 8 lines")


async def test_search_marks_walks_filters_and_ends() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        rows = page_of(pilot).rows
        await pilot.press("home")
        await search(pilot, "error")
        assert rows.has_focus
        assert rows.hits == (4, 7)
        assert rows.cursor == 4
        assert heading(pilot) == "all machines · 8 lines · 1 of 2 finds"
        for key, cursor in (("n", 7), ("n", 4), ("N", 7), ("N", 4)):
            await pilot.press(key)
            assert rows.cursor == cursor
        await pilot.press("f")
        await until(pilot, "the filter", lambda: heading(pilot) == "all machines · 2 lines · 1 of 2 finds · filtered")
        assert "Too many connections" not in shown(pilot)
        await pilot.press("f")
        await until(pilot, "all lines", lambda: "Too many connections" in shown(pilot))
        assert rows.line is not None
        assert "ERROR" in rows.line.text, "the highlighted line stays"
        await pilot.press("escape")
        await pilot.pause()
        assert heading(pilot) == "all machines · 8 lines"
        assert app.page is page_of(pilot)


async def test_what_is_not_there_is_said() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        await search(pilot, "nowhere")
        assert heading(pilot) == "all machines · 8 lines · 0 finds"
        await pilot.press("n", "f")
        await until(pilot, "the sentence", lambda: "No line holds these words; f shows all" in shown(pilot))


async def test_n_and_f_without_words_ask_for_them() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        for key in ("n", "f"):
            await pilot.press(key)
            assert page_of(pilot).search_field.has_focus
            await pilot.press("escape")
            await pilot.pause()
            assert page_of(pilot).rows.has_focus


async def test_m_shows_one_machine_after_the_other() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        said = []
        for _ in range(5):
            await pilot.press("m")
            await pilot.pause()
            said.append(heading(pilot))
        assert said == ["as-1 · 2 lines", "ws-1 · 4 lines", "ws-2 · 1 line", "db-1 · 1 line", "all machines · 8 lines"]


async def test_the_highlighted_line_or_all_that_is_shown_can_be_copied() -> None:
    app = app_of(shop_backend(), logs_page)
    async with app.run_test() as pilot:
        await read(pilot)
        await pilot.press("c")
        assert app.clipboard == "2026-01-31 15:43:00 ws-1 nginx[123]: 502 Bad Gateway, an error of the upstream"
        await pilot.press("m", "C")
        assert app.clipboard.count("\n") == 1


async def test_long_lines_move_sideways() -> None:
    backend = FakeBackend(log_lines={"a": ("2026-01-31T15:40:00+0000 a x: " + "long " * 40 + "end",)})
    app = app_of(backend, lambda: LogsPage("shop", ("a",)))
    async with app.run_test() as pilot:
        await read(pilot)
        assert not shown(pilot).splitlines()[1].endswith("end")
        await pilot.press(*["right"] * 30)
        await until(pilot, "the end of the line", lambda: shown(pilot).splitlines()[1].endswith("end"))
        await pilot.press(*["left"] * 30)
        await until(pilot, "its beginning", lambda: shown(pilot).splitlines()[1].startswith(" 15:40:00 a x: long"))


@dataclass
class OneByOne(FakeBackend):
    """Machines answer when the test says so."""

    may_answer: dict[str, threading.Event] = field(default_factory=dict)

    def logs(self, name: str, machine: str, lines: int) -> tuple[str, ...]:
        assert self.may_answer[machine].wait(20)
        return super().logs(name, machine, lines)


async def test_machines_are_asked_at_the_same_time_and_shown_as_they_answer() -> None:
    backend = OneByOne(log_lines=dict(LOGS), may_answer={machine: threading.Event() for machine in MACHINES})
    app = app_of(backend, logs_page)
    async with app.run_test() as pilot:
        await until(pilot, "the page", lambda: isinstance(app.page, LogsPage))
        backend.may_answer["db-1"].set()
        await until(pilot, "the first", lambda: heading(pilot) == "all machines · 1 line · asking…")
        for event in backend.may_answer.values():
            event.set()
        await read(pilot)
        assert heading(pilot) == "all machines · 8 lines"


async def test_ten_thousand_lines_stay_quick() -> None:
    many: dict[str, tuple[str, ...] | BuildyardError] = {
        machine: tuple(
            f"2026-01-31T{hour:02d}:{minute:02d}:{second % 60:02d}+0000 {machine} app[1]: line {second} of nothing"
            for hour in range(10)
            for minute in range(10)
            for second in range(25)
        )
        for machine in MACHINES
    }
    app = app_of(FakeBackend(log_lines=many), lambda: LogsPage("shop", MACHINES))
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot)
        # LINES of each machine are asked for; the list itself has no limit.
        lines = merge({machine: parsed(machine, many[machine]) for machine in MACHINES})  # type: ignore[arg-type]
        assert len(lines) == 10_000
        rows = page_of(pilot).rows
        began = time.perf_counter()
        rows.show(lines)
        rows.words = "line 24 of"
        for key in ("home", "n", "n", "pagedown", "end"):
            await pilot.press(key)
        took_s = time.perf_counter() - began
        assert len(rows.hits) == 400
        assert rows.cursor == len(lines) - 1
        # Generous, for a machine that does other things: a list that draws every line needs a minute.
        assert took_s < 5


async def test_the_dashboard_is_below() -> None:
    app = app_of(shop_backend(), Went().dashboard)
    async with app.run_test() as pilot:
        await pilot.pause()
        await app.push_screen(logs_page())
        await read(pilot)
        await search(pilot, "error")
        await pilot.press("escape", "escape")
        await until(pilot, "the dashboard", lambda: app.page is not None and app.page.NAME == "Deployments")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_snapshot_search(snap_compare: Any, size: tuple[int, int]) -> None:
    async def searched(pilot: Pilot[Any]) -> None:
        await read(pilot)
        await search(pilot, "error")
        assert "find: error" in text_on(pilot.app)  # type: ignore[arg-type]

    backend = shop_backend()
    backend.log_lines["ws-2"] = Unreachable("No SSH connection to ws-2.", hint="buildyard status")
    assert snap_compare(app_of(backend, logs_page), terminal_size=size, run_before=searched)
