"""The build view as a person sees it, at two sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fleet.standing import Phase
from tests.screens.at_build import Say, in_phase, page_of, ready, steps_done
from tests.screens.build_story import Story, done, failed, in_the_middle, waiting
from tests.screens.conftest import SIZES, app_of, until
from tests.screens.fake_backend import FakeBackend


def looks(snap_compare: Any, story: Story, holds: Say, size: tuple[int, int], *keys: str, **more: Any) -> bool:
    async def before(pilot: Pilot[Any]) -> None:
        page = await ready(pilot, holds)
        if page.snapshot is not None and page.snapshot.phase is Phase.RUNNING:
            await until(pilot, "the expected time", lambda: "8:10" in page.heading.right)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

    page = page_of(story, on_retry=lambda _name: None, **more)
    return bool(snap_compare(app_of(FakeBackend(), lambda: page), terminal_size=size, run_before=before))


@pytest.mark.parametrize("size", SIZES)
def test_looks_in_the_middle(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, in_the_middle(tmp_path / "run"), steps_done(20), size)


@pytest.mark.parametrize("size", SIZES)
def test_looks_waiting(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, waiting(tmp_path / "run"), steps_done(21), size)


@pytest.mark.parametrize("size", SIZES)
def test_looks_failed(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, failed(tmp_path / "run"), in_phase(Phase.FAILED), size)


@pytest.mark.parametrize("size", SIZES)
def test_looks_failure_explained(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, failed(tmp_path / "run"), in_phase(Phase.FAILED), size, "enter")


@pytest.mark.parametrize("size", SIZES)
def test_looks_done(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    assert looks(snap_compare, done(tmp_path / "run"), in_phase(Phase.DONE), size)


@pytest.mark.parametrize("size", SIZES)
def test_looks_with_many_machines(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    names = ("db-1", *(f"ws-{number}" for number in range(1, 9)))
    story = in_the_middle(tmp_path / "run", names)
    assert looks(snap_compare, story, lambda page: page.snapshot and page.snapshot.working == 9, size)
