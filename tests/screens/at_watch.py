"""A person at the live view of the autoscaler: the page over a story, and waits for what it has heard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from textual.pilot import Pilot

from fleet.autoscaler.watch_rows import Known
from screens.watch import WatchPage
from state.events import Event
from tests.fleet.autoscaler_journal import line, record, replacement
from tests.fleet.autoscaler_views import NOW, policy
from tests.screens.conftest import until
from tests.screens.fake_backend import FakeBackend

POLICY = policy(target=2, minimum=2, maximum=6)
EVENTS = tuple(replacement(NOW))
#: A few seconds after the last thing that happened.
LATER = EVENTS[-1].at + 3
KNOWN = Known(
    record(2, ws_2={"out_of_dns": "it is silent"}),
    {"as-1": Decimal(6), "as-2": Decimal(6), "db-1": Decimal(12), "ws-1": Decimal(6), "ws-2": Decimal(6)},
    {"shop.example.org": ("203.0.113.21",)},
    61,
)


def watch_backend(events: Iterable[Event] = EVENTS, known: Known = KNOWN) -> FakeBackend:
    return FakeBackend(
        knowns={"shop": known}, policies={"shop": POLICY}, journal=tuple(line(event) for event in events)
    )


def watch_page(now: float = LATER, **more: Any) -> WatchPage:
    return WatchPage("shop", now=lambda: now, time_of=lambda at: time.strftime("%H:%M:%S", time.gmtime(at)), **more)


def page_of(pilot: Pilot[Any]) -> WatchPage:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, WatchPage))


async def heard(pilot: Pilot[Any]) -> WatchPage:
    """Until the page shows all that was written."""
    await until(pilot, "the page", lambda: any(isinstance(screen, WatchPage) for screen in pilot.app.screen_stack))
    page = page_of(pilot)
    journal = page.app.backend.journal  # type: ignore[attr-defined]
    last = max((json.loads(each)["at"] for each in journal), default=0)
    await until(
        pilot,
        "the journal",
        lambda: page.watched.at and page.watched.at >= last - 0.001 and page.heard.connection.live,
    )
    await until(pilot, "the machines", lambda: "ws-1" in page.machines.text and "leads" in page.status.text)
    await pilot.pause()
    return page
