"""One machine on the whole screen: steps and lines, search, copy, and a place that stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import BuildyardApp
from screens.build import BuildPage
from screens.run_feed import KEPT_LINES
from screens.zoom import ZoomPage
from tests.screens.at_build import page_of, ready
from tests.screens.build_story import Story, failed, in_the_middle
from tests.screens.conftest import SIZES, app_of, text_on, until
from tests.screens.fake_backend import FakeBackend


async def zoom(pilot: Pilot[Any], key: str = "1") -> ZoomPage:
    """Zooms, and waits until its lines are there."""
    app = pilot.app
    await ready(pilot, lambda page: page.snapshot and page.snapshot.machines and page.outputs["db-1"].lines)
    await pilot.press(key)
    await until(pilot, "the zoomed machine", lambda: isinstance(app.screen, ZoomPage))
    page = app.screen
    assert isinstance(page, ZoomPage)
    await until(pilot, "its lines", lambda: page.lines.virtual_size.height)
    await pilot.pause()
    return page


def lines_on(app: BuildyardApp) -> list[str]:
    """What can be seen, without the scrollbar."""
    return [line[:78].rstrip() for line in text_on(app).splitlines()]


def told(story: Story, *lines: str) -> Story:
    return story.says("db-1", "database", "MariaDB", lines)


async def test_lines_and_steps_one_at_a_time_where_it_is_narrow(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        await zoom(pilot)
        assert "── database · MariaDB" in text_on(app)
        assert "repository" not in text_on(app)
        await pilot.press("l")
        await pilot.pause()
        shown = text_on(app)
        assert "▶ database" in shown
        assert "+ changed    0.8 s  repository" in shown
        assert "── database · MariaDB" not in shown
        await pilot.press("l", "escape")
        await until(pilot, "the build", lambda: isinstance(app.screen, BuildPage))


async def test_lines_and_steps_beside_each_other_where_it_is_wide(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run")))
    async with app.run_test(size=(120, 40)) as pilot:
        page = await zoom(pilot)
        assert "repository" in text_on(app)
        assert "── database · MariaDB" in text_on(app)
        assert page.lines.has_focus
        await pilot.press("l")
        assert page.steps.has_focus


async def test_a_text_is_found_and_found_again(backend: FakeBackend, tmp_path: Path) -> None:
    lines = [f"a needle, number {number}" if number % 100 == 0 else f"hay {number}" for number in range(500)]
    app = app_of(backend, lambda: page_of(told(in_the_middle(tmp_path / "run"), *lines)))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await zoom(pilot)
        await until(pilot, "all lines", lambda: "hay 499" in text_on(app))
        await pilot.press("home", "slash")
        await pilot.press(*"NEEDLE", "enter")
        await pilot.pause()
        assert page.heading.right == '1 of 5 with "NEEDLE"'
        assert "a needle, number 0" in text_on(app)
        for key, number in (("n", 2), ("n", 3), ("N", 2), ("N", 1), ("N", 5), ("n", 1)):
            await pilot.press(key)
            await pilot.pause()
            assert page.heading.right == f'{number} of 5 with "NEEDLE"'
            assert f"a needle, number {(number - 1) * 100}" in text_on(app)
        await pilot.press("slash", *"nonsense", "enter")
        await pilot.pause()
        assert page.heading.right == '"nonsense" is nowhere'


async def test_escape_ends_the_search_before_it_leaves(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await zoom(pilot, "slash")
        await until(pilot, "the field", lambda: page.query_one(Input).has_focus)
        await pilot.press("q")
        assert page.searched.value == "q"
        await pilot.press("escape")
        await pilot.pause()
        assert not page.searched.display
        assert app.screen is page


async def test_what_is_in_sight_is_copied(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(told(in_the_middle(tmp_path / "run"), *(f"line {n}" for n in range(100)))))
    async with app.run_test(size=(80, 24)) as pilot:
        await zoom(pilot)
        await until(pilot, "all lines", lambda: "line 99" in text_on(app))
        await pilot.press("c")
        assert app.clipboard.splitlines()[-1] == "line 99"
        assert len(app.clipboard.splitlines()) == 22
        await pilot.press("home", "c")
        assert "▶ machine db-1" in app.clipboard


async def test_what_is_selected_is_copied(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(told(in_the_middle(tmp_path / "run"), *(f"line {n}" for n in range(100)))))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await zoom(pilot)
        await until(pilot, "all lines", lambda: "line 99" in text_on(app))
        await pilot.mouse_down(page.lines, offset=(1, 3))
        await pilot.hover(page.lines, offset=(30, 4))
        await pilot.mouse_up(page.lines, offset=(30, 4))
        await pilot.press("c")
        assert app.clipboard.splitlines() == ["line 81", "line 82"]


async def test_the_end_is_followed_until_one_scrolls_up(backend: FakeBackend, tmp_path: Path) -> None:
    story = told(in_the_middle(tmp_path / "run"), *(f"old {n}" for n in range(100)))
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        await zoom(pilot)
        await until(pilot, "the end", lambda: "old 99" in text_on(app))
        told(story, "new 1")
        await until(pilot, "the new line", lambda: "new 1" in text_on(app))
        await pilot.press("pageup")
        await pilot.pause()
        before = lines_on(app)
        told(story, "new 2")
        page = app.screen
        assert isinstance(page, ZoomPage)
        height = page.lines.virtual_size.height
        await until(pilot, "the line behind the end", lambda: page.lines.virtual_size.height > height)
        await pilot.pause()
        assert lines_on(app) == before
        await pilot.press("end")
        await until(pilot, "the end", lambda: "new 2" in text_on(app))


async def test_of_many_lines_the_last_ones_are_kept(backend: FakeBackend, tmp_path: Path) -> None:
    count = 3 * KEPT_LINES
    story = told(in_the_middle(tmp_path / "run"), *(f"line {n}" for n in range(count)))
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await zoom(pilot)
        await until(pilot, "the end", lambda: f"line {count - 1}" in text_on(app), timeout_s=30)
        build = next(screen for screen in app.screen_stack if isinstance(screen, BuildPage))
        assert len(build.outputs["db-1"].lines) == KEPT_LINES
        assert page.lines.virtual_size.height == KEPT_LINES
        await pilot.press("slash", *f"line {count - 500}", "enter")
        await pilot.pause()
        assert f"line {count - 500}" in text_on(app)
        told(story, *(f"further {n}" for n in range(300)))
        await until(pilot, "further lines", lambda: build.outputs["db-1"].dropped > count - KEPT_LINES + 200)
        await pilot.pause()
        assert f"line {count - 500}" in text_on(app)  # the place stays although old lines went


def looks(snap_compare: Any, story: Story, size: tuple[int, int], *keys: str) -> bool:
    async def before(pilot: Pilot[Any]) -> None:
        await zoom(pilot, keys[0])
        for key in keys[1:]:
            await pilot.press(key)
            await pilot.pause()

    return bool(snap_compare(app_of(FakeBackend(), lambda: page_of(story)), terminal_size=size, run_before=before))


@pytest.mark.parametrize("size", SIZES)
def test_looks_zoomed(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, in_the_middle(tmp_path / "run"), size, "1")


@pytest.mark.parametrize("size", SIZES)
def test_looks_of_steps_with_a_failure(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, failed(tmp_path / "run"), size, "2", "l", "end")


@pytest.mark.parametrize("size", SIZES)
def test_looks_of_a_search(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, failed(tmp_path / "run"), size, "2", "slash", *"part 1", "enter")
