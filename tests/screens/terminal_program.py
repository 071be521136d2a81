"""The program that test_terminals.py runs in a terminal: the dashboard before a backend of samples.

``python -m tests.screens.terminal_program [FOLDER]``: a crash (keys ``w``, ``k``) keeps its log in FOLDER.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from screens.app import BuildyardApp
from screens.dashboard import DashboardPage
from screens.look import look_of
from screens.page import Page
from tests.screens.fleet_samples import BLOG, NOW, shop_backend

#: What a hostile machine may say: a new title, a cleared screen, a report of the cursor's place.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[6n\x9b31m\x1bc"
#: What a crash must not tell.
SECRET = "a-secret-in-a-local"


class Raw(Page):
    """A page that forgot to make what it shows safe."""

    NAME = "Raw"
    HELP = "For its test."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("k", "crash", "Crash", show=False)]

    def body(self) -> ComposeResult:
        yield Static(f"raw text{HOSTILE} shown", markup=False)

    def action_crash(self) -> None:
        token = SECRET  # noqa: F841 - a crash report must not show it
        raise RuntimeError("boom")


def main(folder: Path) -> int:
    backend = shop_backend()
    sick = replace(BLOG.machines[0], reason=f"page: {HOSTILE}HTTP 502")
    backend.statuses["blog"] = replace(BLOG, reason=f"ws-1: {HOSTILE}HTTP 502", machines=(sick,))
    backend.log_lines["ws-1"] = (f"2026-01-31T15:43:00+00:00 ws-1 nginx[1]: {HOSTILE}GET /ä 界",)

    def tell_fault(fault: BaseException) -> Path:
        log = folder / "fault.log"
        log.write_text(type(fault).__name__)
        return log

    def dashboard() -> Page:
        return DashboardPage(
            on_new=lambda: 0, on_change=lambda _: 0, on_run=lambda *_: 0, on_watch=lambda _: 0, now=lambda: NOW
        )

    look = look_of(os.environ, sys.__stderr__.encoding if sys.__stderr__ else None)
    app = BuildyardApp(backend, (dashboard,), look=look, tell_fault=tell_fault)
    app.install_screen(Raw(), "raw")
    app.bind("z", "push_screen('raw')", show=False)
    code = app.run()
    return app.return_code or code or 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
