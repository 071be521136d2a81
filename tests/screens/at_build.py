"""A person at the build view: the page over a story, and waits for what it has read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from fleet.expected import Expected
from fleet.standing import Phase
from screens.app import BuildyardApp
from screens.build import BuildPage
from screens.widgets.machine_pane import MachinePane
from tests.screens.build_story import URL, Story
from tests.screens.conftest import until

Say = Callable[[BuildPage], object]


def page_of(story: Story, **more: Any) -> BuildPage:
    return BuildPage(
        "shop",
        story.folder,
        url=more.pop("url", URL),
        detail="development · on this machine",
        clock=story.clock,
        expected=lambda: Expected({"first build": 490.0}, {"first build": {"database": 60.0, "webserver": 70.0}}),
        **more,
    )


def build_page(app: BuildyardApp) -> BuildPage:
    return next(screen for screen in app.screen_stack if isinstance(screen, BuildPage))


async def ready(pilot: Pilot[Any], holds: Say = lambda page: page.snapshot) -> BuildPage:
    """Until the page has read what there is."""
    app = pilot.app
    assert isinstance(app, BuildyardApp)
    await until(pilot, "the page", lambda: any(isinstance(screen, BuildPage) for screen in app.screen_stack))
    page = build_page(app)
    await until(pilot, "what was read", lambda: page.snapshot is not None and holds(page))
    await until(pilot, "the expected times", lambda: page.heading.right)
    await pilot.pause()
    return page


def steps_done(count: int) -> Say:
    return lambda page: page.snapshot is not None and page.snapshot.done == count


def in_phase(phase: Phase) -> Say:
    return lambda page: page.snapshot is not None and page.snapshot.phase is phase


def focused(app: BuildyardApp) -> str:
    pane = build_page(app).focused
    assert isinstance(pane, MachinePane)
    return pane.machine
