"""Deployments as they may be, for the tests of dashboard and logs; the time stands still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.status import MachineHealth, Status
from screens.backend import Card
from screens.dashboard import DashboardPage
from state.runs import Run, RunState
from state.secret import Secret
from tests.screens.fake_backend import FakeBackend

#: 2026-01-31 15:45 UTC.
NOW = 1_769_874_300.0
PASSWORD = "correct-horse-staple"


def run_of(number: int, state: RunState, command: str = "build", ago_s: float = 600, took_s: float = 482) -> Run:
    started = NOW - ago_s
    finished = None if state in (RunState.RUNNING, RunState.INTERRUPTED) else started + took_s
    run_id = f"20260131-1{number:05d}-abcdef"
    return Run(run_id, Path("/runs") / run_id, state, command, started, finished)


def machine(name: str, role: str, number: int, **more: object) -> MachineHealth:
    healthy = MachineHealth(name, role, f"203.0.113.{number}", f"10.77.0.{number}", "running", True, "well", 0, "12.00")
    return replace(healthy, **more)  # type: ignore[arg-type]


SHOP_MACHINES = (
    machine("as-1", "autoscaler", 11, price_per_month="6.00"),
    machine("ws-1", "webserver", 12, reason="serving", milliseconds=82),
    machine("ws-2", "webserver", 13, reason="serving", milliseconds=77),
    machine("db-1", "database", 14),
)
SHOP = Status(
    deployment="shop",
    mode="production",
    provider="digitalocean",
    url="https://shop.example.org/",
    healthy=True,
    reason="all machines are well and the page is served",
    cost_per_month="42.00",
    machines=SHOP_MACHINES,
    dns=({"name": "shop.example.org", "addresses": ["203.0.113.12", "203.0.113.13"]},),
    autoscaler={},
    certificate={"days_left": 61},
    backups=(),
)
BLOG = replace(
    SHOP,
    deployment="blog",
    mode="development",
    provider="linode",
    url="https://blog.example.org/",
    healthy=False,
    reason="ws-1: page: the server answered 502 Bad Gateway instead of 200",
    cost_per_month="24.00",
    machines=(
        machine(
            "ws-1",
            "webserver",
            21,
            healthy=False,
            reason="page: the server answered 502 Bad Gateway instead of 200",
            milliseconds=1240,
        ),
        machine("db-1", "database", 22),
    ),
    dns=({"name": "blog.example.org", "addresses": ["203.0.113.21"]},),
    certificate={"days_left": 12},
)
SHOP_CARD = Card(
    "shop",
    "https://shop.example.org/",
    "digitalocean",
    "production",
    complete=True,
    built=True,
    runs=(
        run_of(3, RunState.DONE, ago_s=612),
        run_of(2, RunState.FAILED, ago_s=3 * 3600, took_s=41),
        run_of(1, RunState.INTERRUPTED, ago_s=2 * 86400),
    ),
)
BLOG_CARD = Card(
    "blog",
    "https://blog.example.org/",
    "linode",
    "development",
    complete=True,
    built=True,
    runs=(run_of(4, RunState.DONE, ago_s=86400),),
)
RUNNING_CARD = replace(SHOP_CARD, runs=(run_of(5, RunState.RUNNING, ago_s=130), *SHOP_CARD.runs))
UNFINISHED_CARD = Card("later", "", "", "", complete=False, built=False, runs=())
ANSWERED_CARD = replace(BLOG_CARD, name="ready", built=False, runs=())
LOGS = {
    "as-1": (
        "2026-01-31T15:40:00+00:00 as-1 systemd[1]: Started buildyard watch.",
        "2026-01-31T15:42:30+00:00 as-1 buildyard[211]: hold 2: 38 % of target load",
    ),
    "ws-1": (
        "2026-01-31T15:40:01+00:00 ws-1 nginx[123]: started",
        "2026-01-31T15:41:10+00:00 ws-1 php-fpm8.2[140]: ERROR: unable to read what was expected from the database",
        "  at line two of the same message",
        "2026-01-31T16:43:00+01:00 ws-1 nginx[123]: 502 Bad Gateway, an error of the upstream",
    ),
    "ws-2": ("2026-01-31T15:40:01+00:00 ws-2 nginx[119]: started",),
    "db-1": ("2026-01-31T15:41:09+00:00 db-1 mariadbd[300]: Too many connections",),
}


def shop_backend() -> FakeBackend:
    """Two deployments: one well, one with a sick machine."""
    return FakeBackend(
        all_cards=(BLOG_CARD, SHOP_CARD),
        statuses={"shop": SHOP, "blog": BLOG},
        log_lines=dict(LOGS),
        credentials={"url": "https://shop.example.org/wp-login.php", "user": "admin", "password": Secret(PASSWORD)},
    )


class Went:
    """Where the dashboard sent the user."""

    def __init__(self) -> None:
        self.to: list[tuple[object, ...]] = []

    def dashboard(self, now: float = NOW) -> DashboardPage:
        return DashboardPage(
            on_new=lambda: self.to.append(("new",)),
            on_change=lambda name: self.to.append(("change", name)),
            on_run=lambda *words: self.to.append(("run", *words)),
            on_watch=lambda name: self.to.append(("watch", name)),
            now=lambda: now,
        )
