"""The build view by keyboard while a run goes on: what it says, and what can be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.standing import Phase
from screens.build import BuildPage
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.failure import FailureDialog
from screens.zoom import ZoomPage
from state.events import Kind
from tests.screens.at_build import build_page, focused, in_phase, page_of, ready, steps_done
from tests.screens.build_story import URL, Story, failed, in_the_middle, waiting
from tests.screens.conftest import app_of, text_on, until
from tests.screens.fake_backend import FakeBackend

# while it goes on ------------------------------------------------------------------------------------------------


async def test_it_says_how_far_it_is_what_runs_and_what_the_machines_print(
    backend: FakeBackend, tmp_path: Path
) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await ready(pilot, steps_done(20))
        await until(pilot, "the expected time", lambda: "8:10" in page.heading.right)
        shown = text_on(app)
        assert "Building shop.example.org · development · on this machine" in shown
        assert "20 of 28 steps · 2 machines working" in shown
        assert "▶ database" in shown
        assert "MariaDB · step 2 of 14" in shown
        assert "Setting up [mariadb-common]" in shown


async def test_a_machine_that_waits_says_for_what_and_how_long(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(waiting(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, steps_done(21))
        assert '… ws-1 wordpress waits for db-1 "database", 31 s so far' in text_on(app)


async def test_before_the_plan_it_says_what_happens(backend: FakeBackend, tmp_path: Path) -> None:
    story = Story(tmp_path / "run").begin(planned=False)
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, lambda page: page.snapshot and page.snapshot.note)
        assert "▶ rehearsal: the rehearsal is up" in text_on(app)
        assert "preparing" in text_on(app)


async def test_a_run_is_followed_while_it_is_written(backend: FakeBackend, tmp_path: Path) -> None:
    story = in_the_middle(tmp_path / "run")
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await ready(pilot, steps_done(20))
        story.says("db-1", "database", "MariaDB", ["a line that comes later"])
        await until(pilot, "the line", lambda: "a line that comes later" in text_on(app))
        story.end("recipe:db-1:database")
        await until(pilot, "the end of the recipe", lambda: steps_done(21)(page))


async def test_without_its_address_the_plan_tells_it(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run"), url=""))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await ready(pilot, steps_done(20))
        assert "shop.example.org" in page.heading.left


async def test_control_codes_of_machines_never_reach_the_terminal(backend: FakeBackend, tmp_path: Path) -> None:
    story = in_the_middle(tmp_path / "run")
    evil = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b5m \x1bPq#\x1b\\ tab\there \u202eesrever\r\x08\x7f [bold]kept[/bold]"
    story.says("db-1", "database", evil, [evil])
    story.tell(Kind.NOTE, evil)
    story.step("db-1", "database", evil, status="")
    story.fails("db-1", "database", evil, evil, evil, evil)
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(120, 40)) as pilot:
        page = await ready(pilot, lambda page: page.snapshot and page.snapshot.failure)
        for keys in ((), ("1",), ("l",), ("escape",), ("enter",)):
            await pilot.press(*keys)
            await pilot.pause()
            shown = text_on(app)
            assert not any(ord(character) < 32 and character != "\n" for character in shown)
            assert not set("\x7f\x9b\u202e") & set(shown)
            assert "owned" not in shown
        assert "[bold]kept[/bold]" in shown
        assert isinstance(app.screen, FailureDialog)
        assert all("\x1b" not in line.text for output in page.outputs.values() for line in output.lines)


# keys ------------------------------------------------------------------------------------------------------------


async def test_focus_moves_by_tab_and_arrows_and_digits_zoom(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run", ("db-1", "ws-1", "ws-2", "ws-3"))))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, steps_done(34))
        await until(pilot, "focus", lambda: focused(app) == "db-1")
        for key, expected in (
            ("tab", "ws-1"),
            ("down", "ws-3"),
            ("left", "ws-2"),
            ("up", "db-1"),
            ("up", ""),
            ("down", "db-1"),
            ("shift+tab", ""),
        ):
            await pilot.press(key)
            assert focused(app) == expected, key
        await pilot.press("3")
        await until(pilot, "the zoomed machine", lambda: isinstance(app.screen, ZoomPage))
        assert isinstance(app.screen, ZoomPage)
        assert app.screen.machine == "ws-2"
        await pilot.press("escape")
        await until(pilot, "the build", lambda: isinstance(app.screen, BuildPage))
        assert focused(app) == "ws-2"


async def test_detaching_leaves_the_run_and_says_how_to_come_back(backend: FakeBackend, tmp_path: Path) -> None:
    closed: list[tuple[int, str]] = []
    page = page_of(in_the_middle(tmp_path / "run"), on_closed=lambda code, words: closed.append((code, words)))
    app = app_of(backend, lambda: page)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, steps_done(20))
        await pilot.press("d")
        await until(pilot, "the end", lambda: closed)
    assert closed[0][0] == 0
    assert "buildyard attach" in closed[0][1]
    assert backend.asked == []


async def test_the_last_page_ends_the_program_when_it_is_closed(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(failed(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, in_phase(Phase.FAILED))
        await pilot.press("q")
        await until(pilot, "the end", lambda: app.return_value is not None)
    assert app.return_value == 1


async def test_stopping_asks_first_and_then_asks_the_run(backend: FakeBackend, tmp_path: Path) -> None:
    story = in_the_middle(tmp_path / "run")
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, steps_done(20))
        await pilot.press("ctrl+c")
        await until(pilot, "the question", lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("enter")  # the safe answer is the focused one
        await until(pilot, "the page", lambda: isinstance(app.screen, BuildPage))
        assert backend.asked == []
        await pilot.press("ctrl+c")
        await until(pilot, "the question", lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("y")
        await until(pilot, "the stop", lambda: ("stop", story.folder) in backend.asked)
        story.says("db-1", "database", "MariaDB", ["still at it"])
        await until(pilot, "it is said", lambda: "Stopping: the steps under way end first" in text_on(app))
        story.over(ok=False, code=130, text="Stopped.")
        await ready(pilot, in_phase(Phase.STOPPED))
        assert "▲ Stopped: what was finished stays" in text_on(app)


async def test_the_time_of_what_runs_goes_on_in_its_own_row(backend: FakeBackend, tmp_path: Path) -> None:
    """Only rows that differ are drawn: then it must be those."""
    story = in_the_middle(tmp_path / "run")
    clock = story.clock
    page = BuildPage("shop", story.folder, url=URL, clock=clock)
    app = app_of(backend, lambda: page)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, steps_done(20))
        clock.at += 300
        await until(pilot, "the step's time", lambda: re.search(r"step \d+ of \d+ · 5:\d\d", text_on(app)))
        assert re.search(r"▶ database +[56]:\d\d", text_on(app)), text_on(app)


async def test_help_names_every_key_of_the_footer(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await ready(pilot, steps_done(20))
        told = {active.binding.action for active in page.actions()}
        shown = {active.binding.action for active in page.active_bindings.values() if active.binding.show}
        assert shown <= told
        words = sum(
            len(app.get_key_display(active.binding)) + len(active.binding.description) + 2
            for active in page.active_bindings.values()
            if active.binding.show
        )
        assert words <= 80


# sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (250, 80), (40, 12)])
@pytest.mark.parametrize("count", [1, 3, 12])
async def test_many_machines_fit_or_scroll(
    backend: FakeBackend, tmp_path: Path, size: tuple[int, int], count: int
) -> None:
    names = ("db-1", *(f"ws-{number}" for number in range(1, count)))
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run", names)))
    async with app.run_test(size=size) as pilot:
        await ready(pilot, lambda page: page.snapshot and len(page.snapshot.machines) == count)
        for _ in range(count):
            await pilot.press("tab")
        await pilot.resize_terminal(size[0] + 20, size[1] + 5)
        await pilot.pause()
        assert len(build_page(app).grid.panes) == count
