"""How the wizard looks, at the smallest terminal and at a usual one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.screens.at_wizard import EVERYTHING, SMALL, At
from tests.screens.conftest import SIZES, app_of
from tests.screens.wizard_talks import Desk


async def template(at: At) -> None:
    await at.asked("template")
    await at.press("down", "down")


async def text(at: At) -> None:
    await at.begin(*SMALL)
    await at.answer("deployment.name")
    await at.asked("site.domain")
    await at.type("shop.example.org")


async def provider(at: At) -> None:
    await at.begin(*EVERYTHING)
    await at.answer_until("provider.name")


async def not_built(at: At) -> None:
    await at.begin(*EVERYTHING)
    await at.answer_until("application.source")
    await at.press("down", "down")


async def prices(at: At) -> None:
    await at.begin(*EVERYTHING)
    await at.answer_until("machines.webserver_size")


async def token_refused(at: At) -> None:
    await at.begin(*SMALL)
    await at.answer_until("digitalocean.token")
    await at.type("dop_v1_" + "1b" * 32)
    await at.press("enter")
    await at.sees("The token does not work.")


async def cloud_away(at: At) -> None:
    await at.begin(*EVERYTHING)
    await at.answer_until("mode")
    at.desk.cloud.is_away = True
    await at.press("enter")
    await at.sees("The cloud does not answer.")


async def steps(at: At) -> None:
    await at.begin(*EVERYTHING)
    await at.answer_until("database.kind")
    await at.press("ctrl+j")


async def review(at: At) -> None:
    await at.begin(*SMALL)
    await at.answer_until("")
    await at.planned()


async def plan_table(at: At) -> None:
    await review(at)
    await at.press("p")


async def plan_graph(at: At) -> None:
    await review(at)
    await at.press("g")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "scene",
    [template, text, provider, not_built, prices, token_refused, cloud_away, steps, review, plan_table, plan_graph],
)
def test_looks(
    snap_compare: Any, tmp_path: Path, scene: Callable[[At], Awaitable[None]], size: tuple[int, int]
) -> None:
    desk = Desk(tmp_path)
    app = app_of(desk.backend, desk.page())

    async def before(pilot: Any) -> None:
        await scene(At(desk, app, pilot))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)
